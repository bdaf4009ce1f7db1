/* SPDX-License-Identifier: BSD-3-Clause */
/* Opening, binding, attaching and closing. The answers were asked of Linux 7.3. */
#include "fixture.h"

static void before_it_is_bound_everything_is_einval(void **state)
{
	struct fixture *x = *state;
	int fd = fixture_open(x, "/dev/vfio/devices/vfio1");
	char buf[64] = {0};

	assert_true(fd >= 0);
	for (unsigned i = 100; i < 124; i++)
		if (i != 118)
			assert_int_equal(fake_task_ioctl(x->ft, fd, _IO(';', i), buf), -EINVAL);
	assert_int_equal(fake_task_pread(x->ft, fd, buf, 4, 0), -EINVAL);
	assert_int_equal(fake_task_pread(x->ft, fd, buf, 0, 0), -EINVAL);
	assert_int_equal(fake_task_pwrite(x->ft, fd, buf, 4, 0), -EINVAL);
	assert_int_equal(fake_task_mmap(x->ft, fd, 4096, PROT_READ, MAP_SHARED, 0), -EINVAL);
	assert_int_equal(fake_task_lseek(x->ft, fd, 0, SEEK_CUR), -ESPIPE);
}

static void binding_refuses(void **state)
{
	struct fixture *x = *state;
	int fd = fixture_open(x, "/dev/vfio/devices/vfio1");
	struct vfio_device_bind_iommufd b = {.argsz = 8, .iommufd = x->iommufd};
	uint8_t longer[48] = {0}, uuid[16] = {1};

	assert_int_equal(fake_task_ioctl(x->ft, fd, VFIO_DEVICE_BIND_IOMMUFD, NULL), -EFAULT);
	assert_int_equal(fake_task_ioctl(x->ft, fd, VFIO_DEVICE_BIND_IOMMUFD, &b), -EINVAL);
	b.argsz = sizeof(b);
	b.flags = 2;
	assert_int_equal(fake_task_ioctl(x->ft, fd, VFIO_DEVICE_BIND_IOMMUFD, &b), -EINVAL);
	b.flags = 0;
	b.iommufd = -1;
	assert_int_equal(fake_task_ioctl(x->ft, fd, VFIO_DEVICE_BIND_IOMMUFD, &b), -EINVAL);
	b.iommufd = 99;
	assert_int_equal(fake_task_ioctl(x->ft, fd, VFIO_DEVICE_BIND_IOMMUFD, &b), -EBADF);
	b.iommufd = x->device;
	assert_int_equal(fake_task_ioctl(x->ft, fd, VFIO_DEVICE_BIND_IOMMUFD, &b), -EBADFD);
	b.iommufd = fake_task_eventfd(x->ft);
	assert_int_equal(fake_task_ioctl(x->ft, fd, VFIO_DEVICE_BIND_IOMMUFD, &b), -EBADFD);
	b.iommufd = x->iommufd;
	b.flags = VFIO_DEVICE_BIND_FLAG_TOKEN;
	assert_int_equal(fake_task_ioctl(x->ft, fd, VFIO_DEVICE_BIND_IOMMUFD, &b), -EFAULT);
	b.token_uuid_ptr = (uintptr_t)uuid;
	assert_int_equal(fake_task_ioctl(x->ft, fd, VFIO_DEVICE_BIND_IOMMUFD, &b), -EINVAL);
	b.flags = 0;
	b.argsz = sizeof(longer);
	memcpy(longer, &b, sizeof(b));
	longer[40] = 1;
	assert_int_equal(fake_task_ioctl(x->ft, fd, VFIO_DEVICE_BIND_IOMMUFD, longer), -E2BIG);
	longer[40] = 0;
	assert_int_equal(fake_task_ioctl(x->ft, fd, VFIO_DEVICE_BIND_IOMMUFD, longer), 0);
	assert_int_equal(fixture_bind(x, fd), -EINVAL);
}

static void a_device_has_one_owner(void **state)
{
	struct fixture *x = *state;
	int second = fixture_open(x, "/dev/vfio/devices/vfio0");

	assert_true(second >= 0);
	assert_int_equal(fixture_bind(x, second), -EINVAL);
	assert_int_equal(fixture_bind(x, x->device), -EINVAL);
	fake_task_close(x->ft, x->device);
	assert_int_equal(fixture_bind(x, second), 0);
}

