/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program's dealings with fences, again and again, with the first, second, ... allocation failing: of timelines and
 * sync files, and of what drivers do. A call works or is ENOMEM, then the rest goes on without it; nothing is left.
 */
#include "driver.h"
#include "sync_rig.h"

#include "fake/allocator.h"
#include "fence/dma_fence_unwrap.h"
#include "fence/dma_resv.h"

static bool ok(long ret)
{
	if (ret == -ENOMEM)
		assert_true(allocator.failed);
	else if (ret < 0)
		fail_msg("a call answered %ld", ret);
	return ret >= 0;
}

static void use_files(struct sync_rig *r)
{
	int one = sync_timeline(r), two = sync_timeline(r), a = -1, b = -1, both = -1, status;
	struct sync_fence_info each[2];
	unsigned nr = 2;

	if (ok(one))
		a = sync_point(r, one, 1);
	if (ok(two))
		b = sync_point(r, two, 1);
	if (one >= 0 && two >= 0 && ok(a) && ok(b))
		both = sync_merge(r, a, b);
	if (both >= 0 || (a >= 0 && b >= 0 && ok(both)))
		ok(sync_info(r, both, each, &nr, &status));
	if (one >= 0)
		assert_int_equal(sync_inc(r, one, 1), 0);
	for (int fd = 0; fd < 8; fd++)
		sync_close(r, fd);
}

/* Tests' own memory: not counted, does not fail. */
static struct test_fence *fence_new(uint64_t seqno)
{
	long countdown = allocator.countdown;
	struct test_fence *f;

	allocator.countdown = -1;
	f = test_fence_new(NULL, 0, seqno);
	allocator.countdown = countdown;
	return f;
}

static void use_resv(struct test_fence **f, unsigned nr)
{
	struct dma_fence *one, **all;
	struct dma_resv r;
	unsigned found;

	dma_resv_init(&r);
	dma_resv_lock(&r, NULL);
	for (unsigned i = 0; i < nr; i++)
		if (ok(dma_resv_reserve_fences(&r, 1)))
			dma_resv_add_fence(&r, &f[i]->base, DMA_RESV_USAGE_READ);
	dma_resv_unlock(&r);
	if (ok(dma_resv_get_singleton(&r, DMA_RESV_USAGE_READ, &one)))
		dma_fence_put(one);
	if (ok(dma_resv_get_fences(&r, DMA_RESV_USAGE_READ, &found, &all))) {
		while (found)
			dma_fence_put(all[--found]);
		free(all);
	}
	dma_resv_fini(&r);
}

static void use_merge(struct test_fence **f, unsigned nr)
{
	struct dma_fence *members[12], *merged, *stub;

	for (unsigned i = 0; i < nr; i++)
		members[i] = &f[i]->base;
	merged = dma_fence_unwrap_merge(nr, members);
	assert_true(merged || allocator.failed);
	dma_fence_put(merged);
	for (unsigned i = 0; i < nr; i++)
		dma_fence_signal(members[i]);
	stub = dma_fence_unwrap_merge(nr, members);
	assert_true(stub || allocator.failed);
	dma_fence_put(stub);
}

static void use_drivers_fences(struct sync_rig *r)
{
	struct test_fence *f[12];

	for (unsigned i = 0; i < 12; i++)
		f[i] = fence_new(i);
	use_resv(f, 12);
	use_merge(f, 12);
	for (unsigned i = 0; i < 12; i++)
		dma_fence_put(&f[i]->base);
}

static void sweep(void (*use)(struct sync_rig *r), unsigned at_least)
{
	struct sync_rig r;
	unsigned nr = 0;
	long before;

	sync_rig_init(&r);
	use(&r);
	before = allocator.live;
	do {
		allocator.failed = false;
		allocator.countdown = (long)nr++;
		use(&r);
		allocator.countdown = -1;
		assert_int_equal(fake_task_nr_fds(r.ft), 0);
		assert_int_equal(dma_fence_count(), 0);
		assert_int_equal(allocator.live, before);
	} while (allocator.failed);
	assert_true(nr > at_least);
	sync_rig_fini(&r);
}

static void files_and_timelines(void **state)
{
	sweep(use_files, 12);
}

static void drivers_fences(void **state)
{
	sweep(use_drivers_fences, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_and_timelines),
		cmocka_unit_test(drivers_fences),
	};

	return run_fence_tests(tests);
}
