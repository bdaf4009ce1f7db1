/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The scheduler as an object: its birth and end, and how other threads reach its worker.
 *
 * The inbox is a stack of notes that anyone may push on. A worker that has nothing to do leaves SCHED_ASLEEP there;
 * only who finds that has to queue the work, so a note to a worker that is awake costs one exchange.
 */
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sched/sched_priv.h"

static const struct lock_class sched_lock_class = {.name = "scheduler's entities", .rank = LOCK_RANK_LEAF};

static struct sched_note asleep;

uint64_t sched_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* --- notes --- */

/* The waker is counted before its note can be seen: sched_destroy() waits for those who still touch the scheduler. */
static void post_and_wake(struct sched_scheduler *s, struct sched_note *note)
{
	struct sched_note *expected = &asleep;

	atomic_fetch_add(&s->wakers, 1);
	note->next = NULL;
	if (atomic_compare_exchange_strong(&s->inbox, &expected, note))
		work_queue_add(s->submit_queue, &s->run, 0);
	else
		sched_post(s, note, note->kind);
	atomic_fetch_sub(&s->wakers, 1);
}

void sched_post(struct sched_scheduler *s, struct sched_note *note, enum sched_note_kind kind)
{
	struct sched_note *head = atomic_load_explicit(&s->inbox, memory_order_relaxed);

	note->kind = kind;
	do {
		if (head == &asleep) {
			post_and_wake(s, note);
			return;
		}
		note->next = head;
	} while (!atomic_compare_exchange_weak_explicit(&s->inbox, &head, note, memory_order_release,
							memory_order_relaxed));
}

struct sched_note *sched_take_notes(struct sched_scheduler *s)
{
	struct sched_note *note, *first = NULL;

	if (!atomic_load_explicit(&s->inbox, memory_order_relaxed))
		return NULL;
	note = atomic_exchange_explicit(&s->inbox, NULL, memory_order_acquire);
	while (note && note != &asleep) {
		struct sched_note *next = note->next;

		note->next = first;
		first = note;
		note = next;
	}
	return first;
}

bool sched_fall_asleep(struct sched_scheduler *s)
{
	struct sched_note *expected = NULL;

	return atomic_compare_exchange_strong(&s->inbox, &expected, &asleep);
}

/* --- parking: the worker stands still, its state is the caller's --- */

void sched_park(struct sched_scheduler *s)
{
	atomic_fetch_add(&s->parked, 1);
	work_cancel_sync(s->submit_queue, &s->run);
}

void sched_unpark(struct sched_scheduler *s)
{
	if (atomic_fetch_sub(&s->parked, 1) == 1)
		work_queue_add(s->submit_queue, &s->run, 0);
}

bool sched_on_worker(struct sched_scheduler *s)
{
	return atomic_load(&s->running) && pthread_equal(atomic_load(&s->worker), pthread_self());
}

/* --- waiting for the worker --- */

bool sched_wait(struct sched_scheduler *s, bool (*done)(void *arg), void *arg, uint64_t deadline_ns)
{
	bool is_done;

	if (done(arg))
		return true;
	lock_may_wait_fence(__func__);
	atomic_fetch_add(&s->waiters, 1);
	mutex_lock(&s->lock);
	for (is_done = done(arg); !is_done && sched_now() < deadline_ns; is_done = done(arg))
		condition_wait(&s->moved, &s->lock, deadline_ns == DMA_FENCE_FOREVER ? 0 : deadline_ns);
	mutex_unlock(&s->lock);
	atomic_fetch_sub(&s->waiters, 1);
	return is_done;
}

/* Who counted himself before this looks will be woken; who comes later sees what has moved. */
void sched_wake_waiters(struct sched_scheduler *s)
{
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load(&s->waiters) == 0)
		return;
	mutex_lock(&s->lock);
	condition_wake_all(&s->moved);
	mutex_unlock(&s->lock);
}

/* --- birth and end --- */

static int take_queues(struct sched_scheduler *s, const struct sched_init_args *args)
{
	s->own_submit_queue = !args->submit_queue;
	s->submit_queue = args->submit_queue ? args->submit_queue : work_queue_create("sched-submit");
	s->own_timeout_queue = !args->timeout_queue;
	s->timeout_queue = args->timeout_queue ? args->timeout_queue : work_queue_create("sched-timeout");
	return s->submit_queue && s->timeout_queue ? 0 : -ENOMEM;
}

static void free_scheduler(struct sched_scheduler *s)
{
	if (s->own_timeout_queue)
		work_queue_destroy(s->timeout_queue);
	if (s->own_submit_queue)
		work_queue_destroy(s->submit_queue);
	mutex_fini(&s->lock);
	free(s);
}

int sched_create(const struct sched_init_args *args, struct sched_scheduler **out)
{
	struct sched_scheduler *s;
	int ret;

	if (!args->credit_limit || (args->submit_queue && args->submit_queue == args->timeout_queue))
		return -EINVAL;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->ops = args->ops;
	strncpy(s->name, args->name, sizeof(s->name) - 1);
	s->credit_limit = args->credit_limit;
	s->hang_limit = args->hang_limit;
	s->timeout_ns = args->timeout_ns ? args->timeout_ns : DMA_FENCE_FOREVER;
	work_init(&s->run, sched_run);
	work_init(&s->timeout, sched_timed_out);
	atomic_init(&s->inbox, &asleep);
	list_init(&s->pending);
	list_init(&s->entities);
	mutex_init(&s->lock, &sched_lock_class);
	ret = take_queues(s, args);
	if (ret)
		free_scheduler(s);
	else
		*out = s;
	return ret;
}

static bool no_jobs(void *arg)
{
	struct sched_scheduler *s = arg;

	return atomic_load(&s->jobs) == 0;
}

/* The newest first, so that nothing on the hardware gets a turn because the one before it went. */
static void cancel_pending(struct sched_scheduler *s)
{
	struct list *node, *previous;

	work_cancel_sync(s->timeout_queue, &s->timeout);
	sched_park(s);
	for (node = s->pending.prev; node != &s->pending; node = previous) {
		struct sched_job *job = list_entry(node, struct sched_job, pending);

		previous = node->prev;
		if (job->s_fence->parent && !dma_fence_is_signaled(job->s_fence->parent))
			s->ops->cancel_job(job);
	}
	sched_unpark(s);
}

static struct sched_entity *first_entity(struct sched_scheduler *s)
{
	struct sched_entity *e = NULL;

	mutex_lock(&s->lock);
	if (!list_empty(&s->entities))
		e = list_first(&s->entities, struct sched_entity, node);
	mutex_unlock(&s->lock);
	return e;
}

void sched_destroy(struct sched_scheduler *s)
{
	struct sched_entity *e;

	if (!s)
		return;
	while ((e = first_entity(s)))
		sched_entity_fini(e);
	if (s->ops->cancel_job)
		cancel_pending(s);
	sched_wait(s, no_jobs, s, DMA_FENCE_FOREVER);
	/* No job, no entity: nobody posts any more. What is left is to see the last ones out. */
	work_cancel_sync(s->timeout_queue, &s->timeout);
	while (atomic_load(&s->wakers))
		sched_yield();
	sched_park(s);
	free_scheduler(s);
}

unsigned sched_nr_jobs(struct sched_scheduler *s)
{
	return atomic_load(&s->jobs);
}
