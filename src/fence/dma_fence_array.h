/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Several fences as one: it signals with the last of them, or with the first. Its error is the first that one of them
 * had by then.
 *
 * Nobody is asked before someone asks the array. It holds no other array and no chain: who has such takes them apart
 * first (dma_fence_unwrap.h).
 *
 * Who may include this: fence/, sched/, dmabuf/, drm/, tests.
 */
#ifndef BARTER_FENCE_DMA_FENCE_ARRAY_H
#define BARTER_FENCE_DMA_FENCE_ARRAY_H

#include "base/irq_work.h"
#include "fence/dma_fence.h"

struct dma_fence_array;

struct dma_fence_array_cb {
	struct dma_fence_cb cb;
	struct dma_fence_array *array;
};

struct dma_fence_array {
	struct dma_fence base;
	unsigned num_fences;
	struct dma_fence **fences; /* one reference each; immutable */
	atomic_int num_pending;	   /* how many must still signal; below 0 when more did */
	atomic_int first_error;
	struct irq_work work;
	struct dma_fence_array_cb callbacks[];
};

extern const struct dma_fence_ops dma_fence_array_ops;

/* Owns `fences` (from malloc()) and their references on success. At least one. NULL when out of memory. */
struct dma_fence_array *dma_fence_array_create(unsigned num_fences, struct dma_fence **fences, uint64_t context,
					       uint64_t seqno, bool signal_on_any);

static inline bool dma_fence_is_array(const struct dma_fence *f)
{
	return f->ops == &dma_fence_array_ops;
}

/* NULL when it is none, or NULL. */
static inline struct dma_fence_array *to_dma_fence_array(struct dma_fence *f)
{
	return f && dma_fence_is_array(f) ? container_of(f, struct dma_fence_array, base) : NULL;
}

#endif
