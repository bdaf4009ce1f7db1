/* SPDX-License-Identifier: BSD-3-Clause */
/* Jobs on the submitter's side: until sched_job_push() they are its alone, dependencies included. */
#include <stdlib.h>
#include <string.h>

#include "sched/sched_priv.h"

int sched_job_init(struct sched_job *job, struct sched_entity *e, uint32_t credits, void *owner)
{
	struct sched_fence *f;

	if (!e->sched)
		return -ENOENT;
	if (!credits)
		return -EINVAL;
	f = sched_fence_create(owner);
	if (!f)
		return -ENOMEM;
	*job = (struct sched_job){
		.sched = e->sched,
		.entity = e,
		.stream = e->stream,
		.s_fence = f,
		.credits = MIN(credits, e->sched->credit_limit), /* or it would never go */
		.dependencies = job->inline_dependencies,
		.max_dependencies = SCHED_INLINE_DEPENDENCIES,
	};
	list_init(&job->node);
	list_init(&job->pending);
	atomic_fetch_add_explicit(&job->sched->jobs, 1, memory_order_relaxed);
	return 0;
}

/* --- dependencies --- */

static int grow(struct sched_job *job)
{
	struct dma_fence **old = job->dependencies == job->inline_dependencies ? NULL : job->dependencies, **more;
	unsigned max = 2 * job->max_dependencies;

	more = realloc(old, max * sizeof(struct dma_fence *));
	if (!more)
		return -ENOMEM;
	if (!old)
		memcpy(more, job->inline_dependencies, sizeof(job->inline_dependencies));
	job->dependencies = more;
	job->max_dependencies = max;
	return 0;
}

static struct dma_fence **find_context(struct sched_job *job, uint64_t context)
{
	for (unsigned i = 0; i < job->nr_dependencies; i++)
		if (job->dependencies[i]->context == context)
			return &job->dependencies[i];
	return NULL;
}

int sched_job_add_dependency(struct sched_job *job, struct dma_fence *fence)
{
	struct dma_fence **same, *drop = fence;
	int ret = 0;

	if (!fence)
		return 0;
	same = find_context(job, fence->context);
	if (same) {
		/* The later of one context implies the earlier. */
		if (dma_fence_is_later(fence, *same)) {
			drop = *same;
			*same = fence;
		}
	} else {
		if (job->nr_dependencies == job->max_dependencies)
			ret = grow(job);
		if (!ret) {
			job->dependencies[job->nr_dependencies++] = fence;
			drop = NULL;
		}
	}
	dma_fence_put(drop);
	return ret;
}

int sched_job_add_resv_dependencies(struct sched_job *job, struct dma_resv *resv, enum dma_resv_usage usage)
{
	struct dma_fence **fences;
	unsigned nr, i;
	int ret;

	dma_resv_assert_held(resv);
	ret = dma_resv_get_fences(resv, usage, &nr, &fences);
	if (ret)
		return ret;
	for (i = 0; i < nr && !ret; i++)
		ret = sched_job_add_dependency(job, fences[i]);
	for (; i < nr; i++)
		dma_fence_put(fences[i]);
	free(fences);
	return ret;
}

int sched_job_add_implicit_dependencies(struct sched_job *job, struct dma_resv *resv, bool write)
{
	return sched_job_add_resv_dependencies(job, resv, dma_resv_usage_rw(write));
}

int sched_job_add_syncobj_dependency(struct sched_job *job,
				     int (*find)(void *table, uint32_t handle, uint64_t point, struct dma_fence **out),
				     void *table, uint32_t handle, uint64_t point)
{
	struct dma_fence *fence = NULL;
	int ret = find(table, handle, point, &fence);

	return ret ? ret : sched_job_add_dependency(job, fence);
}

bool sched_job_has_dependency(const struct sched_job *job, const struct dma_fence *fence)
{
	for (unsigned i = 0; i < job->nr_dependencies; i++)
		if (job->dependencies[i] == fence)
			return true;
	return false;
}

/* --- from here on it must end --- */

void sched_job_arm(struct sched_job *job)
{
	sched_fence_arm(job->s_fence, job->entity);
	job->armed = true;
}

void sched_job_push(struct sched_job *job)
{
	struct sched_entity *e = job->entity;

	job->entity = NULL;
	job->state = JOB_QUEUED;
	/* One writer at a time, the holder of the driver's lock. */
	atomic_store_explicit(&e->pushed, atomic_load_explicit(&e->pushed, memory_order_relaxed) + 1,
			      memory_order_release);
	sched_post(job->sched, &job->note, NOTE_PUSHED);
}

void sched_job_cleanup(struct sched_job *job)
{
	for (unsigned i = 0; i < job->nr_dependencies; i++)
		dma_fence_put(job->dependencies[i]);
	if (job->dependencies != job->inline_dependencies)
		free(job->dependencies);
	job->nr_dependencies = 0;
	if (job->armed)
		dma_fence_put(&job->s_fence->finished);
	else
		sched_fence_destroy(job->s_fence);
	job->s_fence = NULL;
	atomic_fetch_sub(&job->sched->jobs, 1);
}
