/* SPDX-License-Identifier: BSD-3-Clause */
/* A stream: the jobs of an entity on their way to the hardware, in the order in which they were pushed. */
#include <stdlib.h>

#include "sched/sched_priv.h"

struct sched_stream *sched_stream_create(struct sched_scheduler *s, struct sched_entity *e)
{
	struct sched_stream *st = calloc(1, sizeof(*st));

	if (!st)
		return NULL;
	st->sched = s;
	st->entity = e;
	st->refs = 1;
	list_init(&st->queue);
	list_init(&st->ending);
	return st;
}

void sched_stream_get(struct sched_stream *st)
{
	st->refs++;
}

void sched_stream_put(struct sched_stream *st)
{
	if (--st->refs == 0)
		free(st);
}

/* --- waiting for the dependencies of the first job --- */

/*
 * What the job has to wait for before it goes. The hardware runs jobs in order: one that depends on another of the same
 * scheduler may go behind it as soon as that has gone. Jobs of the same entity are in order anyway: NULL.
 */
static struct dma_fence *wait_to_go(const struct sched_job *job, struct dma_fence *f)
{
	const struct sched_fence *mine = job->s_fence;
	struct sched_fence *pair = to_sched_fence(f);

	if (!pair)
		return f;
	if (pair->scheduled.context == mine->scheduled.context)
		return NULL;
	return pair->sched == mine->sched ? &pair->scheduled : f;
}

void sched_stream_look(struct sched_stream *st)
{
	struct sched_job *job;

	if (st->ready || list_empty(&st->queue))
		return;
	job = list_first(&st->queue, struct sched_job, node);
	if (job->waiting)
		return;
	for (; job->next_dependency < job->nr_dependencies; job->next_dependency++) {
		struct dma_fence *f = wait_to_go(job, job->dependencies[job->next_dependency]);

		if (f && sched_job_wait_for(job, f))
			return;
	}
	sched_ready_add(st);
}

struct sched_job *sched_stream_take(struct sched_stream *st)
{
	struct sched_job *job = list_first(&st->queue, struct sched_job, node);

	list_del(&job->node);
	list_add_tail(&st->ending, &job->node);
	if (st->entity)
		atomic_store_explicit(&st->entity->taken,
				      atomic_load_explicit(&st->entity->taken, memory_order_relaxed) + 1,
				      memory_order_release);
	return job;
}

/* --- the end of an entity --- */

void sched_stream_kill(struct sched_stream *st)
{
	st->stopped = true;
	sched_ready_del(st);
	sched_stream_get(st);
	while (!list_empty(&st->queue))
		sched_job_end(sched_stream_take(st), -ESRCH);
	sched_stream_put(st);
}

/* `detached` is the last that is written to the entity: its owner may free it at once. */
void sched_stream_detach(struct sched_stream *st)
{
	struct sched_entity *e = st->entity;

	st->entity = NULL;
	if (e)
		atomic_store(&e->detached, true);
}
