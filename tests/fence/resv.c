/* SPDX-License-Identifier: BSD-3-Clause */
/* The fences of a reservation object. */
#include "driver.h"

#include <pthread.h>
#include <string.h>

#include "fence/dma_resv.h"

static void add(struct dma_resv *r, struct test_fence *f, enum dma_resv_usage usage)
{
	assert_int_equal(dma_resv_lock(r, NULL), 0);
	assert_int_equal(dma_resv_reserve_fences(r, 1), 0);
	dma_resv_add_fence(r, &f->base, usage);
	dma_resv_unlock(r);
}

static unsigned count(struct dma_resv *r, enum dma_resv_usage usage)
{
	struct dma_fence **fences;
	unsigned nr;

	assert_int_equal(dma_resv_get_fences(r, usage, &nr, &fences), 0);
	for (unsigned i = 0; i < nr; i++)
		dma_fence_put(fences[i]);
	free(fences);
	return nr;
}

static void a_usage_means_itself_and_all_below(void **state)
{
	struct test_fence *f[4];
	struct dma_resv r;

	dma_resv_init(&r);
	assert_true(dma_resv_test_signaled(&r, DMA_RESV_USAGE_BOOKKEEP));
	for (int u = DMA_RESV_USAGE_KERNEL; u <= DMA_RESV_USAGE_BOOKKEEP; u++) {
		f[u] = test_fence_new(NULL, 0, 1);
		add(&r, f[u], (enum dma_resv_usage)u);
	}
	for (int u = DMA_RESV_USAGE_KERNEL; u <= DMA_RESV_USAGE_BOOKKEEP; u++) {
		assert_int_equal(count(&r, (enum dma_resv_usage)u), u + 1);
		assert_false(dma_resv_test_signaled(&r, (enum dma_resv_usage)u));
	}
	dma_fence_signal(&f[DMA_RESV_USAGE_KERNEL]->base);
	assert_true(dma_resv_test_signaled(&r, DMA_RESV_USAGE_KERNEL));
	assert_int_equal(dma_resv_wait_timeout(&r, DMA_RESV_USAGE_KERNEL, 0), 1);
	assert_int_equal(dma_resv_wait_timeout(&r, DMA_RESV_USAGE_WRITE, 1000), 0);
	f[DMA_RESV_USAGE_WRITE]->knows = true;
	assert_true(dma_resv_test_signaled(&r, dma_resv_usage_rw(false)));
	assert_false(dma_resv_test_signaled(&r, dma_resv_usage_rw(true)));
	for (int u = DMA_RESV_USAGE_KERNEL; u <= DMA_RESV_USAGE_BOOKKEEP; u++) {
		dma_fence_signal(&f[u]->base);
		dma_fence_put(&f[u]->base);
	}
	assert_int_equal(count(&r, DMA_RESV_USAGE_BOOKKEEP), 0);
	dma_resv_fini(&r);
}

static void a_later_fence_of_a_context_takes_the_place_of_the_earlier(void **state)
{
	uint64_t context = dma_fence_context_alloc(1);
	struct test_fence *one = test_fence_new(NULL, context, 1), *two = test_fence_new(NULL, context, 2);
	struct dma_resv r;

	dma_resv_init(&r);
	add(&r, one, DMA_RESV_USAGE_READ);
	add(&r, two, DMA_RESV_USAGE_READ);
	assert_int_equal(count(&r, DMA_RESV_USAGE_BOOKKEEP), 1);
	/* An earlier one, and one that says less than the one that is there, do not take it. */
	add(&r, one, DMA_RESV_USAGE_READ);
	assert_int_equal(count(&r, DMA_RESV_USAGE_BOOKKEEP), 2);
	add(&r, two, DMA_RESV_USAGE_BOOKKEEP);
	assert_int_equal(count(&r, DMA_RESV_USAGE_BOOKKEEP), 3);
	assert_int_equal(count(&r, DMA_RESV_USAGE_READ), 2);
	dma_fence_signal(&one->base);
	dma_fence_signal(&two->base);
	dma_fence_put(&one->base);
	dma_fence_put(&two->base);
	dma_resv_fini(&r);
}

static void signalled_fences_make_room(void **state)
{
	struct dma_resv r;

	dma_resv_init(&r);
	for (uint64_t i = 0; i < 1000; i++) {
		struct test_fence *f = test_fence_new(NULL, 0, i);

		add(&r, f, DMA_RESV_USAGE_WRITE);
		dma_fence_signal(&f->base);
		dma_fence_put(&f->base);
		assert_true(dma_fence_count() <= 4);
	}
	dma_resv_fini(&r);
}

