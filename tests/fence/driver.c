/* SPDX-License-Identifier: BSD-3-Clause */
#include "driver.h"

const struct lock_class test_timeline_class = {.name = "test timeline", .rank = LOCK_RANK_FENCE};

static struct test_fence *to_test(struct dma_fence *f)
{
	return container_of(f, struct test_fence, base);
}

static const char *driver_name(struct dma_fence *f)
{
	return "test-driver";
}

static const char *timeline_name(struct dma_fence *f)
{
	return "test-timeline";
}

static bool signaled(struct dma_fence *f)
{
	return to_test(f)->knows;
}

static bool enable_signaling(struct dma_fence *f)
{
	spin_assert_held(f->lock);
	to_test(f)->enabled++;
	return !to_test(f)->already;
}

static void set_deadline(struct dma_fence *f, uint64_t deadline_ns)
{
	to_test(f)->deadline_ns = deadline_ns;
}

static void release(struct dma_fence *f)
{
	free(to_test(f));
}

static const struct dma_fence_ops test_ops = {
	.get_driver_name = driver_name,
	.get_timeline_name = timeline_name,
	.signaled = signaled,
	.enable_signaling = enable_signaling,
	.set_deadline = set_deadline,
	.release = release,
};

struct test_fence *test_fence_new(struct spinlock *lock, uint64_t context, uint64_t seqno)
{
	struct test_fence *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	dma_fence_init(&f->base, &test_ops, lock, context ? context : dma_fence_context_alloc(1), seqno);
	return f;
}

void test_cb_count(struct dma_fence *f, struct dma_fence_cb *cb)
{
	struct test_cb *c = container_of(cb, struct test_cb, base);

	c->of = f;
	atomic_fetch_add(&c->runs, 1);
}

int fences_left(void)
{
	int64_t nr = dma_fence_count();

	if (nr)
		print_error("%lld fences are left\n", (long long)nr);
	return nr != 0;
}
