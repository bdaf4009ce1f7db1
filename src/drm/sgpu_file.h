/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One open of the render node: its handles, its queues, and the ioctls on it. sgpu_file.c dispatches them;
 * sgpu_handle.c, sgpu_queue.c and sgpu_submit.c are behind it.
 */
#ifndef BARTER_DRM_SGPU_FILE_H
#define BARTER_DRM_SGPU_FILE_H

#include <drm/sgpu_drm.h>

#include "drm/sgpu_ring.h"

struct sgpu_file {
	struct sgpu *gpu;
	uint64_t client; /* as fdinfo shows it */
	struct mutex lock;
	struct ids handles;  /* lock; struct sgpu_bo, a reference each */
	struct ids queues;   /* lock; struct sgpu_queue, a reference each */
	struct ids syncobjs; /* lock; struct drm_syncobj, a reference each */
};

/*
 * An ioctl under way. `data` is the structure as the driver knows it, whatever the program thought its size to be; what
 * of it the program is to see is copied back when the handler has returned, as Linux does it also after a failure. A
 * handler that publishes something copies before, by sgpu_call_copy_out(): then nothing can fail any more.
 */
struct sgpu_call {
	struct sgpu_file *file;
	struct task *task;
	void *data;
	uaddr_t arg;
	size_t out_len;
	bool copied_out;
};
int sgpu_call_copy_out(struct sgpu_call *c);

/* sgpu_handle.c. Handlers answer 0 or -errno. */
void sgpu_handles_close(struct sgpu_file *sf);
struct sgpu_bo *sgpu_handle_get(struct sgpu_file *sf, uint32_t handle); /* with a reference, or NULL */
int sgpu_gem_close_ioctl(struct sgpu_call *c);
int sgpu_prime_handle_to_fd_ioctl(struct sgpu_call *c);
int sgpu_prime_fd_to_handle_ioctl(struct sgpu_call *c);
int sgpu_bo_create_ioctl(struct sgpu_call *c);
int sgpu_bo_import_ioctl(struct sgpu_call *c);
int sgpu_bo_info_ioctl(struct sgpu_call *c);
int sgpu_bo_mmap_ioctl(struct sgpu_call *c);
int64_t sgpu_handle_mmap(struct sgpu_file *sf, struct task *t, const struct mmap_request *req);

/* sgpu_queue.c */
struct sgpu_queue {
	struct sched_entity entity;
	struct sgpu *gpu;
	atomic_int refs;   /* its name's, and of who submits */
	struct mutex lock; /* a leaf: jobs are initialised, armed and pushed under it; guards dead */
	bool dead;	   /* no job goes in any more */
};
void sgpu_queues_close(struct sgpu_file *sf);
struct sgpu_queue *sgpu_queue_get(struct sgpu_file *sf, uint32_t id); /* with a reference, or NULL */
void sgpu_queue_put(struct sgpu_queue *q);
int sgpu_queue_create_ioctl(struct sgpu_call *c);
int sgpu_queue_destroy_ioctl(struct sgpu_call *c);

/* sgpu_submit.c */
int sgpu_submit_ioctl(struct sgpu_call *c);

#endif
