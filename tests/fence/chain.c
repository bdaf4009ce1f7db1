/* SPDX-License-Identifier: BSD-3-Clause */
/* Chains: points, what drops out, and lengths at which recursion would end badly. */
#include "driver.h"

#include <pthread.h>

#include "fence/dma_fence_chain.h"

/* A link on prev (consumed) over f (a reference is taken). */
static struct dma_fence *link_new(struct dma_fence *prev, struct dma_fence *f, uint64_t seqno)
{
	struct dma_fence_chain *chain = dma_fence_chain_alloc();

	assert_non_null(chain);
	dma_fence_chain_init(chain, prev, dma_fence_get(f), seqno);
	return &chain->base;
}

static void a_link_waits_for_its_own_and_all_before(void **state)
{
	struct test_fence *a = test_fence_new(NULL, 0, 1), *b = test_fence_new(NULL, 0, 1);
	struct dma_fence *one = link_new(NULL, &a->base, 1), *two = link_new(dma_fence_get(one), &b->base, 2);
	struct test_cb cb = {0};

	assert_true(two->context == one->context);
	assert_int_equal(dma_fence_add_callback(two, &cb.base, test_cb_count), 0);
	dma_fence_signal(&b->base);
	assert_int_equal(cb.runs, 0);
	assert_false(dma_fence_is_signaled(two));
	dma_fence_signal(&a->base);
	assert_int_equal(cb.runs, 1);
	assert_true(dma_fence_is_signaled(one));
	dma_fence_put(one);
	dma_fence_put(two);
	dma_fence_put(&a->base);
	dma_fence_put(&b->base);
}

static void a_point_is_found_by_number(void **state)
{
	struct test_fence *f = test_fence_new(NULL, 0, 1);
	struct dma_fence *link[4] = {NULL}, *found;

	for (uint64_t i = 1; i < 4; i++)
		link[i] = link_new(dma_fence_get(link[i - 1]), &f->base, 10 * i);
	for (uint64_t seqno = 1; seqno <= 30; seqno++) {
		found = dma_fence_get(link[3]);
		assert_int_equal(dma_fence_chain_find_seqno(&found, seqno), 0);
		assert_ptr_equal(found, link[(seqno + 9) / 10]);
		dma_fence_put(found);
	}
	found = link[3];
	assert_int_equal(dma_fence_chain_find_seqno(&found, 31), -EINVAL);
	assert_int_equal(dma_fence_chain_find_seqno(&found, 0), 0);
	assert_ptr_equal(found, link[3]);
	dma_fence_signal(&f->base);
	dma_fence_get(found);
	assert_int_equal(dma_fence_chain_find_seqno(&found, 10), 0);
	assert_null(found);
	for (size_t i = 1; i < 4; i++)
		dma_fence_put(link[i]);
	dma_fence_put(&f->base);
}

static void a_number_that_is_not_beyond_starts_anew(void **state)
{
	struct test_fence *f = test_fence_new(NULL, 0, 1);
	struct dma_fence *one = link_new(NULL, &f->base, 5), *two = link_new(dma_fence_get(one), &f->base, 3);

	assert_true(two->context != one->context);
	assert_int_equal(two->seqno, 5);
	dma_fence_signal(&f->base);
	dma_fence_put(one);
	dma_fence_put(two);
	dma_fence_put(&f->base);
}

static void what_has_signalled_drops_out_on_the_way(void **state)
{
	struct test_fence *done = test_fence_new(NULL, 0, 1), *open = test_fence_new(NULL, 0, 1);
	struct dma_fence *head = link_new(NULL, &open->base, 1);
	int64_t before;

	for (uint64_t i = 2; i < 100; i++)
		head = link_new(head, &done->base, i);
	head = link_new(head, &open->base, 100);
	before = dma_fence_count();
	dma_fence_signal(&done->base);
	assert_false(dma_fence_is_signaled(head));
	dma_fence_signal(&open->base);
	assert_true(dma_fence_is_signaled(head));
	assert_true(dma_fence_count() <= before - 98);
	dma_fence_put(head);
	dma_fence_put(&done->base);
	dma_fence_put(&open->base);
}

