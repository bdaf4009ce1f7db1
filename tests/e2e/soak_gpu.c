/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A gpu, where there is one: imports buffers into its render node and has jobs read and write them. What a job that was
 * done has read is the buffer's to the byte; one that failed lost its buffer. A revocation waits for jobs.
 */
#include <drm/sgpu_drm.h>
#include <linux/sync_file.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "soak_buffers.h"

struct gpu {
	struct world *world;
	int fd;
	uint32_t queue;
	uint32_t staging; /* a buffer object of the gpu's, and where it is mapped */
	uint64_t *memory;
};

static void must(int ret, const char *what)
{
	if (ret)
		wrong("%s: %s", what, strerror(errno));
}

static void queue_make(struct gpu *g)
{
	struct drm_sgpu_queue_create create = {.priority = 1};

	must(ioctl(g->fd, DRM_IOCTL_SGPU_QUEUE_CREATE, &create), "QUEUE_CREATE");
	g->queue = create.id;
}

static void queue_drop(struct gpu *g)
{
	struct drm_sgpu_queue_destroy destroy = {.id = g->queue};

	must(ioctl(g->fd, DRM_IOCTL_SGPU_QUEUE_DESTROY, &destroy), "QUEUE_DESTROY");
}

static void gpu_open(struct gpu *g)
{
	struct drm_sgpu_bo_create create = {.size = MOST_PAGES * PAGE, .flags = DRM_SGPU_BO_LOCAL};
	struct drm_sgpu_bo_mmap map = {0};

	g->fd = open(RENDER_NODE, O_RDWR | O_CLOEXEC);
	must(g->fd < 0, RENDER_NODE);
	must(ioctl(g->fd, DRM_IOCTL_SGPU_BO_CREATE, &create), "BO_CREATE");
	g->staging = map.handle = create.handle;
	must(ioctl(g->fd, DRM_IOCTL_SGPU_BO_MMAP, &map), "BO_MMAP");
	g->memory = mmap(NULL, create.size, PROT_READ | PROT_WRITE, MAP_SHARED, g->fd, (off_t)map.offset);
	must(g->memory == MAP_FAILED, "mmap of a buffer object");
	queue_make(g);
}

static void gpu_close(struct gpu *g)
{
	munmap(g->memory, MOST_PAGES * PAGE);
	close(g->fd);
}

/* 1, or how it ended. */
static int fence_end(int fence)
{
	struct sync_file_info info = {0};

	if (poll(&(struct pollfd){.fd = fence, .events = POLLIN}, 1, 30000) != 1)
		wrong("a job has not ended within 30 s");
	must(ioctl(fence, SYNC_IOC_FILE_INFO, &info), "SYNC_IOC_FILE_INFO");
	close(fence);
	return info.status;
}

/* Copies the whole buffer. False: it lost it meanwhile. */
static bool run(struct gpu *g, const struct view *v, uint32_t target, uint32_t source)
{
	struct drm_sgpu_op op = {
		.op = DRM_SGPU_OP_COPY, .target = target, .source = source, .length = v->nr_pages * PAGE};
	struct drm_sgpu_submit submit = {
		.queue = g->queue, .flags = DRM_SGPU_SUBMIT_FENCE_OUT, .ops = (uintptr_t)&op, .nr_ops = 1};
	int status = ioctl(g->fd, DRM_IOCTL_SGPU_SUBMIT, &submit) ? -errno : fence_end(submit.fence_out);

	if (status == 1) {
		g->world->nr_copies += v->nr_pages;
		return true;
	}
	if (status == -ETIME || status == -ECANCELED) {
		/* A ring whose thread has not had a processor for half a second looks like one that hangs. */
		queue_drop(g);
		queue_make(g);
	} else if (!view_had_event(v)) {
		wrong("a job on buffer %u ended with %d, but nobody has revoked it", v->number, status);
	}
	g->world->nr_faults++;
	return false;
}

static void use_view(struct gpu *g, const struct view *v, uint32_t handle)
{
	memset(g->memory, 0xa5, v->nr_pages * PAGE);
	if (run(g, v, g->staging, handle))
		for (unsigned page = 0; page < v->nr_pages; page++)
			view_check_page(v, page, g->memory + page * (PAGE / 8), "a job");
	for (unsigned page = 0; page < v->nr_pages; page++)
		view_fill_page(v, page, g->memory + page * (PAGE / 8));
	run(g, v, handle, g->staging);
}

static void import(struct gpu *g, struct view *v)
{
	struct drm_prime_handle prime = {.fd = v->fd};
	struct drm_gem_close close_handle = {0};

	if (ioctl(g->fd, DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime)) {
		view_expect_revoked(v, -errno, "PRIME_FD_TO_HANDLE");
		g->world->nr_denied++;
		return;
	}
	g->world->nr_maps++;
	use_view(g, v, prime.handle);
	close_handle.handle = prime.handle;
	must(ioctl(g->fd, DRM_IOCTL_GEM_CLOSE, &close_handle), "GEM_CLOSE");
}

void *run_gpu(void *world)
{
	struct gpu g = {.world = world};
	unsigned seed = ++g.world->next_number;
	struct view v;

	if (access(RENDER_NODE, F_OK))
		return NULL;
	gpu_open(&g);
	while (!g.world->stop) {
		if (!view_take(world, dice(&seed, NR_SLOTS), &v))
			continue;
		import(&g, &v);
		view_drop(&v);
	}
	gpu_close(&g);
	return NULL;
}
