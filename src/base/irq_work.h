/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What cannot be done under the spinlock that is held but needs no thread of its own either: it runs on the same thread
 * as soon as that holds no spinlock any more, as an interrupt would that was kept off so far. A fence array is
 * signalled so, after the lock of the fence whose callback completed it. Anyone may include this.
 *
 * The function runs in interrupt context without spinlocks. Of work that queues work, one runs after the other: the
 * stack does not grow.
 */
#ifndef BARTER_BASE_IRQ_WORK_H
#define BARTER_BASE_IRQ_WORK_H

#include <stdatomic.h>

#include "base/lock.h"

/* Embedded in what it works on. All members are the queue's. */
struct irq_work {
	void (*fn)(struct irq_work *w);
	struct irq_work *next; /* the queueing thread's */
	atomic_bool queued;
};

void irq_work_init(struct irq_work *w, void (*fn)(struct irq_work *w));
/*
 * Runs w->fn(w) once: at once when the caller holds no spinlock. False: it is queued already, on whatever thread, and
 * has not begun. fn may free w or queue it again. Any context; never blocks, never allocates.
 */
bool irq_work_queue(struct irq_work *w);

#endif