static void many_pending_fences_are_kept(void **state)
{
	struct test_fence *f[100];
	struct dma_resv r;

	dma_resv_init(&r);
	for (size_t i = 0; i < ARRAY_SIZE(f); i++)
		add(&r, f[i] = test_fence_new(NULL, 0, i), DMA_RESV_USAGE_READ);
	assert_int_equal(count(&r, DMA_RESV_USAGE_READ), 100);
	for (size_t i = 0; i < ARRAY_SIZE(f); i += 2)
		dma_fence_signal(&f[i]->base);
	dma_resv_lock(&r, NULL);
	assert_int_equal(dma_resv_reserve_fences(&r, 100), 0);
	dma_resv_unlock(&r);
	assert_int_equal(count(&r, DMA_RESV_USAGE_READ), 50);
	for (size_t i = 0; i < ARRAY_SIZE(f); i++) {
		dma_fence_signal(&f[i]->base);
		dma_fence_put(&f[i]->base);
	}
	dma_resv_fini(&r);
}

static void what_there_is_can_be_read(void **state)
{
	struct test_fence *f = test_fence_new(NULL, 0, 7);
	char *text, expected[128];
	struct dma_resv r;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	dma_resv_init(&r);
	add(&r, f, DMA_RESV_USAGE_BOOKKEEP);
	assert_int_equal(dma_resv_describe(&r, out), 0);
	dma_fence_signal(&f->base);
	assert_int_equal(dma_resv_describe(&r, out), 0);
	fclose(out);
	snprintf(expected, sizeof(expected),
		 "\tbookkeep fence:%llu:7 test-timeline test-driver unsignalled\n\tbookkeep fence:%llu:7   signalled\n",
		 (unsigned long long)f->base.context, (unsigned long long)f->base.context);
	assert_string_equal(text, expected);
	free(text);
	dma_fence_put(&f->base);
	dma_resv_fini(&r);
}

static void note_change(struct dma_resv *r, void *arg)
{
	dma_resv_assert_held(r);
	++*(int *)arg;
}

static void who_follows_hears_of_each_fence(void **state)
{
	struct test_fence *f = test_fence_new(NULL, 0, 1);
	struct dma_resv r;
	int changes = 0;

	dma_resv_init(&r);
	r.changed = note_change;
	r.changed_arg = &changes;
	add(&r, f, DMA_RESV_USAGE_WRITE);
	assert_int_equal(changes, 1);
	dma_fence_signal(&f->base);
	dma_fence_put(&f->base);
	dma_resv_fini(&r);
}

/* Readers without the lock beside a writer: what they get is alive, and signals in the end. */
enum { READERS = 3, ROUNDS = 3000 };

struct readers {
	struct dma_resv r;
	atomic_bool stop;
};

static void *reader(void *arg)
{
	struct readers *s = arg;
	FILE *null = fopen("/dev/null", "w");

	while (!atomic_load(&s->stop)) {
		count(&s->r, DMA_RESV_USAGE_READ);
		dma_resv_describe(&s->r, null);
		dma_resv_wait_timeout(&s->r, DMA_RESV_USAGE_READ, 1000);
		dma_resv_test_signaled(&s->r, DMA_RESV_USAGE_BOOKKEEP);
	}
	fclose(null);
	return NULL;
}

static void readers_need_no_lock(void **state)
{
	struct test_fence *f[8] = {0};
	pthread_t threads[READERS];
	struct readers s = {0};

	dma_resv_init(&s.r);
	for (size_t i = 0; i < READERS; i++)
		pthread_create(&threads[i], NULL, reader, &s);
	for (size_t i = 0; i < ROUNDS; i++) {
		struct test_fence **slot = &f[i % ARRAY_SIZE(f)];

		if (*slot) {
			dma_fence_signal(&(*slot)->base);
			dma_fence_put(&(*slot)->base);
		}
		*slot = test_fence_new(NULL, 0, i);
		add(&s.r, *slot, (enum dma_resv_usage)(i % 4));
	}
	for (size_t i = 0; i < ARRAY_SIZE(f); i++) {
		dma_fence_signal(&f[i]->base);
		dma_fence_put(&f[i]->base);
	}
	assert_int_equal(dma_resv_wait_timeout(&s.r, DMA_RESV_USAGE_BOOKKEEP, 0), 1);
	atomic_store(&s.stop, true);
	for (size_t i = 0; i < READERS; i++)
		pthread_join(threads[i], NULL);
	dma_resv_fini(&s.r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_usage_means_itself_and_all_below),
		cmocka_unit_test(a_later_fence_of_a_context_takes_the_place_of_the_earlier),
		cmocka_unit_test(signalled_fences_make_room),
		cmocka_unit_test(many_pending_fences_are_kept),
		cmocka_unit_test(what_there_is_can_be_read),
		cmocka_unit_test(who_follows_hears_of_each_fence),
		cmocka_unit_test(readers_need_no_lock),
	};
	return run_fence_tests(tests);
}
