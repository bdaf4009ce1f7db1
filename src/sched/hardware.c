/* SPDX-License-Identifier: BSD-3-Clause */
/* Jobs on the hardware: credits, the list of what is pending, and the time it takes. */
#include "sched/sched_priv.h"

static void pending_add(struct sched_job *job)
{
	struct sched_scheduler *s = job->sched;

	job->state = JOB_RUNNING;
	s->credits += job->credits;
	list_add_tail(&s->pending, &job->pending);
	if (s->pending.next == &job->pending)
		sched_clock_start(s);
}

static void pending_del(struct sched_job *job)
{
	struct sched_scheduler *s = job->sched;
	bool was_first = s->pending.next == &job->pending;

	list_del(&job->pending);
	s->credits -= job->credits;
	if (was_first)
		sched_clock_start(s);
}

bool sched_hardware_submit(struct sched_job *job, int *result)
{
	struct dma_fence *parent = job->sched->ops->run_job(job);

	if (!parent || sched_is_err(parent)) {
		*result = (int)(intptr_t)parent;
		return true;
	}
	if (!dma_fence_is_signaled(parent)) {
		sched_fence_set_parent(job->s_fence, parent);
		if (sched_job_wait_for(job, parent))
			return false;
		parent = dma_fence_get(parent);
	}
	*result = MIN(dma_fence_get_status(parent), 0);
	dma_fence_put(parent);
	return true;
}

static void ended_at_once(struct sched_job *job, int result)
{
	sched_fence_scheduled(job->s_fence);
	sched_charge_settle(job->stream, job, 0);
	sched_job_end(job, result);
}

void sched_hardware_run(struct sched_job *job)
{
	int result;

	/* Guilty, or its driver has given it up: it must not reach the hardware. */
	if (job->stream->guilty || job->s_fence->finished.error) {
		ended_at_once(job, -ECANCELED);
		return;
	}
	if (sched_hardware_submit(job, &result)) {
		ended_at_once(job, result);
		return;
	}
	sched_fence_scheduled(job->s_fence);
	pending_add(job);
}

/* Since it was the only one to be worked on, or since the one before it was done. */
static uint64_t busy_ns(struct sched_job *job)
{
	struct sched_scheduler *s = job->sched;
	uint64_t now = sched_now(), start = MAX(s->last_end_ns, job->s_fence->scheduled.timestamp_ns);

	s->last_end_ns = now;
	return now > start ? now - start : 0;
}

void sched_hardware_done(struct sched_job *job, int result)
{
	job->waiting = false;
	pending_del(job);
	sched_charge_settle(job->stream, job, busy_ns(job));
	sched_fence_set_parent(job->s_fence, NULL);
	sched_job_end(job, result);
}
