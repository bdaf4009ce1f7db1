/* SPDX-License-Identifier: BSD-3-Clause */
/* The render node of a gpu, for programs that give it jobs. */
#ifndef TESTS_E2E_GPU_H
#define TESTS_E2E_GPU_H

#include <drm/sgpu_drm.h>
#include <poll.h>
#include <stdbool.h>

#include "sw_sync.h"

#define RENDER_NODE "/dev/dri/renderD128"
enum { LOW, NORMAL, HIGH };

static inline int gpu_open(void)
{
	int fd = open(RENDER_NODE, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		die(RENDER_NODE);
	return fd;
}

/* The handle or -errno. */
static inline long gpu_bo(int gpu, uint64_t size, uint32_t flags)
{
	struct drm_sgpu_bo_create create = {.size = size, .flags = flags};
	long ret = io(gpu, DRM_IOCTL_SGPU_BO_CREATE, &create);

	return ret < 0 ? ret : create.handle;
}

static inline unsigned char *gpu_map(int gpu, uint32_t handle, size_t size)
{
	struct drm_sgpu_bo_mmap map = {.handle = handle};
	void *p;

	if (io(gpu, DRM_IOCTL_SGPU_BO_MMAP, &map))
		die("BO_MMAP");
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, gpu, (off_t)map.offset);
	if (p == MAP_FAILED)
		die("mmap of a buffer object");
	return p;
}

static inline long gpu_close_handle(int gpu, uint32_t handle)
{
	struct drm_gem_close close = {.handle = handle};

	return io(gpu, DRM_IOCTL_GEM_CLOSE, &close);
}

/* The fd or -errno. */
static inline long gpu_export(int gpu, uint32_t handle)
{
	struct drm_prime_handle prime = {.handle = handle, .flags = DRM_CLOEXEC | DRM_RDWR};
	long ret = io(gpu, DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime);

	return ret < 0 ? ret : prime.fd;
}

static inline long gpu_import(int gpu, int fd)
{
	struct drm_prime_handle prime = {.fd = fd};
	long ret = io(gpu, DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime);

	return ret < 0 ? ret : prime.handle;
}

static inline long gpu_queue(int gpu, uint32_t priority)
{
	struct drm_sgpu_queue_create create = {.priority = priority};
	long ret = io(gpu, DRM_IOCTL_SGPU_QUEUE_CREATE, &create);

	return ret < 0 ? ret : create.id;
}

static inline long gpu_queue_destroy(int gpu, uint32_t id)
{
	struct drm_sgpu_queue_destroy destroy = {.id = id};

	return io(gpu, DRM_IOCTL_SGPU_QUEUE_DESTROY, &destroy);
}

static inline struct drm_sgpu_op gpu_fill(uint32_t target, uint64_t offset, uint64_t length, unsigned char byte)
{
	return (struct drm_sgpu_op){.op = DRM_SGPU_OP_FILL,
				    .target = target,
				    .target_offset = offset,
				    .length = length,
				    .source_offset = byte};
}

static inline struct drm_sgpu_op gpu_copy(uint32_t target, uint32_t source, uint64_t length)
{
	return (struct drm_sgpu_op){.op = DRM_SGPU_OP_COPY, .target = target, .source = source, .length = length};
}

/* fence_in: -1: none. The out-fence or -errno. */
static inline long gpu_submit_flags(int gpu, uint32_t queue, const struct drm_sgpu_op *ops, uint32_t nr_ops,
				    int fence_in, uint32_t flags)
{
	struct drm_sgpu_submit submit = {
		.queue = queue,
		.flags = flags | DRM_SGPU_SUBMIT_FENCE_OUT | (fence_in >= 0 ? DRM_SGPU_SUBMIT_FENCE_IN : 0),
		.ops = (uintptr_t)ops,
		.nr_ops = nr_ops,
		.fence_in = fence_in,
		.fence_out = -1,
	};
	long ret = io(gpu, DRM_IOCTL_SGPU_SUBMIT, &submit);

	return ret < 0 ? ret : submit.fence_out;
}

static inline long gpu_submit(int gpu, uint32_t queue, struct drm_sgpu_op op, int fence_in)
{
	return gpu_submit_flags(gpu, queue, &op, 1, fence_in, 0);
}

/* 1: signalled, 0: pending, -errno: signalled with an error. */
static inline int fence_status(int fd)
{
	struct sync_file_info info = {0};

	if (io(fd, SYNC_IOC_FILE_INFO, &info))
		die("SYNC_IOC_FILE_INFO");
	return info.status;
}

static inline bool fence_wait(int fd, int timeout_ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, timeout_ms) == 1 && p.revents & POLLIN;
}

/* Waits a good while, closes it, and says how it ended; 0: it did not. */
static inline int fence_end(long fd)
{
	int status;

	if (fd < 0) {
		errno = (int)-fd;
		die("submit");
	}
	fence_wait((int)fd, 20000);
	status = fence_status((int)fd);
	close((int)fd);
	return status;
}

#endif
