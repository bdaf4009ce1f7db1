/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Work queues: what is queued runs once, on another thread, in order and not before it is due; what is cancelled does
 * not run, and has returned after work_cancel_sync(); fn may free or requeue its work; an end loses nothing that is
 * due.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/work.h"

#define MS 1000000ull

struct job {
	struct work work;
	struct work_queue *queue;
	_Atomic unsigned runs;
	_Atomic bool in_fn, go_on;
	unsigned limit; /* how often it queues itself again */
	uint64_t delay_ns;
	unsigned *order, nr; /* where it writes its number down */
	_Atomic unsigned *place;
};

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 * MS + (uint64_t)ts.tv_nsec;
}

static struct job *job(struct work *w)
{
	return container_of(w, struct job, work);
}

static void count(struct work *w)
{
	job(w)->runs++;
}

static void wait_to_go_on(struct work *w)
{
	job(w)->in_fn = true;
	while (!job(w)->go_on)
		sched_yield();
	job(w)->in_fn = false;
	job(w)->runs++;
}

static void write_down(struct work *w)
{
	job(w)->order[(*job(w)->place)++] = job(w)->nr;
}

static void queue_again(struct work *w)
{
	struct job *j = job(w);

	if (++j->runs < j->limit)
		assert_true(work_queue_add(j->queue, w, j->delay_ns));
}

static void free_itself(struct work *w)
{
	struct job *j = job(w);

	(*j->place)++;
	free(j);
}

static int setup(void **state)
{
	struct work_queue *q = work_queue_create("test work");

	assert_non_null(q);
	assert_int_equal(work_queue_start(q), 0);
	assert_int_equal(work_queue_start(q), 0);
	*state = q;
	return 0;
}

static int teardown(void **state)
{
	work_queue_destroy(*state);
	return 0;
}

static void runs_once_and_in_order(void **state)
{
	struct work_queue *q = *state;
	_Atomic unsigned place = 0;
	unsigned order[32];
	struct job jobs[32] = {0};

	for (unsigned i = 0; i < 32; i++) {
		jobs[i] = (struct job){.order = order, .nr = i, .place = &place};
		work_init(&jobs[i].work, write_down);
		assert_true(work_queue_add(q, &jobs[i].work, 0));
	}
	work_queue_flush(q);
	assert_int_equal(place, 32);
	for (unsigned i = 0; i < 32; i++)
		assert_int_equal(order[i], i);
}

static void note_context(struct work *w)
{
	char name[16];

	pthread_getname_np(pthread_self(), name, sizeof(name));
	assert_string_equal(name, "test work");
#ifdef BARTER_DEBUG
	assert_int_equal(lock_context_now(), LOCK_CONTEXT_WORKER);
#endif
	job(w)->runs++;
}

static void runs_on_a_thread_of_its_own_context(void **state)
{
	struct work_queue *q = *state;
	struct job j = {0};

	work_init(&j.work, note_context);
	work_queue_add(q, &j.work, 0);
	work_queue_flush(q);
	assert_int_equal(j.runs, 1);
	assert_int_equal(lock_context_now(), LOCK_CONTEXT_PROCESS);
}

static void pending_work_is_not_added_again(void **state)
{
	struct work_queue *q = *state;
	struct job block = {0}, j = {0};

	work_init(&block.work, wait_to_go_on);
	work_init(&j.work, count);
	work_queue_add(q, &block.work, 0);
	while (!block.in_fn)
		sched_yield();
	assert_true(work_queue_add(q, &j.work, 0));
	assert_false(work_queue_add(q, &j.work, 0));
	assert_false(work_queue_add(q, &j.work, MS));
	/* What runs is not pending: it can be asked for once more. */
	assert_true(work_queue_add(q, &block.work, 0));
	block.go_on = true;
	work_queue_flush(q);
	assert_int_equal(j.runs, 1);
	assert_int_equal(block.runs, 2);
}

