/* SPDX-License-Identifier: BSD-3-Clause */
/* A program that lets a gpu copy: buffers in system and in local memory, queues, fences between jobs, hangs. */
#include <linux/dma-buf.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "gpu.h"

#define SIZE ((size_t)1 << 20)
#define CHECK(c)                                                                                                       \
	do {                                                                                                           \
		if (!(c)) {                                                                                            \
			fprintf(stderr, "line %d: %s (errno %d)\n", __LINE__, #c, errno);                              \
			exit(1);                                                                                       \
		}                                                                                                      \
	} while (0)

static bool all_are(const unsigned char *p, size_t len, unsigned char byte)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] != byte)
			return false;
	return true;
}

static void what_it_says(int gpu)
{
	struct drm_sgpu_info info = {0};
	char name[16] = "", desc[4] = "";
	struct drm_version version = {.name_len = sizeof(name), .name = name, .desc_len = 3, .desc = desc};
	struct drm_get_cap cap = {.capability = DRM_CAP_PRIME};

	CHECK(!io(gpu, DRM_IOCTL_VERSION, &version));
	CHECK(!strcmp(name, "sgpu") && version.name_len == 4 && !strcmp(desc, "GPU") && version.desc_len > 3);
	CHECK(!io(gpu, DRM_IOCTL_GET_CAP, &cap) && cap.value == (DRM_PRIME_CAP_IMPORT | DRM_PRIME_CAP_EXPORT));
	CHECK(!io(gpu, DRM_IOCTL_SGPU_INFO, &info));
	CHECK(info.local_size == 256 << 20 && info.local_free == info.local_size && info.total_vfs == 4);
}

static void fills_and_copies(int gpu, uint32_t queue)
{
	uint32_t system = (uint32_t)gpu_bo(gpu, SIZE, 0), local = (uint32_t)gpu_bo(gpu, SIZE, DRM_SGPU_BO_LOCAL);
	uint32_t back = (uint32_t)gpu_bo(gpu, SIZE, 0);
	unsigned char *p = gpu_map(gpu, system, SIZE), *l = gpu_map(gpu, local, SIZE), *q = gpu_map(gpu, back, SIZE);

	CHECK(all_are(p, SIZE, 0) && all_are(l, SIZE, 0));
	CHECK(fence_end(gpu_submit(gpu, queue, gpu_fill(system, 0, SIZE, 0x5a), -1)) == 1);
	CHECK(all_are(p, SIZE, 0x5a));
	/* One after the other by the buffers alone. */
	CHECK(gpu_submit(gpu, queue, gpu_copy(local, system, SIZE), -1) >= 0);
	CHECK(fence_end(gpu_submit(gpu, queue, gpu_copy(back, local, SIZE), -1)) == 1);
	CHECK(all_are(l, SIZE, 0x5a) && all_are(q, SIZE, 0x5a));
	CHECK(fence_end(gpu_submit(gpu, queue, gpu_fill(local, 4096, 1, 7), -1)) == 1);
	CHECK(l[4095] == 0x5a && l[4096] == 7 && l[4097] == 0x5a);
	munmap(p, SIZE);
	munmap(l, SIZE);
	munmap(q, SIZE);
	CHECK(!gpu_close_handle(gpu, system) && !gpu_close_handle(gpu, local) && !gpu_close_handle(gpu, back));
}

