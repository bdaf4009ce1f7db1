/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Jobs. The commands of a job name addresses, which are good as long as nobody takes the memory away. They are made
 * under the locks of the reservation objects, and before those are let go the job's fence is there: who takes memory
 * away later finds it. A job that then has not begun does not begin (sgpu_job_check()); one that has comes to its end,
 * and that is waited for.
 */
#include "drm/sgpu_job.h"

#include <stdlib.h>

struct sgpu_job *sgpu_job_create(struct sgpu_ring *ring)
{
	struct sgpu_job *job = calloc(1, sizeof(*job));

	if (!job)
		return NULL;
	job->ring = ring;
	atomic_init(&job->refs, 1);
	trace_count(ring->gpu->trace, "sgpu_job", 1);
	return job;
}

void sgpu_job_get(struct sgpu_job *job)
{
	atomic_fetch_add(&job->refs, 1);
}

void sgpu_job_put(struct sgpu_job *job)
{
	if (atomic_fetch_sub_explicit(&job->refs, 1, memory_order_acq_rel) > 1)
		return;
	trace_count(job->ring->gpu->trace, "sgpu_job", -1);
	for (unsigned i = 0; i < job->nr_buffers; i++)
		sgpu_bo_put(job->buffers[i].bo);
	free(job->buffers);
	free(job->commands);
	free(job);
}

int sgpu_job_check(const struct sgpu_job *job)
{
	for (unsigned i = 0; i < job->nr_buffers; i++)
		if (atomic_load(&job->buffers[i].bo->invalidations) != job->buffers[i].invalidations)
			return -ENODEV;
	return 0;
}

/* --- its buffers --- */

static int buffer_find(struct sgpu_job *job, struct sgpu_call *c, uint32_t handle, bool write, unsigned *index)
{
	struct sgpu_bo *bo = sgpu_handle_get(c->file, handle);
	unsigned i;

	if (!bo)
		return refuse(c->task->trace, -ENOENT, "SUBMIT: no handle %u", handle);
	for (i = 0; i < job->nr_buffers && job->buffers[i].bo != bo; i++)
		;
	if (i < job->nr_buffers)
		sgpu_bo_put(bo);
	else
		job->buffers[job->nr_buffers++].bo = bo;
	job->buffers[i].write |= write;
	*index = i;
	return 0;
}

static int range_check(struct task *t, const struct sgpu_bo *bo, uint64_t offset, uint64_t length)
{
	if (offset <= bo->size && length <= bo->size - offset)
		return 0;
	return refuse(t->trace, -EINVAL, "SUBMIT: 0x%llx bytes at 0x%llx of a buffer of 0x%llx",
		      (unsigned long long)length, (unsigned long long)offset, (unsigned long long)bo->size);
}

static bool overlaps(const struct drm_sgpu_op *a)
{
	return a->source_offset < a->target_offset + a->length && a->target_offset < a->source_offset + a->length;
}

static int op_check(struct task *t, const struct drm_sgpu_op *a)
{
	if (a->op > DRM_SGPU_OP_HANG || a->pad)
		return refuse(t->trace, -EINVAL, "SUBMIT: operation %u, pad 0x%x", a->op, a->pad);
	if (a->op != DRM_SGPU_OP_HANG && !a->length)
		return refuse(t->trace, -EINVAL, "SUBMIT: an operation on no bytes");
	if (a->op == DRM_SGPU_OP_FILL && a->source_offset > 0xff)
		return refuse(t->trace, -EINVAL, "SUBMIT: fill with 0x%llx, which is not a byte",
			      (unsigned long long)a->source_offset);
	return 0;
}

static int op_find_buffers(struct sgpu_job *job, struct sgpu_call *c, struct sgpu_op *op)
{
	const struct drm_sgpu_op *a = &op->args;
	int err = op_check(c->task, a);

	if (err || a->op == DRM_SGPU_OP_HANG)
		return err;
	err = buffer_find(job, c, a->target, true, &op->target);
	if (!err)
		err = range_check(c->task, job->buffers[op->target].bo, a->target_offset, a->length);
	if (err || a->op == DRM_SGPU_OP_FILL)
		return err;
	err = buffer_find(job, c, a->source, false, &op->source);
	if (!err)
		err = range_check(c->task, job->buffers[op->source].bo, a->source_offset, a->length);
	if (!err && op->source == op->target && overlaps(a))
		err = refuse(c->task->trace, -EINVAL, "SUBMIT: a copy within a buffer onto itself");
	return err;
}

int sgpu_job_find_buffers(struct sgpu_job *job, struct sgpu_call *c, struct sgpu_op *ops, unsigned nr)
{
	int err = 0;

	job->buffers = calloc(2 * nr, sizeof(*job->buffers));
	if (!job->buffers)
		return -ENOMEM;
	for (unsigned i = 0; i < nr && !err; i++)
		err = op_find_buffers(job, c, &ops[i]);
	return err;
}

/* --- its locks --- */

static struct dma_resv *resv_of(const struct sgpu_job_buffer *b)
{
	return b->bo->buf->resv;
}

static void unlock_all(struct sgpu_job *job)
{
	for (unsigned i = 0; i < job->nr_buffers; i++) {
		if (job->buffers[i].locked)
			dma_resv_unlock(resv_of(&job->buffers[i]));
		job->buffers[i].locked = false;
	}
}

