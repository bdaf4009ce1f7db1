/* SPDX-License-Identifier: BSD-3-Clause */
/* A file's sync objects: made, destroyed, passed on as fds, given fences and deprived of them. */
#include <fcntl.h>
#include <stdlib.h>

#include "drm/drm_syncobj.h"
#include "fence/sync_file.h"

/* Takes the reference over. */
static int handle_create(struct sgpu_file *sf, struct drm_syncobj *so, uint32_t *handle)
{
	int err;

	mutex_lock(&sf->lock);
	err = ids_reserve(&sf->syncobjs, handle);
	if (!err)
		ids_set(&sf->syncobjs, *handle, so);
	mutex_unlock(&sf->lock);
	if (err)
		drm_syncobj_put(so);
	return err;
}

int drm_syncobj_create_ioctl(struct sgpu_call *c)
{
	struct drm_syncobj_create *args = c->data;
	struct dma_fence *fence = NULL;
	struct drm_syncobj *so;

	if (args->flags & ~DRM_SYNCOBJ_CREATE_SIGNALED)
		return refuse(c->task->trace, -EINVAL, "SYNCOBJ_CREATE: flags 0x%x", args->flags);
	if (args->flags) {
		fence = dma_fence_get_stub();
		if (!fence)
			return -ENOMEM;
	}
	so = drm_syncobj_create(fence);
	return so ? handle_create(c->file, so, &args->handle) : -ENOMEM;
}

int drm_syncobj_destroy_ioctl(struct sgpu_call *c)
{
	struct drm_syncobj_destroy *args = c->data;
	struct drm_syncobj *so;

	if (args->pad)
		return refuse(c->task->trace, -EINVAL, "SYNCOBJ_DESTROY: pad 0x%x", args->pad);
	mutex_lock(&c->file->lock);
	so = ids_get(&c->file->syncobjs, args->handle);
	if (so)
		ids_remove(&c->file->syncobjs, args->handle);
	mutex_unlock(&c->file->lock);
	if (!so)
		return refuse(c->task->trace, -EINVAL, "SYNCOBJ_DESTROY: no sync object %u", args->handle);
	drm_syncobj_put(so);
	return 0;
}

/* --- as fds: the object itself, or its fence as a sync file --- */

static void syncobj_file_release(struct file *f)
{
	drm_syncobj_put(f->priv);
}

static const struct file_ops syncobj_file_ops = {
	.name = "anon_inode:syncobj_file", .no_positions = true, .release = syncobj_file_release};

static int export_object(struct sgpu_call *c, struct drm_syncobj_handle *args)
{
	struct task *t = c->task;
	struct drm_syncobj *so = args->point ? NULL : drm_syncobj_find(c->file, args->handle);
	struct file *f;
	int err = -ENOMEM;

	if (!so)
		return refuse(t->trace, -EINVAL, "SYNCOBJ_HANDLE_TO_FD: handle %u, point %llu", args->handle,
			      (unsigned long long)args->point);
	f = file_create(&syncobj_file_ops, so, O_RDONLY);
	if (!f) {
		drm_syncobj_put(so);
		return err;
	}
	f->mode = S_IRUSR | S_IWUSR;
	args->fd = t->ops->fd_reserve(t, f, O_CLOEXEC);
	err = args->fd < 0 ? args->fd : sgpu_call_copy_out(c);
	if (!err) {
		t->ops->fd_publish(t, args->fd, f);
		return 0;
	}
	if (args->fd >= 0)
		t->ops->fd_cancel(t, args->fd);
	file_put(f);
	return err;
}

/* The fence that the object has now. */
static int find_fence(struct sgpu_file *sf, uint32_t handle, uint64_t point, struct dma_fence **out)
{
	struct drm_syncobj *so = drm_syncobj_find(sf, handle);

	if (!so)
		return -ENOENT;
	*out = point ? NULL : drm_syncobj_fence(so);
	drm_syncobj_put(so);
	return *out ? 0 : -EINVAL;
}

static int export_fence(struct sgpu_call *c, struct drm_syncobj_handle *args)
{
	struct task *t = c->task;
	struct dma_fence *fence;
	struct file *f;
	int fd = sync_file_reserve(t, &f), err;

	if (fd < 0)
		return fd;
	err = find_fence(c->file, args->handle, args->point, &fence);
	if (!err) {
		args->fd = fd;
		err = sgpu_call_copy_out(c);
		if (!err)
			sync_file_publish(t, fd, f, fence, NULL);
		dma_fence_put(fence);
	}
	if (err)
		sync_file_cancel(t, fd, f);
	return err;
}

