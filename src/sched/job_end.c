/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How jobs end: all in the same way, those that the hardware has done, those that it never saw, and those of a killed
 * entity. A job waits until all that it depends on has finished (for one that the hardware has done this is so at
 * once), then for the one before it in its stream. Then: scheduled, finished, freed.
 *
 * The waits are begun here, by the worker. A callback comes under the lock of the fence that signals, which may be the
 * lock of the fence that is to be waited for next: it leaves a note and touches neither the job's dependencies nor
 * another fence.
 */
#include "sched/sched_priv.h"

static void signalled(struct dma_fence *f, struct dma_fence_cb *cb)
{
	struct sched_job *job = container_of(cb, struct sched_job, cb);

	sched_post(job->sched, &job->note, NOTE_SIGNALLED);
}

bool sched_job_wait_for(struct sched_job *job, struct dma_fence *f)
{
	job->waiting = dma_fence_add_callback(f, &job->cb, signalled) == 0;
	return job->waiting;
}

/*
 * What the job has to wait for before it ends. Who depends on a scheduled fence lets the hardware wait for the rest; a
 * job that may never have been there must do so itself. The finished fence is looked at without a reference: the
 * scheduled one holds its memory, and it is not let go before it has signalled.
 */
static struct dma_fence *wait_to_end(const struct sched_job *job, struct dma_fence *f)
{
	struct sched_fence *pair = to_sched_fence(f);

	if (!pair)
		return f;
	if (pair->scheduled.context == job->s_fence->scheduled.context)
		return NULL;
	return &pair->finished;
}

static void finish(struct sched_stream *st, struct sched_job *job)
{
	list_del(&job->node);
	sched_fence_scheduled(job->s_fence);
	sched_fence_finished(job->s_fence, job->result);
	if (st->entity)
		atomic_store_explicit(&st->entity->error, job->s_fence->finished.error, memory_order_relaxed);
	st->sched->ops->free_job(job);
	sched_stream_put(st);
}

static void finish_ended(struct sched_stream *st)
{
	sched_stream_get(st);
	while (!list_empty(&st->ending)) {
		struct sched_job *job = list_first(&st->ending, struct sched_job, node);

		if (job->state != JOB_ENDED)
			break;
		finish(st, job);
	}
	sched_stream_put(st);
}

void sched_job_look_end(struct sched_job *job)
{
	for (; job->next_dependency < job->nr_dependencies; job->next_dependency++) {
		struct dma_fence *f = wait_to_end(job, job->dependencies[job->next_dependency]);

		if (f && sched_job_wait_for(job, f))
			return;
	}
	job->state = JOB_ENDED;
	finish_ended(job->stream);
}

/* One that waits already goes on when its note comes. */
void sched_job_end(struct sched_job *job, int result)
{
	job->state = JOB_ENDING;
	job->result = result;
	job->next_dependency = 0;
	if (!job->waiting)
		sched_job_look_end(job);
}
