/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Handles: a file's names for buffer objects. A buffer has at most one in a file, however often it comes in as an fd.
 *
 * The offset at which a handle is mapped has the handle in its upper bits: nothing is to be looked up or given back.
 */
#include <fcntl.h>

#include "drm/sgpu_file.h"

enum { MMAP_SHIFT = 40, MMAP_HANDLE_BITS = 63 - MMAP_SHIFT };

/* The file of the buffer behind it. Borrowed. */
static struct file *bo_file(const struct sgpu_bo *bo)
{
	return bo->buf->file;
}

struct sgpu_bo *sgpu_handle_get(struct sgpu_file *sf, uint32_t handle)
{
	struct sgpu_bo *bo;

	mutex_lock(&sf->lock);
	bo = ids_get(&sf->handles, handle);
	if (bo)
		sgpu_bo_get(bo);
	mutex_unlock(&sf->lock);
	return bo;
}

static int handle_of_file_locked(struct sgpu_file *sf, const struct file *f, uint32_t *handle)
{
	struct sgpu_bo *bo;

	for (uint32_t id = 0; (bo = ids_next(&sf->handles, &id)); id++) {
		if (bo_file(bo) != f)
			continue;
		*handle = id;
		return 0;
	}
	return -ENOENT;
}

static int handle_of_file(struct sgpu_file *sf, const struct file *f, uint32_t *handle)
{
	int err;

	mutex_lock(&sf->lock);
	err = handle_of_file_locked(sf, f, handle);
	mutex_unlock(&sf->lock);
	return err;
}

/* Takes the reference over, also when it fails. Who came first with the same buffer wins. */
static int handle_create(struct sgpu_file *sf, struct sgpu_bo *bo, uint32_t *handle)
{
	struct sgpu_bo *drop = bo;
	int err = 0;

	mutex_lock(&sf->lock);
	if (handle_of_file_locked(sf, bo_file(bo), handle)) {
		err = ids_reserve(&sf->handles, handle);
		if (!err) {
			ids_set(&sf->handles, *handle, bo);
			drop = NULL;
		}
	}
	mutex_unlock(&sf->lock);
	if (drop)
		sgpu_bo_put(drop);
	return err;
}

void sgpu_handles_close(struct sgpu_file *sf)
{
	struct sgpu_bo *bo;

	for (uint32_t id = 0; (bo = ids_next(&sf->handles, &id)); id++) {
		ids_remove(&sf->handles, id);
		sgpu_bo_put(bo);
	}
}

int sgpu_gem_close_ioctl(struct sgpu_call *c)
{
	struct drm_gem_close *args = c->data;
	struct sgpu_bo *bo;

	mutex_lock(&c->file->lock);
	bo = ids_get(&c->file->handles, args->handle);
	if (bo)
		ids_remove(&c->file->handles, args->handle);
	mutex_unlock(&c->file->lock);
	if (!bo)
		return refuse(c->task->trace, -EINVAL, "GEM_CLOSE: no handle %u", args->handle);
	sgpu_bo_put(bo);
	return 0;
}

int sgpu_prime_handle_to_fd_ioctl(struct sgpu_call *c)
{
	struct drm_prime_handle *args = c->data;
	struct task *t = c->task;
	struct sgpu_bo *bo;
	struct file *f;
	int fd, err;

	if (args->flags & ~(unsigned)(DRM_CLOEXEC | DRM_RDWR))
		return refuse(t->trace, -EINVAL, "PRIME_HANDLE_TO_FD: flags 0x%x", args->flags);
	bo = sgpu_handle_get(c->file, args->handle);
	if (!bo)
		return refuse(t->trace, -ENOENT, "PRIME_HANDLE_TO_FD: no handle %u", args->handle);
	f = file_get(bo_file(bo));
	sgpu_bo_put(bo);
	fd = t->ops->fd_reserve(t, f, args->flags & DRM_CLOEXEC);
	if (fd < 0) {
		file_put(f);
		return fd;
	}
	args->fd = fd;
	err = sgpu_call_copy_out(c);
	if (err) {
		t->ops->fd_cancel(t, fd);
		file_put(f);
		return err;
	}
	t->ops->fd_publish(t, fd, f);
	return 0;
}

static int bo_of_file(struct sgpu *gpu, struct task *t, struct file *f, bool pinned, struct sgpu_bo **out)
{
	*out = sgpu_bo_from_file(gpu, f);
	if (!*out)
		return sgpu_import(gpu, t, f, pinned, out);
	sgpu_bo_get(*out);
	return 0;
}

