/* SPDX-License-Identifier: BSD-3-Clause */
#include "fence/dma_fence_chain.h"

#include <stdlib.h>

#include "fence/fence_priv.h"

static const struct lock_class chain_lock_class = {.name = "fence chain", .rank = LOCK_RANK_FENCE_CHAIN};
static const struct lock_class prev_lock_class = {.name = "link of a fence chain", .rank = LOCK_RANK_LEAF};

static struct dma_fence *prev_get(struct dma_fence_chain *chain)
{
	struct dma_fence *prev;

	spin_lock_irq(&chain->prev_lock);
	prev = dma_fence_get(chain->prev);
	spin_unlock_irq(&chain->prev_lock);
	return prev;
}

/* Unless another walker was here: consumes the reference to `with`, or drops it. */
static void prev_replace(struct dma_fence_chain *chain, struct dma_fence *prev, struct dma_fence *with)
{
	struct dma_fence *drop = with;

	spin_lock_irq(&chain->prev_lock);
	if (chain->prev == prev) {
		chain->prev = with;
		drop = prev;
	}
	spin_unlock_irq(&chain->prev_lock);
	dma_fence_put(drop);
}

struct dma_fence *dma_fence_chain_walk(struct dma_fence *f)
{
	struct dma_fence_chain *chain = to_dma_fence_chain(f);
	struct dma_fence *prev = NULL;

	while (chain && (prev = prev_get(chain))) {
		struct dma_fence_chain *before = to_dma_fence_chain(prev);

		if (!dma_fence_is_signaled(dma_fence_chain_contained(prev)))
			break;
		prev_replace(chain, prev, before ? prev_get(before) : NULL);
		dma_fence_put(prev);
	}
	dma_fence_put(f);
	return prev;
}

int dma_fence_chain_find_seqno(struct dma_fence **f, uint64_t seqno)
{
	struct dma_fence_chain *chain = to_dma_fence_chain(*f);
	struct dma_fence *iter;

	if (!seqno)
		return 0;
	if (!chain || chain->base.seqno < seqno)
		return -EINVAL;
	dma_fence_chain_for_each (iter, *f)
		if (iter->context != chain->base.context || to_dma_fence_chain(iter)->prev_seqno < seqno)
			break;
	dma_fence_put(*f);
	*f = iter;
	return 0;
}

static const char *chain_driver_name(struct dma_fence *f)
{
	return "dma_fence_chain";
}

static const char *chain_timeline_name(struct dma_fence *f)
{
	return "unbound";
}

static bool chain_arm(struct dma_fence_chain *head);

/* What the link waited for has signalled, and its lock is gone: wait for the next, or be done. */
static void chain_go_on(struct irq_work *w)
{
	struct dma_fence_chain *chain = container_of(w, struct dma_fence_chain, work);

	if (!chain_arm(chain))
		dma_fence_signal(&chain->base);
	dma_fence_put(&chain->base);
}

static void contained_signaled(struct dma_fence *f, struct dma_fence_cb *cb)
{
	irq_work_queue(&container_of(cb, struct dma_fence_chain, cb)->work);
	/* The reference of chain_arm(). Not the last: who signals has one. */
	dma_fence_put(f);
}

/* Waits for the newest fence from head back that has not signalled. False: there is none. */
static bool chain_arm(struct dma_fence_chain *head)
{
	struct dma_fence *iter;

	dma_fence_get(&head->base);
	dma_fence_chain_for_each (iter, &head->base) {
		struct dma_fence *f = dma_fence_get(dma_fence_chain_contained(iter));

		if (!dma_fence_add_callback(f, &head->cb, contained_signaled)) {
			dma_fence_put(iter);
			return true;
		}
		dma_fence_put(f);
	}
	dma_fence_put(&head->base);
	return false;
}

static bool chain_enable_signaling(struct dma_fence *f)
{
	return chain_arm(container_of(f, struct dma_fence_chain, base));
}

static bool chain_signaled(struct dma_fence *f)
{
	struct dma_fence *iter;

	dma_fence_chain_for_each (iter, f) {
		if (!dma_fence_is_signaled(dma_fence_chain_contained(iter))) {
			dma_fence_put(iter);
			return false;
		}
	}
	return true;
}

static void chain_set_deadline(struct dma_fence *f, uint64_t deadline_ns)
{
	struct dma_fence *iter;

	dma_fence_chain_for_each (iter, f)
		dma_fence_set_deadline(dma_fence_chain_contained(iter), deadline_ns);
}

static void chain_release(struct dma_fence *f)
{
	struct dma_fence_chain *chain = container_of(f, struct dma_fence_chain, base);

	dma_fence_put(chain->prev);
	dma_fence_put(chain->fence);
	spin_lock_fini(&chain->prev_lock);
	free(chain);
}

const struct dma_fence_ops dma_fence_chain_ops = {
	.get_driver_name = chain_driver_name,
	.get_timeline_name = chain_timeline_name,
	.signaled = chain_signaled,
	.enable_signaling = chain_enable_signaling,
	.set_deadline = chain_set_deadline,
	.release = chain_release,
};

struct dma_fence_chain *dma_fence_chain_alloc(void)
{
	return calloc(1, sizeof(struct dma_fence_chain));
}

void dma_fence_chain_init(struct dma_fence_chain *chain, struct dma_fence *prev, struct dma_fence *fence,
			  uint64_t seqno)
{
	struct dma_fence_chain *before = to_dma_fence_chain(prev);
	uint64_t context;

	if (to_dma_fence_chain(fence))
		lock_assert_failed("a link of a fence chain holds a chain", __FILE__, __LINE__);
	chain->prev = prev;
	chain->fence = fence;
	chain->prev_seqno = 0;
	if (before && seqno > prev->seqno) {
		context = prev->context;
		chain->prev_seqno = prev->seqno;
	} else {
		context = dma_fence_context_alloc(1);
		if (before)
			seqno = MAX(prev->seqno, seqno);
	}
	spin_lock_init(&chain->prev_lock, &prev_lock_class);
	irq_work_init(&chain->work, chain_go_on);
	dma_fence_init(&chain->base, &dma_fence_chain_ops, NULL, context, seqno);
	chain->base.inline_lock.mutex.class = &chain_lock_class;
}
