/* SPDX-License-Identifier: BSD-3-Clause */
/* One fence: signal, callbacks, waits, errors, references. */
#include "driver.h"

#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "base/irq_work.h"

static void a_fence_signals_once_and_keeps_its_error(void **state)
{
	struct test_fence *f = test_fence_new(NULL, 0, 1);

	assert_int_equal(dma_fence_get_status(&f->base), 0);
	assert_string_equal(dma_fence_driver_name(&f->base), "test-driver");
	dma_fence_set_error(&f->base, -EIO);
	assert_int_equal(dma_fence_signal(&f->base), 0);
	assert_int_equal(dma_fence_signal(&f->base), -EINVAL);
	assert_int_equal(dma_fence_get_status(&f->base), -EIO);
	assert_true(f->base.timestamp_ns > 0);
	assert_string_equal(dma_fence_driver_name(&f->base), "detached-driver");
	assert_string_equal(dma_fence_timeline_name(&f->base), "signaled-timeline");
	dma_fence_put(&f->base);
}

static void callbacks_run_once_each_in_order_of_arrival(void **state)
{
	struct test_fence *f = test_fence_new(NULL, 0, 1);
	struct test_cb cb[3] = {0};

	for (size_t i = 0; i < 3; i++)
		assert_int_equal(dma_fence_add_callback(&f->base, &cb[i].base, test_cb_count), 0);
	assert_int_equal(f->enabled, 1);
	assert_true(dma_fence_remove_callback(&f->base, &cb[1].base));
	assert_false(dma_fence_remove_callback(&f->base, &cb[1].base));
	dma_fence_signal(&f->base);
	assert_int_equal(cb[0].runs + 10 * cb[1].runs + 100 * cb[2].runs, 101);
	assert_false(dma_fence_remove_callback(&f->base, &cb[0].base));
	assert_int_equal(dma_fence_add_callback(&f->base, &cb[1].base, test_cb_count), -ENOENT);
	dma_fence_put(&f->base);
}

struct seen {
	struct dma_fence_cb base;
	enum lock_context context;
	bool locked, signaled;
	int status;
};

static void see(struct dma_fence *f, struct dma_fence_cb *cb)
{
	struct seen *s = container_of(cb, struct seen, base);

	s->context = lock_context_now();
	s->locked = !futex_lock_try(&f->lock->mutex.native);
	s->signaled = dma_fence_is_signaled(f);
	s->status = dma_fence_get_status(f);
}

static void a_callback_is_an_interrupt_under_the_lock_and_finds_it_signalled(void **state)
{
	struct test_fence *f = test_fence_new(NULL, 0, 1);
	struct seen s = {0};

	dma_fence_add_callback(&f->base, &s.base, see);
	dma_fence_set_error(&f->base, -EIO);
	dma_fence_signal(&f->base);
	assert_true(s.locked);
	assert_true(s.signaled);
	assert_int_equal(s.status, -EIO);
#ifdef BARTER_DEBUG
	assert_int_equal(s.context, LOCK_CONTEXT_INTERRUPT);
	assert_int_equal(lock_context_now(), LOCK_CONTEXT_PROCESS);
#endif
	dma_fence_put(&f->base);
}

