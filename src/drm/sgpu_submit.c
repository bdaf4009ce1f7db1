/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SUBMIT. All that can fail comes first: what is copied from the program, the number of the out-fence, memory, the
 * fences to wait for, room for the job's own fence. Then the locks are held, the job's fences begin to exist, the
 * scheduler has the job, and nothing fails any more.
 */
#include <stdlib.h>
#include <string.h>

#include "drm/drm_syncobj.h"
#include "drm/sgpu_job.h"
#include "fence/sync_file.h"

#define FLAGS_IN (DRM_SGPU_SUBMIT_FENCE_IN | DRM_SGPU_SUBMIT_SYNCOBJ_IN)
#define FLAGS_OUT (DRM_SGPU_SUBMIT_FENCE_OUT | DRM_SGPU_SUBMIT_SYNCOBJ_OUT)
#define FLAGS_ALL (FLAGS_IN | FLAGS_OUT | DRM_SGPU_SUBMIT_NO_IMPLICIT)

struct submission {
	struct sgpu_call *call;
	struct drm_sgpu_submit *args;
	struct sgpu_op ops[SGPU_MAX_OPS];
	struct sgpu_ring *ring;
	struct sgpu_queue *queue;
	struct sgpu_job *job;
	struct dma_fence *fence; /* the job's, once it is pushed */
	struct file *out_file;
	int out_fd;
	struct drm_syncobj *out_object;
};

static int arguments_check(struct task *t, const struct drm_sgpu_submit *a)
{
	if (a->flags & ~FLAGS_ALL || a->pad || (a->flags & FLAGS_IN) == FLAGS_IN || (a->flags & FLAGS_OUT) == FLAGS_OUT)
		return refuse(t->trace, -EINVAL, "SUBMIT: flags 0x%x, pad 0x%x", a->flags, a->pad);
	if (!a->nr_ops || a->nr_ops > SGPU_MAX_OPS)
		return refuse(t->trace, -EINVAL, "SUBMIT: %u operations of 1 to %u", a->nr_ops, SGPU_MAX_OPS);
	return 0;
}

static int ops_copy(struct submission *s)
{
	for (unsigned i = 0; i < s->args->nr_ops; i++) {
		struct drm_sgpu_op *op = &s->ops[i].args;

		if (copy_from_task(s->call->task, op, s->args->ops + i * sizeof(*op), sizeof(*op)))
			return -EFAULT;
	}
	return 0;
}

/* The program learns the number before anything has happened: a bad pointer costs nothing. */
static int out_reserve(struct submission *s)
{
	if (s->args->flags & DRM_SGPU_SUBMIT_SYNCOBJ_OUT) {
		s->out_object = drm_syncobj_find(s->call->file, (uint32_t)s->args->fence_out);
		if (!s->out_object)
			return refuse(s->call->task->trace, -ENOENT, "SUBMIT: no sync object %d", s->args->fence_out);
	}
	if (!(s->args->flags & DRM_SGPU_SUBMIT_FENCE_OUT))
		return 0;
	s->out_fd = sync_file_reserve(s->call->task, &s->out_file);
	if (s->out_fd < 0)
		return s->out_fd; /* and there is no file */
	s->args->fence_out = s->out_fd;
	return sgpu_call_copy_out(s->call);
}

static void out_end(struct submission *s)
{
	struct task *t = s->call->task;

	if (s->out_object && s->fence)
		drm_syncobj_replace(s->out_object, dma_fence_get(s->fence));
	if (s->out_object)
		drm_syncobj_put(s->out_object);
	if (!s->out_file)
		return;
	if (s->fence)
		sync_file_publish(t, s->out_fd, s->out_file, s->fence, NULL);
	else
		sync_file_cancel(t, s->out_fd, s->out_file);
}

/* --- the job --- */

/* Two steps on the queue, which may come to its end between them. */
static int queue_check_locked(const struct submission *s)
{
	struct task *t = s->call->task;
	int error;

	if (s->queue->dead)
		return refuse(t->trace, -ENOENT, "SUBMIT: queue %u is being destroyed", s->args->queue);
	error = sched_entity_error(&s->queue->entity);
	if (error == -ETIME || error == -ECANCELED)
		return refuse(t->trace, -ECANCELED, "SUBMIT: a job of queue %u has hung", s->args->queue);
	return 0;
}

static int job_create(struct submission *s)
{
	int err;

	s->job = sgpu_job_create(s->ring);
	if (!s->job)
		return -ENOMEM;
	mutex_lock(&s->queue->lock);
	err = queue_check_locked(s);
	/* How many credits follows from the commands. */
	if (!err)
		err = sched_job_init(&s->job->base, &s->queue->entity, 1, s->call->file);
	mutex_unlock(&s->queue->lock);
	if (err)
		sgpu_job_put(s->job);
	return err;
}