static void hangs(int gpu)
{
	uint32_t bad = (uint32_t)gpu_queue(gpu, HIGH), good = (uint32_t)gpu_queue(gpu, LOW);
	uint32_t bo = (uint32_t)gpu_bo(gpu, 4096, DRM_SGPU_BO_LOCAL);
	const struct drm_sgpu_op hang = {.op = DRM_SGPU_OP_HANG};
	long hung = gpu_submit(gpu, bad, hang, -1), behind = gpu_submit(gpu, bad, gpu_fill(bo, 0, 10, 1), -1);
	long other = gpu_submit(gpu, good, gpu_fill(bo, 100, 10, 2), -1);
	unsigned char *p = gpu_map(gpu, bo, 4096);

	CHECK(!fence_status((int)hung) && !fence_status((int)other));
	CHECK(fence_end(hung) == -ETIME);
	CHECK(fence_end(behind) == -ECANCELED);
	CHECK(fence_end(other) == 1);
	CHECK(p[0] == 0 && p[100] == 2);
	CHECK(gpu_submit(gpu, bad, gpu_fill(bo, 0, 10, 1), -1) == -ECANCELED);
	CHECK(!gpu_queue_destroy(gpu, bad) && !gpu_queue_destroy(gpu, good));
	munmap(p, 4096);
	CHECK(!gpu_close_handle(gpu, bo));
}

/* A chain over two queues that a timeline sets off; each link waits for the one before by its fence alone. */
static void chains(int gpu, uint32_t queue)
{
	enum { LINKS = 40 };
	uint32_t other = (uint32_t)gpu_queue(gpu, HIGH), bo = (uint32_t)gpu_bo(gpu, SIZE, DRM_SGPU_BO_LOCAL);
	unsigned char *p = gpu_map(gpu, bo, SIZE);
	int timeline = timeline_open(), in = (int)timeline_fence(timeline, 1), fences[LINKS];

	for (unsigned i = 0; i < LINKS; i++) {
		struct drm_sgpu_op op = gpu_fill(bo, 0, SIZE - i * 4096, (unsigned char)(i + 1));

		fences[i] = (int)gpu_submit_flags(gpu, i % 2 ? other : queue, &op, 1, i ? fences[i - 1] : in,
						  DRM_SGPU_SUBMIT_NO_IMPLICIT);
		CHECK(fences[i] >= 0);
	}
	CHECK(!fence_wait(fences[LINKS - 1], 20) && !fence_wait(fences[0], 0) && p[0] == 0);
	CHECK(!timeline_inc(timeline, 1));
	CHECK(fence_wait(fences[LINKS - 1], 20000));
	for (unsigned i = 0; i < LINKS; i++) {
		CHECK(fence_status(fences[i]) == 1);
		CHECK(p[SIZE - i * 4096 - 1] == i + 1);
		close(fences[i]);
	}
	close(in);
	close(timeline);
	munmap(p, SIZE);
	CHECK(!gpu_queue_destroy(gpu, other) && !gpu_close_handle(gpu, bo));
}

static long export_fence(int buffer, uint32_t flags)
{
	struct dma_buf_export_sync_file export = {.flags = flags};
	long ret = io(buffer, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &export);

	return ret < 0 ? ret : export.fd;
}

/* What a job does to a shared buffer, its other users see; what they do, the job waits for. */
static void shared_buffers(int gpu, uint32_t queue)
{
	uint32_t bo = (uint32_t)gpu_bo(gpu, SIZE, 0);
	int buffer = (int)gpu_export(gpu, bo), timeline = timeline_open();
	int in = (int)timeline_fence(timeline, 1), theirs = (int)timeline_fence(timeline, 2);
	struct dma_buf_import_sync_file import = {.flags = DMA_BUF_SYNC_WRITE, .fd = theirs};
	struct dma_buf_sync sync = {.flags = DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ};
	struct pollfd p = {.fd = buffer, .events = POLLIN};
	long job, write;

	CHECK(fence_end(export_fence(buffer, DMA_BUF_SYNC_READ)) == 1 && poll(&p, 1, 0) == 1);
	job = gpu_submit(gpu, queue, gpu_fill(bo, 0, SIZE, 1), in);
	write = export_fence(buffer, DMA_BUF_SYNC_READ);
	CHECK(job >= 0 && write >= 0 && !fence_wait((int)write, 20) && poll(&p, 1, 0) == 0);
	CHECK(!timeline_inc(timeline, 1));
	CHECK(!io(buffer, DMA_BUF_IOCTL_SYNC, &sync));
	CHECK(fence_end(job) == 1 && fence_end(write) == 1 && poll(&p, 1, 1000) == 1);
	/* Theirs. */
	CHECK(!io(buffer, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &import));
	job = gpu_submit(gpu, queue, gpu_fill(bo, 0, SIZE, 2), -1);
	CHECK(job >= 0 && !fence_wait((int)job, 20));
	CHECK(!timeline_inc(timeline, 1));
	CHECK(fence_end(job) == 1);
	close(in);
	close(theirs);
	close(timeline);
	close(buffer);
	CHECK(!gpu_close_handle(gpu, bo));
}

