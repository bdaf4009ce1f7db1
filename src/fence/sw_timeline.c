/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A timeline's pending fences are on its list without a reference: a fence that is dropped takes itself off. Who finds
 * one on the list therefore takes a reference only if there is still one, and leaves the others to their end.
 *
 * A fence is off the list before it signals. So the end of one that has signalled, which may come under the timeline's
 * lock, does not need that lock.
 */
#include <stdlib.h>
#include <sys/prctl.h>

#include "fence/sw_sync_priv.h"

static const struct lock_class timeline_class = {.name = "sw_sync timeline", .rank = LOCK_RANK_FENCE};

static struct sw_point *to_point(struct dma_fence *f)
{
	return container_of(f, struct sw_point, base);
}

static void sync_put(struct sw_sync *s)
{
	if (atomic_fetch_sub(&s->refs, 1) > 1)
		return;
	mutex_fini(&s->lock);
	free(s);
}

static void timeline_put(struct sw_timeline *tl)
{
	if (atomic_fetch_sub_explicit(&tl->refs, 1, memory_order_acq_rel) > 1)
		return;
	spin_lock_fini(&tl->lock);
	sync_put(tl->sync);
	free(tl);
}

static const char *point_driver_name(struct dma_fence *f)
{
	return "sw_sync";
}

static const char *point_timeline_name(struct dma_fence *f)
{
	return to_point(f)->timeline->name;
}

/* The timeline's numbers wrap at 32 bits. */
static bool point_signaled(struct dma_fence *f)
{
	return (int32_t)((uint32_t)f->seqno - atomic_load(&to_point(f)->timeline->value)) <= 0;
}

static void point_set_deadline(struct dma_fence *f, uint64_t deadline_ns)
{
	struct sw_point *pt = to_point(f);

	spin_lock_irq(f->lock);
	if (!pt->has_deadline || deadline_ns < pt->deadline_ns)
		pt->deadline_ns = deadline_ns;
	pt->has_deadline = true;
	spin_unlock_irq(f->lock);
}

static void point_release(struct dma_fence *f)
{
	struct sw_point *pt = to_point(f);
	struct sw_timeline *tl = pt->timeline;

	if (!(atomic_load(&f->flags) & DMA_FENCE_FLAG_SIGNALED)) {
		spin_lock_irq(&tl->lock);
		list_del(&pt->link);
		spin_unlock_irq(&tl->lock);
	}
	free(pt);
	timeline_put(tl);
}

static const struct dma_fence_ops point_ops = {
	.get_driver_name = point_driver_name,
	.get_timeline_name = point_timeline_name,
	.signaled = point_signaled,
	.set_deadline = point_set_deadline,
	.release = point_release,
};

static bool get_unless_gone(struct dma_fence *f)
{
	int refs = atomic_load(&f->refs);

	while (refs && !atomic_compare_exchange_weak(&f->refs, &refs, refs + 1))
		;
	return refs;
}

struct sw_timeline *sw_timeline_create(struct sw_sync *s)
{
	struct sw_timeline *tl = calloc(1, sizeof(*tl));

	if (!tl)
		return NULL;
	tl->sync = s;
	atomic_fetch_add(&s->refs, 1);
	prctl(PR_GET_NAME, tl->name);
	tl->context = dma_fence_context_alloc(1);
	atomic_init(&tl->refs, 1);
	atomic_init(&tl->value, 0);
	spin_lock_init(&tl->lock, &timeline_class);
	list_init(&tl->points);
	mutex_lock(&s->lock);
	list_add_tail(&s->timelines, &tl->node);
	mutex_unlock(&s->lock);
	return tl;
}

/* Where a fence of that value belongs: after the last that is not later. Mostly the end. */
static struct list *place_find(struct sw_timeline *tl, uint32_t value)
{
	struct list *at = tl->points.prev;

	while (at != &tl->points && (int32_t)((uint32_t)list_entry(at, struct sw_point, link)->base.seqno - value) > 0)
		at = at->prev;
	return at;
}

/* The fence that the program is to have: the new one, on the list unless it has signalled, or its older twin. */
static struct sw_point *point_insert_locked(struct sw_timeline *tl, struct sw_point *pt)
{
	struct list *at;

