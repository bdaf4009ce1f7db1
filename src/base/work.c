/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One thread, two lists: what is to run now, first come first served, and what is not due yet, ordered by time. The
 * thread sleeps on a condition until there is something in the first or the head of the second is due.
 *
 * A work is the owner's again when fn is called: the thread never looks at it afterwards, so fn may free it. Who waits
 * for the end of a fn compares addresses with `running`, which is all that is kept.
 */
#include "base/work.h"

#include <stdlib.h>
#include <time.h>

#include "base/condition.h"
#include "base/thread.h"

static const struct lock_class start_lock_class = {.name = "work queue's start", .rank = LOCK_RANK_LEAF};
static const struct lock_class work_lock_class = {.name = "work queue", .rank = LOCK_RANK_WORK};

struct work_queue {
	const char *name;
	struct mutex start_lock;
	bool has_thread;
	pthread_t thread;

	struct spinlock lock;
	struct list ready;
	struct list delayed; /* by due_ns */
	const struct work *running;
	pthread_t runner; /* valid while something is running */
	bool sleeping, stopping;
	unsigned nr_waiting;   /* for the end of a fn */
	struct condition wake; /* the thread's */
	struct condition done; /* theirs who wait */
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* --- the thread's side; the queue's lock is held --- */

static void promote_due(struct work_queue *q)
{
	uint64_t now;

	if (list_empty(&q->delayed))
		return;
	now = now_ns();
	while (!list_empty(&q->delayed)) {
		struct work *w = list_first(&q->delayed, struct work, node);

		if (w->due_ns > now)
			return;
		list_del(&w->node);
		w->due_ns = 0;
		list_add_tail(&q->ready, &w->node);
	}
}

static void run_first(struct work_queue *q)
{
	struct work *w = list_first(&q->ready, struct work, node);
	work_fn fn = w->fn;

	list_del(&w->node);
	w->pending = false;
	q->running = w;
	q->runner = pthread_self();
	spin_unlock_irq(&q->lock);
	fn(w);
	lock_check_none_held("the end of a work");
	spin_lock_irq(&q->lock);
	q->running = NULL;
	if (q->nr_waiting)
		condition_wake_all(&q->done);
}

static void run_ready(struct work_queue *q)
{
	for (promote_due(q); !list_empty(&q->ready); promote_due(q))
		run_first(q);
}

static void sleep_until_needed(struct work_queue *q)
{
	uint64_t due = list_empty(&q->delayed) ? 0 : list_first(&q->delayed, struct work, node)->due_ns;

	q->sleeping = true;
	condition_wait(&q->wake, &q->lock.mutex, due);
	q->sleeping = false;
}

static void *work_main(void *arg)
{
	struct work_queue *q = arg;

	spin_lock_irq(&q->lock);
	for (run_ready(q); !q->stopping; run_ready(q))
		sleep_until_needed(q);
	spin_unlock_irq(&q->lock);
	return NULL;
}

/* --- the queue --- */

struct work_queue *work_queue_create(const char *name)
{
	struct work_queue *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->name = name;
	mutex_init(&q->start_lock, &start_lock_class);
	spin_lock_init(&q->lock, &work_lock_class);
	list_init(&q->ready);
	list_init(&q->delayed);
	return q;
}

int work_queue_start(struct work_queue *q)
{
	int ret = 0;

	mutex_lock(&q->start_lock);
	if (!q->has_thread)
		ret = thread_start(&q->thread, q->name, work_main, q);
	q->has_thread = ret == 0;
	mutex_unlock(&q->start_lock);
	return ret;
}

static bool has_thread(struct work_queue *q)
{
	bool has;

	mutex_lock(&q->start_lock);
	has = q->has_thread;
	mutex_unlock(&q->start_lock);
	return has;
}

/* What is not due is given back to its owners, who may free it or queue it elsewhere. */
static void drop_delayed(struct work_queue *q)
{
	while (!list_empty(&q->delayed)) {
		struct work *w = list_first(&q->delayed, struct work, node);

		list_del(&w->node);
		w->pending = false;
	}
}

/* What was queued may hold references: it runs even when the thread never did. */
static void run_in_caller(struct work_queue *q)
{
	enum lock_context context = lock_context_enter(LOCK_CONTEXT_WORKER);

	spin_lock_irq(&q->lock);
	run_ready(q);
	spin_unlock_irq(&q->lock);
	lock_context_leave(context);
}

void work_queue_destroy(struct work_queue *q)
{
	if (!q)
		return;
	spin_lock_irq(&q->lock);
	q->stopping = true;
	condition_wake_one(&q->wake);
	spin_unlock_irq(&q->lock);
	if (q->has_thread)
		pthread_join(q->thread, NULL);
	else
		run_in_caller(q);
	drop_delayed(q);
	spin_lock_fini(&q->lock);
	mutex_fini(&q->start_lock);
	free(q);
}

/* --- work --- */

void work_init(struct work *w, work_fn fn)
{
	*w = (struct work){.fn = fn};
	list_init(&w->node);
}

/* From the back: most of what is delayed is delayed by the same time as what came before. */
static void insert_delayed(struct work_queue *q, struct work *w)
{
	struct list *before = q->delayed.prev;

	while (before != &q->delayed && list_entry(before, struct work, node)->due_ns > w->due_ns)
		before = before->prev;
	list_insert_between(&w->node, before, before->next);
}

/* Puts w where its due time wants it; wakes the thread if that is earlier than what it sleeps for. */
static void insert(struct work_queue *q, struct work *w, uint64_t due_ns)
{
	w->due_ns = due_ns;
	if (due_ns)
		insert_delayed(q, w);
	else
		list_add_tail(&q->ready, &w->node);
	if (q->sleeping && (!due_ns || q->delayed.next == &w->node))
		condition_wake_one(&q->wake);
}

bool work_queue_add(struct work_queue *q, struct work *w, uint64_t delay_ns)
{
	uint64_t due_ns = delay_ns ? now_ns() + delay_ns : 0;
	bool added = false;

	spin_lock_irq(&q->lock);
	if (w->cancelling)
		goto out;
	added = !w->pending;
	if (added) {
		w->pending = true;
		insert(q, w, due_ns);
	} else if (w->due_ns > due_ns) {
		list_del(&w->node);
		insert(q, w, due_ns);
	}
out:
	spin_unlock_irq(&q->lock);
	return added;
}

static bool cancel_locked(struct work *w)
{
	bool was_pending = w->pending;

	if (was_pending)
		list_del(&w->node);
	w->pending = false;
	return was_pending;
}

bool work_cancel(struct work_queue *q, struct work *w)
{
	bool cancelled;

	spin_lock_irq(&q->lock);
	cancelled = cancel_locked(w);
	spin_unlock_irq(&q->lock);
	return cancelled;
}

/* The queue's own thread would wait for itself. */
static void assert_not_runner(const struct work_queue *q)
{
	if (q->running && pthread_equal(q->runner, pthread_self()))
		lock_assert_failed("a work waits for its own queue", __FILE__, __LINE__);
}

static void wait_done(struct work_queue *q)
{
	q->nr_waiting++;
	condition_wait(&q->done, &q->lock.mutex, 0);
	q->nr_waiting--;
}

bool work_cancel_sync(struct work_queue *q, struct work *w)
{
	bool cancelled;

	lock_check_none_held(__func__);
	spin_lock_irq(&q->lock);
	assert_not_runner(q);
	cancelled = cancel_locked(w);
	w->cancelling++;
	while (q->running == w)
		wait_done(q);
	w->cancelling--;
	spin_unlock_irq(&q->lock);
	return cancelled;
}

struct flush {
	struct work work;
	struct work_queue *queue;
	bool done;
};

static void flush_run(struct work *w)
{
	struct flush *f = container_of(w, struct flush, work);

	spin_lock_irq(&f->queue->lock);
	f->done = true;
	spin_unlock_irq(&f->queue->lock);
}

void work_queue_flush(struct work_queue *q)
{
	struct flush f = {.queue = q};

	lock_check_none_held(__func__);
	if (!has_thread(q))
		return;
	work_init(&f.work, flush_run);
	spin_lock_irq(&q->lock);
	assert_not_runner(q);
	promote_due(q);
	f.work.pending = true;
	insert(q, &f.work, 0);
	while (!f.done || q->running == &f.work)
		wait_done(q);
	spin_unlock_irq(&q->lock);
}
