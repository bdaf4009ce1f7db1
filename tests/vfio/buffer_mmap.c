/* SPDX-License-Identifier: BSD-3-Clause */
/* mmap of an exported buffer's fd: whom it belongs to, what takes it away, and what it keeps. */
#include "fixture.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>

enum { PAGE = 4096, LEN = 4 * PAGE };

/* Pages 3, 0-1, 3 of the card's memory. */
static const struct vfio_region_dma_range ranges[] = {{3 * PAGE, PAGE}, {0, 2 * PAGE}, {3 * PAGE, PAGE}};

static int next_setup(void **state)
{
	struct fixture *x = fixture_create(NULL, true);

	fake_task(x->ft)->next = true;
	*state = x;
	return 0;
}

static int export_buffer(struct fixture *x)
{
	return export_ranges(x, 2, O_RDWR, 0, 3, ranges);
}

static int64_t map(struct fixture *x, int fd)
{
	return fake_task_mmap(x->ft, fd, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
}

static long set_feature(struct fixture *x, uint32_t index, int fd, uint32_t memattr)
{
	struct {
		struct vfio_device_feature feature;
		int32_t fd;
		uint32_t memattr;
	} arg = {{sizeof(arg), VFIO_DEVICE_FEATURE_SET | index}, fd, memattr};

	return device_ioctl(x, VFIO_DEVICE_FEATURE, &arg);
}

static void linux_7_3_refuses(void **state)
{
	struct fixture *x = *state;
	int fd = export_buffer(x);

	assert_int_equal(map(x, fd), -EINVAL);
	assert_int_equal(fake_task_nr_mappings(x->ft), 0);
}

static void extents_are_the_ranges(void **state)
{
	struct fixture *x = *state;
	int fd = export_buffer(x);
	int64_t addr = fake_task_mmap(x->ft, fd, 2 * PAGE, PROT_READ, MAP_SHARED, 2 * PAGE);
	const struct cpu_mapping *m = mapping_at(x, addr)->mapping;

	assert_int_equal(m->nr_extents, 2);
	assert_int_equal(m->extents[0].region_offset, PAGE);
	assert_int_equal(m->extents[1].region_offset, 3 * PAGE);
	assert_int_equal(m->denied_prot, PROT_EXEC);
	fd = export_ranges(x, 2, O_RDONLY, 0, 3, ranges);
	addr = fake_task_mmap(x->ft, fd, PAGE, PROT_READ, MAP_SHARED, 0);
	assert_int_equal(mapping_at(x, addr)->mapping->denied_prot, PROT_EXEC | PROT_WRITE);
	assert_int_equal(fake_task_mmap(x->ft, fd, PAGE, PROT_READ, MAP_PRIVATE, 0), -EINVAL);
	assert_int_equal(fake_task_mmap(x->ft, fd, LEN, PROT_READ, MAP_SHARED, PAGE), -EINVAL);
}

static void it_keeps_the_buffer(void **state)
{
	struct fixture *x = *state;
	int fd = export_buffer(x);
	int64_t one = map(x, fd), two = map(x, fd);

	fake_task_close(x->ft, fd);
	assert_false(list_empty(&x->fn->gate.clients));
	fake_task_munmap(x->ft, (uaddr_t)one);
	assert_false(mapping_at(x, two)->mapping->zapped);
	set_command(x, 0);
	assert_true(mapping_at(x, two)->mapping->zapped);
	set_command(x, PCI_COMMAND_MEMORY);
	assert_false(mapping_at(x, two)->mapping->zapped);
	fake_task_munmap(x->ft, (uaddr_t)two);
	assert_true(list_empty(&x->fn->gate.clients));
}

/* The device's file does not know of it: it closes, and the mapping is dead for good. */
static void it_does_not_keep_the_device_open(void **state)
{
	struct fixture *x = *state;
	int fd = export_buffer(x);
	int64_t addr = map(x, fd);

	fake_task_close(x->ft, x->device);
	assert_true(mapping_at(x, addr)->mapping->zapped);
	x->device = fixture_open(x, "/dev/vfio/devices/vfio0");
	assert_int_equal(fixture_bind(x, x->device), 0);
	set_command(x, PCI_COMMAND_MEMORY);
	assert_true(mapping_at(x, addr)->mapping->zapped);
	assert_int_equal(map(x, fd), -ENODEV);
}

static void revoking_one_leaves_the_others(void **state)
{
	struct fixture *x = *state;
	int fd = export_buffer(x), other = export_buffer(x);
	int64_t mine = map(x, fd), others = map(x, other), region = map_bar(x, 2, 0, LEN);

	assert_int_equal(set_feature(x, VFIO_DEVICE_FEATURE_DMA_BUF_REVOKE, fd, 0), 0);
	assert_true(mapping_at(x, mine)->mapping->zapped);
	assert_int_equal(mapping_at(x, others)->zaps, 0);
	assert_int_equal(mapping_at(x, region)->zaps, 0);
	assert_int_equal(map(x, fd), -ENODEV);
	assert_int_equal(device_ioctl(x, VFIO_DEVICE_RESET, NULL), 0);
	assert_true(mapping_at(x, mine)->mapping->zapped);
	assert_int_equal(mapping_at(x, mine)->zaps, 1);
	assert_false(mapping_at(x, others)->mapping->zapped);
}

static void attributes_are_of_later_mappings(void **state)
{
	struct fixture *x = *state;
	int fd = export_buffer(x);
	struct dma_buf *b = dma_buf_from_file(fake_task_file(x->ft, fd));
	const struct dma_buf_attachment *a;
	unsigned plain = 0, combining = 0;

	map(x, fd);
	assert_int_equal(set_feature(x, VFIO_DEVICE_FEATURE_DMA_BUF_MEMATTR, fd, VFIO_DMA_BUF_MEMATTR_WC), 0);
	map(x, fd);
	map(x, fd);
	assert_int_equal(set_feature(x, VFIO_DEVICE_FEATURE_DMA_BUF_MEMATTR, fd, VFIO_DMA_BUF_MEMATTR_NC), 0);
	map(x, fd);
	list_for_each (a, &b->attachments, node) {
		plain += !strcmp(a->ops->name, "CPU mapping");
		combining += !strcmp(a->ops->name, "CPU mapping, write-combining");
	}
	assert_int_equal(plain, 2);
	assert_int_equal(combining, 2);
}

/* --- at the same time --- */

struct resetter {
	struct fixture *x;
	atomic_uint resets;
	atomic_bool stop;
};

/* Rests in between, or a thread that is slow would meet resets only. */
static void *take_and_give(void *arg)
{
	struct resetter *r = arg;

	for (; !atomic_load(&r->stop); atomic_fetch_add(&r->resets, 1)) {
		assert_int_equal(device_ioctl(r->x, VFIO_DEVICE_RESET, NULL), 0);
		usleep(20);
	}
	return NULL;
}

/* A mapping that was made stands as the memory does, one that met a reset was refused. */
static void mappings_come_and_go_while_it_is_reset(void **state)
{
	struct fixture *x = *state;
	struct resetter r = {.x = x};
	int fd = export_buffer(x);
	unsigned made = 0;
	pthread_t thread;

	pthread_create(&thread, NULL, take_and_give, &r);
	while (made < 300 || atomic_load(&r.resets) < 300) {
		int64_t addr = map(x, fd);

		assert_true(addr > 0 || addr == -ENODEV);
		made += addr > 0;
		if (addr > 0)
			fake_task_munmap(x->ft, (uaddr_t)addr);
	}
	atomic_store(&r.stop, true);
	pthread_join(thread, NULL);
	assert_false(mapping_at(x, map(x, fd))->mapping->zapped);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, next_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(linux_7_3_refuses, fixture_setup, fixture_teardown),
		T(extents_are_the_ranges),
		T(it_keeps_the_buffer),
		T(it_does_not_keep_the_device_open),
		T(revoking_one_leaves_the_others),
		T(attributes_are_of_later_mappings),
		T(mappings_come_and_go_while_it_is_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
