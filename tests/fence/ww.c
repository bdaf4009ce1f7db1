/* SPDX-License-Identifier: BSD-3-Clause */
/* Several reservations at once, in any order. */
#include "driver.h"

#include <pthread.h>
#include <unistd.h>

#include "fence/dma_resv.h"

static void one_context_takes_several_in_any_order(void **state)
{
	struct ww_acquire_ctx ctx;
	struct dma_resv r[3];

	for (size_t i = 0; i < 3; i++)
		dma_resv_init(&r[i]);
	ww_acquire_init(&ctx);
	assert_int_equal(dma_resv_lock(&r[1], &ctx), 0);
	assert_int_equal(dma_resv_lock(&r[2], &ctx), 0);
	assert_int_equal(dma_resv_lock(&r[0], &ctx), 0);
	assert_int_equal(dma_resv_lock(&r[2], &ctx), -EALREADY);
	assert_false(dma_resv_trylock(&r[0]));
	dma_resv_assert_held(&r[1]);
	for (size_t i = 0; i < 3; i++)
		dma_resv_unlock(&r[i]);
	ww_acquire_fini(&ctx);
	assert_true(dma_resv_trylock(&r[0]));
	dma_resv_unlock(&r[0]);
	for (size_t i = 0; i < 3; i++)
		dma_resv_fini(&r[i]);
}

struct pair {
	struct dma_resv a, b;
	pthread_barrier_t barrier;
	int younger;
};

/* Younger: holds b, wants a, which the older has. */
static void *younger(void *arg)
{
	struct pair *p = arg;
	struct ww_acquire_ctx ctx;

	pthread_barrier_wait(&p->barrier);
	ww_acquire_init(&ctx);
	assert_int_equal(dma_resv_lock(&p->b, &ctx), 0);
	pthread_barrier_wait(&p->barrier);
	p->younger = dma_resv_lock(&p->a, &ctx);
	dma_resv_unlock(&p->b);
	dma_resv_lock_slow(&p->a, &ctx);
	assert_int_equal(dma_resv_lock(&p->b, &ctx), 0);
	dma_resv_unlock(&p->b);
	dma_resv_unlock(&p->a);
	ww_acquire_fini(&ctx);
	return NULL;
}

static void the_younger_backs_off(void **state)
{
	struct ww_acquire_ctx ctx;
	pthread_t thread;
	struct pair p;

	dma_resv_init(&p.a);
	dma_resv_init(&p.b);
	pthread_barrier_init(&p.barrier, NULL, 2);
	pthread_create(&thread, NULL, younger, &p);
	ww_acquire_init(&ctx);
	assert_int_equal(dma_resv_lock(&p.a, &ctx), 0);
	pthread_barrier_wait(&p.barrier);
	pthread_barrier_wait(&p.barrier);
	assert_int_equal(dma_resv_lock(&p.b, &ctx), 0);
	/* In this order: who waits for a then meets nobody at b. */
	dma_resv_unlock(&p.b);
	dma_resv_unlock(&p.a);
	ww_acquire_fini(&ctx);
	pthread_join(thread, NULL);
	assert_int_equal(p.younger, -EDEADLK);
	pthread_barrier_destroy(&p.barrier);
	dma_resv_fini(&p.a);
	dma_resv_fini(&p.b);
}

/* Two threads at one object: who comes first has it first. */
struct line {
	struct dma_resv r;
	struct ww_acquire_ctx older;
	bool alone;	 /* the one who waits brings no context */
	atomic_uint got; /* how often it had the object */
};

static void *wait_in_line(void *arg)
{
	struct line *l = arg;

	assert_int_equal(dma_resv_lock(&l->r, l->alone ? NULL : &l->older), 0);
	atomic_fetch_add(&l->got, 1);
	dma_resv_unlock(&l->r);
	return NULL;
}

enum { BY_CONTEXT, BY_ITSELF, BY_TRYING, WAYS };

static void lock_again(struct line *l, unsigned way, struct ww_acquire_ctx *ctx)
{
	ww_acquire_init(ctx);
	while (way == BY_TRYING && !dma_resv_trylock(&l->r))
		usleep(1);
	if (way != BY_TRYING)
		assert_int_equal(dma_resv_lock(&l->r, way == BY_CONTEXT ? ctx : NULL), 0);
}

