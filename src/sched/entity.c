/* SPDX-License-Identifier: BSD-3-Clause */
/* Entities: what drivers have of a stream. */
#include "sched/sched_priv.h"

static int start_queues(struct sched_scheduler *s)
{
	int ret = work_queue_start(s->submit_queue);

	return ret ? ret : work_queue_start(s->timeout_queue);
}

int sched_entity_init(struct sched_entity *e, enum sched_priority priority, struct sched_scheduler *s)
{
	int ret = start_queues(s);

	if (ret)
		return ret;
	*e = (struct sched_entity){.sched = s};
	e->stream = sched_stream_create(s, e);
	if (!e->stream)
		return -ENOMEM;
	e->fence_context = dma_fence_context_alloc(2);
	atomic_init(&e->priority, priority);
	mutex_lock(&s->lock);
	list_add_tail(&s->entities, &e->node);
	mutex_unlock(&s->lock);
	return 0;
}

void sched_entity_set_priority(struct sched_entity *e, enum sched_priority priority)
{
	atomic_store(&e->priority, priority);
}

static bool all_taken(void *arg)
{
	struct sched_entity *e = arg;

	return atomic_load(&e->taken) == atomic_load(&e->pushed);
}

uint64_t sched_entity_flush(struct sched_entity *e, uint64_t timeout_ns)
{
	uint64_t now = sched_now(),
		 deadline = timeout_ns < DMA_FENCE_FOREVER - now ? now + timeout_ns : DMA_FENCE_FOREVER;

	if (!e->sched)
		return MAX(timeout_ns, 1u);
	if (!sched_wait(e->sched, all_taken, e, deadline))
		return 0;
	if (deadline == DMA_FENCE_FOREVER)
		return DMA_FENCE_FOREVER;
	now = sched_now();
	return deadline > now ? deadline - now : 1;
}

void sched_entity_kill(struct sched_entity *e)
{
	if (e->sched && !atomic_exchange(&e->stream->kill_noted, true))
		sched_post(e->sched, &e->stream->kill_note, NOTE_KILL);
}

static bool detached(void *arg)
{
	struct sched_entity *e = arg;

	return atomic_load(&e->detached);
}

void sched_entity_fini(struct sched_entity *e)
{
	struct sched_scheduler *s = e->sched;

	if (!s)
		return;
	/* The worker itself need not wait for its note to see to it that nobody looks at the entity any more. */
	if (sched_on_worker(s)) {
		sched_stream_kill(e->stream);
		sched_stream_detach(e->stream);
	}
	sched_post(s, &e->stream->detach_note, NOTE_DETACH);
	sched_wait(s, detached, e, DMA_FENCE_FOREVER);
	mutex_lock(&s->lock);
	list_del(&e->node);
	mutex_unlock(&s->lock);
	e->stream = NULL;
	e->sched = NULL;
}

void sched_entity_destroy(struct sched_entity *e, uint64_t timeout_ns)
{
	sched_entity_flush(e, timeout_ns);
	sched_entity_fini(e);
}

int sched_entity_error(struct sched_entity *e)
{
	return atomic_load(&e->error);
}
