/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One fence: signalled once, told to whoever asked, released when nobody holds it.
 *
 * What is done under the lock: the list of callbacks, and every change of the flags. The SIGNALED flag is the last
 * store of a signal before anybody is told, with release order, so that who sees it without the lock also sees the time
 * and the error.
 */
#include "fence/dma_fence.h"

#include <stdio.h>
#include <stdlib.h>

#include "fence/dma_fence_array.h"
#include "fence/dma_fence_chain.h"
#include "fence/fence_priv.h"

static const struct lock_class fence_lock_class = {.name = "fence", .rank = LOCK_RANK_FENCE};

/* Of the whole process, as on Linux of the whole machine: a context must be nobody else's, whatever rack it is of. */
static _Atomic uint64_t next_context = 1;
static _Atomic int64_t nr_fences;

/* The fences whose last reference this thread has dropped while it releases another, linked by callbacks.next. */
static _Thread_local struct {
	bool releasing;
	struct list *first;
} dying __attribute__((tls_model("initial-exec")));

uint64_t dma_fence_context_alloc(unsigned nr)
{
	return atomic_fetch_add_explicit(&next_context, nr, memory_order_relaxed);
}

void dma_fence_init(struct dma_fence *f, const struct dma_fence_ops *ops, struct spinlock *lock, uint64_t context,
		    uint64_t seqno)
{
	f->ops = ops;
	f->lock = lock;
	if (!lock) {
		spin_lock_init(&f->inline_lock, &fence_lock_class);
		f->lock = &f->inline_lock;
	}
	list_init(&f->callbacks);
	f->context = context;
	f->seqno = seqno;
	f->timestamp_ns = 0;
	f->error = 0;
	atomic_init(&f->flags, 0);
	atomic_init(&f->refs, 1);
	atomic_fetch_add_explicit(&nr_fences, 1, memory_order_relaxed);
}

struct dma_fence *dma_fence_get(struct dma_fence *f)
{
	if (f)
		atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
	return f;
}

/* Someone waits for what will never come: tell them, and say whose bug it is. */
static void fence_abandoned(struct dma_fence *f)
{
	fprintf(stderr, "barter: fence %s:%s:%llu was dropped unsignalled while others wait for it\n",
		dma_fence_driver_name(f), dma_fence_timeline_name(f), (unsigned long long)f->seqno);
	spin_lock_irq(f->lock);
	dma_fence_set_error(f, -EDEADLK);
	dma_fence_signal_locked(f);
	spin_unlock_irq(f->lock);
}

static void fence_release(struct dma_fence *f)
{
	if (f->lock == &f->inline_lock)
		spin_lock_fini(&f->inline_lock);
	atomic_fetch_sub_explicit(&nr_fences, 1, memory_order_relaxed);
	if (f->ops->release)
		f->ops->release(f);
	else
		free(f);
}

/*
 * A link of a chain drops the link before it when it is released, an array its members. They are released one after the
 * other from here, not from within each other: a chain of a million links must not need a stack of a million frames.
 */
void dma_fence_put(struct dma_fence *f)
{
	if (!f || atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) > 1)
		return;
	if (!list_empty(&f->callbacks) && !fence_flag_signaled(f))
		fence_abandoned(f);
	f->callbacks.next = dying.first;
	dying.first = &f->callbacks;
	if (dying.releasing)
		return;
	dying.releasing = true;
	while (dying.first) {
		f = list_entry(dying.first, struct dma_fence, callbacks);
		dying.first = f->callbacks.next;
		fence_release(f);
	}
	dying.releasing = false;
}

/* Each callback is off the list before it runs: it may free what it is embedded in. */
static void callbacks_run(struct dma_fence *f, struct list *callbacks)
{
	enum lock_context before;

	if (list_empty(callbacks))
		return;
	before = lock_context_enter(LOCK_CONTEXT_INTERRUPT);
	while (!list_empty(callbacks)) {
		struct dma_fence_cb *cb = list_first(callbacks, struct dma_fence_cb, node);

		list_del(&cb->node);
		cb->func(f, cb);
	}
	lock_context_leave(before);
}

int dma_fence_signal_locked(struct dma_fence *f)
{
	struct list callbacks;
	unsigned before;

	spin_assert_held(f->lock);
	if (fence_flag_signaled(f))
		return -EINVAL;
	list_init(&callbacks);
	if (!list_empty(&f->callbacks)) {
		list_add(&f->callbacks, &callbacks);
		list_del(&f->callbacks);
	}
	f->timestamp_ns = fence_now();
	before = atomic_fetch_or_explicit(&f->flags, DMA_FENCE_FLAG_SIGNALED, memory_order_acq_rel);
	if (before & DMA_FENCE_FLAG_WAITERS)
		fence_futex_wake_all(&f->flags);
	callbacks_run(f, &callbacks);
	return 0;
}