static void delayed_work_comes_by_time(void **state)
{
	struct work_queue *q = *state;
	static const unsigned delays[] = {30, 10, 20};
	_Atomic unsigned place = 0;
	unsigned order[3];
	struct job jobs[3] = {0};
	uint64_t start = now();

	for (unsigned i = 0; i < 3; i++) {
		jobs[i] = (struct job){.order = order, .nr = delays[i], .place = &place};
		work_init(&jobs[i].work, write_down);
		assert_true(work_queue_add(q, &jobs[i].work, delays[i] * MS));
	}
	while (place != 3)
		usleep(500);
	work_queue_flush(q); /* the last fn has returned */
	assert_true(now() - start >= 30 * MS);
	assert_int_equal(order[0], 10);
	assert_int_equal(order[1], 20);
	assert_int_equal(order[2], 30);
}

static void the_earlier_due_time_wins(void **state)
{
	struct work_queue *q = *state;
	struct job j = {0};

	work_init(&j.work, count);
	assert_true(work_queue_add(q, &j.work, 3600 * 1000 * MS));
	assert_false(work_queue_add(q, &j.work, 1 * MS));
	assert_false(work_queue_add(q, &j.work, 3600 * 1000 * MS));
	while (!j.runs)
		usleep(200);
	assert_true(work_queue_add(q, &j.work, 3600 * 1000 * MS));
	assert_false(work_queue_add(q, &j.work, 0));
	work_queue_flush(q);
	assert_int_equal(j.runs, 2);
}

static void *flush(void *arg)
{
	work_queue_flush(arg);
	return NULL;
}

/* It came due while something else ran: a flush that begins now waits for it. */
static void a_flush_waits_for_what_has_come_due(void **state)
{
	struct work_queue *q = *state;
	struct job block = {0}, delayed = {0};
	pthread_t thread;

	work_init(&block.work, wait_to_go_on);
	work_init(&delayed.work, count);
	work_queue_add(q, &block.work, 0);
	while (!block.in_fn)
		sched_yield();
	work_queue_add(q, &delayed.work, MS);
	usleep(1500);
	pthread_create(&thread, NULL, flush, q);
	usleep(1500);
	assert_int_equal(delayed.runs, 0);
	block.go_on = true;
	pthread_join(thread, NULL);
	assert_int_equal(delayed.runs, 1);
}

static void cancelled_work_does_not_run(void **state)
{
	struct work_queue *q = *state;
	struct job block = {0}, at_once = {0}, delayed = {0};

	work_init(&block.work, wait_to_go_on);
	work_init(&at_once.work, count);
	work_init(&delayed.work, count);
	assert_false(work_cancel(q, &at_once.work));
	work_queue_add(q, &block.work, 0);
	while (!block.in_fn)
		sched_yield();
	work_queue_add(q, &at_once.work, 0);
	work_queue_add(q, &delayed.work, MS);
	assert_true(work_cancel(q, &at_once.work));
	assert_true(work_cancel(q, &delayed.work));
	assert_false(work_cancel(q, &block.work)); /* runs already */
	assert_true(block.in_fn);
	block.go_on = true;
	usleep(2000);
	work_queue_flush(q);
	assert_int_equal(at_once.runs + delayed.runs, 0);
	assert_true(work_queue_add(q, &at_once.work, 0));
	work_queue_flush(q);
	assert_int_equal(at_once.runs, 1);
}

static void *let_go(void *arg)
{
	struct job *j = arg;

	usleep(3000);
	j->go_on = true;
	return NULL;
}

static void cancel_sync_waits_for_the_fn(void **state)
{
	struct work_queue *q = *state;
	struct job j = {0};
	pthread_t thread;

	work_init(&j.work, wait_to_go_on);
	work_queue_add(q, &j.work, 0);
	while (!j.in_fn)
		sched_yield();
	pthread_create(&thread, NULL, let_go, &j);
	assert_false(work_cancel_sync(q, &j.work));
	assert_int_equal(j.runs, 1);
	assert_false(j.in_fn);
	pthread_join(thread, NULL);
}

/* It queues itself for ever; the cancel is the end of it. */
static void queue_always(struct work *w)
{
	job(w)->runs++;
	work_queue_add(job(w)->queue, w, 0);
}

