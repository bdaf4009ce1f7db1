/* SPDX-License-Identifier: BSD-3-Clause */
/* What regions there are, and read, write and mmap of them. */
#include "fixture.h"

struct region_answer {
	struct vfio_region_info info;
	uint8_t caps[256];
};

static long region_info(struct fixture *x, struct region_answer *a, uint32_t index, uint32_t argsz)
{
	memset(a, 0, sizeof(*a));
	a->info.argsz = argsz;
	a->info.index = index;
	return device_ioctl(x, VFIO_DEVICE_GET_REGION_INFO, a);
}

static const struct vfio_info_cap_header *find_cap(const struct region_answer *a, uint16_t id)
{
	for (uint32_t at = a->info.cap_offset; at;) {
		const struct vfio_info_cap_header *h = (const void *)((const uint8_t *)a + at);

		if (h->id == id)
			return h;
		at = h->next;
	}
	return NULL;
}

static void regions_lie_40_bits_apart(void **state)
{
	struct fixture *x = *state;
	static const uint64_t sizes[9] = {[0] = 0x4000, [2] = MEMORY_SIZE, [7] = 4096};
	struct region_answer a;

	for (uint32_t i = 0; i < 8; i++) {
		assert_int_equal(region_info(x, &a, i, 28), -EINVAL);
		assert_int_equal(region_info(x, &a, i, 32), 0);
		assert_int_equal(a.info.offset, REGION(i));
		assert_int_equal(a.info.size, sizes[i]);
		assert_int_equal(a.info.cap_offset, 0);
		if (!sizes[i])
			assert_int_equal(a.info.flags, 0);
	}
	assert_int_equal(region_info(x, &a, 7, 32), 0);
	assert_int_equal(a.info.flags, VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE);
	for (uint32_t i = 8; i < 11; i++)
		assert_int_equal(region_info(x, &a, i, 32), -EINVAL);
	assert_int_equal(device_ioctl(x, VFIO_DEVICE_GET_REGION_INFO, NULL), -EFAULT);
}

static void capabilities_come_when_all_fit(void **state)
{
	struct fixture *x = *state;
	const struct vfio_region_info_cap_sparse_mmap *sparse;
	struct region_answer a;
	uint32_t needed;

	assert_int_equal(region_info(x, &a, 0, 32), 0);
	assert_true(a.info.flags & VFIO_REGION_INFO_FLAG_CAPS);
	assert_int_equal(a.info.cap_offset, 0);
	needed = a.info.argsz;
	assert_int_equal(region_info(x, &a, 0, needed - 1), 0);
	assert_int_equal(a.info.argsz, needed);
	assert_int_equal(a.info.cap_offset, 0);
	assert_int_equal(region_info(x, &a, 0, sizeof(a)), 0);
	assert_int_equal(a.info.argsz, sizeof(a));
	assert_int_equal(a.info.cap_offset, 32);
	assert_non_null(find_cap(&a, VFIO_REGION_INFO_CAP_MSIX_MAPPABLE));
	sparse = (const void *)find_cap(&a, VFIO_REGION_INFO_CAP_SPARSE_MMAP);
	assert_non_null(sparse);
	assert_int_equal(sparse->nr_areas, 1);
	assert_int_equal(sparse->areas[0].offset, 0);
	assert_int_equal(sparse->areas[0].size, 0x2000);
	/* Plain memory is whole. */
	assert_int_equal(region_info(x, &a, 2, sizeof(a)), 0);
	assert_int_equal(a.info.flags,
			 VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE | VFIO_REGION_INFO_FLAG_MMAP);
}

static void accesses_of_any_length_and_alignment(void **state)
{
	struct fixture *x = *state;
	uint8_t out[32], in[32];

	for (unsigned i = 0; i < sizeof(out); i++)
		out[i] = (uint8_t)(i + 1);
	for (unsigned offset = 0; offset < 8; offset++) {
		for (unsigned len = 0; len <= 9; len++) {
			memset(in, 0, sizeof(in));
			assert_int_equal(fake_task_pwrite(x->ft, x->device, out, len, REGION(2) + 64 + offset), len);
			assert_int_equal(fake_task_pread(x->ft, x->device, in, len, REGION(2) + 64 + offset), len);
			assert_memory_equal(in, out, len);
		}
	}
}

