/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The two fences of a job. They are one piece of memory: the finished fence holds the scheduled one, and the memory
 * goes with the latter. So who holds either may look at both, and a finished fence that is gone has signalled.
 */
#include <stdlib.h>
#include <string.h>

#include "sched/sched_priv.h"

static const struct lock_class fence_lock_class = {.name = "scheduler's fences", .rank = LOCK_RANK_FENCE};

static const char *driver_name(struct dma_fence *f)
{
	return "drm_sched";
}

static const char *timeline_name(struct dma_fence *f)
{
	return to_sched_fence(f)->name;
}

static void release_scheduled(struct dma_fence *f)
{
	sched_fence_destroy(container_of(f, struct sched_fence, scheduled));
}

static void release_finished(struct dma_fence *f)
{
	struct sched_fence *pair = container_of(f, struct sched_fence, finished);

	dma_fence_put(&pair->scheduled);
}

/* Who waits for the end waits for the hardware: it is told as soon as it has the job. */
static void set_deadline(struct dma_fence *f, uint64_t deadline_ns)
{
	struct sched_fence *pair = container_of(f, struct sched_fence, finished);
	struct dma_fence *parent = NULL;

	spin_lock_irq(&pair->lock);
	if (!pair->deadline_ns || deadline_ns < pair->deadline_ns) {
		pair->deadline_ns = deadline_ns;
		parent = dma_fence_get(pair->parent);
	}
	spin_unlock_irq(&pair->lock);
	if (parent)
		dma_fence_set_deadline(parent, deadline_ns);
	dma_fence_put(parent);
}

static const struct dma_fence_ops scheduled_ops = {
	.get_driver_name = driver_name,
	.get_timeline_name = timeline_name,
	.release = release_scheduled,
};

static const struct dma_fence_ops finished_ops = {
	.get_driver_name = driver_name,
	.get_timeline_name = timeline_name,
	.set_deadline = set_deadline,
	.release = release_finished,
};

struct sched_fence *to_sched_fence(struct dma_fence *f)
{
	if (f->ops == &scheduled_ops)
		return container_of(f, struct sched_fence, scheduled);
	if (f->ops == &finished_ops)
		return container_of(f, struct sched_fence, finished);
	return NULL;
}

struct sched_fence *sched_fence_create(void *owner)
{
	struct sched_fence *f = malloc(sizeof(*f));

	if (!f)
		return NULL;
	spin_lock_init(&f->lock, &fence_lock_class);
	f->parent = NULL;
	f->deadline_ns = 0;
	f->owner = owner;
	return f;
}

void sched_fence_destroy(struct sched_fence *f)
{
	dma_fence_put(f->parent);
	spin_lock_fini(&f->lock);
	free(f);
}

void sched_fence_arm(struct sched_fence *f, struct sched_entity *e)
{
	uint64_t seqno = ++e->fence_seq;

	f->sched = e->sched;
	memcpy(f->name, e->sched->name, sizeof(f->name));
	dma_fence_init(&f->scheduled, &scheduled_ops, &f->lock, e->fence_context, seqno);
	dma_fence_init(&f->finished, &finished_ops, &f->lock, e->fence_context + 1, seqno);
}

/* Only the worker signals, so the flag cannot change between the look and the signal. */
void sched_fence_scheduled(struct sched_fence *f)
{
	if (!dma_fence_is_signaled(&f->scheduled))
		dma_fence_signal(&f->scheduled);
}

void sched_fence_finished(struct sched_fence *f, int result)
{
	/* What a driver has said about the job is more than we know. */
	if (result && !f->finished.error)
		dma_fence_set_error(&f->finished, result);
	dma_fence_signal(&f->finished);
}

struct dma_fence *sched_fence_get_parent(struct sched_fence *f)
{
	struct dma_fence *parent;

	spin_lock_irq(&f->lock);
	parent = dma_fence_get(f->parent);
	spin_unlock_irq(&f->lock);
	return parent;
}

void sched_fence_set_parent(struct sched_fence *f, struct dma_fence *parent)
{
	struct dma_fence *old;
	uint64_t deadline_ns;

	spin_lock_irq(&f->lock);
	old = f->parent;
	f->parent = parent;
	deadline_ns = f->deadline_ns;
	spin_unlock_irq(&f->lock);
	dma_fence_put(old);
	if (parent && deadline_ns)
		dma_fence_set_deadline(parent, deadline_ns);
}
