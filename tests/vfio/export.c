/* SPDX-License-Identifier: BSD-3-Clause */
/* VFIO_DEVICE_FEATURE, its DMA_BUF above all; the answers were asked of Linux 7.3. */
#include "fixture.h"

#include <fcntl.h>

static const struct vfio_region_dma_range page = {.offset = 0, .length = 4096};

static void the_buffer_is_the_concatenation_of_its_ranges(void **state)
{
	struct fixture *x = *state;
	const struct vfio_region_dma_range ranges[3] = {{4096, 4096}, {0, 8192}, {0, 8192}};
	int fd = export_ranges(x, 2, O_RDWR | O_CLOEXEC, 0, 3, ranges);
	struct dma_buf *b = dma_buf_from_file(fake_task_file(x->ft, fd));
	const struct dma_buf_phys_list *list = b->ops->layout(b);

	assert_int_equal(fake_task_lseek(x->ft, fd, 0, SEEK_END), 20480);
	assert_int_equal(list->nr_ranges, 3);
	assert_int_equal(list->ranges[0].pa, x->fn->bars[2].base + 4096);
	assert_int_equal(list->ranges[2].len, 8192);
	assert_ptr_equal(list->provider, x->fn);
	assert_int_equal(fake_task_file(x->ft, fd)->open_flags & O_ACCMODE, O_RDWR);
}

static void it_refuses(void **state)
{
	struct fixture *x = *state;
	const uint64_t half = 1ull << 63;
	const struct {
		uint32_t region, open_flags, flags, nr;
		struct vfio_region_dma_range ranges[3];
		int err;
	} cases[] = {
		{2, 0, 0, 0, {page}, -EINVAL},
		{2, 0, 1, 1, {page}, -EINVAL},
		{5, 0, 0, 0, {page}, -EINVAL},
		{5, 0, 1, 1, {page}, -EINVAL},
		{1, 0, 0, 1, {page}, -ENODEV},
		{3, 0, 0, 1, {page}, -ENODEV},
		{6, 0, 0, 1, {page}, -ENODEV},
		{7, 0, 0, 1, {page}, -ENODEV},
		{UINT32_MAX, 0, 0, 1, {page}, -ENODEV},
		{5, 0, 0, 1, {{5, 4096}}, -ENODEV},
		{5, 0, 0, 1u << 24, {page}, -ENODEV},
		{2, 0, 0, 1u << 24, {page}, -ENOMEM},
		{2, 0, 0, 1, {{0, 0}}, -EINVAL},
		{2, 0, 0, 1, {{0, 100}}, -EINVAL},
		{2, 0, 0, 1, {{5, 4096}}, -EINVAL},
		{2, 0, 0, 1, {{MEMORY_SIZE, 4096}}, -EINVAL},
		{2, 0, 0, 1, {{MEMORY_SIZE - 4096, 8192}}, -EINVAL},
		{2, 0, 0, 1, {{-4096ull, 4096}}, -EOVERFLOW},
		{2, 0, 0, 1, {{-4096ull, 8192}}, -EOVERFLOW},
		{2, 0, 0, 1, {{half, half - 4096}}, -EOVERFLOW},
		{2, 0, 0, 1, {{half, half}}, -EINVAL},
		{2, 0, 0, 1, {{0, -4096ull}}, -EINVAL},
		{2, 0, 0, 1, {{-4096ull, -4096ull}}, -EINVAL},
		{2, 0, 0, 2, {{0, half}, {0, half}}, -EINVAL},
		{2, 0, 0, 2, {{0, 1ull << 62}, {0, 1ull << 62}}, -EINVAL},
		{2, 0, 0, 2, {{-4096ull, -4096ull}, {0, 8192}}, -EINVAL},
		{2, 0, 0, 2, {page, {5, 4096}}, -EINVAL},
		{2, 0, 0, 2, {{-4096ull, 8192}, {5, 4096}}, -EINVAL},
		{2, 0, 0, 2, {{MEMORY_SIZE, 4096}, {-4096ull, 8192}}, -EINVAL},
		{2, 0, 0, 2, {{-4096ull, 8192}, {MEMORY_SIZE, 4096}}, -EOVERFLOW},
		{0, 0, 0, 1, {{0x4000, 4096}}, -EINVAL},
	};
	unsigned before = fake_task_nr_fds(x->ft);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (export_ranges(x, cases[i].region, cases[i].open_flags, cases[i].flags, cases[i].nr,
				  cases[i].ranges) != cases[i].err)
			fail_msg("case %zu is not %d", i, cases[i].err);
	assert_int_equal(fake_task_nr_fds(x->ft), before);
	assert_true(list_empty(&x->fn->gate.clients));
}

static void a_full_fd_table_releases_the_buffer(void **state)
{
	struct fixture *x = *state;
	unsigned before = fake_task_nr_fds(x->ft);

	fake_task_limit_fds(x->ft, before);
	assert_int_equal(export_one(x, 0, 4096), -EMFILE);
	assert_true(list_empty(&x->fn->gate.clients));
	assert_int_equal(fake_task_nr_fds(x->ft), before);
}

static long feature(struct fixture *x, uint32_t flags, uint32_t argsz, const void *data, size_t len)
{
	union {
		struct vfio_device_feature feature;
		uint8_t bytes[256];
	} arg = {.feature = {.argsz = argsz, .flags = flags}};

	if (len)
		memcpy(arg.feature.data, data, len);
	return device_ioctl(x, VFIO_DEVICE_FEATURE, &arg);
}