static void accesses_end_with_the_region(void **state)
{
	struct fixture *x = *state;
	static uint8_t bytes[8192];

	assert_int_equal(fake_task_pread(x->ft, x->device, bytes, 8, REGION(2) + MEMORY_SIZE - 4), 4);
	assert_int_equal(fake_task_pwrite(x->ft, x->device, bytes, 8, REGION(2) + MEMORY_SIZE - 4), 4);
	assert_int_equal(fake_task_pread(x->ft, x->device, bytes, 1, REGION(2) + MEMORY_SIZE), -EINVAL);
	assert_int_equal(fake_task_pread(x->ft, x->device, bytes, 4, REGION(1)), -EINVAL);
	assert_int_equal(fake_task_pread(x->ft, x->device, bytes, 0, REGION(1)), 0);
	assert_int_equal(fake_task_pread(x->ft, x->device, bytes, 4, REGION(6)), -EINVAL);
	assert_int_equal(fake_task_pwrite(x->ft, x->device, bytes, 4, REGION(6)), -EINVAL);
	assert_int_equal(fake_task_pread(x->ft, x->device, bytes, 4, REGION(8)), -EINVAL);
	assert_int_equal(fake_task_pread(x->ft, x->device, bytes, 4, REGION(9)), -EINVAL);
	assert_int_equal(fake_task_pread(x->ft, x->device, bytes, 4, 1ull << 62), -EINVAL);
	assert_int_equal(fake_task_pread(x->ft, x->device, (void *)8, 4, REGION(2)), -EFAULT);
	assert_int_equal(fake_task_pwrite(x->ft, x->device, (void *)8, 4, REGION(2)), -EFAULT);
	assert_int_equal(fake_task_pread(x->ft, x->device, (void *)8, 0, REGION(2)), 0);
	assert_int_equal(fake_task_pread(x->ft, x->device, bytes, 8192, REGION(2)), 8192);
	assert_int_equal(fake_task_pread(x->ft, x->device, bytes, 4, REGION(7) + 4096), -EFAULT);
	assert_int_equal(fake_task_pread(x->ft, x->device, bytes, 4, REGION(7) + 4094), -EFAULT);
	assert_int_equal(fake_task_pread(x->ft, x->device, (void *)8, 4, REGION(7)), -EFAULT);
	assert_int_equal(fake_task_pread(x->ft, x->device, bytes, 4096, REGION(7)), 4096);
}

static void the_msix_table_is_hidden(void **state)
{
	struct fixture *x = *state;
	const uint64_t end = CARD_MSIX + CARD_NR_MSIX * 16;
	uint8_t bytes[16];

	memset(bytes, 0, sizeof(bytes));
	assert_int_equal(fake_task_pwrite(x->ft, x->device, bytes, 16, REGION(0) + CARD_MSIX), 16);
	assert_int_equal(pci_mmio_read(x->fn, 0, CARD_MSIX + 12, 4), 1);
	assert_int_equal(fake_task_pread(x->ft, x->device, bytes, 16, REGION(0) + CARD_MSIX - 4), 16);
	for (int i = 4; i < 16; i++)
		assert_int_equal(bytes[i], 0xff);
	assert_int_not_equal(bytes[0], 0xff);
	assert_int_equal(fake_task_pread(x->ft, x->device, bytes, 16, REGION(0) + end - 8), 16);
	assert_int_equal(bytes[7], 0xff);
	assert_int_equal(bytes[8], 0);
}