/* The holder lets go and comes again at once, while the one who waits for it has yet to wake up. */
static void who_waits_is_not_overtaken(void **state)
{
	struct line l = {0};

	dma_resv_init(&l.r);
	ww_acquire_init(&l.older);
	for (unsigned i = 0; i < 20 * WAYS; i++) {
		struct ww_acquire_ctx ctx;
		pthread_t thread;

		l.alone = i & 1;
		assert_int_equal(dma_resv_lock(&l.r, NULL), 0);
		pthread_create(&thread, NULL, wait_in_line, &l);
		while (!atomic_load(&l.r.next))
			usleep(50);
		dma_resv_unlock(&l.r);
		lock_again(&l, i % WAYS, &ctx);
		assert_int_equal(atomic_load(&l.got), i + 1);
		dma_resv_unlock(&l.r);
		pthread_join(thread, NULL);
	}
	dma_resv_fini(&l.r);
}

/* Threads that each take three of eight objects in an order of their own, beside some that take one alone. */
enum { OBJECTS = 8, THREADS = 6, ROUNDS = 1500 };

struct storm {
	struct dma_resv r[OBJECTS];
	int owner[OBJECTS]; /* plain on purpose: the lock guards it, and the race detector checks that */
	atomic_uint backed_off;
	atomic_int next_thread;
};

static void storm_own(struct storm *s, const unsigned *which, unsigned nr, int me)
{
	for (unsigned i = 0; i < nr; i++) {
		assert_int_equal(s->owner[which[i]], 0);
		s->owner[which[i]] = me;
	}
	for (unsigned i = 0; i < nr; i++) {
		assert_int_equal(s->owner[which[i]], me);
		s->owner[which[i]] = 0;
		dma_resv_unlock(&s->r[which[i]]);
	}
}

/* The way every user of an acquire context goes: from the one it lost, then the others. */
static void storm_lock_all(struct storm *s, unsigned *which, unsigned nr, struct ww_acquire_ctx *ctx)
{
	for (unsigned i = 0; i < nr; i++) {
		unsigned lost = which[i];

		if (!dma_resv_lock(&s->r[lost], ctx))
			continue;
		atomic_fetch_add(&s->backed_off, 1);
		for (unsigned j = 0; j < i; j++)
			dma_resv_unlock(&s->r[which[j]]);
		dma_resv_lock_slow(&s->r[lost], ctx);
		which[i] = which[0];
		which[0] = lost;
		i = 0;
	}
}

static void *storm_thread(void *arg)
{
	struct storm *s = arg;
	int me = atomic_fetch_add(&s->next_thread, 1) + 1;
	unsigned seed = (unsigned)me * 7919;

	for (int round = 0; round < ROUNDS; round++) {
		unsigned first = (unsigned)rand_r(&seed) % OBJECTS;
		unsigned which[3] = {first, (first + 3) % OBJECTS, (first + 6) % OBJECTS};
		struct ww_acquire_ctx ctx;

		if (me == 1) {
			dma_resv_lock(&s->r[first], NULL);
			storm_own(s, which, 1, me);
			continue;
		}
		ww_acquire_init(&ctx);
		storm_lock_all(s, which, 3, &ctx);
		storm_own(s, which, 3, me);
		ww_acquire_fini(&ctx);
	}
	return NULL;
}

static void a_storm_of_orders_ends(void **state)
{
	static struct storm s;
	pthread_t threads[THREADS];

	alarm(60);
	for (size_t i = 0; i < OBJECTS; i++)
		dma_resv_init(&s.r[i]);
	for (size_t i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, storm_thread, &s);
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (size_t i = 0; i < OBJECTS; i++)
		dma_resv_fini(&s.r[i]);
	alarm(0);
	print_message("backed off %u times\n", s.backed_off);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_context_takes_several_in_any_order),
		cmocka_unit_test(the_younger_backs_off),
		cmocka_unit_test(who_waits_is_not_overtaken),
		cmocka_unit_test(a_storm_of_orders_ends),
	};
	return run_fence_tests(tests);
}