static void a_deadline_is_every_link_s(void **state)
{
	struct test_fence *a = test_fence_new(NULL, 0, 1), *b = test_fence_new(NULL, 0, 1);
	struct dma_fence *head = link_new(link_new(NULL, &a->base, 1), &b->base, 2);

	dma_fence_set_deadline(head, 9);
	assert_int_equal(a->deadline_ns + b->deadline_ns, 18);
	dma_fence_signal(&a->base);
	dma_fence_signal(&b->base);
	dma_fence_put(head);
	dma_fence_put(&a->base);
	dma_fence_put(&b->base);
}

/* On a stack of 64 KiB. */
enum { LINKS = 1000000, STACK_BYTES = 64 << 10 };

static void *million(void *arg)
{
	struct test_fence *f = test_fence_new(NULL, 0, 1), *last = test_fence_new(NULL, 0, 1);
	struct dma_fence *head = NULL, *iter;
	struct test_cb cb = {0};
	size_t nr = 0;

	for (uint64_t i = 1; i <= LINKS; i++)
		head = link_new(head, i == LINKS ? &last->base : &f->base, i);
	dma_fence_chain_for_each (iter, head)
		nr++;
	assert_int_equal(nr, LINKS);
	assert_int_equal(dma_fence_add_callback(head, &cb.base, test_cb_count), 0);
	/* Unsignalled links are let go of all at once, then all signal at once. */
	dma_fence_signal(&last->base);
	assert_int_equal(cb.runs, 0);
	dma_fence_signal(&f->base);
	assert_int_equal(cb.runs, 1);
	dma_fence_put(head);
	assert_int_equal(dma_fence_count(), 2);

	dma_fence_put(&f->base);
	f = test_fence_new(NULL, 0, 1);
	for (uint64_t i = 1, n = (head = NULL, LINKS); i <= n; i++)
		head = link_new(head, &f->base, i);
	dma_fence_put(head);
	assert_int_equal(dma_fence_count(), 2);
	dma_fence_signal(&f->base);
	dma_fence_put(&f->base);
	dma_fence_put(&last->base);
	return NULL;
}

static void a_million_links_need_no_stack(void **state)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	assert_int_equal(pthread_create(&thread, &attr, million, NULL), 0);
	pthread_join(thread, NULL);
	pthread_attr_destroy(&attr);
}

/* Every link is asked, and the points signal in order, from two threads at once. */
enum { ASKED = 2000 };

struct asked {
	struct test_fence *f[ASKED];
	struct test_cb cb[ASKED];
	struct dma_fence *link[ASKED];
};

static void *signal_odd(void *arg)
{
	struct asked *x = arg;

	for (size_t i = 1; i < ASKED; i += 2)
		dma_fence_signal(&x->f[i]->base);
	return NULL;
}

static void links_that_are_asked_signal_in_order(void **state)
{
	struct asked *x = calloc(1, sizeof(*x));
	pthread_t thread;

	for (size_t i = 0; i < ASKED; i++) {
		x->f[i] = test_fence_new(NULL, 0, 1);
		x->link[i] = link_new(i ? dma_fence_get(x->link[i - 1]) : NULL, &x->f[i]->base, i + 1);
		assert_int_equal(dma_fence_add_callback(x->link[i], &x->cb[i].base, test_cb_count), 0);
	}
	pthread_create(&thread, NULL, signal_odd, x);
	for (size_t i = 0; i < ASKED; i += 2)
		dma_fence_signal(&x->f[i]->base);
	pthread_join(thread, NULL);
	for (size_t i = 0; i < ASKED; i++) {
		assert_int_equal(x->cb[i].runs, 1);
		dma_fence_put(x->link[i]);
		dma_fence_put(&x->f[i]->base);
	}
	free(x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_link_waits_for_its_own_and_all_before),
		cmocka_unit_test(a_point_is_found_by_number),
		cmocka_unit_test(a_number_that_is_not_beyond_starts_anew),
		cmocka_unit_test(what_has_signalled_drops_out_on_the_way),
		cmocka_unit_test(a_deadline_is_every_link_s),
		cmocka_unit_test(a_million_links_need_no_stack),
		cmocka_unit_test(links_that_are_asked_signal_in_order),
	};
	return run_fence_tests(tests);
}