static void cancel_sync_ends_what_requeues_itself(void **state)
{
	struct work_queue *q = *state;

	for (unsigned i = 0; i < 200; i++) {
		struct job j = {.queue = q};
		unsigned runs;

		work_init(&j.work, queue_always);
		work_queue_add(q, &j.work, 0);
		while (j.runs < i % 4)
			sched_yield();
		work_cancel_sync(q, &j.work);
		runs = j.runs;
		work_queue_flush(q);
		assert_int_equal(j.runs, runs);
		assert_false(j.work.pending);
		memset(&j, 0xff, sizeof(j));
	}
}

static void fn_may_queue_its_work_again(void **state)
{
	struct work_queue *q = *state;
	struct job j = {.queue = q, .limit = 100}, late = {.queue = q, .limit = 5, .delay_ns = MS / 2};

	work_init(&j.work, queue_again);
	work_init(&late.work, queue_again);
	work_queue_add(q, &late.work, 0);
	work_queue_add(q, &j.work, 0);
	while (j.runs < 100 || late.runs < 5)
		usleep(100);
	work_queue_flush(q);
	assert_int_equal(j.runs, 100);
	assert_int_equal(late.runs, 5);
}

static void fn_may_free_its_work(void **state)
{
	struct work_queue *q = *state;
	_Atomic unsigned freed = 0;

	for (unsigned i = 0; i < 1000; i++) {
		struct job *j = calloc(1, sizeof(*j));

		j->place = &freed;
		work_init(&j->work, free_itself);
		assert_true(work_queue_add(q, &j->work, i % 3 ? 0 : MS / 10));
	}
	while (freed != 1000)
		usleep(100);
}

static void destroy_runs_what_is_due_and_drops_the_rest(void **state)
{
	struct work_queue *q = work_queue_create("a name that is far too long");
	struct job due[10] = {0}, chain = {.queue = q, .limit = 4}, delayed[2] = {0};

	assert_int_equal(work_queue_start(q), 0);
	work_init(&delayed[0].work, count);
	work_init(&delayed[1].work, count);
	work_init(&chain.work, queue_again);
	work_queue_add(q, &delayed[0].work, 3600 * 1000 * MS);
	work_queue_add(q, &delayed[1].work, 1800 * 1000 * MS);
	for (unsigned i = 0; i < 10; i++) {
		work_init(&due[i].work, count);
		work_queue_add(q, &due[i].work, 0);
	}
	work_queue_add(q, &chain.work, 0);
	work_queue_destroy(q);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(due[i].runs, 1);
	assert_int_equal(chain.runs, 4);
	assert_int_equal(delayed[0].runs + delayed[1].runs, 0);
	assert_false(delayed[0].work.pending || delayed[1].work.pending);
	(void)state;
}

static void without_a_thread_destroy_runs_it_here(void **state)
{
	struct work_queue *q = work_queue_create("never");
	struct job j = {0};

	work_init(&j.work, count);
	work_queue_add(q, &j.work, 0);
	work_queue_flush(q);
	assert_int_equal(j.runs, 0);
	work_queue_destroy(q);
	assert_int_equal(j.runs, 1);
	work_queue_destroy(NULL);
	(void)state;
}

static void queueing_is_allowed_anywhere(void **state)
{
	static const struct lock_class fence_class = {.name = "fence", .rank = LOCK_RANK_FENCE};
	static const struct lock_class leaf_class = {.name = "leaf", .rank = LOCK_RANK_LEAF};
	enum lock_context context = lock_context_enter(LOCK_CONTEXT_INTERRUPT);
	struct work_queue *q = *state;
	struct spinlock fence, leaf;
	struct job j = {0};
	bool cancelled;

	work_init(&j.work, count);
	spin_lock_init(&fence, &fence_class);
	spin_lock_init(&leaf, &leaf_class);
	spin_lock(&fence);
	spin_lock(&leaf);
	work_queue_add(q, &j.work, 0);
	cancelled = work_cancel(q, &j.work);
	work_queue_add(q, &j.work, 0);
	spin_unlock(&leaf);
	spin_unlock(&fence);
	lock_context_leave(context);
	work_queue_flush(q);
	assert_int_equal(j.runs, cancelled ? 1 : 2);
	spin_lock_fini(&fence);
	spin_lock_fini(&leaf);
}

