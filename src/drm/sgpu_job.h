/* SPDX-License-Identifier: BSD-3-Clause */
/* A job while it is made: from operations on handles to commands for the ring. Between sgpu_job.c and sgpu_submit.c. */
#ifndef BARTER_DRM_SGPU_JOB_H
#define BARTER_DRM_SGPU_JOB_H

#include "drm/sgpu_file.h"

/* An operation whose handles have been looked up. Indices of job->buffers. */
struct sgpu_op {
	struct drm_sgpu_op args;
	unsigned source, target;
};

/* Finds the buffers, each once, and checks what is asked of them. 0 or -errno: -ENOENT, -EINVAL, -ENOMEM. */
int sgpu_job_find_buffers(struct sgpu_job *job, struct sgpu_call *c, struct sgpu_op *ops, unsigned nr);
/* All reservation objects, in whatever order they come. */
void sgpu_job_lock(struct sgpu_job *job, struct ww_acquire_ctx *ctx);
void sgpu_job_unlock(struct sgpu_job *job, struct ww_acquire_ctx *ctx);
/* Locked: makes the commands of what lies where now. -ENODEV: revoked, -E2BIG: more than the ring has room for. */
int sgpu_job_build_locked(struct sgpu_job *job, struct task *t, const struct sgpu_op *ops, unsigned nr);

#endif
