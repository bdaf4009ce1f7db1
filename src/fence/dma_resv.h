/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reservation objects: which fences stand for the work that uses a buffer. Names and rules are Linux's.
 *
 * The lock may be taken for several objects at once, in any order, by one who brings an acquire context: the younger
 * backs off (-EDEADLK), lets go of all it has and starts with the one it lost (wound/wait). Fences are added under the
 * lock, into room that was reserved before; they may be read without it (references are taken).
 *
 * Who may include this: fence/, sched/, dmabuf/, drm/, iommufd/, vfio/, tests.
 */
#ifndef BARTER_FENCE_DMA_RESV_H
#define BARTER_FENCE_DMA_RESV_H

#include <stdio.h>

#include "fence/dma_fence.h"

/* Ascending: asking for a usage means it and all below it. */
enum dma_resv_usage {
	DMA_RESV_USAGE_KERNEL,	/* moves and clears by the memory's owner: nobody may go on before */
	DMA_RESV_USAGE_WRITE,	/* implicit: writers */
	DMA_RESV_USAGE_READ,	/* implicit: readers */
	DMA_RESV_USAGE_BOOKKEEP /* no implicit order: what must end before the memory goes */
};

static inline enum dma_resv_usage dma_resv_usage_rw(bool write)
{
	return write ? DMA_RESV_USAGE_READ : DMA_RESV_USAGE_WRITE;
}

struct dma_resv_list;

/* One who locks several. Stamps are handed out in order; the smaller is the older and wins. Its thread's own. */
struct ww_acquire_ctx {
	uint64_t stamp;
	unsigned nr_held;
	bool wounded; /* has been told to back off and still holds something */
};

struct dma_resv {
	struct mutex lock;	    /* LOCK_RANK_RESERVATION */
	struct ww_acquire_ctx *ctx; /* the holder's, when it brought one; guarded by lock */
	_Atomic uint64_t owner;	    /* its stamp, 0: it brought none. Written by the holder, read by who waits */
	_Atomic uint64_t next;	    /* the stamp of the oldest who waits, 0: none has said so */
	_Atomic unsigned turn;	    /* changes when the lock is let go or gets an owner; who waits sleeps on it */
	atomic_uint nr_waiting;	    /* who sleeps on turn */
	unsigned room;		    /* how many fences may be added; guarded by lock */

	struct spinlock fences_lock;  /* a leaf: so that the fences can be read without the lock */
	struct dma_resv_list *fences; /* written under both locks, read under either */
	uint64_t generation;	      /* of the list; fences_lock */
	/* A fence was added; the lock is held: a buffer's poll follows. Set once before it is shared; may be NULL. */
	void (*changed)(struct dma_resv *r, void *arg);
	void *changed_arg;
};

void dma_resv_init(struct dma_resv *r);
void dma_resv_fini(struct dma_resv *r);

void ww_acquire_init(struct ww_acquire_ctx *ctx);
void ww_acquire_fini(struct ww_acquire_ctx *ctx);
/*
 * ctx NULL: one object alone, always 0. Else 0, -EALREADY (held by ctx), or -EDEADLK: an older one has it. Let go of
 * all that ctx holds, then dma_resv_lock_slow() on this one, then the others.
 */
int dma_resv_lock(struct dma_resv *r, struct ww_acquire_ctx *ctx);
/* After a back-off, holding nothing. */
void dma_resv_lock_slow(struct dma_resv *r, struct ww_acquire_ctx *ctx);
bool dma_resv_trylock(struct dma_resv *r);
void dma_resv_unlock(struct dma_resv *r);
#define dma_resv_assert_held(r) mutex_assert_held(&(r)->lock)

/* Lock held; the room is there until it is let go. -ENOMEM. */
int dma_resv_reserve_fences(struct dma_resv *r, unsigned nr);
/* Lock held, room reserved; takes a reference of its own; no array and no chain (unwrap it). One of the same context
 * that is older is replaced. */
void dma_resv_add_fence(struct dma_resv *r, struct dma_fence *f, enum dma_resv_usage usage);

/* What is unsignalled up to a usage. Without the lock: a snapshot, each with a reference. */
int dma_resv_get_fences(struct dma_resv *r, enum dma_resv_usage usage, unsigned *nr, struct dma_fence ***fences);
/* All of them as one fence (an array when several); NULL in *out when there is none. */
int dma_resv_get_singleton(struct dma_resv *r, enum dma_resv_usage usage, struct dma_fence **out);
bool dma_resv_test_signaled(struct dma_resv *r, enum dma_resv_usage usage);
/* Nanoseconds left, 0: timed out. The lock may be held: a fence's signal never needs it. */
uint64_t dma_resv_wait_timeout(struct dma_resv *r, enum dma_resv_usage usage, uint64_t timeout_ns);
/* As long as it takes: 0, or -ERESTARTSYS when the program was sent a signal (base/thread.h). */
int dma_resv_wait_interruptible(struct dma_resv *r, enum dma_resv_usage usage);
/* One fence that has not signalled, with a reference, or NULL. Asks the drivers. */
struct dma_fence *dma_resv_get_pending(struct dma_resv *r, enum dma_resv_usage usage);
/* One line a fence, as Linux's bufinfo has it: "\tread fence:CONTEXT:SEQNO TIMELINE DRIVER unsignalled". -ENOMEM. */
int dma_resv_describe(struct dma_resv *r, FILE *out);

#endif