static void an_idle_queue_uses_no_processor(void **state)
{
	struct timespec before, after;
	struct job j = {0};

	work_init(&j.work, count);
	work_queue_add(*state, &j.work, 3600 * 1000 * MS);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	usleep(50000);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	assert_true((after.tv_sec - before.tv_sec) * 1000000000 + after.tv_nsec - before.tv_nsec < 20 * (long)MS);
	assert_true(work_cancel(*state, &j.work));
}

struct racer {
	struct work_queue *queue;
	struct job *jobs;
	unsigned seed;
	_Atomic unsigned *added;
};

enum { NR_RACERS = 4, NR_JOBS = 8, NR_ROUNDS = 4000 };

static void *race(void *arg)
{
	struct racer *r = arg;

	for (unsigned i = 0; i < NR_ROUNDS; i++) {
		struct job *j = &r->jobs[rand_r(&r->seed) % NR_JOBS];

		switch (rand_r(&r->seed) % 8) {
		case 0:
			*r->added -= work_cancel(r->queue, &j->work);
			break;
		case 1:
			*r->added -= work_cancel_sync(r->queue, &j->work);
			break;
		case 2:
			if (i % 64 == 0)
				work_queue_flush(r->queue);
			break;
		case 3:
			*r->added += work_queue_add(r->queue, &j->work, rand_r(&r->seed) % 50000);
			break;
		default:
			*r->added += work_queue_add(r->queue, &j->work, 0);
		}
	}
	return NULL;
}

/* Every add that said yes ran or was cancelled, whoever raced. */
static void adds_cancels_and_flushes_race(void **state)
{
	struct work_queue *q = *state;
	struct racer racers[NR_RACERS];
	struct job jobs[NR_JOBS] = {0};
	pthread_t threads[NR_RACERS];
	_Atomic unsigned added = 0;
	unsigned runs = 0;

	for (unsigned i = 0; i < NR_JOBS; i++)
		work_init(&jobs[i].work, count);
	for (unsigned i = 0; i < NR_RACERS; i++) {
		racers[i] = (struct racer){q, jobs, i + 1, &added};
		pthread_create(&threads[i], NULL, race, &racers[i]);
	}
	for (unsigned i = 0; i < NR_RACERS; i++)
		pthread_join(threads[i], NULL);
	for (unsigned i = 0; i < NR_JOBS; i++)
		added -= work_cancel_sync(q, &jobs[i].work);
	for (unsigned i = 0; i < NR_JOBS; i++)
		runs += jobs[i].runs;
	assert_int_equal(runs, added);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(runs_once_and_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(runs_on_a_thread_of_its_own_context, setup, teardown),
		cmocka_unit_test_setup_teardown(pending_work_is_not_added_again, setup, teardown),
		cmocka_unit_test_setup_teardown(delayed_work_comes_by_time, setup, teardown),
		cmocka_unit_test_setup_teardown(the_earlier_due_time_wins, setup, teardown),
		cmocka_unit_test_setup_teardown(a_flush_waits_for_what_has_come_due, setup, teardown),
		cmocka_unit_test_setup_teardown(cancelled_work_does_not_run, setup, teardown),
		cmocka_unit_test_setup_teardown(cancel_sync_waits_for_the_fn, setup, teardown),
		cmocka_unit_test_setup_teardown(cancel_sync_ends_what_requeues_itself, setup, teardown),
		cmocka_unit_test_setup_teardown(fn_may_queue_its_work_again, setup, teardown),
		cmocka_unit_test_setup_teardown(fn_may_free_its_work, setup, teardown),
		cmocka_unit_test(destroy_runs_what_is_due_and_drops_the_rest),
		cmocka_unit_test(without_a_thread_destroy_runs_it_here),
		cmocka_unit_test_setup_teardown(queueing_is_allowed_anywhere, setup, teardown),
		cmocka_unit_test_setup_teardown(an_idle_queue_uses_no_processor, setup, teardown),
		cmocka_unit_test_setup_teardown(adds_cancels_and_flushes_race, setup, teardown),
	};

	return cmocka_run_group_tests_name("work", tests, NULL, NULL);
}
