/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What poll answers for a buffer's fd: readable when no writer is pending, writable when nobody is. The kernel answers
 * by itself (file_set_ready()), so the state is brought up to date whenever it may have changed: a fence was added, or
 * the one that each side waits for has signalled.
 *
 * Each side is told by one fence at a time. The callback runs under that fence's lock, where no other fence may be
 * looked at; so the look is left to an irq_work. It happens before the signalling call returns, and all looks happen
 * under one lock: who adds a fence, or signals one, sees poll answer accordingly from then on. Who has waited for one
 * may be ahead of that work, and looks by itself (dma_buf_poll_catch_up()).
 *
 * A side that waits for a fence holds a reference to the whole, which may outlive the buffer.
 */
#include <poll.h>
#include <stdlib.h>

#include "base/irq_work.h"
#include "dmabuf/dmabuf_priv.h"

struct poll_side {
	struct dma_buf_poll *poll;
	enum dma_resv_usage usage;
	struct dma_fence *fence; /* that it waits for, or whose signal is on its way; poll->lock */
	struct dma_fence_cb cb;
	struct irq_work work;
};

struct dma_buf_poll {
	atomic_int refs;
	struct spinlock lock; /* LOCK_RANK_BUFFER_POLL; guards the next group */
	struct dma_buf *buf;  /* NULL: it is gone */
	struct poll_side in, out;
};

static const struct lock_class poll_lock_class = {.name = "poll of a dma-buf", .rank = LOCK_RANK_BUFFER_POLL};

static void poll_put(struct dma_buf_poll *p)
{
	if (atomic_fetch_sub(&p->refs, 1) != 1)
		return;
	spin_lock_fini(&p->lock);
	free(p);
}

static void side_signaled(struct dma_fence *f, struct dma_fence_cb *cb)
{
	irq_work_queue(&container_of(cb, struct poll_side, cb)->work);
}

static void side_follow_locked(struct poll_side *side)
{
	struct dma_buf_poll *p = side->poll;
	struct dma_fence *f;

	if (side->fence)
		return;
	while ((f = dma_resv_get_pending(p->buf->resv, side->usage))) {
		if (!dma_fence_add_callback(f, &side->cb, side_signaled))
			break;
		dma_fence_put(f);
	}
	side->fence = f;
	if (f)
		atomic_fetch_add(&p->refs, 1);
}

/* What it waits for may have signalled while the work is on its way: then it counts no more, but another may. */
static bool side_is_pending_locked(const struct poll_side *side)
{
	struct dma_fence *f;

	if (!side->fence || !dma_fence_is_signaled(side->fence))
		return side->fence;
	f = dma_resv_get_pending(side->poll->buf->resv, side->usage);
	dma_fence_put(f);
	return f;
}

static void poll_follow_locked(struct dma_buf_poll *p)
{
	spin_assert_held(&p->lock);
	if (!p->buf)
		return;
	side_follow_locked(&p->in);
	side_follow_locked(&p->out);
	file_set_ready(p->buf->file,
		       (side_is_pending_locked(&p->in) ? 0 : POLLIN) | (side_is_pending_locked(&p->out) ? 0 : POLLOUT));
}

void dma_buf_poll_catch_up(struct dma_buf *b)
{
	spin_lock_irq(&b->poll->lock);
	poll_follow_locked(b->poll);
	spin_unlock_irq(&b->poll->lock);
}

static void side_work(struct irq_work *w)
{
	struct poll_side *side = container_of(w, struct poll_side, work);
	struct dma_buf_poll *p = side->poll;
	struct dma_fence *f;

	spin_lock_irq(&p->lock);
	f = side->fence;
	side->fence = NULL;
	poll_follow_locked(p);
	spin_unlock_irq(&p->lock);
	dma_fence_put(f);
	poll_put(p);
}

static void resv_changed(struct dma_resv *r, void *arg)
{
	struct dma_buf_poll *p = arg;

	spin_lock_irq(&p->lock);
	poll_follow_locked(p);
	spin_unlock_irq(&p->lock);
}

static void side_init(struct poll_side *side, struct dma_buf_poll *p, enum dma_resv_usage usage)
{
	side->poll = p;
	side->usage = usage;
	irq_work_init(&side->work, side_work);
}

int dma_buf_poll_begin(struct dma_buf *b)
{
	struct dma_buf_poll *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	atomic_init(&p->refs, 1);
	spin_lock_init(&p->lock, &poll_lock_class);
	p->buf = b;
	side_init(&p->in, p, dma_resv_usage_rw(false));
	side_init(&p->out, p, dma_resv_usage_rw(true));
	b->poll = p;
	b->resv->changed = resv_changed;
	b->resv->changed_arg = p;
	return 0;
}

/* The callback is taken back, or has run: then the work is on its way and drops the rest. */
static void side_end(struct poll_side *side, struct dma_fence *f)
{
	if (f && dma_fence_remove_callback(f, &side->cb)) {
		side->fence = NULL;
		dma_fence_put(f);
		poll_put(side->poll);
	}
	dma_fence_put(f);
}

void dma_buf_poll_end(struct dma_buf *b)
{
	struct dma_buf_poll *p = b->poll;
	struct dma_fence *in, *out;

	if (!p)
		return;
	spin_lock_irq(&p->lock);
	p->buf = NULL;
	in = dma_fence_get(p->in.fence);
	out = dma_fence_get(p->out.fence);
	spin_unlock_irq(&p->lock);
	side_end(&p->in, in);
	side_end(&p->out, out);
	poll_put(p);
}
