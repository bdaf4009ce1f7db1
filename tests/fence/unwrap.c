/* SPDX-License-Identifier: BSD-3-Clause */
/* Chains and arrays taken apart and merged. */
#include "driver.h"

#include <stdio.h>
#include <string.h>

#include "fence/dma_fence_unwrap.h"
#include "fence/dma_resv.h"

enum { FENCES = 5 };

static struct test_fence *f[FENCES];

static int set_up(void **state)
{
	for (size_t i = 0; i < FENCES; i++)
		f[i] = test_fence_new(NULL, 0, i + 1);
	return 0;
}

static int tear_down(void **state)
{
	for (size_t i = 0; i < FENCES; i++) {
		dma_fence_signal(&f[i]->base);
		dma_fence_put(&f[i]->base);
	}
	return 0;
}

static struct dma_fence *array_of(unsigned nr, struct test_fence **members)
{
	struct dma_fence **fences = calloc(nr, sizeof(struct dma_fence *));

	for (unsigned i = 0; i < nr; i++)
		fences[i] = dma_fence_get(&members[i]->base);
	return &dma_fence_array_create(nr, fences, dma_fence_context_alloc(1), 1, false)->base;
}

static struct dma_fence *chain_of(struct dma_fence *prev, struct dma_fence *own, uint64_t seqno)
{
	struct dma_fence_chain *chain = dma_fence_chain_alloc();

	dma_fence_chain_init(chain, prev, own, seqno);
	return &chain->base;
}

/* The numbers of what is in it, in order. */
static void assert_holds(struct dma_fence *head, const char *expected)
{
	char text[64] = "";
	struct dma_fence_unwrap cursor;
	struct dma_fence *each;

	dma_fence_unwrap_for_each (each, &cursor, head)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%llu ", (unsigned long long)each->seqno);
	assert_string_equal(text, expected);
}

static void everything_inside_comes_by_once(void **state)
{
	struct dma_fence *array = array_of(3, f), *chain;

	assert_holds(NULL, "");
	assert_holds(&f[0]->base, "1 ");
	assert_holds(array, "1 2 3 ");
	chain = chain_of(chain_of(NULL, dma_fence_get(&f[3]->base), 1), array, 2);
	assert_holds(chain, "1 2 3 4 ");
	chain = chain_of(chain, dma_fence_get(&f[4]->base), 3);
	assert_holds(chain, "5 1 2 3 4 ");
	dma_fence_put(chain);
}

static void who_stops_early_lets_go(void **state)
{
	struct dma_fence *chain = chain_of(NULL, array_of(3, f), 1);
	struct dma_fence_unwrap cursor;

	assert_ptr_equal(dma_fence_unwrap_first(chain, &cursor), &f[0]->base);
	dma_fence_unwrap_end(&cursor);
	dma_fence_put(chain);
}

static void a_merge_keeps_what_is_pending_in_order(void **state)
{
	struct dma_fence *array = array_of(3, f), *chain = chain_of(NULL, dma_fence_get(&f[3]->base), 1);
	struct dma_fence *both[] = {chain, array}, *merged;

	dma_fence_signal(&f[1]->base);
	merged = dma_fence_unwrap_merge(2, both);
	assert_holds(merged, "1 3 4 ");
	assert_true(dma_fence_is_array(merged));
	dma_fence_put(merged);
	dma_fence_put(array);
	dma_fence_put(chain);
}

static void a_merge_of_one_context_is_its_latest(void **state)
{
	uint64_t context = dma_fence_context_alloc(1);
	struct test_fence *of[3] = {test_fence_new(NULL, context, 11), test_fence_new(NULL, context, 13),
				    test_fence_new(NULL, context, 12)};
	struct dma_fence *all[] = {&of[0]->base, &of[1]->base, &of[2]->base, &f[0]->base}, *merged;

	merged = dma_fence_unwrap_merge(3, all);
	assert_ptr_equal(merged, all[1]);
	dma_fence_put(merged);
	merged = dma_fence_unwrap_merge(4, all);
	assert_holds(merged, "1 13 ");
	dma_fence_put(merged);
	for (size_t i = 0; i < 3; i++) {
		dma_fence_signal(all[i]);
		dma_fence_put(all[i]);
	}
}

static void a_merge_of_nothing_pending_has_signalled_at_the_latest_time(void **state)
{
	struct dma_fence *all[] = {&f[0]->base, &f[1]->base}, *merged;

	dma_fence_signal(&f[1]->base);
	dma_fence_signal(&f[0]->base);
	merged = dma_fence_unwrap_merge(2, all);
	assert_int_equal(dma_fence_get_status(merged), 1);
	assert_true(merged->timestamp_ns == f[0]->base.timestamp_ns);
	dma_fence_put(merged);
}

static void a_reservation_gives_its_fences_as_one(void **state)
{
	struct dma_fence *one;
	struct dma_resv r;

	dma_resv_init(&r);
	assert_int_equal(dma_resv_get_singleton(&r, DMA_RESV_USAGE_BOOKKEEP, &one), 0);
	assert_null(one);
	dma_resv_lock(&r, NULL);
	assert_int_equal(dma_resv_reserve_fences(&r, 2), 0);
	dma_resv_add_fence(&r, &f[0]->base, DMA_RESV_USAGE_WRITE);
	dma_resv_add_fence(&r, &f[1]->base, DMA_RESV_USAGE_READ);
	dma_resv_unlock(&r);
	assert_int_equal(dma_resv_get_singleton(&r, dma_resv_usage_rw(false), &one), 0);
	assert_ptr_equal(one, &f[0]->base);
	dma_fence_put(one);
	assert_int_equal(dma_resv_get_singleton(&r, dma_resv_usage_rw(true), &one), 0);
	assert_holds(one, "1 2 ");
	dma_fence_put(one);
	dma_resv_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(everything_inside_comes_by_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_stops_early_lets_go, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_merge_keeps_what_is_pending_in_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_merge_of_one_context_is_its_latest, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_merge_of_nothing_pending_has_signalled_at_the_latest_time, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_reservation_gives_its_fences_as_one, set_up, tear_down),
	};
	return run_fence_tests(tests);
}
