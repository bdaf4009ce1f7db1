/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Work that must not be done where it is asked for: under a spinlock, in an interrupt handler, in a fence's callback.
 * A work queue runs it later on a thread of its own, in the context LOCK_CONTEXT_WORKER. Anyone may include this.
 *
 * The thread is made by work_queue_start(), never by queueing: that may come from where nothing may allocate or wait.
 * Its signals are masked as those of a device's worker are (base/thread.h).
 */
#ifndef BARTER_BASE_WORK_H
#define BARTER_BASE_WORK_H

#include "base/list.h"
#include "base/lock.h"
#include "base/types.h"

struct work_queue;
struct work;

typedef void (*work_fn)(struct work *w);

/* Embedded in what it works on. All members are the queue's. */
struct work {
	work_fn fn;
	struct list node;
	uint64_t due_ns; /* CLOCK_MONOTONIC; 0: at once */
	bool pending;
	unsigned cancelling; /* callers of work_cancel_sync(): it cannot be queued meanwhile */
};

/* name: a literal of at most 15 bytes, the thread's. NULL when out of memory. No thread runs yet. */
struct work_queue *work_queue_create(const char *name);
/* Starts the thread if it does not run: 0 or -errno. Process context. */
int work_queue_start(struct work_queue *q);
/*
 * Runs what is pending and due, and what that queues, drops delayed work that is not due, ends the thread. Nobody else
 * queues any more. Of a queue without a thread the pending work runs here, in the caller. NULL is fine.
 */
void work_queue_destroy(struct work_queue *q);

void work_init(struct work *w, work_fn fn);
/*
 * Asks for w->fn(w) once on the queue's thread, after at least delay_ns. False: it was pending already (of the two due
 * times it keeps the earlier), or someone is in work_cancel_sync() for it and it will not run. fn may free w or queue
 * it again. Any context, under any lock; never blocks, never allocates.
 */
bool work_queue_add(struct work_queue *q, struct work *w, uint64_t delay_ns);
/* Takes pending work back: true when it will not run. Does not wait. Any context. */
bool work_cancel(struct work_queue *q, struct work *w);
/* As work_cancel(), and waits until a running fn has returned. Not from the queue's thread; may wait, so no locks. */
bool work_cancel_sync(struct work_queue *q, struct work *w);
/*
 * Returns when all that was pending and due when it was called has run. Not from the queue's thread; may wait, so no
 * locks. Does nothing without a thread.
 */
void work_queue_flush(struct work_queue *q);

#endif
