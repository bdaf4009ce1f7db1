/* SPDX-License-Identifier: BSD-3-Clause */
/* Waiting for sync objects: for one of them or all, with or without a fence at the beginning. */
#include <stdlib.h>

#include "drm/drm_syncobj.h"

enum {
	FLAGS_ALL = DRM_SYNCOBJ_WAIT_FLAGS_WAIT_ALL | DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT |
		    DRM_SYNCOBJ_WAIT_FLAGS_WAIT_DEADLINE
};

struct wait {
	struct drm_syncobj_wait *args;
	struct drm_syncobj **objects;
	struct dma_fence **fences; /* what each had when it first had one */
	struct dma_fence **next;   /* room for what is slept on */
};

static bool for_all(const struct wait *w)
{
	return w->args->flags & DRM_SYNCOBJ_WAIT_FLAGS_WAIT_ALL;
}

static int fences_look(struct wait *w)
{
	for (uint32_t i = 0; i < w->args->count_handles; i++) {
		if (w->fences[i])
			continue;
		w->fences[i] = drm_syncobj_fence(w->objects[i]);
		if (!w->fences[i] && !(w->args->flags & DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT))
			return -EINVAL;
		if (w->fences[i] && w->args->flags & DRM_SYNCOBJ_WAIT_FLAGS_WAIT_DEADLINE)
			dma_fence_set_deadline(w->fences[i], w->args->deadline_nsec);
	}
	return 0;
}

static bool is_over(struct wait *w)
{
	uint32_t nr = 0;

	for (uint32_t i = 0; i < w->args->count_handles; i++) {
		if (!w->fences[i] || !dma_fence_is_signaled(w->fences[i]))
			continue;
		if (!nr++)
			w->args->first_signaled = i;
	}
	return nr && (nr == w->args->count_handles || !for_all(w));
}

/* What has to change before a look is worth it: of all, the first that is open. 0: it has, meanwhile; or -ENOMEM. */
static int collect_open(struct wait *w)
{
	int nr = 0;

	for (uint32_t i = 0; i < w->args->count_handles; i++) {
		if (w->fences[i] && dma_fence_is_signaled(w->fences[i])) {
			if (for_all(w))
				continue;
			break;
		}
		w->next[nr] = w->fences[i] ? dma_fence_get(w->fences[i]) : drm_syncobj_promise(w->objects[i]);
		if (!w->next[nr])
			return -ENOMEM;
		nr++;
		if (for_all(w) || i + 1 == w->args->count_handles)
			return nr;
	}
	return 0;
}

static void drop_open(struct wait *w)
{
	for (uint32_t i = 0; i < w->args->count_handles; i++) {
		dma_fence_put(w->next[i]);
		w->next[i] = NULL;
	}
}

static int sleep_once(struct wait *w, uint64_t timeout_ns)
{
	int nr = collect_open(w), err = MIN(nr, 0);

	if (nr > 0)
		err = dma_fence_wait_any(w->next, (unsigned)nr, timeout_ns);
	drop_open(w);
	return err;
}

static uint64_t time_left(const struct wait *w)
{
	uint64_t now = trace_now(), until = w->args->timeout_nsec < 0 ? 0 : (uint64_t)w->args->timeout_nsec;

	return until > now ? until - now : 0;
}

static int wait_for_objects(struct wait *w)
{
	for (;;) {
		int err = fences_look(w);
		uint64_t left;

		if (err || is_over(w))
			return err;
		left = time_left(w);
		err = left ? sleep_once(w, left) : -ETIMEDOUT;
		if (err)
			return err == -ETIMEDOUT ? -ETIME : err;
	}
}

int drm_syncobj_wait_ioctl(struct sgpu_call *c)
{
	struct drm_syncobj_wait *args = c->data;
	struct wait w = {.args = args};
	uint32_t nr = args->count_handles;
	int err;

	if (args->flags & ~(uint32_t)FLAGS_ALL)
		return refuse(c->task->trace, -EINVAL, "SYNCOBJ_WAIT: flags 0x%x", args->flags);
	if (!nr)
		return 0;
	err = drm_syncobjs_find(c, args->handles, nr, &w.objects);
	if (err)
		return err;
	w.fences = calloc(nr, sizeof(*w.fences));
	w.next = calloc(nr, sizeof(*w.next));
	err = w.fences && w.next ? wait_for_objects(&w) : -ENOMEM;
	for (uint32_t i = 0; w.fences && i < nr; i++)
		dma_fence_put(w.fences[i]);
	free(w.fences);
	free(w.next);
	drm_syncobjs_put(w.objects, nr);
	return err;
}