/* NULL: all are locked; else the one that an older one has. */
static struct sgpu_job_buffer *lock_round(struct sgpu_job *job, struct ww_acquire_ctx *ctx)
{
	for (unsigned i = 0; i < job->nr_buffers; i++) {
		struct sgpu_job_buffer *b = &job->buffers[i];
		int err = b->locked ? -EALREADY : dma_resv_lock(resv_of(b), ctx);

		if (err == -EDEADLK)
			return b;
		b->locked |= !err;
	}
	return NULL;
}

void sgpu_job_lock(struct sgpu_job *job, struct ww_acquire_ctx *ctx)
{
	struct sgpu_job_buffer *lost;

	ww_acquire_init(ctx);
	while ((lost = lock_round(job, ctx))) {
		unlock_all(job);
		dma_resv_lock_slow(resv_of(lost), ctx);
		lost->locked = true;
	}
}

void sgpu_job_unlock(struct sgpu_job *job, struct ww_acquire_ctx *ctx)
{
	unlock_all(job);
	ww_acquire_fini(ctx);
}

/* --- its commands --- */

/* A place in a buffer, on its way through the entries. */
struct cursor {
	const struct sgpu_entry *entry;
	uint64_t offset; /* in the entry */
};

static struct cursor cursor_at(const struct sgpu_bo *bo, uint64_t offset)
{
	struct cursor c = {.entry = bo->entries, .offset = offset};

	while (c.offset >= c.entry->len)
		c.offset -= c.entry++->len;
	return c;
}

static uint64_t cursor_left(const struct cursor *c)
{
	return c->entry->len - c->offset;
}

static uint64_t cursor_step(struct cursor *c, uint64_t len)
{
	uint64_t addr = c->entry->addr + c->offset;

	c->offset += len;
	if (c->offset == c->entry->len) {
		c->entry++;
		c->offset = 0;
	}
	return addr;
}

static int command_add(struct sgpu_job *job, const struct sgpu_command *command)
{
	unsigned max = job->max_commands ? 2 * job->max_commands : 4;
	struct sgpu_command *commands;

	if (job->nr_commands == SGPU_RING_ROOM)
		return -E2BIG;
	if (job->nr_commands == job->max_commands) {
		commands = realloc(job->commands, max * sizeof(*commands));
		if (!commands)
			return -ENOMEM;
		job->commands = commands;
		job->max_commands = max;
	}
	job->commands[job->nr_commands++] = *command;
	return 0;
}

static int fill_build(struct sgpu_job *job, const struct sgpu_op *op)
{
	struct cursor to = cursor_at(job->buffers[op->target].bo, op->args.target_offset);
	int err = 0;

	for (uint64_t left = op->args.length, n; left && !err; left -= n) {
		struct sgpu_command c = {.opcode = GPU_COMMAND_FILL, .source = op->args.source_offset};

		n = MIN(left, cursor_left(&to));
		c.flags = to.entry->local ? GPU_COMMAND_TARGET_LOCAL : 0;
		c.length = n;
		c.target = cursor_step(&to, n);
		err = command_add(job, &c);
	}
	return err;
}

static int copy_build(struct sgpu_job *job, const struct sgpu_op *op)
{
	struct cursor from = cursor_at(job->buffers[op->source].bo, op->args.source_offset);
	struct cursor to = cursor_at(job->buffers[op->target].bo, op->args.target_offset);
	int err = 0;

	for (uint64_t left = op->args.length, n; left && !err; left -= n) {
		struct sgpu_command c = {.opcode = GPU_COMMAND_COPY};

		n = MIN(MIN(left, cursor_left(&from)), cursor_left(&to));
		c.flags = (from.entry->local ? GPU_COMMAND_SOURCE_LOCAL : 0) |
			  (to.entry->local ? GPU_COMMAND_TARGET_LOCAL : 0);
		c.length = n;
		c.source = cursor_step(&from, n);
		c.target = cursor_step(&to, n);
		err = command_add(job, &c);
	}
	return err;
}

static int op_build(struct sgpu_job *job, const struct sgpu_op *op)
{
	const struct sgpu_command hang = {.opcode = GPU_COMMAND_HANG};

	switch (op->args.op) {
	case DRM_SGPU_OP_COPY:
		return copy_build(job, op);
	case DRM_SGPU_OP_FILL:
		return fill_build(job, op);
	default:
		return command_add(job, &hang);
	}
}

int sgpu_job_build_locked(struct sgpu_job *job, struct task *t, const struct sgpu_op *ops, unsigned nr)
{
	int err = 0;

	for (unsigned i = 0; i < job->nr_buffers && !err; i++) {
		struct sgpu_job_buffer *b = &job->buffers[i];

		err = sgpu_bo_validate_locked(b->bo);
		b->invalidations = atomic_load(&b->bo->invalidations);
	}
	for (unsigned i = 0; i < nr && !err; i++)
		err = op_build(job, &ops[i]);
	return err == -E2BIG ? refuse(t->trace, err,
				      "SUBMIT: the buffers lie in so many pieces that the job has more "
				      "than %u commands",
				      SGPU_RING_ROOM)
			     : err;
}
