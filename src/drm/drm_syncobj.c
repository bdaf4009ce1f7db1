/* SPDX-License-Identifier: BSD-3-Clause */
#include "drm/drm_syncobj.h"

#include <stdlib.h>

static const struct lock_class syncobj_class = {.name = "sync object", .rank = LOCK_RANK_LEAF};

static const char *promise_name(struct dma_fence *f)
{
	return "syncobj";
}

static const struct dma_fence_ops promise_ops = {.get_driver_name = promise_name, .get_timeline_name = promise_name};

struct drm_syncobj *drm_syncobj_create(struct dma_fence *fence)
{
	struct drm_syncobj *so = calloc(1, sizeof(*so));

	if (!so) {
		dma_fence_put(fence);
		return NULL;
	}
	atomic_init(&so->refs, 1);
	mutex_init(&so->lock, &syncobj_class);
	so->fence = fence;
	return so;
}

struct drm_syncobj *drm_syncobj_get(struct drm_syncobj *so)
{
	atomic_fetch_add(&so->refs, 1);
	return so;
}

static void promise_keep(struct dma_fence *promise)
{
	if (promise)
		dma_fence_signal(promise);
	dma_fence_put(promise);
}

/* Who waited for the promise has a reference, so nobody does. */
void drm_syncobj_put(struct drm_syncobj *so)
{
	if (atomic_fetch_sub_explicit(&so->refs, 1, memory_order_acq_rel) > 1)
		return;
	promise_keep(so->promise);
	dma_fence_put(so->fence);
	mutex_fini(&so->lock);
	free(so);
}

void drm_syncobj_replace(struct drm_syncobj *so, struct dma_fence *fence)
{
	struct dma_fence *old, *promise = NULL;

	mutex_lock(&so->lock);
	old = so->fence;
	so->fence = fence;
	if (fence) {
		promise = so->promise;
		so->promise = NULL;
	}
	mutex_unlock(&so->lock);
	promise_keep(promise);
	dma_fence_put(old);
}

struct dma_fence *drm_syncobj_fence(struct drm_syncobj *so)
{
	struct dma_fence *fence;

	mutex_lock(&so->lock);
	fence = dma_fence_get(so->fence);
	mutex_unlock(&so->lock);
	return fence;
}

struct dma_fence *drm_syncobj_promise(struct drm_syncobj *so)
{
	struct dma_fence *fence;

	mutex_lock(&so->lock);
	if (!so->fence && !so->promise) {
		so->promise = calloc(1, sizeof(*so->promise));
		if (so->promise)
			dma_fence_init(so->promise, &promise_ops, NULL, dma_fence_context_alloc(1), 1);
	}
	fence = dma_fence_get(so->fence ? so->fence : so->promise);
	mutex_unlock(&so->lock);
	return fence;
}

struct drm_syncobj *drm_syncobj_find(struct sgpu_file *sf, uint32_t handle)
{
	struct drm_syncobj *so;

	mutex_lock(&sf->lock);
	so = ids_get(&sf->syncobjs, handle);
	if (so)
		drm_syncobj_get(so);
	mutex_unlock(&sf->lock);
	return so;
}

void drm_syncobjs_close(struct sgpu_file *sf)
{
	struct drm_syncobj *so;

	for (uint32_t id = 0; (so = ids_next(&sf->syncobjs, &id)); id++) {
		ids_remove(&sf->syncobjs, id);
		drm_syncobj_put(so);
	}
}
