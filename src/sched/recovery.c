/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The clock, and what a driver does when it has struck. All of this works on the worker's state while it is parked, so
 * no job can end or be freed under a recovery; a hardware fence that signals meanwhile leaves its note as always.
 *
 * The clock measures how long the oldest job has been the oldest: one before it may have taken its time. It is wound up
 * when the hardware becomes busy, and when it strikes too early it is set for the rest: a job costs no timer of its
 * own.
 */
#include "sched/sched_priv.h"

void sched_clock_start(struct sched_scheduler *s)
{
	bool was_idle = atomic_load_explicit(&s->head_since_ns, memory_order_relaxed) == 0;
	bool idle = list_empty(&s->pending);

	atomic_store(&s->head_since_ns, idle ? 0 : sched_now());
	if (was_idle && !idle && s->timeout_ns < DMA_FENCE_FOREVER && !atomic_load(&s->gone))
		work_queue_add(s->timeout_queue, &s->timeout, s->timeout_ns);
}

/* Parked. The oldest job, unless the hardware has done it and its note is under way, or a recovery has it in hand. */
static struct sched_job *hanging_job(struct sched_scheduler *s)
{
	struct sched_job *job;
	struct dma_fence *parent;
	bool hangs;

	if (list_empty(&s->pending))
		return NULL;
	job = list_first(&s->pending, struct sched_job, pending);
	parent = sched_fence_get_parent(job->s_fence);
	hangs = parent && !dma_fence_is_signaled(parent);
	dma_fence_put(parent);
	return hangs ? job : NULL;
}

static void strike(struct sched_scheduler *s)
{
	struct sched_job *job;

	sched_park(s);
	job = hanging_job(s);
	if (job && s->ops->timedout_job && s->ops->timedout_job(job) == SCHED_STAT_ENODEV)
		atomic_store(&s->gone, true);
	atomic_store(&s->head_since_ns, 0);
	sched_clock_start(s);
	sched_unpark(s);
}

void sched_timed_out(struct work *w)
{
	struct sched_scheduler *s = container_of(w, struct sched_scheduler, timeout);
	bool fault = atomic_exchange(&s->fault, false);
	uint64_t since = atomic_load(&s->head_since_ns), took = sched_now() - since;

	if (!since || atomic_load(&s->gone))
		return;
	if (fault || took >= s->timeout_ns)
		strike(s);
	else if (s->timeout_ns < DMA_FENCE_FOREVER)
		work_queue_add(s->timeout_queue, w, s->timeout_ns - took);
}

/* By way of the worker, so that the job that the hardware complains of has arrived among the pending. */
void sched_fault(struct sched_scheduler *s)
{
	if (!atomic_exchange(&s->fault_noted, true))
		sched_post(s, &s->fault_note, NOTE_FAULT);
}

void sched_note_fault(struct sched_scheduler *s)
{
	if (!atomic_exchange(&s->fault_noted, false) || list_empty(&s->pending))
		return;
	atomic_store(&s->fault, true);
	work_queue_add(s->timeout_queue, &s->timeout, 0);
}

/* --- the driver's part --- */

static void lose(struct sched_job *job, int result)
{
	job->state = JOB_LOST;
	job->result = result;
	sched_post(job->sched, &job->note, NOTE_SIGNALLED);
}

/* On the hardware no more, and not given up yet. */
static bool is_homeless(const struct sched_job *job)
{
	return job->state == JOB_RUNNING && !job->s_fence->parent;
}

void sched_stop(struct sched_scheduler *s)
{
	struct sched_job *job;

	sched_park(s);
	list_for_each (job, &s->pending, pending) {
		struct dma_fence *parent = job->s_fence->parent;

		if (job->state == JOB_RUNNING && parent && dma_fence_remove_callback(parent, &job->cb))
			sched_fence_set_parent(job->s_fence, NULL);
	}
}

void sched_resubmit_jobs(struct sched_scheduler *s)
{
	struct sched_job *job;
	int result;

	list_for_each (job, &s->pending, pending) {
		if (!is_homeless(job))
			continue;
		if (job->stream->guilty || job->s_fence->finished.error)
			lose(job, -ECANCELED);
		else if (sched_hardware_submit(job, &result))
			lose(job, result);
	}
}

void sched_start(struct sched_scheduler *s, int err)
{
	struct sched_job *job;

	list_for_each (job, &s->pending, pending)
		if (is_homeless(job))
			lose(job, err ? err : -ECANCELED);
	atomic_store(&s->fault, false); /* of before the reset */
	atomic_store(&s->head_since_ns, 0);
	sched_clock_start(s);
	sched_unpark(s);
}

void sched_increase_karma(struct sched_job *bad)
{
	struct sched_stream *st = bad->stream;

	if (st->kernel || ++bad->karma <= bad->sched->hang_limit)
		return;
	st->guilty = true;
	if (!bad->s_fence->finished.error)
		dma_fence_set_error(&bad->s_fence->finished, -ETIME);
}