static void an_id_that_cannot_be_told_undoes_the_binding(void **state)
{
	struct fixture *x = *state;
	int fd = fixture_open(x, "/dev/vfio/devices/vfio1");
	struct vfio_device_bind_iommufd *b = aligned_alloc(4096, 4096);
	struct vfio_device_info info = {.argsz = sizeof(info)};

	*b = (struct vfio_device_bind_iommufd){.argsz = sizeof(*b), .iommufd = x->iommufd};
	fake_task_read_only(x->ft, (uaddr_t)b, 4096);
	assert_int_equal(fake_task_ioctl(x->ft, fd, VFIO_DEVICE_BIND_IOMMUFD, b), -EFAULT);
	assert_int_equal(fake_task_ioctl(x->ft, fd, VFIO_DEVICE_GET_INFO, &info), -EINVAL);
	assert_int_equal(fixture_bind(x, fd), 0);
	assert_int_equal(fake_task_ioctl(x->ft, fd, VFIO_DEVICE_GET_INFO, &info), 0);
	free(b);
}

static void attaching(void **state)
{
	struct fixture *x = *state;
	struct vfio_device_attach_iommufd_pt a = {.argsz = 8};
	struct vfio_device_detach_iommufd_pt d = {.argsz = 8};

	assert_int_equal(device_ioctl(x, VFIO_DEVICE_DETACH_IOMMUFD_PT, &d), 0);
	assert_int_equal(device_ioctl(x, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &a), -EINVAL);
	a.argsz = 12;
	a.flags = 2;
	assert_int_equal(device_ioctl(x, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &a), -EINVAL);
	a.flags = VFIO_DEVICE_ATTACH_PASID;
	assert_int_equal(device_ioctl(x, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &a), -EINVAL);
	a.argsz = sizeof(a);
	a.pt_id = ioas_alloc(x);
	assert_int_equal(device_ioctl(x, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &a), -EINVAL);
	a.flags = 0;
	assert_int_equal(device_ioctl(x, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &a), 0);
	assert_non_null(x->fn->iommu.domain);
	a.pt_id = 77;
	assert_int_equal(device_ioctl(x, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &a), -ENOENT);
	assert_non_null(x->fn->iommu.domain);
	d.argsz = 4;
	assert_int_equal(device_ioctl(x, VFIO_DEVICE_DETACH_IOMMUFD_PT, &d), -EINVAL);
	d.argsz = 8;
	d.flags = VFIO_DEVICE_DETACH_PASID;
	assert_int_equal(device_ioctl(x, VFIO_DEVICE_DETACH_IOMMUFD_PT, &d), -EINVAL);
	d.argsz = 12;
	assert_int_equal(device_ioctl(x, VFIO_DEVICE_DETACH_IOMMUFD_PT, &d), 0);
	assert_non_null(x->fn->iommu.domain);
	d.flags = 0;
	assert_int_equal(device_ioctl(x, VFIO_DEVICE_DETACH_IOMMUFD_PT, &d), 0);
	assert_null(x->fn->iommu.domain);
}

static void the_device_is_shut_while_nobody_has_it(void **state)
{
	struct fixture *x = *state;

	assert_true(pci_gate_is_open(&x->fn->gate));
	fake_task_close(x->ft, x->device);
	assert_false(pci_gate_is_open(&x->fn->gate));
}

static void a_mapping_keeps_the_device_open(void **state)
{
	struct fixture *x = *state;
	int64_t addr = map_bar(x, 2, 0, 4096);
	int fd = export_one(x, 0, 4096), second = fixture_open(x, "/dev/vfio/devices/vfio0");
	struct dma_buf *b = dma_buf_from_file(fake_task_file(x->ft, fd));

	fake_task_close(x->ft, x->device);
	assert_int_equal(b->state, DMA_BUF_USABLE);
	assert_false(mapping_at(x, addr)->mapping->zapped);
	assert_int_equal(fixture_bind(x, second), -EINVAL);
	assert_int_equal(fake_task_munmap(x->ft, (uaddr_t)addr), 0);
	assert_int_equal(b->state, DMA_BUF_REVOKED_FOR_GOOD);
	assert_int_equal(fixture_bind(x, second), 0);
	/* A new owner of the function does not bring an old buffer back. */
	assert_int_equal(b->state, DMA_BUF_REVOKED_FOR_GOOD);
	assert_int_equal(fake_task_lseek(x->ft, fd, 0, SEEK_END), 4096);
	assert_int_equal(map_file(x, ioas_alloc(x), fd, 0, 4096, 0), -ENODEV);
}

