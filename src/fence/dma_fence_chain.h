/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A timeline whose points are fences of anyone: each link has its own fence and the link before, and signals when both
 * have. Links that have signalled drop out while the chain is walked.
 *
 * Chains may be as long as they like: nothing here calls itself once a link.
 *
 * Who may include this: fence/, sched/, dmabuf/, drm/, tests.
 */
#ifndef BARTER_FENCE_DMA_FENCE_CHAIN_H
#define BARTER_FENCE_DMA_FENCE_CHAIN_H

#include "base/irq_work.h"
#include "fence/dma_fence.h"

struct dma_fence_chain {
	struct dma_fence base;
	struct dma_fence *fence;   /* its own; immutable */
	uint64_t prev_seqno;	   /* immutable */
	struct spinlock prev_lock; /* a leaf */
	struct dma_fence *prev;	   /* prev_lock; a link, or a fence that the chain began with; only ever earlier ones */
	struct dma_fence_cb cb;
	struct irq_work work;
};

extern const struct dma_fence_ops dma_fence_chain_ops;

struct dma_fence_chain *dma_fence_chain_alloc(void);
/*
 * Makes the link, one reference; owns the references to prev (may be NULL) and fence (no chain). A seqno that is not
 * beyond prev's starts a context of its own, with prev's seqno if that is greater.
 */
void dma_fence_chain_init(struct dma_fence_chain *chain, struct dma_fence *prev, struct dma_fence *fence,
			  uint64_t seqno);

static inline struct dma_fence_chain *to_dma_fence_chain(struct dma_fence *f)
{
	return f && f->ops == &dma_fence_chain_ops ? container_of(f, struct dma_fence_chain, base) : NULL;
}

/* A link's own fence, or the fence itself. Borrowed. */
static inline struct dma_fence *dma_fence_chain_contained(struct dma_fence *f)
{
	struct dma_fence_chain *chain = to_dma_fence_chain(f);

	return chain ? chain->fence : f;
}

/* The link before that has not signalled, or NULL. Consumes the reference to f, gives one to what it returns. */
struct dma_fence *dma_fence_chain_walk(struct dma_fence *f);
/* iter holds a reference while in the loop; who leaves it early drops it. */
#define dma_fence_chain_for_each(iter, head) for (iter = dma_fence_get(head); iter; iter = dma_fence_chain_walk(iter))

/*
 * Replaces *f, the newest link, by the link that signals when seqno is reached; NULL: that is so already. -EINVAL: the
 * chain has not come to seqno yet; *f stays.
 */
int dma_fence_chain_find_seqno(struct dma_fence **f, uint64_t seqno);

#endif
