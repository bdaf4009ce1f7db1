/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hardware that is nothing but a ring: it completes what it was given in order, by hand or by a thread of its own, may
 * hang, and can be reset. Its fences share one lock, as those of a real ring do.
 */
#ifndef BARTER_TESTS_SCHED_RING_H
#define BARTER_TESTS_SCHED_RING_H

#include <pthread.h>

#include "base/condition.h"
#include "fence/dma_fence.h"

struct ring {
	struct spinlock fence_lock;
	uint64_t context, seqno;

	struct mutex lock;
	struct condition moved;
	struct list commands; /* under lock */
	bool stopping;	      /* under lock */
	bool has_thread;
	pthread_t thread;
};

void ring_init(struct ring *r);
/* From now on a thread completes what is there, until a command that hangs. */
void ring_start(struct ring *r);
void ring_fini(struct ring *r);
/* The command's fence, with a reference for the caller. */
struct dma_fence *ring_submit(struct ring *r, bool hangs);
/* Completes up to nr commands (not those that hang, nor what is behind them); how many. */
unsigned ring_complete(struct ring *r, unsigned nr);
/* Forgets everything; the fences of what is forgotten signal with an error. */
void ring_reset(struct ring *r, int error);
unsigned ring_length(struct ring *r);

#endif
