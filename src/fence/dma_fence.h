/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fences: something that will have happened. The names and rules are Linux's (SPEC S10).
 *
 * A fence is signalled once, for good, by its driver, in any context. Callbacks run then, once each, in interrupt
 * context under the fence's lock: they take no lock that is taken elsewhere with interrupts on, no lock of a container
 * that process context walks, add no callback to another fence, and never wait. What has more to do queues work.
 *
 * The signalling path (lock_signalling_begin()) of a fence that others can see never waits for another fence or for
 * memory, and takes no reservation lock.
 *
 * Fences of one timeline share a context and may share a lock. References are counted; a fence that is dropped
 * unsignalled is a bug of its driver, reported.
 *
 * Who may include this: fence/, sched/, dmabuf/, drm/, vfio/, tests.
 */
#ifndef BARTER_FENCE_DMA_FENCE_H
#define BARTER_FENCE_DMA_FENCE_H

#include <stdatomic.h>

#include "base/list.h"
#include "base/lock.h"
#include "base/types.h"

struct dma_fence;
struct dma_fence_cb;

typedef void (*dma_fence_func)(struct dma_fence *f, struct dma_fence_cb *cb);

struct dma_fence_cb {
	struct list node; /* guarded by the fence's lock */
	dma_fence_func func;
};

struct dma_fence_ops {
	const char *(*get_driver_name)(struct dma_fence *f);
	const char *(*get_timeline_name)(struct dma_fence *f);
	/* The driver knows more than the flag; NULL: it does not. Any context, no lock. */
	bool (*signaled)(struct dma_fence *f);
	/* Under the lock, when the first one asks to be told: false: it has happened. May be NULL. */
	bool (*enable_signaling)(struct dma_fence *f);
	void (*set_deadline)(struct dma_fence *f, uint64_t deadline_ns);
	/* The last reference is gone. NULL: free(). Any context. Fences that it lets go of are released after it. */
	void (*release)(struct dma_fence *f);
};

/* WAITERS: someone sleeps on `flags`. */
enum { DMA_FENCE_FLAG_SIGNALED = 1, DMA_FENCE_FLAG_ENABLED = 2, DMA_FENCE_FLAG_WAITERS = 4 };

struct dma_fence {
	const struct dma_fence_ops *ops;
	struct spinlock
		*lock; /* LOCK_RANK_FENCE; the driver's, often shared by a timeline; guards callbacks and flags */
	struct spinlock inline_lock; /* what `lock` points at when the driver gave none */
	struct list callbacks;	     /* once the last reference is gone: the way to the next to be released */
	uint64_t context, seqno;     /* immutable */
	_Atomic unsigned flags;	     /* set under the lock, read without: they never go away */
	uint64_t timestamp_ns;	     /* CLOCK_MONOTONIC, of the signal; valid once SIGNALED is seen */
	_Atomic int error;	     /* 0 or -errno; set before the signal */
	atomic_int refs;
};

/* nr fresh contexts; returns the first. */
uint64_t dma_fence_context_alloc(unsigned nr);
/* One reference, unsignalled. lock NULL: a lock of its own. */
void dma_fence_init(struct dma_fence *f, const struct dma_fence_ops *ops, struct spinlock *lock, uint64_t context,
		    uint64_t seqno);
struct dma_fence *dma_fence_get(struct dma_fence *f); /* NULL in, NULL out */
void dma_fence_put(struct dma_fence *f);

/* 0, or -EINVAL when it was signalled before. Any context; runs the callbacks. _locked: the lock is held. */
int dma_fence_signal(struct dma_fence *f);
int dma_fence_signal_locked(struct dma_fence *f);
/* Before the signal. error < 0. */
void dma_fence_set_error(struct dma_fence *f, int error);
bool dma_fence_is_signaled(struct dma_fence *f); /* asks the driver, and signals when it says so */
bool dma_fence_is_signaled_locked(struct dma_fence *f);
int dma_fence_get_status(struct dma_fence *f); /* 0 pending, 1 signalled, -errno signalled with an error */

/* -ENOENT: signalled already, the callback will not run. Not from a callback. */
int dma_fence_add_callback(struct dma_fence *f, struct dma_fence_cb *cb, dma_fence_func func);
/* False: it has run or runs on; when it returns the callback does not run any more. */
bool dma_fence_remove_callback(struct dma_fence *f, struct dma_fence_cb *cb);

#define DMA_FENCE_FOREVER UINT64_MAX
/* Nanoseconds left (at least 1), 0 when it timed out. Process or worker context, where lock_may_wait_fence() is. */
uint64_t dma_fence_wait_timeout(struct dma_fence *f, uint64_t timeout_ns);
/* As long as it takes: 0, or -ERESTARTSYS when the program was sent a signal (base/thread.h). */
int dma_fence_wait_interruptible(struct dma_fence *f);
/*
 * Until one of them has signalled: 0; -ETIMEDOUT, -ENOMEM, or -ERESTARTSYS: a signal of the program's waits for this
 * thread (base/thread.h).
 */
int dma_fence_wait_any(struct dma_fence **fences, unsigned nr, uint64_t timeout_ns);
void dma_fence_set_deadline(struct dma_fence *f, uint64_t deadline_ns);
/* Asks the driver to see to it that the fence signals, without a callback. */
void dma_fence_enable_signaling(struct dma_fence *f);
/* Of one context. */
bool dma_fence_is_later(const struct dma_fence *a, const struct dma_fence *b);
/* Of a signalled fence Linux tells only that it has signalled: the driver may be gone. */
const char *dma_fence_driver_name(struct dma_fence *f);
const char *dma_fence_timeline_name(struct dma_fence *f);
/* An array or a chain. */
bool dma_fence_is_container(const struct dma_fence *f);
/* A fence that has been signalled all along: one reference, or NULL. */
struct dma_fence *dma_fence_get_stub(void);
/* Fences alive: for leak checks. */
int64_t dma_fence_count(void);

#endif