	if (dma_fence_is_signaled_locked(&pt->base))
		return pt;
	at = place_find(tl, (uint32_t)pt->base.seqno);
	for (struct list *l = at; l != &tl->points; l = l->prev) {
		struct sw_point *twin = list_entry(l, struct sw_point, link);

		if (twin->base.seqno != pt->base.seqno)
			break;
		if (get_unless_gone(&twin->base))
			return twin;
	}
	list_insert_between(&pt->link, at, at->next);
	return pt;
}

struct dma_fence *sw_timeline_point(struct sw_timeline *tl, uint32_t value)
{
	struct sw_point *pt = calloc(1, sizeof(*pt)), *chosen;

	if (!pt)
		return NULL;
	atomic_fetch_add(&tl->refs, 1);
	pt->timeline = tl;
	list_init(&pt->link);
	dma_fence_init(&pt->base, &point_ops, &tl->lock, tl->context, value);
	spin_lock_irq(&tl->lock);
	chosen = point_insert_locked(tl, pt);
	spin_unlock_irq(&tl->lock);
	if (chosen != pt)
		dma_fence_put(&pt->base);
	return &chosen->base;
}

/* The lock is held. Off the list, then signalled; the reference is dropped with `ended`, when the lock is gone. */
static void point_end_locked(struct sw_point *pt, int error, struct list *ended)
{
	if (!get_unless_gone(&pt->base))
		return;
	list_del(&pt->link);
	list_add_tail(ended, &pt->link);
	if (error && !(atomic_load(&pt->base.flags) & DMA_FENCE_FLAG_SIGNALED))
		dma_fence_set_error(&pt->base, error);
	dma_fence_signal_locked(&pt->base);
}

static void ended_put(struct list *ended)
{
	while (!list_empty(ended)) {
		struct sw_point *pt = list_first(ended, struct sw_point, link);

		list_del(&pt->link);
		dma_fence_put(&pt->base);
	}
}

static void timeline_advance(struct sw_timeline *tl, uint32_t by)
{
	struct sw_point *pt, *next;
	struct list ended;

	list_init(&ended);
	spin_lock_irq(&tl->lock);
	atomic_store(&tl->value, atomic_load(&tl->value) + by);
	list_for_each_safe (pt, next, &tl->points, link) {
		if (!point_signaled(&pt->base))
			break;
		point_end_locked(pt, 0, &ended);
	}
	spin_unlock_irq(&tl->lock);
	ended_put(&ended);
}

/* In steps that the comparison of wrapping numbers can follow. */
void sw_timeline_inc(struct sw_timeline *tl, uint32_t by)
{
	while (by > INT32_MAX) {
		timeline_advance(tl, INT32_MAX);
		by -= INT32_MAX;
	}
	timeline_advance(tl, by);
}

void sw_timeline_end(struct sw_timeline *tl)
{
	struct sw_point *pt, *next;
	struct list ended;

	mutex_lock(&tl->sync->lock);
	list_del(&tl->node);
	mutex_unlock(&tl->sync->lock);
	list_init(&ended);
	spin_lock_irq(&tl->lock);
	list_for_each_safe (pt, next, &tl->points, link)
		point_end_locked(pt, -ENOENT, &ended);
	spin_unlock_irq(&tl->lock);
	ended_put(&ended);
	timeline_put(tl);
}

int sw_point_deadline(struct dma_fence *f, uint64_t *ns)
{
	struct sw_point *pt = to_point(f);
	int rc;

	if (f->ops != &point_ops)
		return -EINVAL;
	spin_lock_irq(f->lock);
	rc = pt->has_deadline ? 0 : -ENOENT;
	*ns = pt->deadline_ns;
	spin_unlock_irq(f->lock);
	return rc;
}

struct sw_sync *sw_sync_create(void)
{
	static const struct lock_class class = {.name = "sw_sync", .rank = LOCK_RANK_TIMELINES};
	struct sw_sync *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	mutex_init(&s->lock, &class);
	list_init(&s->timelines);
	atomic_init(&s->refs, 1);
	return s;
}

void sw_sync_destroy(struct sw_sync *s)
{
	if (s)
		sync_put(s);
}