static int import_fd(struct sgpu_call *c, int fd, bool pinned, uint32_t *handle)
{
	struct task *t = c->task;
	struct sgpu_bo *bo;
	struct file *f = t->ops->file_get(t, fd);
	int err = -EINVAL;

	if (!f && !t->ops->fd_is_open(t, fd))
		return refuse(t->trace, -EBADF, "import: fd %d is not open", fd);
	if (!f || !dma_buf_from_file(f)) {
		refuse(t->trace, err, "import: fd %d is not a dma-buf", fd);
		goto put;
	}
	err = handle_of_file(c->file, f, handle);
	if (err)
		err = bo_of_file(c->file->gpu, t, f, pinned, &bo) ?: handle_create(c->file, bo, handle);
put:
	if (f)
		file_put(f);
	return err;
}

int sgpu_prime_fd_to_handle_ioctl(struct sgpu_call *c)
{
	struct drm_prime_handle *args = c->data;

	return import_fd(c, args->fd, false, &args->handle);
}

int sgpu_bo_import_ioctl(struct sgpu_call *c)
{
	struct drm_sgpu_bo_import *args = c->data;

	if (args->flags & ~DRM_SGPU_BO_PINNED || args->pad)
		return refuse(c->task->trace, -EINVAL, "BO_IMPORT: flags 0x%x, pad 0x%x", args->flags, args->pad);
	return import_fd(c, args->fd, args->flags & DRM_SGPU_BO_PINNED, &args->handle);
}

int sgpu_bo_create_ioctl(struct sgpu_call *c)
{
	struct drm_sgpu_bo_create *args = c->data;
	struct sgpu_bo *bo;
	int err;

	if (args->flags & ~DRM_SGPU_BO_LOCAL)
		return refuse(c->task->trace, -EINVAL, "BO_CREATE: flags 0x%x", args->flags);
	if (!args->size || args->size > INT64_MAX || !is_aligned(args->size, BARTER_PAGE_SIZE))
		return refuse(c->task->trace, -EINVAL, "BO_CREATE: 0x%llx bytes are not a number of pages",
			      (unsigned long long)args->size);
	err = sgpu_bo_create(c->file->gpu, args->size, args->flags & DRM_SGPU_BO_LOCAL, &bo);
	return err ? err : handle_create(c->file, bo, &args->handle);
}

int sgpu_bo_info_ioctl(struct sgpu_call *c)
{
	struct drm_sgpu_bo_info *args = c->data;
	struct drm_sgpu_bo_info info = {.handle = args->handle};
	struct sgpu_bo *bo = sgpu_handle_get(c->file, args->handle);

	if (!bo)
		return refuse(c->task->trace, -ENOENT, "BO_INFO: no handle %u", args->handle);
	sgpu_bo_describe(bo, &info);
	sgpu_bo_put(bo);
	*args = info;
	return 0;
}

int sgpu_bo_mmap_ioctl(struct sgpu_call *c)
{
	struct drm_sgpu_bo_mmap *args = c->data;
	struct sgpu_bo *bo = sgpu_handle_get(c->file, args->handle);

	if (!bo)
		return refuse(c->task->trace, -ENOENT, "BO_MMAP: no handle %u", args->handle);
	sgpu_bo_put(bo);
	if (args->handle >> MMAP_HANDLE_BITS)
		return refuse(c->task->trace, -ENOSPC, "BO_MMAP: no offset is left for handle %u", args->handle);
	args->offset = (uint64_t)args->handle << MMAP_SHIFT;
	return 0;
}

int64_t sgpu_handle_mmap(struct sgpu_file *sf, struct task *t, const struct mmap_request *req)
{
	struct mmap_request within = *req;
	struct sgpu_bo *bo = sgpu_handle_get(sf, (uint32_t)(req->offset >> MMAP_SHIFT));
	int64_t addr;

	if (!bo)
		return refuse(t->trace, -EINVAL, "mmap of the render node: 0x%llx is not an offset of BO_MMAP",
			      (unsigned long long)req->offset);
	within.offset = req->offset & ((1ull << MMAP_SHIFT) - 1);
	if (within.offset > bo->size || within.len > align_up(bo->size, BARTER_PAGE_SIZE) - within.offset)
		addr = refuse(t->trace, -EINVAL,
			      "mmap of the render node: 0x%llx bytes at 0x%llx of a buffer of 0x%llx",
			      (unsigned long long)within.len, (unsigned long long)within.offset,
			      (unsigned long long)bo->size);
	else
		addr = sgpu_bo_mmap(bo, t, &within, within.offset);
	sgpu_bo_put(bo);
	return addr;
}