int dma_fence_signal(struct dma_fence *f)
{
	int rc;

	spin_lock_irq(f->lock);
	rc = dma_fence_signal_locked(f);
	spin_unlock_irq(f->lock);
	return rc;
}

void dma_fence_set_error(struct dma_fence *f, int error)
{
	if (fence_flag_signaled(f) || error >= 0)
		lock_assert_failed("a fence's error comes before its signal and is negative", __FILE__, __LINE__);
	f->error = error;
}

bool dma_fence_is_signaled_locked(struct dma_fence *f)
{
	if (fence_flag_signaled(f))
		return true;
	if (!f->ops->signaled || !f->ops->signaled(f))
		return false;
	dma_fence_signal_locked(f);
	return true;
}

bool dma_fence_is_signaled(struct dma_fence *f)
{
	if (fence_flag_signaled(f))
		return true;
	if (!f->ops->signaled || !f->ops->signaled(f))
		return false;
	dma_fence_signal(f);
	return true;
}

int dma_fence_get_status(struct dma_fence *f)
{
	if (!dma_fence_is_signaled(f))
		return 0;
	return f->error ? f->error : 1;
}

bool fence_enable_locked(struct dma_fence *f)
{
	unsigned before;

	spin_assert_held(f->lock);
	if (fence_flag_signaled(f))
		return false;
	before = atomic_fetch_or_explicit(&f->flags, DMA_FENCE_FLAG_ENABLED, memory_order_relaxed);
	if (before & DMA_FENCE_FLAG_ENABLED || !f->ops->enable_signaling || f->ops->enable_signaling(f))
		return true;
	dma_fence_signal_locked(f);
	return false;
}

void dma_fence_enable_signaling(struct dma_fence *f)
{
	spin_lock_irq(f->lock);
	fence_enable_locked(f);
	spin_unlock_irq(f->lock);
}

int dma_fence_add_callback(struct dma_fence *f, struct dma_fence_cb *cb, dma_fence_func func)
{
	bool pending;

	list_init(&cb->node);
	if (fence_flag_signaled(f))
		return -ENOENT;
	spin_lock_irq(f->lock);
	pending = fence_enable_locked(f);
	if (pending) {
		cb->func = func;
		list_add_tail(&f->callbacks, &cb->node);
	}
	spin_unlock_irq(f->lock);
	return pending ? 0 : -ENOENT;
}

bool dma_fence_remove_callback(struct dma_fence *f, struct dma_fence_cb *cb)
{
	bool removed;

	spin_lock_irq(f->lock);
	removed = !list_empty(&cb->node);
	if (removed)
		list_del(&cb->node);
	spin_unlock_irq(f->lock);
	return removed;
}

void dma_fence_set_deadline(struct dma_fence *f, uint64_t deadline_ns)
{
	if (f->ops->set_deadline && !dma_fence_is_signaled(f))
		f->ops->set_deadline(f, deadline_ns);
}

bool dma_fence_is_later(const struct dma_fence *a, const struct dma_fence *b)
{
	return a->context == b->context && (int64_t)(a->seqno - b->seqno) > 0;
}

const char *dma_fence_driver_name(struct dma_fence *f)
{
	return fence_flag_signaled(f) ? "detached-driver" : f->ops->get_driver_name(f);
}

const char *dma_fence_timeline_name(struct dma_fence *f)
{
	return fence_flag_signaled(f) ? "signaled-timeline" : f->ops->get_timeline_name(f);
}

static const char *stub_name(struct dma_fence *f)
{
	return "stub";
}

static const struct dma_fence_ops stub_ops = {.get_driver_name = stub_name, .get_timeline_name = stub_name};

/* Nobody else knows of it yet: no lock. */
struct dma_fence *fence_stub_at(uint64_t timestamp_ns)
{
	struct dma_fence *f = malloc(sizeof(*f));

	if (!f)
		return NULL;
	dma_fence_init(f, &stub_ops, NULL, 0, 0);
	f->timestamp_ns = timestamp_ns;
	atomic_store(&f->flags, DMA_FENCE_FLAG_SIGNALED);
	return f;
}

struct dma_fence *dma_fence_get_stub(void)
{
	return fence_stub_at(fence_now());
}

bool dma_fence_is_container(const struct dma_fence *f)
{
	return f->ops == &dma_fence_array_ops || f->ops == &dma_fence_chain_ops;
}

int64_t dma_fence_count(void)
{
	return atomic_load_explicit(&nr_fences, memory_order_relaxed);
}
