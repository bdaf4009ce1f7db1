/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sync objects: names of fences. A job that is to be waited for need not have been submitted yet: the object has no
 * fence then, and who wants to wait for one to come waits for a promise, a fence that signals when the object gets one.
 */
#ifndef BARTER_DRM_SYNCOBJ_H
#define BARTER_DRM_SYNCOBJ_H

#include "drm/sgpu_file.h"

struct drm_syncobj {
	atomic_int refs;
	struct mutex lock;	   /* a leaf */
	struct dma_fence *fence;   /* lock; NULL: none yet */
	struct dma_fence *promise; /* lock; NULL: nobody waits for one */
};

/* One reference; consumes that to the fence, which may be NULL. NULL: out of memory. */
struct drm_syncobj *drm_syncobj_create(struct dma_fence *fence);
struct drm_syncobj *drm_syncobj_get(struct drm_syncobj *so);
void drm_syncobj_put(struct drm_syncobj *so);
/* Consumes the reference to the fence; NULL: it has none any more. */
void drm_syncobj_replace(struct drm_syncobj *so, struct dma_fence *fence);
struct dma_fence *drm_syncobj_fence(struct drm_syncobj *so);   /* a reference, or NULL */
struct dma_fence *drm_syncobj_promise(struct drm_syncobj *so); /* the same, NULL only when out of memory */

/* Of a file, by its names. A reference or NULL. */
struct drm_syncobj *drm_syncobj_find(struct sgpu_file *sf, uint32_t handle);
void drm_syncobjs_close(struct sgpu_file *sf);
/* An array of the program's: nr of them, a reference each. 0 or -errno. */
int drm_syncobjs_find(struct sgpu_call *c, uint64_t handles, uint32_t nr, struct drm_syncobj ***out);
void drm_syncobjs_put(struct drm_syncobj **objects, uint32_t nr);

int drm_syncobj_create_ioctl(struct sgpu_call *c);
int drm_syncobj_destroy_ioctl(struct sgpu_call *c);
int drm_syncobj_handle_to_fd_ioctl(struct sgpu_call *c);
int drm_syncobj_fd_to_handle_ioctl(struct sgpu_call *c);
int drm_syncobj_reset_ioctl(struct sgpu_call *c);
int drm_syncobj_signal_ioctl(struct sgpu_call *c);
int drm_syncobj_wait_ioctl(struct sgpu_call *c); /* drm_syncobj_wait.c */

#endif