int drm_syncobj_handle_to_fd_ioctl(struct sgpu_call *c)
{
	struct drm_syncobj_handle *args = c->data;

	if (args->pad || args->flags & ~DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_EXPORT_SYNC_FILE)
		return refuse(c->task->trace, -EINVAL, "SYNCOBJ_HANDLE_TO_FD: flags 0x%x, pad 0x%x", args->flags,
			      args->pad);
	return args->flags ? export_fence(c, args) : export_object(c, args);
}

static int import_object(struct sgpu_call *c, struct drm_syncobj_handle *args)
{
	struct file *f = c->task->ops->file_get(c->task, args->fd);
	int err = -EINVAL;

	if (f && f->ops == &syncobj_file_ops && !args->point)
		err = handle_create(c->file, drm_syncobj_get(f->priv), &args->handle);
	if (f)
		file_put(f);
	return err;
}

static int import_fence(struct sgpu_call *c, struct drm_syncobj_handle *args)
{
	struct dma_fence *fence = args->point ? NULL : sync_file_get_fence(c->task, args->fd);
	struct drm_syncobj *so;

	if (!fence)
		return refuse(c->task->trace, -EINVAL, "SYNCOBJ_FD_TO_HANDLE: fd %d is not a sync file", args->fd);
	so = drm_syncobj_find(c->file, args->handle);
	if (!so) {
		dma_fence_put(fence);
		return -ENOENT;
	}
	drm_syncobj_replace(so, fence);
	drm_syncobj_put(so);
	return 0;
}

int drm_syncobj_fd_to_handle_ioctl(struct sgpu_call *c)
{
	struct drm_syncobj_handle *args = c->data;

	if (args->pad || args->flags & ~DRM_SYNCOBJ_FD_TO_HANDLE_FLAGS_IMPORT_SYNC_FILE)
		return refuse(c->task->trace, -EINVAL, "SYNCOBJ_FD_TO_HANDLE: flags 0x%x, pad 0x%x", args->flags,
			      args->pad);
	return args->flags ? import_fence(c, args) : import_object(c, args);
}

/* --- several at once --- */

int drm_syncobjs_find(struct sgpu_call *c, uint64_t handles, uint32_t nr, struct drm_syncobj ***out)
{
	struct drm_syncobj **objects;
	int err = 0;

	if (nr > UINT16_MAX)
		return -ENOMEM;
	objects = calloc(nr, sizeof(*objects));
	if (!objects)
		return -ENOMEM;
	for (uint32_t i = 0; i < nr && !err; i++) {
		uint32_t handle;

		err = copy_from_task(c->task, &handle, handles + i * sizeof(handle), sizeof(handle));
		if (err)
			break;
		objects[i] = drm_syncobj_find(c->file, handle);
		err = objects[i] ? 0 : -ENOENT;
	}
	if (err)
		drm_syncobjs_put(objects, nr);
	else
		*out = objects;
	return err;
}

void drm_syncobjs_put(struct drm_syncobj **objects, uint32_t nr)
{
	for (uint32_t i = 0; i < nr && objects[i]; i++)
		drm_syncobj_put(objects[i]);
	free(objects);
}

static int replace_all(struct sgpu_call *c, struct dma_fence *fence)
{
	struct drm_syncobj_array *args = c->data;
	struct drm_syncobj **objects;
	int err = args->pad || !args->count_handles ? -EINVAL : 0;

	if (!err)
		err = drm_syncobjs_find(c, args->handles, args->count_handles, &objects);
	if (err)
		return err;
	for (uint32_t i = 0; i < args->count_handles; i++)
		drm_syncobj_replace(objects[i], dma_fence_get(fence));
	drm_syncobjs_put(objects, args->count_handles);
	return 0;
}

int drm_syncobj_reset_ioctl(struct sgpu_call *c)
{
	return replace_all(c, NULL);
}

int drm_syncobj_signal_ioctl(struct sgpu_call *c)
{
	struct dma_fence *done = dma_fence_get_stub();
	int err = done ? replace_all(c, done) : -ENOMEM;

	dma_fence_put(done);
	return err;
}