static void mmap_refuses_what_linux_refuses(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(fake_task_mmap(x->ft, x->device, 4096, PROT_READ, MAP_PRIVATE, REGION(2)), -EINVAL);
	assert_int_equal(map_bar(x, 1, 0, 4096), -EINVAL);
	assert_int_equal(map_bar(x, 6, 0, 4096), -EINVAL);
	assert_int_equal(map_bar(x, 7, 0, 4096), -EINVAL);
	assert_int_equal(map_bar(x, 9, 0, 4096), -EINVAL);
	assert_int_equal(map_bar(x, 2, MEMORY_SIZE, 4096), -EINVAL);
	assert_int_equal(map_bar(x, 2, MEMORY_SIZE - 4096, 8192), -EINVAL);
	assert_int_equal(map_bar(x, 2, 0, MEMORY_SIZE + 4096), -EINVAL);
	assert_int_equal(map_bar(x, 0, CARD_HOLE, 4096), -EINVAL);
	assert_int_equal(map_bar(x, 0, 0, 0x4000), -EINVAL);
	fake_task_fail_place(x->ft, -ENOMEM);
	assert_int_equal(map_bar(x, 2, 0, 4096), -ENOMEM);
	assert_true(list_empty(&x->fn->gate.clients));
	assert_true(map_bar(x, 0, 0, 0x2000) > 0);
	assert_true(map_bar(x, 2, 0, MEMORY_SIZE) > 0);
	assert_true(map_bar(x, 2, MEMORY_SIZE - 4096, 4096) > 0);
}

static void ioeventfds_store(void **state)
{
	struct fixture *x = *state;
	struct vfio_device_ioeventfd io = {
		.argsz = sizeof(io), .flags = VFIO_DEVICE_IOEVENTFD_32, .offset = 8, .data = 0x1234, .fd = -1};
	int event = fake_task_eventfd(x->ft);

	assert_int_equal(device_ioctl(x, VFIO_DEVICE_IOEVENTFD, &io), -ENODEV);
	io.fd = event;
	assert_int_equal(device_ioctl(x, VFIO_DEVICE_IOEVENTFD, &io), 0);
	fake_task_event_write(x->ft, event);
	assert_int_equal(x->card->last_offset, 8);
	assert_int_equal(x->card->last_value, 0x1234);
	assert_int_equal(device_ioctl(x, VFIO_DEVICE_IOEVENTFD, &io), -EEXIST);
	io.flags = 3;
	assert_int_equal(device_ioctl(x, VFIO_DEVICE_IOEVENTFD, &io), -EINVAL);
	io.flags = VFIO_DEVICE_IOEVENTFD_32;
	io.fd = -2;
	assert_int_equal(device_ioctl(x, VFIO_DEVICE_IOEVENTFD, &io), -EINVAL);
	io.fd = 99;
	io.data = 1;
	assert_int_equal(device_ioctl(x, VFIO_DEVICE_IOEVENTFD, &io), -EBADF);
	io.fd = x->device;
	assert_int_equal(device_ioctl(x, VFIO_DEVICE_IOEVENTFD, &io), -EINVAL);
	io.fd = event;
	io.offset = CARD_MSIX;
	assert_int_equal(device_ioctl(x, VFIO_DEVICE_IOEVENTFD, &io), -EINVAL);
	io.offset = REGION(7);
	assert_int_equal(device_ioctl(x, VFIO_DEVICE_IOEVENTFD, &io), -EINVAL);
	io.offset = 0x4000;
	assert_int_equal(device_ioctl(x, VFIO_DEVICE_IOEVENTFD, &io), -EINVAL);
	io.offset = 8;
	io.data = 0x1234;
	io.fd = -1;
	assert_int_equal(device_ioctl(x, VFIO_DEVICE_IOEVENTFD, &io), 0);
	x->card->last_value = 0;
	fake_task_event_write(x->ft, event);
	assert_int_equal(x->card->last_value, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(regions_lie_40_bits_apart, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(capabilities_come_when_all_fit, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(accesses_of_any_length_and_alignment, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(accesses_end_with_the_region, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(the_msix_table_is_hidden, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(mmap_refuses_what_linux_refuses, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(ioeventfds_store, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
