/* SPDX-License-Identifier: BSD-3-Clause */
/* Jobs for a gpu through its render node: one after the other, and many at once. */
#include <drm/sgpu_drm.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "inside.h"

enum { WINDOW = 256, WINDOWS = 20, SINGLES = 400 };

static uint32_t queue_create(int gpu)
{
	struct drm_sgpu_queue_create queue = {.priority = 1};

	must(ioctl(gpu, DRM_IOCTL_SGPU_QUEUE_CREATE, &queue), "QUEUE_CREATE");
	return queue.id;
}

static uint32_t buffer_create(int gpu, uint32_t flags)
{
	struct drm_sgpu_bo_create create = {.size = 4096, .flags = flags};

	must(ioctl(gpu, DRM_IOCTL_SGPU_BO_CREATE, &create), "BO_CREATE");
	return create.handle;
}

static int submit(int gpu, uint32_t queue, const struct drm_sgpu_op *op, bool fence)
{
	struct drm_sgpu_submit s = {
		.queue = queue, .flags = fence ? DRM_SGPU_SUBMIT_FENCE_OUT : 0, .ops = (uintptr_t)op, .nr_ops = 1};

	must(ioctl(gpu, DRM_IOCTL_SGPU_SUBMIT, &s), "SUBMIT");
	return s.fence_out;
}

static void wait_and_close(int fence)
{
	struct pollfd p = {.fd = fence, .events = POLLIN};

	must(poll(&p, 1, 10000) != 1, "poll of a job's fence");
	close(fence);
}

struct partner {
	int ping, pong;
};

static void *partner_main(void *arg)
{
	const struct partner *p = arg;

	for (uint64_t value = 0; value != UINT32_MAX;) {
		must(read(p->ping, &value, sizeof(value)) != sizeof(value), "read");
		must(write(p->pong, &value, sizeof(value)) != sizeof(value), "write");
	}
	return NULL;
}

/* Two threads that wake each other in turn: what the parts of a job do, and nothing else. */
static double round_trip_ns(void)
{
	struct partner p = {eventfd(0, 0), eventfd(0, 0)};
	uint64_t value = 1;
	pthread_t thread;
	double start;

	must(p.ping < 0 || p.pong < 0, "eventfd");
	must(-pthread_create(&thread, NULL, partner_main, &p), "pthread_create");
	start = now_ns();
	for (unsigned i = 0; i <= SINGLES; i++) {
		value = i < SINGLES ? 1 : UINT32_MAX;
		must(write(p.ping, &value, sizeof(value)) != sizeof(value), "write");
		must(read(p.pong, &value, sizeof(value)) != sizeof(value), "read");
	}
	start = now_ns() - start;
	pthread_join(thread, NULL);
	close(p.ping);
	close(p.pong);
	return start / (SINGLES + 1);
}

static void measure(int gpu, uint32_t queue, const struct drm_sgpu_op *op, const char *one, const char *many)
{
	double start = now_ns();

	for (unsigned i = 0; i < SINGLES; i++)
		wait_and_close(submit(gpu, queue, op, true));
	result(one, (now_ns() - start) / SINGLES);
	start = now_ns();
	for (unsigned i = 0; i < WINDOWS; i++) {
		for (unsigned j = 1; j < WINDOW; j++)
			submit(gpu, queue, op, false);
		wait_and_close(submit(gpu, queue, op, true));
	}
	result(many, (now_ns() - start) / (WINDOWS * WINDOW));
}

void inside_jobs(unsigned repetitions)
{
	int gpu = open("/dev/dri/renderD128", O_RDWR);
	uint32_t queue, from, to;

	must(gpu < 0, "/dev/dri/renderD128");
	queue = queue_create(gpu);
	from = buffer_create(gpu, 0);
	to = buffer_create(gpu, DRM_SGPU_BO_LOCAL);
	for (unsigned i = 0; i < repetitions; i++) {
		const struct drm_sgpu_op byte = {.op = DRM_SGPU_OP_FILL, .target = to, .length = 1};
		const struct drm_sgpu_op page = {.op = DRM_SGPU_OP_COPY, .source = from, .target = to, .length = 4096};

		result("round_trip", round_trip_ns());
		measure(gpu, queue, &byte, "job_byte", "jobs_byte");
		measure(gpu, queue, &page, "job_page", "jobs_page");
	}
	close(gpu);
}
