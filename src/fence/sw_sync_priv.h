/* SPDX-License-Identifier: BSD-3-Clause */
/* A timeline, as its files and the list of all see it. */
#ifndef BARTER_FENCE_SW_SYNC_PRIV_H
#define BARTER_FENCE_SW_SYNC_PRIV_H

#include "fence/dma_fence.h"
#include "fence/sw_sync.h"

struct sw_sync {
	struct mutex lock;
	struct list timelines; /* in order of their opening */
	atomic_int refs;       /* the machine's, and one of each timeline */
};

/* All its fences share the lock and name the timeline, so each has a reference to it. */
struct sw_timeline {
	struct sw_sync *sync;
	struct list node; /* sync->lock */
	char name[32];	  /* of the thread that opened it; immutable */
	uint64_t context;
	atomic_int refs;
	struct spinlock lock;
	_Atomic uint32_t value; /* written under lock */
	struct list points;	/* lock; pending ones, ascending */
};

struct sw_point {
	struct dma_fence base;
	struct sw_timeline *timeline;
	struct list link; /* timeline->lock; on the timeline while it is pending */
	bool has_deadline;
	uint64_t deadline_ns; /* both: timeline->lock */
};

/* One reference; out of memory: NULL. It is on the machine's list until sw_timeline_end(). */
struct sw_timeline *sw_timeline_create(struct sw_sync *s);
/* The pending fence of that value, or a new one. One reference; NULL when out of memory. */
struct dma_fence *sw_timeline_point(struct sw_timeline *tl, uint32_t value);
void sw_timeline_inc(struct sw_timeline *tl, uint32_t by);
/* Nobody moves it on any more: what is pending ends with ENOENT. Drops the reference. */
void sw_timeline_end(struct sw_timeline *tl);
/* The earliest deadline that was asked of a fence: -EINVAL not one of sw_sync's, -ENOENT none. */
int sw_point_deadline(struct dma_fence *f, uint64_t *ns);

#endif