/* sched_job_add_syncobj_dependency() asks. */
static int in_object_find(void *table, uint32_t handle, uint64_t point, struct dma_fence **out)
{
	struct drm_syncobj *so = drm_syncobj_find(table, handle);

	*out = so ? drm_syncobj_fence(so) : NULL;
	if (so)
		drm_syncobj_put(so);
	return !so ? -ENOENT : *out ? 0 : -EINVAL;
}

static int in_fence_add(struct submission *s)
{
	struct dma_fence *fence;

	if (s->args->flags & DRM_SGPU_SUBMIT_SYNCOBJ_IN)
		return sched_job_add_syncobj_dependency(&s->job->base, in_object_find, s->call->file,
							(uint32_t)s->args->fence_in, 0);
	if (!(s->args->flags & DRM_SGPU_SUBMIT_FENCE_IN))
		return 0;
	fence = sync_file_get_fence(s->call->task, s->args->fence_in);
	if (!fence)
		return refuse(s->call->task->trace, -EINVAL, "SUBMIT: fd %d is not a sync file", s->args->fence_in);
	return sched_job_add_dependency(&s->job->base, fence);
}

static bool is_implicit(const struct submission *s)
{
	return !(s->args->flags & DRM_SGPU_SUBMIT_NO_IMPLICIT);
}

/* Who moves or clears memory is waited for in any case. */
static int buffers_wait_locked(struct submission *s)
{
	struct sgpu_job *job = s->job;
	int err = 0;

	for (unsigned i = 0; i < job->nr_buffers && !err; i++) {
		const struct sgpu_job_buffer *b = &job->buffers[i];
		struct dma_resv *resv = b->bo->buf->resv;

		err = dma_resv_reserve_fences(resv, job->nr_buffers);
		if (!err)
			err = sched_job_add_resv_dependencies(
				&job->base, resv, is_implicit(s) ? dma_resv_usage_rw(b->write) : DMA_RESV_USAGE_KERNEL);
	}
	return err;
}

static void buffers_add_fence_locked(struct submission *s)
{
	for (unsigned i = 0; i < s->job->nr_buffers; i++) {
		const struct sgpu_job_buffer *b = &s->job->buffers[i];
		enum dma_resv_usage as = b->write ? DMA_RESV_USAGE_WRITE : DMA_RESV_USAGE_READ;

		dma_resv_add_fence(b->bo->buf->resv, s->fence, is_implicit(s) ? as : DMA_RESV_USAGE_BOOKKEEP);
	}
}

/* From here on the fence is there and must signal. */
static int job_push(struct submission *s)
{
	struct sched_job *base = &s->job->base;
	int err;

	mutex_lock(&s->queue->lock);
	err = queue_check_locked(s);
	if (!err) {
		sgpu_job_get(s->job);
		sched_job_arm(base);
		s->fence = dma_fence_get(&base->s_fence->finished);
		sched_job_push(base);
	}
	mutex_unlock(&s->queue->lock);
	return err;
}

/* It may have run by the time its fence is added: who looks for it needs the locks, as who takes the memory away does.
 */
static int submit_locked(struct submission *s)
{
	int err = sgpu_job_build_locked(s->job, s->call->task, s->ops, s->args->nr_ops);

	if (!err)
		err = buffers_wait_locked(s);
	if (err)
		return err;
	s->job->base.credits = s->job->nr_commands;
	err = job_push(s);
	if (!err)
		buffers_add_fence_locked(s);
	return err;
}

/* On the ring; the job is the caller's only when it was not pushed. */
static int submit_job(struct submission *s)
{
	struct ww_acquire_ctx ctx;
	int err = job_create(s);

	if (err)
		return err;
	err = sgpu_job_find_buffers(s->job, s->call, s->ops, s->args->nr_ops);
	if (!err)
		err = in_fence_add(s);
	if (!err) {
		sgpu_job_lock(s->job, &ctx);
		err = submit_locked(s);
		sgpu_job_unlock(s->job, &ctx);
	}
	if (err)
		sched_job_cleanup(&s->job->base);
	sgpu_job_put(s->job);
	return err;
}

static int submit(struct submission *s)
{
	struct sgpu_file *sf = s->call->file;
	int err = arguments_check(s->call->task, s->args);

	if (!err)
		err = ops_copy(s);
	if (err)
		return err;
	s->queue = sgpu_queue_get(sf, s->args->queue);
	if (!s->queue)
		return refuse(s->call->task->trace, -ENOENT, "SUBMIT: no queue %u", s->args->queue);
	err = out_reserve(s);
	if (err)
		goto end;
	s->ring = sgpu_ring_enter(sf->gpu);
	if (s->ring) {
		err = submit_job(s);
		sgpu_ring_leave(sf->gpu);
	} else {
		err = -ENODEV;
	}
end:
	out_end(s);
	dma_fence_put(s->fence);
	sgpu_queue_put(s->queue);
	return err;
}

int sgpu_submit_ioctl(struct sgpu_call *c)
{
	struct submission *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	s->call = c;
	s->args = c->data;
	err = submit(s);
	free(s);
	return err;
}
