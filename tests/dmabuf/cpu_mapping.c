/* SPDX-License-Identifier: BSD-3-Clause */
/* CPU mappings of a buffer: extents, zapping and coming back, and their end. */
#include "dmabuf/cpu_mapping.h"
#include "exporter.h"

#include <sys/mman.h>

#include "fake/task.h"

struct fixture {
	struct exporter e;
	struct fake_task *ft;
	unsigned gone;
};

static int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));

	exporter_init(&x->e, &exporter_ops, false);
	x->ft = fake_task_create();
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	fake_task_destroy(x->ft);
	exporter_fini(&x->e);
	free(x);
	return 0;
}

static void on_gone(void *arg)
{
	((struct fixture *)arg)->gone++;
}

static int64_t map(struct fixture *x, uint64_t offset, uint64_t len)
{
	const struct mmap_request req = {.len = len, .prot = PROT_READ | PROT_WRITE, .flags = MAP_SHARED};

	const struct cpu_mapping_how how = {.space = x->e.space, .offset = offset, .on_gone = on_gone, .arg = x};

	return cpu_mapping_create(x->e.buf, fake_task(x->ft), &req, &how);
}

static void extents_follow_ranges_and_regions(void **state)
{
	struct fixture *x = *state;
	const struct cpu_extent *extents;
	int64_t addr = map(x, 0x1000, 0x3000);

	assert_true(addr > 0);
	extents = fake_task_mapping(x->ft, 0)->mapping->extents;
	assert_int_equal(fake_task_mapping(x->ft, 0)->mapping->nr_extents, 3);
	assert_ptr_equal(extents[0].region, &x->e.memory);
	assert_int_equal(extents[0].region_offset, 0x3000);
	assert_int_equal(extents[0].len, 0x1000);
	assert_int_equal(extents[1].region_offset, 0xf000);
	assert_ptr_equal(extents[2].region, &x->e.registers);
	assert_int_equal(extents[2].region_offset, 0);
	assert_int_equal(extents[2].len, 0x1000);
	fake_task_munmap(x->ft, (uaddr_t)addr);
	assert_int_equal(x->gone, 1);
}

static void a_mapping_follows_the_state_of_its_buffer(void **state)
{
	struct fixture *x = *state;
	int64_t addr = map(x, 0, 0x1000);
	struct fake_mapping *m = fake_task_mapping(x->ft, 0);

	assert_false(m->mapping->zapped);
	dma_buf_revoke(x->e.buf, false);
	assert_true(m->mapping->zapped);
	dma_buf_restore(x->e.buf);
	assert_false(m->mapping->zapped);
	dma_buf_revoke(x->e.buf, true);
	assert_true(m->mapping->zapped);
	dma_buf_restore(x->e.buf);
	assert_true(m->mapping->zapped);
	fake_task_munmap(x->ft, (uaddr_t)addr);
}

static void one_made_while_revoked_comes_to_life_later(void **state)
{
	struct fixture *x = *state;
	int64_t addr;

	dma_buf_revoke(x->e.buf, false);
	addr = map(x, 0, 0x1000);
	assert_true(addr > 0);
	assert_true(fake_task_mapping(x->ft, 0)->mapping->zapped);
	dma_buf_restore(x->e.buf);
	assert_false(fake_task_mapping(x->ft, 0)->mapping->zapped);
	fake_task_munmap(x->ft, (uaddr_t)addr);
	dma_buf_revoke(x->e.buf, false);
}

static void refusals_leave_nothing(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(map(x, EXPORTER_SIZE - 0x1000, 0x2000), -EINVAL);
	x->e.ranges[1].len = 0x4000; /* reaches into the hole */
	assert_int_equal(map(x, 0x5000, 0x1000), -EINVAL);
	fake_task_fail_place(x->ft, -ENOMEM);
	assert_int_equal(map(x, 0, 0x1000), -ENOMEM);
	dma_buf_revoke(x->e.buf, true);
	assert_int_equal(map(x, 0, 0x1000), -ENODEV);
	assert_int_equal(fake_task_nr_mappings(x->ft), 0);
	assert_int_equal(x->gone, 0);
	assert_true(list_empty(&x->e.buf->attachments));
	assert_true(list_empty(&x->e.registers.watchers));
}

static void register_pages_tell_their_mappings(void **state)
{
	struct fixture *x = *state;
	int64_t addr = map(x, 0x3000, 0x1000);
	struct fake_mapping *m = fake_task_mapping(x->ft, 0);
	struct phys_watch *w;

	assert_false(list_empty(&x->e.registers.watchers));
	w = list_first(&x->e.registers.watchers, struct phys_watch, node);
	w->retrap(w, 0, 0x1000);
	assert_int_equal(m->retraps, 1);
	w->retrap(w, 0x1000, 0x1000); /* not mapped here */
	assert_int_equal(m->retraps, 1);
	fake_task_munmap(x->ft, (uaddr_t)addr);
	assert_true(list_empty(&x->e.registers.watchers));
}

static void one_that_wants_usable_memory_does_not_wait(void **state)
{
	struct fixture *x = *state;
	const struct mmap_request req = {.len = 0x1000, .prot = PROT_READ, .flags = MAP_SHARED};
	const struct cpu_mapping_how how = {
		.space = x->e.space, .usable_only = true, .write_combining = true, .on_gone = on_gone, .arg = x};
	struct dma_buf_attachment *a;
	int64_t addr;

	dma_buf_revoke(x->e.buf, false);
	assert_int_equal(cpu_mapping_create(x->e.buf, fake_task(x->ft), &req, &how), -ENODEV);
	dma_buf_restore(x->e.buf);
	addr = cpu_mapping_create(x->e.buf, fake_task(x->ft), &req, &how);
	assert_true(addr > 0);
	/* Once made it waits out a revocation like any other. */
	dma_buf_revoke(x->e.buf, false);
	assert_true(fake_task_mapping(x->ft, 0)->mapping->zapped);
	dma_buf_restore(x->e.buf);
	assert_false(fake_task_mapping(x->ft, 0)->mapping->zapped);
	a = list_first(&x->e.buf->attachments, struct dma_buf_attachment, node);
	assert_string_equal(a->ops->name, "CPU mapping, write-combining");
	fake_task_munmap(x->ft, (uaddr_t)addr);
	assert_int_equal(x->gone, 1);
}

static void a_buffer_that_moves_cannot_be_mapped(void **state)
{
	struct fixture *x = *state;
	struct exporter moving;
	const struct mmap_request req = {.len = 0x1000, .prot = PROT_READ, .flags = MAP_SHARED};

	exporter_init(&moving, &exporter_ops_no_layout, false);
	assert_int_equal(cpu_mapping_create(moving.buf, fake_task(x->ft), &req,
					    &(struct cpu_mapping_how){.space = moving.space}),
			 -ENODEV);
	exporter_fini(&moving);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(extents_follow_ranges_and_regions, setup, teardown),
		cmocka_unit_test_setup_teardown(a_mapping_follows_the_state_of_its_buffer, setup, teardown),
		cmocka_unit_test_setup_teardown(one_made_while_revoked_comes_to_life_later, setup, teardown),
		cmocka_unit_test_setup_teardown(refusals_leave_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(register_pages_tell_their_mappings, setup, teardown),
		cmocka_unit_test_setup_teardown(one_that_wants_usable_memory_does_not_wait, setup, teardown),
		cmocka_unit_test_setup_teardown(a_buffer_that_moves_cannot_be_mapped, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
