/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two GPUs share memory: first each has its driver, then one of them is given to the program by VFIO. Local memory of
 * the one is read and written by the other.
 */
#include "gpu_vf.h"

#define LEN (256 * KIB)
#define OTHER "0000:04:00.0"

static long copied(int gpu, uint32_t queue, uint32_t target, uint32_t source)
{
	return fence_end(gpu_submit(gpu, queue, gpu_copy(target, source, LEN), -1));
}

/* To the other's memory and back, by this gpu. */
static void there_and_back(int gpu, uint32_t queue, uint32_t theirs, const unsigned char *seen)
{
	uint32_t out = (uint32_t)gpu_bo(gpu, LEN, DRM_SGPU_BO_LOCAL), back = (uint32_t)gpu_bo(gpu, LEN, 0);
	unsigned char *p = gpu_map(gpu, out, LEN), *q = gpu_map(gpu, back, LEN);
	unsigned seed = 5;

	CHECK(!strcmp(info_of(gpu, theirs).mapping_type, "scatterlist"));
	for (size_t i = 0; i < LEN; i++)
		p[i] = (unsigned char)rand_r(&seed);
	CHECK(copied(gpu, queue, theirs, out) == 1 && !memcmp(seen, p, LEN));
	CHECK(copied(gpu, queue, back, theirs) == 1 && !memcmp(q, p, LEN));
	munmap(p, LEN);
	munmap(q, LEN);
}

static void both_by_drivers(int gpu, uint32_t queue)
{
	int other = open("/dev/dri/renderD129", O_RDWR), fd;
	uint32_t bo;
	unsigned char *seen;

	CHECK(other >= 0);
	bo = (uint32_t)gpu_bo(other, LEN, DRM_SGPU_BO_LOCAL);
	seen = gpu_map(other, bo, LEN);
	fd = (int)gpu_export(other, bo);
	there_and_back(gpu, queue, import(gpu, fd), seen);
	/* It is its owner's own when it comes back. */
	CHECK(gpu_import(other, fd) == bo);
	/* The other is reset: this one has it again with the next job. */
	CHECK(!write_text("/sys/bus/pci/devices/" OTHER "/reset", "1"));
	there_and_back(gpu, queue, import(gpu, fd), seen);
	munmap(seen, LEN);
	close(fd);
	close(other);
}

static void one_by_vfio(int gpu, uint32_t queue)
{
	int iommufd = open("/dev/iommu", O_RDWR), device, fd;
	unsigned char *seen;
	uint32_t theirs;

	CHECK(!write_text("/sys/bus/pci/devices/" OTHER "/driver/unbind", OTHER));
	CHECK(access("/dev/dri/renderD129", F_OK));
	CHECK(!write_text("/sys/bus/pci/devices/" OTHER "/driver_override", "vfio-pci"));
	CHECK(!write_text("/sys/bus/pci/drivers/vfio-pci/bind", OTHER));
	device = open_device(OTHER, iommufd);
	seen = map_window(device, LEN);
	fd = export_one(device, 0, LEN);
	theirs = import(gpu, fd);
	there_and_back(gpu, queue, theirs, seen);
	munmap(seen, LEN);
	close(device);
	CHECK(info_of(gpu, theirs).flags & DRM_SGPU_BO_REVOKED);
	CHECK(gpu_submit(gpu, queue, gpu_fill(theirs, 0, 1, 1), -1) == -ENODEV);
	close(fd);
}

int main(void)
{
	int gpu = gpu_open();
	uint32_t queue = (uint32_t)gpu_queue(gpu, NORMAL);

	both_by_drivers(gpu, queue);
	one_by_vfio(gpu, queue);
	close(gpu);
	puts("gpu_pair: ok");
	return 0;
}
