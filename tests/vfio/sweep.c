/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program's whole dealings with a device, again and again, with the first, second, ... allocation failing. A call
 * either works or is ENOMEM; then the rest goes on without it. At the end everything is as it was before the program
 * opened the device.
 */
#include "fixture.h"

#include <fcntl.h>

#include "fake/allocator.h"

/* Did it work? What failed must have failed for want of memory. */
static bool ok(long ret)
{
	if (ret == -ENOMEM)
		assert_true(allocator.failed);
	else if (ret < 0)
		fail_msg("a call answered %ld", ret);
	return ret >= 0;
}

static void use_interrupts(struct fixture *x, const int32_t *events)
{
	const uint32_t on = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
	const uint32_t off = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER;
	struct vfio_device_ioeventfd io = {
		.argsz = sizeof(io), .flags = VFIO_DEVICE_IOEVENTFD_32, .offset = 8, .fd = events[0]};

	if (ok(set_irqs(x, on, VFIO_PCI_INTX_IRQ_INDEX, 0, 1, events, 4))) {
		ok(set_irqs(x, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_UNMASK, VFIO_PCI_INTX_IRQ_INDEX, 0, 1,
			    events + 1, 4));
		if (!ok(set_irqs(x, off, VFIO_PCI_INTX_IRQ_INDEX, 0, 0, NULL, 0)))
			assert_int_equal(set_irqs(x, off, VFIO_PCI_INTX_IRQ_INDEX, 0, 0, NULL, 0), 0);
	}
	ok(set_irqs(x, on, VFIO_PCI_MSIX_IRQ_INDEX, 0, 2, events, 8));
	ok(device_ioctl(x, VFIO_DEVICE_IOEVENTFD, &io));
}

static void use_memory(struct fixture *x)
{
	struct vfio_region_dma_range ranges[2] = {{0, 8192}, {4096, 4096}};
	union {
		struct vfio_region_info info;
		uint8_t bytes[256];
	} a = {.info = {.argsz = sizeof(a), .index = 0}};
	int64_t addr;
	int fd;

	ok(device_ioctl(x, VFIO_DEVICE_GET_REGION_INFO, &a));
	addr = map_bar(x, 2, 0, 4096);
	ok(addr);
	fd = export_ranges(x, 2, O_CLOEXEC, 0, 2, ranges);
	ok(fd);
	ok(device_ioctl(x, VFIO_DEVICE_RESET, NULL));
	if (addr > 0)
		assert_int_equal(fake_task_munmap(x->ft, (uaddr_t)addr), 0);
	if (fd >= 0)
		assert_int_equal(fake_task_close(x->ft, fd), 0);
}

static void use_device(struct fixture *x, const int32_t *events)
{
	x->device = fixture_open(x, "/dev/vfio/devices/vfio0");
	if (!ok(x->device))
		return;
	if (ok(fixture_bind(x, x->device))) {
		use_interrupts(x, events);
		use_memory(x);
	}
	assert_int_equal(fake_task_close(x->ft, x->device), 0);
}

static void every_allocation_fails_once(void **state)
{
	struct fixture *x = *state;
	int32_t events[2] = {fake_task_eventfd(x->ft), fake_task_eventfd(x->ft)};
	unsigned fds, nr = 0;
	long before;

	fake_task_close(x->ft, x->device);
	use_device(x, events); /* what is made once and kept */
	fds = fake_task_nr_fds(x->ft);
	before = allocator.live;
	do {
		allocator.failed = false;
		allocator.countdown = (long)nr++;
		use_device(x, events);
		allocator.countdown = -1;
		assert_int_equal(fake_task_nr_fds(x->ft), fds);
		assert_int_equal(fake_task_nr_mappings(x->ft), 0);
		assert_true(list_empty(&x->fn->gate.clients));
		assert_int_equal(allocator.live, before);
	} while (allocator.failed);
	assert_true(nr > 15);
}

static int untraced_setup(void **state)
{
	*state = fixture_create(NULL, false);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_allocation_fails_once, untraced_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
