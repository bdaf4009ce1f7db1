/* SPDX-License-Identifier: BSD-3-Clause */
/* Several fences as one. */
#include "driver.h"

#include "fence/dma_fence_array.h"

enum { MEMBERS = 3 };

struct fixture {
	struct test_fence *f[MEMBERS];
	struct spinlock lock; /* all members share it */
	struct dma_fence *array;
	struct test_cb cb;
};

static void fixture_init(struct fixture *x, bool any)
{
	struct dma_fence **fences = calloc(MEMBERS, sizeof(struct dma_fence *));
	uint64_t context = dma_fence_context_alloc(1);

	x->cb = (struct test_cb){0};
	spin_lock_init(&x->lock, &test_timeline_class);
	for (size_t i = 0; i < MEMBERS; i++) {
		x->f[i] = test_fence_new(&x->lock, context, i + 1);
		fences[i] = dma_fence_get(&x->f[i]->base);
	}
	x->array = &dma_fence_array_create(MEMBERS, fences, dma_fence_context_alloc(1), 1, any)->base;
	assert_non_null(to_dma_fence_array(x->array));
	assert_null(to_dma_fence_array(&x->f[0]->base));
}

static void fixture_fini(struct fixture *x)
{
	dma_fence_put(x->array);
	for (size_t i = 0; i < MEMBERS; i++) {
		dma_fence_signal(&x->f[i]->base);
		dma_fence_put(&x->f[i]->base);
	}
	spin_lock_fini(&x->lock);
}

static void all_means_the_last(void **state)
{
	struct fixture x;

	fixture_init(&x, false);
	assert_int_equal(dma_fence_add_callback(x.array, &x.cb.base, test_cb_count), 0);
	dma_fence_signal(&x.f[2]->base);
	dma_fence_signal(&x.f[0]->base);
	assert_false(dma_fence_is_signaled(x.array));
	dma_fence_signal(&x.f[1]->base);
	assert_int_equal(x.cb.runs, 1);
	assert_int_equal(dma_fence_get_status(x.array), 1);
	fixture_fini(&x);
}

static void any_means_the_first(void **state)
{
	struct fixture x;

	fixture_init(&x, true);
	assert_int_equal(dma_fence_add_callback(x.array, &x.cb.base, test_cb_count), 0);
	dma_fence_signal(&x.f[1]->base);
	assert_int_equal(x.cb.runs, 1);
	assert_true(dma_fence_is_signaled(x.array));
	fixture_fini(&x);
}

static void nobody_is_asked_before_someone_asks_the_array(void **state)
{
	struct fixture x;

	fixture_init(&x, false);
	assert_false(dma_fence_is_signaled(x.array));
	assert_int_equal(x.f[0]->enabled, 0);
	for (size_t i = 0; i < MEMBERS; i++)
		dma_fence_signal(&x.f[i]->base);
	assert_int_equal(dma_fence_get_status(x.array), 1);
	fixture_fini(&x);
}

static void the_first_error_is_the_array_s(void **state)
{
	for (int asked = 0; asked < 2; asked++) {
		struct fixture x;

		fixture_init(&x, false);
		if (asked)
			dma_fence_enable_signaling(x.array);
		dma_fence_signal(&x.f[0]->base);
		dma_fence_set_error(&x.f[1]->base, -EIO);
		dma_fence_signal(&x.f[1]->base);
		dma_fence_set_error(&x.f[2]->base, -ENOENT);
		dma_fence_signal(&x.f[2]->base);
		assert_int_equal(dma_fence_get_status(x.array), -EIO);
		fixture_fini(&x);
	}
}

static void an_array_of_what_has_happened_has_happened(void **state)
{
	struct fixture x;

	fixture_init(&x, false);
	for (size_t i = 0; i < MEMBERS; i++)
		x.f[i]->already = true;
	dma_fence_set_error(&x.f[2]->base, -EIO);
	assert_int_equal(dma_fence_add_callback(x.array, &x.cb.base, test_cb_count), -ENOENT);
	assert_int_equal(dma_fence_get_status(x.array), -EIO);
	fixture_fini(&x);
}

/* The members share a lock: a callback that signalled the array, whose callback asks a member, would wait for itself.
 */
static void ask_another(struct dma_fence *f, struct dma_fence_cb *cb)
{
	struct fixture *x = container_of(cb, struct fixture, cb.base);

	spin_lock(&x->lock);
	assert_true(dma_fence_is_signaled_locked(&x->f[0]->base));
	spin_unlock(&x->lock);
	atomic_fetch_add(&x->cb.runs, 1);
}

static void the_array_signals_without_its_members_lock(void **state)
{
	struct fixture x;

	fixture_init(&x, true);
	dma_fence_add_callback(x.array, &x.cb.base, ask_another);
	spin_lock_irq(&x.lock);
	dma_fence_signal_locked(&x.f[0]->base);
	dma_fence_signal_locked(&x.f[1]->base);
	assert_int_equal(x.cb.runs, 0);
	spin_unlock_irq(&x.lock);
	assert_int_equal(x.cb.runs, 1);
	fixture_fini(&x);
}

static void a_deadline_is_every_member_s(void **state)
{
	struct fixture x;

	fixture_init(&x, false);
	dma_fence_set_deadline(x.array, 77);
	for (size_t i = 0; i < MEMBERS; i++)
		assert_int_equal(x.f[i]->deadline_ns, 77);
	fixture_fini(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_means_the_last),
		cmocka_unit_test(any_means_the_first),
		cmocka_unit_test(nobody_is_asked_before_someone_asks_the_array),
		cmocka_unit_test(the_first_error_is_the_array_s),
		cmocka_unit_test(an_array_of_what_has_happened_has_happened),
		cmocka_unit_test(the_array_signals_without_its_members_lock),
		cmocka_unit_test(a_deadline_is_every_member_s),
	};
	return run_fence_tests(tests);
}
