/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The same local memory goes to and fro between two virtual functions of a GPU, while the GPU writes to what it has
 * imported of the one that is about to lose it. Once the slice is gone, nothing of that arrives any more: the other
 * function sees zeros, and only what it writes by itself.
 */
#include "gpu_vf.h"

enum { ROUNDS = 12, JOBS = 6 };
#define SLICE (16 * MIB)

static const char *const functions[] = {"0000:03:00.1", "0000:03:00.2"};
static const char *const slices[] = {PF "sriov_admin/vf0/slice", PF "sriov_admin/vf1/slice"};

static bool is_clear(const unsigned char *p)
{
	const uint64_t *words = (const uint64_t *)p;

	for (size_t i = 0; i < SLICE / sizeof(*words); i++)
		if (words[i])
			return false;
	return true;
}

static unsigned nr_done, nr_lost;

/* An import that was revoked before the job began is no surprise, nor is a job that ended before. */
static void note_end(long fence)
{
	int status = fence < 0 ? (int)fence : fence_end(fence);

	CHECK(status == 1 || status == -ENODEV || status == -EIO);
	nr_done += status == 1;
	nr_lost += status != 1;
}

static void round_trip(int gpu, uint32_t queue, const int *fds, unsigned loser)
{
	int buffer = export_one(fds[loser], 0, SLICE / 2);
	uint32_t handle = import(gpu, buffer);
	long jobs[JOBS];
	unsigned char *window;

	for (unsigned i = 0; i < JOBS; i++)
		jobs[i] = gpu_submit(gpu, queue, gpu_fill(handle, 0, SLICE / 2, (unsigned char)(i + 1)), -1);
	/* One is done, however slow the machine is. */
	CHECK(fence_wait((int)jobs[0], 20000));
	usleep(1000 * (loser ? 1 : 3));
	CHECK(!write_text(slices[loser], "0"));
	CHECK(!write_text(slices[!loser], "0x1000000"));
	window = map_window(fds[!loser], SLICE);
	CHECK(is_clear(window));
	usleep(2000);
	CHECK(is_clear(window));
	for (unsigned i = 0; i < JOBS; i++)
		note_end(jobs[i]);
	CHECK(is_clear(window));
	window[3] = 3;
	munmap(window, SLICE);
	CHECK(info_of(gpu, handle).flags & DRM_SGPU_BO_REVOKED);
	CHECK(!gpu_close_handle(gpu, handle));
	close(buffer);
}

int main(void)
{
	int iommufd = open("/dev/iommu", O_RDWR), gpu = gpu_open(), fds[2];
	uint32_t queue = (uint32_t)gpu_queue(gpu, NORMAL);
	struct drm_sgpu_info info;

	CHECK(!write_text(PF "sriov_numvfs", "2"));
	for (unsigned i = 0; i < 2; i++)
		fds[i] = open_device(functions[i], iommufd);
	CHECK(!write_text(slices[1], "0") && !write_text(slices[0], "0x1000000"));
	/* All the rest is taken. */
	CHECK(!io(gpu, DRM_IOCTL_SGPU_INFO, &info));
	CHECK(gpu_bo(gpu, info.local_free, DRM_SGPU_BO_LOCAL) > 0);
	for (unsigned i = 0; i < ROUNDS; i++)
		round_trip(gpu, queue, fds, i % 2);
	printf("%u jobs done, %u lost their memory\n", nr_done, nr_lost);
	CHECK(nr_done);
	close(gpu);
	return 0;
}
