/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program imports and lets go of a virtual function's memory and gives jobs on it, while others reset the function,
 * change its slice, and export anew. Each thing answers what it may; what the gpu has read is the function's own.
 */
#include "rig.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

enum { ROUNDS = 150, NR_IMPORTERS = 2 };

struct race {
	struct rig *r;
	int vf;
	_Atomic int buffer; /* the newest export */
	atomic_bool over;
	atomic_uint nr_read, nr_gone;
};

static void *reset_thread(void *arg)
{
	struct race *race = arg;

	while (!race->over) {
		assert_int_equal(fake_task_ioctl(race->r->fx->ft, race->vf, VFIO_DEVICE_RESET, NULL), 0);
		sched_yield();
	}
	return NULL;
}

/* The new slice's memory is clear, whoever had it before. */
static void *slice_thread(void *arg)
{
	struct race *race = arg;
	unsigned n = 0;

	while (!race->over) {
		assert_int_equal(sgpu_slice_set(race->r->gpu, 0, n++ % 2 ? 2 * GRANULE : 4 * GRANULE), 0);
		sched_yield();
	}
	return NULL;
}

static bool may_be(int err)
{
	return !err || err == -ENODEV || err == -EACCES;
}

/* What an import has under the lock is within local memory, or nothing. */
static void use(struct race *race, struct sgpu_bo *bo)
{
	int err;

	dma_buf_lock(bo->buf);
	err = sgpu_bo_validate_locked(bo);
	assert_true(may_be(err));
	assert_true(!err == (bo->nr_entries > 0));
	for (unsigned i = 0; i < bo->nr_entries; i++)
		assert_true(bo->entries[i].local && bo->entries[i].addr + bo->entries[i].len <= LOCAL);
	dma_buf_unlock(bo->buf);
	atomic_fetch_add(err ? &race->nr_gone : &race->nr_read, 1);
}

static void *import_thread(void *arg)
{
	struct race *race = arg;
	struct task *t = fake_task(race->r->fx->ft);

	for (unsigned i = 0; !race->over; i++) {
		struct file *f = t->ops->file_get(t, race->buffer);
		struct sgpu_bo *bo;
		int err;

		if (!f)
			continue;
		err = sgpu_import(race->r->gpu, t, f, i % 3 == 0, &bo);
		assert_true(may_be(err));
		for (unsigned n = 0; n < 4 && !err; n++)
			use(race, bo);
		if (!err)
			sgpu_bo_put(bo);
		file_put(f);
	}
	return NULL;
}

static void imports_against_all(void **state)
{
	struct race race = {.r = *state};
	pthread_t threads[NR_IMPORTERS + 2];

	assert_int_equal(put(race.r->fx, PF "sriov_numvfs", "1"), 1);
	race.vf = rig_open(race.r, "0000:03:00.1");
	race.buffer = rig_export_one(race.r, race.vf, 0, 2 * GRANULE);
	pthread_create(&threads[0], NULL, reset_thread, &race);
	pthread_create(&threads[1], NULL, slice_thread, &race);
	for (unsigned i = 0; i < NR_IMPORTERS; i++)
		pthread_create(&threads[2 + i], NULL, import_thread, &race);
	for (unsigned i = 0; i < ROUNDS; i++) {
		int old = race.buffer, fd = rig_export_one(race.r, race.vf, i % 2 * GRANULE, 2 * GRANULE);

		assert_true(fd >= 0);
		race.buffer = fd;
		fake_task_close(race.r->fx->ft, old);
		usleep(1000);
	}
	race.over = true;
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	assert_true(race.nr_read > 0 && race.nr_gone > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(imports_against_all, rig_setup, rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