/* Whoever asks first: a callback, one who waits, or one who wants no more than that. */
static void the_driver_is_asked_once(void **state)
{
	for (int first = 0; first < 3; first++) {
		struct test_fence *f = test_fence_new(NULL, 0, 1);
		struct test_cb cb[2] = {0};

		for (int i = first; i < first + 3; i++) {
			if (i % 3 == 0)
				dma_fence_add_callback(&f->base, &cb[0].base, test_cb_count);
			else if (i % 3 == 1)
				dma_fence_wait_timeout(&f->base, 1);
			else
				dma_fence_enable_signaling(&f->base);
			assert_int_equal(f->enabled, 1);
		}
		dma_fence_add_callback(&f->base, &cb[1].base, test_cb_count);
		dma_fence_signal(&f->base);
		dma_fence_enable_signaling(&f->base);
		assert_int_equal(f->enabled, 1);
		assert_int_equal(cb[0].runs + cb[1].runs, 2);
		dma_fence_put(&f->base);
	}
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

static void the_time_is_that_of_the_signal(void **state)
{
	struct test_fence *f = test_fence_new(NULL, 0, 1);
	uint64_t before, after;

	before = now_ns();
	dma_fence_signal(&f->base);
	after = now_ns();
	assert_true(before <= f->base.timestamp_ns && f->base.timestamp_ns <= after);
	before = f->base.timestamp_ns;
	dma_fence_signal(&f->base);
	assert_true(f->base.timestamp_ns == before);
	dma_fence_put(&f->base);
}

static void a_driver_that_knows_better_signals_when_asked(void **state)
{
	struct test_fence *f = test_fence_new(NULL, 0, 1);
	struct test_cb cb = {0};

	dma_fence_add_callback(&f->base, &cb.base, test_cb_count);
	assert_false(dma_fence_is_signaled(&f->base));
	f->knows = true;
	assert_true(dma_fence_is_signaled(&f->base));
	assert_int_equal(cb.runs, 1);
	dma_fence_put(&f->base);
}

static void enabling_can_find_that_it_has_happened(void **state)
{
	struct test_fence *f = test_fence_new(NULL, 0, 1);
	struct test_cb cb = {0};

	f->already = true;
	assert_int_equal(dma_fence_add_callback(&f->base, &cb.base, test_cb_count), -ENOENT);
	assert_true(dma_fence_is_signaled(&f->base));
	assert_int_equal(cb.runs, 0);
	dma_fence_put(&f->base);
}

static void a_deadline_reaches_the_driver_until_the_signal(void **state)
{
	struct test_fence *f = test_fence_new(NULL, 0, 1);

	dma_fence_set_deadline(&f->base, 123);
	assert_int_equal(f->deadline_ns, 123);
	dma_fence_signal(&f->base);
	dma_fence_set_deadline(&f->base, 456);
	assert_int_equal(f->deadline_ns, 123);
	dma_fence_put(&f->base);
}

static void a_wait_times_out_and_says_what_is_left(void **state)
{
	struct test_fence *f = test_fence_new(NULL, 0, 1);

	assert_int_equal(dma_fence_wait_timeout(&f->base, 0), 0);
	assert_int_equal(dma_fence_wait_timeout(&f->base, 1000000), 0);
	dma_fence_signal(&f->base);
	assert_int_equal(dma_fence_wait_timeout(&f->base, 0), 1);
	assert_true(dma_fence_wait_timeout(&f->base, DMA_FENCE_FOREVER) == DMA_FENCE_FOREVER);
	assert_int_equal(dma_fence_wait_interruptible(&f->base), 0);
	dma_fence_put(&f->base);
}

static void *signal_later(void *arg)
{
	usleep(5000);
	dma_fence_signal(arg);
	return NULL;
}

static void a_wait_ends_with_the_signal(void **state)
{
	struct test_fence *f = test_fence_new(NULL, 0, 1);
	pthread_t thread;

	pthread_create(&thread, NULL, signal_later, &f->base);
	assert_true(dma_fence_wait_timeout(&f->base, 10000000000ull) > 1);
	pthread_join(thread, NULL);
	dma_fence_put(&f->base);
}

static void later_means_later_in_the_same_context(void **state)
{
	uint64_t context = dma_fence_context_alloc(1);
	struct test_fence *a = test_fence_new(NULL, context, 1), *b = test_fence_new(NULL, context, 2);
	struct test_fence *other = test_fence_new(NULL, 0, 3);

	assert_true(dma_fence_is_later(&b->base, &a->base));
	assert_false(dma_fence_is_later(&a->base, &b->base));
	assert_false(dma_fence_is_later(&a->base, &a->base));
	assert_false(dma_fence_is_later(&other->base, &a->base));
	dma_fence_put(&a->base);
	dma_fence_put(&b->base);
	dma_fence_put(&other->base);
}

static void the_stub_has_been_signalled_all_along(void **state)
{
	struct dma_fence *f = dma_fence_get_stub();

	assert_int_equal(dma_fence_get_status(f), 1);
	dma_fence_put(f);
	assert_null(dma_fence_get(NULL));
	dma_fence_put(NULL);
}

static void who_waits_for_a_dropped_fence_is_told(void **state)
{
	struct test_fence *f = test_fence_new(NULL, 0, 1);
	struct seen s = {0};

	dma_fence_add_callback(&f->base, &s.base, see);
	dma_fence_put(&f->base);
	assert_int_equal(s.status, -EDEADLK);
}

struct put_off {
	struct irq_work work;
	struct spinlock *held;
	int runs;
	bool under_lock, again;
};

static void put_off_run(struct irq_work *w)
{
	struct put_off *p = container_of(w, struct put_off, work);

	p->under_lock |= !futex_lock_try(&p->held->mutex.native);
	if (!p->under_lock)
		futex_lock_give(&p->held->mutex.native);
	p->runs++;
	if (p->again) {
		p->again = false;
		irq_work_queue(w);
		assert_int_equal(p->runs, 1);
	}
}

static void work_put_off_runs_when_the_last_spinlock_is_let_go(void **state)
{
	static const struct lock_class outer_class = {.name = "outer", .rank = LOCK_RANK_FENCE_ARRAY};
	struct put_off p = {.again = true};
	struct spinlock outer, inner;

	spin_lock_init(&outer, &outer_class);
	spin_lock_init(&inner, &test_timeline_class);
	p.held = &outer;
	irq_work_init(&p.work, put_off_run);
	spin_lock_irq(&outer);
	spin_lock(&inner);
	assert_true(irq_work_queue(&p.work));
	assert_false(irq_work_queue(&p.work));
	spin_unlock(&inner);
	assert_int_equal(p.runs, 0);
	spin_unlock_irq(&outer);
	assert_int_equal(p.runs, 2);
	assert_false(p.under_lock);
	irq_work_queue(&p.work);
	assert_int_equal(p.runs, 3);
	spin_lock_fini(&outer);
	spin_lock_fini(&inner);
}

/* Waiters, callbacks and a signal that race: everybody is told once. */
enum { RACE_THREADS = 4, RACE_ROUNDS = 300 };

struct race {
	struct test_fence *f;
	pthread_barrier_t barrier;
	atomic_int told;
};

static void *race_thread(void *arg)
{
	struct race *r = arg;

	for (int i = 0; i < RACE_ROUNDS; i++) {
		struct test_cb cb = {0};
		bool added;

		pthread_barrier_wait(&r->barrier);
		added = dma_fence_add_callback(&r->f->base, &cb.base, test_cb_count) == 0;
		if (i & 1)
			assert_true(dma_fence_wait_timeout(&r->f->base, DMA_FENCE_FOREVER) > 0);
		if (added && dma_fence_remove_callback(&r->f->base, &cb.base))
			added = false;
		assert_int_equal(cb.runs, added);
		atomic_fetch_add(&r->told, 1);
		pthread_barrier_wait(&r->barrier);
	}
	return NULL;
}

static void a_signal_races_with_all_who_ask(void **state)
{
	pthread_t threads[RACE_THREADS];
	struct race r = {0};

	pthread_barrier_init(&r.barrier, NULL, RACE_THREADS + 1);
	for (size_t i = 0; i < RACE_THREADS; i++)
		pthread_create(&threads[i], NULL, race_thread, &r);
	for (int i = 0; i < RACE_ROUNDS; i++) {
		r.f = test_fence_new(NULL, 0, 1);
		pthread_barrier_wait(&r.barrier);
		dma_fence_signal(&r.f->base);
		pthread_barrier_wait(&r.barrier);
		dma_fence_put(&r.f->base);
	}
	for (size_t i = 0; i < RACE_THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(r.told, RACE_THREADS * RACE_ROUNDS);
	pthread_barrier_destroy(&r.barrier);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fence_signals_once_and_keeps_its_error),
		cmocka_unit_test(callbacks_run_once_each_in_order_of_arrival),
		cmocka_unit_test(a_callback_is_an_interrupt_under_the_lock_and_finds_it_signalled),
		cmocka_unit_test(the_driver_is_asked_once),
		cmocka_unit_test(the_time_is_that_of_the_signal),
		cmocka_unit_test(a_driver_that_knows_better_signals_when_asked),
		cmocka_unit_test(enabling_can_find_that_it_has_happened),
		cmocka_unit_test(a_deadline_reaches_the_driver_until_the_signal),
		cmocka_unit_test(a_wait_times_out_and_says_what_is_left),
		cmocka_unit_test(a_wait_ends_with_the_signal),
		cmocka_unit_test(later_means_later_in_the_same_context),
		cmocka_unit_test(the_stub_has_been_signalled_all_along),
		cmocka_unit_test(who_waits_for_a_dropped_fence_is_told),
		cmocka_unit_test(work_put_off_runs_when_the_last_spinlock_is_let_go),
		cmocka_unit_test(a_signal_races_with_all_who_ask),
	};
	return run_fence_tests(tests);
}
