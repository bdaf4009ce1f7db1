/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Queues: entities of the ring's scheduler, by the names that a file has for them.
 *
 * Who destroys one kills it: what has not begun ends with -ESRCH when all that it waits for has. Nobody waits for that
 * here; the jobs hold what they need.
 */
#include <stdlib.h>

#include "drm/sgpu_file.h"

static const struct lock_class queue_lock_class = {.name = "sgpu queue", .rank = LOCK_RANK_LEAF};

void sgpu_queue_put(struct sgpu_queue *q)
{
	struct sgpu *gpu = q->gpu;

	if (atomic_fetch_sub_explicit(&q->refs, 1, memory_order_acq_rel) > 1)
		return;
	mutex_fini(&q->lock);
	free(q);
	trace_count(gpu->trace, "sgpu_queue", -1);
}

struct sgpu_queue *sgpu_queue_get(struct sgpu_file *sf, uint32_t id)
{
	struct sgpu_queue *q;

	mutex_lock(&sf->lock);
	q = ids_get(&sf->queues, id);
	if (q)
		atomic_fetch_add(&q->refs, 1);
	mutex_unlock(&sf->lock);
	return q;
}

/* It has no name any more; those who submit to it find it dead. */
static void queue_end(struct sgpu_queue *q)
{
	struct sgpu *gpu = q->gpu;

	mutex_lock(&q->lock);
	q->dead = true;
	mutex_unlock(&q->lock);
	if (sgpu_ring_enter(gpu)) {
		sched_entity_fini(&q->entity);
		sgpu_ring_leave(gpu);
	} else {
		/* The end of the ring is the end of its entities. */
		sgpu_ring_wait_gone(gpu);
	}
	sgpu_queue_put(q);
}

void sgpu_queues_close(struct sgpu_file *sf)
{
	struct sgpu_queue *q;

	for (uint32_t id = 0; (q = ids_next(&sf->queues, &id)); id++) {
		ids_remove(&sf->queues, id);
		queue_end(q);
	}
}

static struct sgpu_queue *queue_build(struct sgpu *gpu, struct sgpu_ring *r, enum sched_priority priority, int *err)
{
	struct sgpu_queue *q = calloc(1, sizeof(*q));

	*err = q ? work_queue_start(r->cleanup) : -ENOMEM;
	if (!*err)
		*err = sched_entity_init(&q->entity, priority, r->sched);
	if (*err) {
		free(q);
		return NULL;
	}
	q->gpu = gpu;
	atomic_init(&q->refs, 1);
	mutex_init(&q->lock, &queue_lock_class);
	trace_count(gpu->trace, "sgpu_queue", 1);
	return q;
}

int sgpu_queue_create_ioctl(struct sgpu_call *c)
{
	static const enum sched_priority priorities[] = {SCHED_PRIORITY_LOW, SCHED_PRIORITY_NORMAL,
							 SCHED_PRIORITY_HIGH};
	struct drm_sgpu_queue_create *args = c->data;
	struct sgpu_file *sf = c->file;
	struct sgpu_ring *r;
	struct sgpu_queue *q;
	int err;

	if (args->priority >= ARRAY_SIZE(priorities))
		return refuse(c->task->trace, -EINVAL, "QUEUE_CREATE: priority %u of 0 to 2", args->priority);
	r = sgpu_ring_enter(sf->gpu);
	if (!r)
		return -ENODEV;
	q = queue_build(sf->gpu, r, priorities[args->priority], &err);
	sgpu_ring_leave(sf->gpu);
	if (!q)
		return err;
	mutex_lock(&sf->lock);
	err = ids_reserve(&sf->queues, &args->id);
	if (!err)
		ids_set(&sf->queues, args->id, q);
	mutex_unlock(&sf->lock);
	if (err)
		queue_end(q);
	return err;
}

int sgpu_queue_destroy_ioctl(struct sgpu_call *c)
{
	struct drm_sgpu_queue_destroy *args = c->data;
	struct sgpu_file *sf = c->file;
	struct sgpu_queue *q;

	if (args->pad)
		return refuse(c->task->trace, -EINVAL, "QUEUE_DESTROY: pad 0x%x", args->pad);
	mutex_lock(&sf->lock);
	q = ids_get(&sf->queues, args->id);
	if (q)
		ids_remove(&sf->queues, args->id);
	mutex_unlock(&sf->lock);
	if (!q)
		return refuse(c->task->trace, -ENOENT, "QUEUE_DESTROY: no queue %u", args->id);
	queue_end(q);
	return 0;
}
