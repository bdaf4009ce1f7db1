/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Chains and arrays taken apart into the fences that are in them, and put together again.
 *
 * Who may include this: fence/, sched/, dmabuf/, drm/, tests.
 */
#ifndef BARTER_FENCE_DMA_FENCE_UNWRAP_H
#define BARTER_FENCE_DMA_FENCE_UNWRAP_H

#include "fence/dma_fence_array.h"
#include "fence/dma_fence_chain.h"

/* Where a walk is. */
struct dma_fence_unwrap {
	struct dma_fence *chain; /* the link, or the fence itself; one reference */
	struct dma_fence *array; /* what the link holds; borrowed from it */
	unsigned index;
};

/* Borrowed until the next step; NULL at the end. Who stops early calls dma_fence_unwrap_end(). */
struct dma_fence *dma_fence_unwrap_first(struct dma_fence *head, struct dma_fence_unwrap *cursor);
struct dma_fence *dma_fence_unwrap_next(struct dma_fence_unwrap *cursor);
void dma_fence_unwrap_end(struct dma_fence_unwrap *cursor);
#define dma_fence_unwrap_for_each(f, cursor, head)                                                                     \
	for (f = dma_fence_unwrap_first(head, cursor); f; f = dma_fence_unwrap_next(cursor))

/*
 * One fence that signals when all of these have; NULL when out of memory. What has signalled is left out, of each
 * context only the latest stays, and the rest is in order of context. Nothing left: a signalled fence that bears the
 * time of the latest. References to the given ones stay the caller's.
 */
struct dma_fence *dma_fence_unwrap_merge(unsigned nr, struct dma_fence **fences);

#endif