static void ranges_beyond_the_programs_memory_are_efault(void **state)
{
	struct fixture *x = *state;
	uint8_t *two = aligned_alloc(4096, 8192);
	struct vfio_device_feature *f = (void *)(two + 4096 - 8 - 16 - 16);
	struct vfio_device_feature_dma_buf *get = (void *)f->data;

	*f = (struct vfio_device_feature){.argsz = 56, .flags = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_BUF};
	*get = (struct vfio_device_feature_dma_buf){.region_index = 2, .nr_ranges = 2};
	get->dma_ranges[0] = page;
	fake_task_fault(x->ft, (uaddr_t)two + 4096, 4096);
	assert_int_equal(device_ioctl(x, VFIO_DEVICE_FEATURE, f), -EFAULT);
	get->nr_ranges = 1;
	assert_true(device_ioctl(x, VFIO_DEVICE_FEATURE, f) >= 0);
	free(two);
}

static void features_are_probed(void **state)
{
	struct fixture *x = *state;
	const uint32_t probe = VFIO_DEVICE_FEATURE_PROBE, get = VFIO_DEVICE_FEATURE_GET, set = VFIO_DEVICE_FEATURE_SET;

	for (uint32_t i = 0; i < 22; i++) {
		bool low_power = i >= 3 && i <= 5, known = low_power || i == 11 || i == 12;

		assert_int_equal(feature(x, probe | i, 8, NULL, 0), !known ? -ENOTTY : i == 12 ? -EINVAL : 0);
		assert_int_equal(feature(x, probe | get | i, 8, NULL, 0), !known ? -ENOTTY : i == 11 ? 0 : -EINVAL);
		assert_int_equal(feature(x, probe | set | i, 8, NULL, 0), !known ? -ENOTTY : low_power ? 0 : -EINVAL);
		assert_int_equal(feature(x, probe | get | set | i, 8, NULL, 0), known ? -EINVAL : -ENOTTY);
		assert_int_equal(feature(x, get | set | i, 64, NULL, 0), -EINVAL);
		assert_int_equal(feature(x, i, 64, NULL, 0), known ? -EINVAL : -ENOTTY);
	}
	assert_int_equal(feature(x, get | 11, 8, NULL, 0), -EINVAL);
	assert_int_equal(feature(x, set | 11, 64, NULL, 0), -EINVAL);
	assert_int_equal(feature(x, probe | 11, 4, NULL, 0), -EINVAL);
	assert_int_equal(feature(x, probe | 1u << 20 | 11, 8, NULL, 0), -EINVAL);
	assert_int_equal(device_ioctl(x, VFIO_DEVICE_FEATURE, NULL), -EFAULT);
}

static void low_power_revokes_until_it_is_left(void **state)
{
	struct fixture *x = *state;
	const uint32_t set = VFIO_DEVICE_FEATURE_SET;
	int64_t addr = map_bar(x, 2, 0, 4096);
	struct cpu_mapping *m = mapping_at(x, addr)->mapping;
	uint32_t word;

	assert_int_equal(feature(x, set | 5, 8, NULL, 0), 0);
	assert_int_equal(feature(x, set | 3, 8, NULL, 0), 0);
	assert_true(m->zapped);
	assert_int_equal(feature(x, set | 3, 8, NULL, 0), -EINVAL);
	assert_int_equal(fake_task_pread(x->ft, x->device, &word, 4, REGION(2)), 4);
	assert_true(m->zapped);
	set_command(x, 0);
	set_command(x, PCI_COMMAND_MEMORY);
	assert_true(m->zapped);
	assert_int_equal(feature(x, set | 5, 8, NULL, 0), 0);
	assert_false(m->zapped);
}

static void low_power_with_wakeup_ends_at_the_next_access(void **state)
{
	struct fixture *x = *state;
	const uint32_t set = VFIO_DEVICE_FEATURE_SET;
	int64_t addr = map_bar(x, 2, 0, 4096);
	struct cpu_mapping *m = mapping_at(x, addr)->mapping;
	int32_t entry[2] = {-1, 0};
	int event = fake_task_eventfd(x->ft);
	uint32_t word;

	assert_int_equal(feature(x, set | 4, 16, entry, 8), -EINVAL);
	entry[0] = 99;
	assert_int_equal(feature(x, set | 4, 16, entry, 8), -EBADF);
	entry[0] = x->device;
	assert_int_equal(feature(x, set | 4, 16, entry, 8), -EINVAL);
	entry[0] = event;
	assert_int_equal(feature(x, set | 4, 8, entry, 8), -EINVAL);
	assert_int_equal(feature(x, set | 4, 16, entry, 8), 0);
	assert_true(m->zapped);
	assert_int_equal(fake_task_event_read(x->ft, event), 0);
	assert_int_equal(fake_task_pread(x->ft, x->device, &word, 4, REGION(2)), 4);
	assert_int_equal(fake_task_event_read(x->ft, event), 1);
	assert_false(m->zapped);
	/* Closing while asleep lets go of the eventfd. */
	assert_int_equal(feature(x, set | 4, 16, entry, 8), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_buffer_is_the_concatenation_of_its_ranges, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(it_refuses, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(a_full_fd_table_releases_the_buffer, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(ranges_beyond_the_programs_memory_are_efault, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(features_are_probed, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(low_power_revokes_until_it_is_left, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(low_power_with_wakeup_ends_at_the_next_access, fixture_setup,
						fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
