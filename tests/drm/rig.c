/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig.h"

#include <fcntl.h>
#include <linux/iommufd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct machine_function *rig_function(struct rig *r, const char *name)
{
	struct machine *m = r->fx->m;
	struct machine_function *mf;

	mutex_lock(&m->lock);
	mf = machine_find_locked(m, name);
	mutex_unlock(&m->lock);
	assert_non_null(mf);
	return mf;
}

struct rig *rig_create(void)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct machine_function *mf;

	r->fx = fixture_create("gpu", "gpu,memory=4M,vfs=3,vf_memory=1M");
	fake_task(r->fx->ft)->next = true;
	fake_task(r->fx->ft)->trace = r->fx->m->trace;
	mf = rig_function(r, "0000:03:00.0");
	assert_string_equal(mf->driver->type->name, "sgpu");
	r->gpu = mf->driver_data;
	r->fn = mf->fn;
	r->local = r->fn->bars[2].regions[0].host;
	r->iommufd = open_path(r->fx, "/dev/iommu", O_RDWR);
	return r;
}

void rig_destroy(struct rig *r)
{
	fixture_destroy(r->fx);
	free(r);
}

int rig_setup(void **state)
{
	*state = rig_create();
	return 0;
}

int rig_teardown(void **state)
{
	rig_destroy(*state);
	return 0;
}

int rig_open(struct rig *r, const char *name)
{
	struct vfio_device_bind_iommufd b = {.argsz = sizeof(b), .iommufd = r->iommufd};
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/dev/vfio/devices/vfio%u", rig_function(r, name)->vfio_index);
	fd = open_path(r->fx, path, O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(fake_task_ioctl(r->fx->ft, fd, VFIO_DEVICE_BIND_IOMMUFD, &b), 0);
	return fd;
}

int rig_export(struct rig *r, int device, unsigned bar, unsigned nr, const struct vfio_region_dma_range *ranges)
{
	struct {
		struct vfio_device_feature feature;
		struct vfio_device_feature_dma_buf get;
		struct vfio_region_dma_range ranges[16];
	} f = {.feature = {.argsz = sizeof(f), .flags = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_BUF},
	       .get = {.region_index = bar, .open_flags = O_RDWR | O_CLOEXEC, .nr_ranges = nr}};

	assert_true(nr <= ARRAY_SIZE(f.ranges));
	memcpy(f.ranges, ranges, nr * sizeof(*ranges));
	return (int)fake_task_ioctl(r->fx->ft, device, VFIO_DEVICE_FEATURE, &f);
}

int rig_import(struct rig *r, int buffer, bool pinned, struct sgpu_bo **bo)
{
	return sgpu_import(r->gpu, fake_task(r->fx->ft), fake_task_file(r->fx->ft, buffer), pinned, bo);
}

int rig_validate(struct sgpu_bo *bo)
{
	int err;

	dma_buf_lock(bo->buf);
	err = sgpu_bo_validate_locked(bo);
	dma_buf_unlock(bo->buf);
	return err;
}

struct drm_sgpu_bo_info rig_info(struct sgpu_bo *bo)
{
	struct drm_sgpu_bo_info info = {0};

	sgpu_bo_describe(bo, &info);
	return info;
}

bool rig_reported(struct rig *r, const char *text)
{
	int fd = memfd_create("report", 0);
	char *report;
	off_t len;
	bool found;

	assert_int_equal(trace_write_report(r->fx->m->trace, fd), 0);
	len = lseek(fd, 0, SEEK_END);
	report = calloc(1, (size_t)len + 1);
	assert_int_equal(pread(fd, report, (size_t)len, 0), len);
	close(fd);
	found = strstr(report, text);
	free(report);
	return found;
}
