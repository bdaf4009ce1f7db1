/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Imports, jobs on them, exports, resets of the function and of the GPU, slices that change: all at once, for a few
 * seconds. Every call answers what it may, every fence signals, and in the end it all still works.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "gpu_vf.h"

enum { SECONDS = 3, NR_USERS = 3 };
#define LEN (64 * KIB)
#define VF_SLICE PF "sriov_admin/vf0/slice"

static int vf;
static _Atomic int buffer;   /* the newest export */
static pthread_mutex_t swap; /* buffer is not closed while it is imported */
static atomic_bool over;
static atomic_uint nr_jobs, nr_done, nr_gone;

static bool is_gone(long err)
{
	return err == -ENODEV || err == -EACCES;
}

static long import_newest(int gpu, bool pinned)
{
	struct drm_sgpu_bo_import args = {.flags = pinned ? DRM_SGPU_BO_PINNED : 0};
	long ret;

	pthread_mutex_lock(&swap);
	args.fd = buffer;
	ret = io(gpu, DRM_IOCTL_SGPU_BO_IMPORT, &args);
	pthread_mutex_unlock(&swap);
	return ret < 0 ? ret : args.handle;
}

/* Either memory is gone when the job is made, or before it begins, or under it; or it is done. */
static void job(int gpu, uint32_t queue, uint32_t handle, uint32_t own, unsigned n)
{
	long fence = gpu_submit(gpu, queue, n % 2 ? gpu_copy(own, handle, LEN) : gpu_fill(handle, 0, LEN, 7), -1);
	int status = fence < 0 ? (int)fence : fence_end(fence);

	CHECK(status == 1 || is_gone(status) || status == -EIO);
	nr_jobs++;
	nr_done += status == 1;
	nr_gone += status != 1;
}

static void *user_thread(void *arg)
{
	int gpu = gpu_open();
	uint32_t queue = (uint32_t)gpu_queue(gpu, NORMAL), own = (uint32_t)gpu_bo(gpu, LEN, DRM_SGPU_BO_LOCAL);

	for (unsigned i = 0; !over; i++) {
		long handle = import_newest(gpu, i % 4 == 0);

		CHECK(handle > 0 || is_gone(handle));
		for (unsigned n = 0; n < 3 && handle > 0; n++)
			job(gpu, queue, (uint32_t)handle, own, n);
		if (handle > 0)
			CHECK(!gpu_close_handle(gpu, (uint32_t)handle));
	}
	close(gpu);
	return arg;
}

static void *reset_thread(void *arg)
{
	while (!over) {
		CHECK(!ioctl(vf, VFIO_DEVICE_RESET));
		usleep(2000);
	}
	return arg;
}

static void *owner_thread(void *arg)
{
	for (unsigned i = 0; !over; i++) {
		CHECK(!write_text(VF_SLICE, i % 2 ? "0x100000" : "0x1000000"));
		if (i % 8 == 7)
			CHECK(!write_text(PF "reset", "1"));
		usleep(5000);
	}
	return arg;
}

static void *export_thread(void *arg)
{
	while (!over) {
		int fd = export_one(vf, 0, LEN), old;

		CHECK(fd >= 0);
		pthread_mutex_lock(&swap);
		old = atomic_exchange(&buffer, fd);
		pthread_mutex_unlock(&swap);
		close(old);
		usleep(500);
	}
	return arg;
}

int main(void)
{
	void *(*const others[])(void *) = {reset_thread, owner_thread, export_thread};
	int iommufd = open("/dev/iommu", O_RDWR), gpu = gpu_open();
	uint32_t queue = (uint32_t)gpu_queue(gpu, NORMAL), own = (uint32_t)gpu_bo(gpu, LEN, 0);
	pthread_t threads[NR_USERS + 3];
	struct drm_sgpu_info info;

	pthread_mutex_init(&swap, NULL);
	CHECK(!write_text(PF "sriov_numvfs", "1"));
	vf = open_device("0000:03:00.1", iommufd);
	buffer = export_one(vf, 0, LEN);
	for (unsigned i = 0; i < NR_USERS + 3; i++)
		CHECK(!pthread_create(&threads[i], NULL, i < 3 ? others[i] : user_thread, NULL));
	nanosleep(&(struct timespec){.tv_sec = SECONDS}, NULL);
	over = true;
	for (unsigned i = 0; i < NR_USERS + 3; i++)
		pthread_join(threads[i], NULL);
	printf("%u jobs, %u done, %u lost their memory\n", nr_jobs, nr_done, nr_gone);
	CHECK(nr_done && nr_gone);

	close(buffer);
	buffer = export_one(vf, 0, LEN);
	job(gpu, queue, import(gpu, buffer), own, 1);
	close(gpu);
	close(buffer);
	gpu = gpu_open();
	CHECK(!io(gpu, DRM_IOCTL_SGPU_INFO, &info) && info.local_free + 16 * MIB >= info.local_size);
	close(vf);
	CHECK(!write_text(PF "sriov_numvfs", "0"));
	CHECK(!io(gpu, DRM_IOCTL_SGPU_INFO, &info) && info.local_free == info.local_size);
	return 0;
}