static void info_of_the_device(void **state)
{
	struct fixture *x = *state;
	struct vfio_device_info info;

	for (uint32_t argsz = 0; argsz <= 32; argsz += 4) {
		memset(&info, 0xee, sizeof(info));
		info.argsz = argsz;
		assert_int_equal(device_ioctl(x, VFIO_DEVICE_GET_INFO, &info), argsz < 16 ? -EINVAL : 0);
		assert_int_equal(info.argsz, argsz);
		assert_int_equal(info.flags, argsz < 16 ? 0xeeeeeeee : VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET);
		assert_int_equal(info.cap_offset, argsz < 20 ? 0xeeeeeeee : 0);
	}
	assert_int_equal(info.num_regions, 9);
	assert_int_equal(info.num_irqs, 5);
	assert_int_equal(device_ioctl(x, VFIO_DEVICE_GET_INFO, NULL), -EFAULT);
	assert_int_equal(device_ioctl(x, _IO(';', 100), NULL), -ENOTTY);
}

static void hot_reset_of_what_is_alone_below_its_port(void **state)
{
	struct fixture *x = *state;
	struct {
		struct vfio_pci_hot_reset_info info;
		struct vfio_pci_dependent_device devices[2];
	} a = {.info = {.argsz = 8}};
	struct vfio_pci_hot_reset reset = {.argsz = 8};
	unsigned resets;

	assert_int_equal(device_ioctl(x, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, &a), -EINVAL);
	a.info.argsz = sizeof(a.info);
	a.info.flags = 7;
	assert_int_equal(device_ioctl(x, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, &a), -ENOSPC);
	assert_int_equal(a.info.count, 1);
	assert_int_equal(a.info.flags, 0);
	a.info.argsz = sizeof(a);
	assert_int_equal(device_ioctl(x, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, &a), 0);
	assert_int_equal(a.info.count, 1);
	assert_int_equal(a.info.flags, VFIO_PCI_HOT_RESET_FLAG_DEV_ID | VFIO_PCI_HOT_RESET_FLAG_DEV_ID_OWNED);
	assert_int_equal(a.devices[0].devid, 1);
	assert_int_equal(a.devices[0].bus, x->fn->bus);
	assert_int_equal(a.devices[0].devfn, x->fn->devfn);
	assert_int_equal(device_ioctl(x, VFIO_DEVICE_PCI_HOT_RESET, &reset), -EINVAL);
	reset.argsz = sizeof(reset);
	reset.count = 1;
	assert_int_equal(device_ioctl(x, VFIO_DEVICE_PCI_HOT_RESET, &reset), -EINVAL);
	assert_int_equal(device_ioctl(x, VFIO_DEVICE_PCI_HOT_RESET, NULL), -EFAULT);
	reset.count = 0;
	resets = x->card->nr_resets;
	assert_int_equal(device_ioctl(x, VFIO_DEVICE_PCI_HOT_RESET, &reset), 0);
	assert_int_equal(x->card->nr_resets, resets + 1);
}

static void no_hot_reset_on_the_root_bus(void **state)
{
	struct fixture *x = *state;
	struct vfio_pci_hot_reset_info info = {.argsz = sizeof(info)};
	struct vfio_pci_hot_reset reset = {.argsz = sizeof(reset)};
	struct pci_port *parent = x->fn->parent;

	x->fn->parent = NULL;
	assert_int_equal(device_ioctl(x, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, &info), -ENODEV);
	assert_int_equal(device_ioctl(x, VFIO_DEVICE_PCI_HOT_RESET, &reset), -ENODEV);
	x->fn->parent = parent;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(before_it_is_bound_everything_is_einval, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(binding_refuses, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(a_device_has_one_owner, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(an_id_that_cannot_be_told_undoes_the_binding, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(attaching, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(the_device_is_shut_while_nobody_has_it, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(a_mapping_keeps_the_device_open, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(info_of_the_device, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(hot_reset_of_what_is_alone_below_its_port, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(no_hot_reset_on_the_root_bus, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