/* The buffer goes by its fd to another file of the node, and is one buffer. */
static void two_files(int gpu, uint32_t queue)
{
	int other = gpu_open(), buffer;
	uint32_t bo = (uint32_t)gpu_bo(gpu, SIZE, DRM_SGPU_BO_LOCAL), theirs;
	uint32_t their_queue = (uint32_t)gpu_queue(other, NORMAL);
	unsigned char *p = gpu_map(gpu, bo, SIZE);

	buffer = (int)gpu_export(gpu, bo);
	theirs = (uint32_t)gpu_import(other, buffer);
	CHECK(gpu_import(other, buffer) == theirs);
	CHECK(gpu_submit(gpu, queue, gpu_fill(bo, 0, SIZE, 1), -1) >= 0);
	CHECK(fence_end(gpu_submit(other, their_queue, gpu_fill(theirs, 1, SIZE - 1, 2), -1)) == 1);
	CHECK(p[0] == 1 && all_are(p + 1, SIZE - 1, 2));
	CHECK(gpu_submit(gpu, their_queue + 7, gpu_fill(bo, 0, 1, 1), -1) == -ENOENT);
	close(other);
	CHECK(fence_end(gpu_submit(gpu, queue, gpu_fill(bo, 0, SIZE, 3), -1)) == 1 && all_are(p, SIZE, 3));
	munmap(p, SIZE);
	close(buffer);
	CHECK(!gpu_close_handle(gpu, bo));
}

/* Children work with what they inherit, and may die in the midst of it. */
static void children(int gpu, uint32_t queue)
{
	uint32_t bo = (uint32_t)gpu_bo(gpu, SIZE, 0);
	unsigned char *p = gpu_map(gpu, bo, SIZE);
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(fence_end(gpu_submit(gpu, queue, gpu_fill(bo, 0, SIZE, 7), -1)) == 1 ? 3 : 4);
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 3);
	CHECK(all_are(p, SIZE, 7));
	pid = fork();
	if (!pid) {
		for (;;)
			gpu_submit(gpu, queue, gpu_fill(bo, 0, SIZE, 8), -1);
	}
	while (__atomic_load_n(p, __ATOMIC_ACQUIRE) != 8)
		usleep(1000);
	kill(pid, SIGKILL);
	CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
	CHECK(fence_end(gpu_submit(gpu, queue, gpu_fill(bo, 0, SIZE, 9), -1)) == 1 && all_are(p, SIZE, 9));
	munmap(p, SIZE);
	CHECK(!gpu_close_handle(gpu, bo));
}

static void *submit_many(void *arg)
{
	int gpu = *(int *)arg;
	uint32_t queue = (uint32_t)gpu_queue(gpu, LOW), bo = (uint32_t)gpu_bo(gpu, 4096, 0);

	for (unsigned i = 0; i < 300; i++)
		CHECK(fence_end(gpu_submit(gpu, queue, gpu_fill(bo, 0, 4096, (unsigned char)i), -1)) == 1);
	CHECK(!gpu_queue_destroy(gpu, queue) && !gpu_close_handle(gpu, bo));
	return NULL;
}

