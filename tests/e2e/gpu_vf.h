/* SPDX-License-Identifier: BSD-3-Clause */
/* A gpu's virtual functions, for programs that have them through VFIO and the gpu through its render node. */
#ifndef TESTS_E2E_GPU_VF_H
#define TESTS_E2E_GPU_VF_H

#include <linux/iommufd.h>
#include <linux/vfio.h>
#include <stdlib.h>

#include "devices.h"
#include "gpu.h"

#define PF "/sys/bus/pci/devices/0000:03:00.0/"
#define KIB 1024ull
#define MIB (1024 * KIB)
#define CHECK(c)                                                                                                       \
	do {                                                                                                           \
		if (!(c)) {                                                                                            \
			fprintf(stderr, "line %d: %s (errno %d)\n", __LINE__, #c, errno);                              \
			exit(1);                                                                                       \
		}                                                                                                      \
	} while (0)

static inline int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY), err = 0;

	if (fd < 0)
		return errno;
	if (write(fd, text, strlen(text)) < 0)
		err = errno;
	close(fd);
	return err;
}

static inline int open_device(const char *name, int iommufd)
{
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind), .iommufd = iommufd};
	struct device d = {0};
	int fd;

	snprintf(d.name, sizeof(d.name), "%s", name);
	find_cdev(&d);
	fd = open(d.cdev, O_RDWR);
	CHECK(fd >= 0 && !ioctl(fd, VFIO_DEVICE_BIND_IOMMUFD, &bind));
	return fd;
}

static inline int export(int fd, unsigned nr, const struct vfio_region_dma_range *ranges)
{
	struct {
		struct vfio_device_feature feature;
		struct vfio_device_feature_dma_buf get;
		struct vfio_region_dma_range ranges[8];
	} f = {.feature = {.argsz = sizeof(f), .flags = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_BUF},
	       .get = {.region_index = 2, .open_flags = O_RDWR | O_CLOEXEC, .nr_ranges = nr}};

	memcpy(f.ranges, ranges, nr * sizeof(*ranges));
	return ioctl(fd, VFIO_DEVICE_FEATURE, &f);
}

static inline int export_one(int fd, uint64_t offset, uint64_t length)
{
	return export(fd, 1, &(struct vfio_region_dma_range){offset, length});
}

static inline unsigned char *map_window(int fd, uint64_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 2ll << 40);

	CHECK(p != MAP_FAILED);
	return p;
}

static inline struct drm_sgpu_bo_info info_of(int gpu, uint32_t handle)
{
	struct drm_sgpu_bo_info info = {.handle = handle};

	CHECK(!io(gpu, DRM_IOCTL_SGPU_BO_INFO, &info));
	return info;
}

static inline uint32_t import(int gpu, int buffer)
{
	long handle = gpu_import(gpu, buffer);

	CHECK(handle > 0);
	return (uint32_t)handle;
}

#endif