static void threads(int gpu)
{
	pthread_t each[3];

	for (unsigned i = 0; i < 3; i++)
		CHECK(!pthread_create(&each[i], NULL, submit_many, &gpu));
	for (unsigned i = 0; i < 3; i++)
		pthread_join(each[i], NULL);
}

static void on_alarm(int sig)
{
	(void)sig;
}

/* A job between two sync objects; and a wait for one that never comes, which a signal ends. */
static void sync_objects(int gpu, uint32_t queue)
{
	struct drm_syncobj_create from = {.flags = DRM_SYNCOBJ_CREATE_SIGNALED}, to = {0}, never = {0};
	struct sigaction act = {.sa_handler = on_alarm};
	struct itimerval soon = {.it_value.tv_usec = 50000};
	uint32_t bo = (uint32_t)gpu_bo(gpu, SIZE, 0);
	struct drm_sgpu_op op = gpu_fill(bo, 0, SIZE, 1);
	struct drm_sgpu_submit submit = {.queue = queue,
					 .flags = DRM_SGPU_SUBMIT_SYNCOBJ_IN | DRM_SGPU_SUBMIT_SYNCOBJ_OUT,
					 .ops = (uintptr_t)&op,
					 .nr_ops = 1};
	struct drm_syncobj_wait wait = {.count_handles = 1, .timeout_nsec = INT64_MAX};

	CHECK(!io(gpu, DRM_IOCTL_SYNCOBJ_CREATE, &from) && !io(gpu, DRM_IOCTL_SYNCOBJ_CREATE, &to));
	CHECK(!io(gpu, DRM_IOCTL_SYNCOBJ_CREATE, &never));
	submit.fence_in = (int)from.handle;
	submit.fence_out = (int)to.handle;
	CHECK(!io(gpu, DRM_IOCTL_SGPU_SUBMIT, &submit));
	wait.handles = (uintptr_t)&to.handle;
	CHECK(!io(gpu, DRM_IOCTL_SYNCOBJ_WAIT, &wait));
	wait.handles = (uintptr_t)&never.handle;
	wait.flags = DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT;
	sigaction(SIGALRM, &act, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	CHECK(io(gpu, DRM_IOCTL_SYNCOBJ_WAIT, &wait) == -EINTR);
	CHECK(!gpu_close_handle(gpu, bo));
}

static void nothing_is_left(int gpu)
{
	struct drm_sgpu_info info;

	for (unsigned i = 0; i < 1000; i++) {
		CHECK(!io(gpu, DRM_IOCTL_SGPU_INFO, &info));
		if (info.local_free == info.local_size)
			return;
		usleep(1000);
	}
	CHECK(!"all local memory is free again");
}

/* The process ends with jobs of every kind under way. */
static void leave_in_the_midst(int gpu, uint32_t queue)
{
	const struct drm_sgpu_op hang = {.op = DRM_SGPU_OP_HANG};
	uint32_t bo = (uint32_t)gpu_bo(gpu, SIZE, 0);
	int in = (int)timeline_fence(timeline_open(), 1);

	CHECK(gpu_submit(gpu, (uint32_t)gpu_queue(gpu, LOW), gpu_fill(bo, 0, SIZE, 1), in) >= 0);
	CHECK(gpu_submit(gpu, (uint32_t)gpu_queue(gpu, LOW), hang, -1) >= 0);
	CHECK(gpu_submit(gpu, queue, gpu_fill(bo, 0, SIZE, 1), -1) >= 0);
}

int main(void)
{
	int gpu = gpu_open();
	uint32_t queue = (uint32_t)gpu_queue(gpu, NORMAL);

	what_it_says(gpu);
	fills_and_copies(gpu, queue);
	chains(gpu, queue);
	shared_buffers(gpu, queue);
	two_files(gpu, queue);
	children(gpu, queue);
	threads(gpu);
	sync_objects(gpu, queue);
	hangs(gpu);
	nothing_is_left(gpu);
	leave_in_the_midst(gpu, queue);
	printf("done\n");
	return 0;
}
