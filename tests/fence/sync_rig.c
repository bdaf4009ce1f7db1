/* SPDX-License-Identifier: BSD-3-Clause */
#include "sync_rig.h"

#include <fcntl.h>
#include <string.h>

void sync_rig_init(struct sync_rig *r)
{
	r->ft = fake_task_create();
	r->sync = sw_sync_create();
	assert_non_null(r->sync);
}

void sync_rig_fini(struct sync_rig *r)
{
	fake_task_destroy(r->ft);
	sw_sync_destroy(r->sync);
}

int sync_timeline(struct sync_rig *r)
{
	struct file *f;
	int rc = sw_sync_open(r->sync, fake_task(r->ft), O_RDWR, &f);

	return rc ? rc : fake_task_install(r->ft, f);
}

int sync_point(struct sync_rig *r, int timeline, uint32_t value)
{
	struct sw_sync_create_fence_data data = {.value = value};
	long rc = fake_task_ioctl(r->ft, timeline, SW_SYNC_IOC_CREATE_FENCE, &data);

	return rc ? (int)rc : data.fence;
}

int sync_inc(struct sync_rig *r, int timeline, uint32_t by)
{
	return (int)fake_task_ioctl(r->ft, timeline, SW_SYNC_IOC_INC, &by);
}

int sync_merge(struct sync_rig *r, int fd, int fd2)
{
	struct sync_merge_data data = {.name = "merged", .fd2 = fd2};
	long rc = fake_task_ioctl(r->ft, fd, SYNC_IOC_MERGE, &data);

	return rc ? (int)rc : data.fence;
}

long sync_info(struct sync_rig *r, int fd, struct sync_fence_info *each, unsigned *nr, int *status)
{
	struct sync_file_info info = {.num_fences = *nr, .sync_fence_info = (uintptr_t)each};
	long rc = fake_task_ioctl(r->ft, fd, SYNC_IOC_FILE_INFO, &info);

	*nr = info.num_fences;
	*status = info.status;
	return rc;
}

int sync_close(struct sync_rig *r, int fd)
{
	return fake_task_close(r->ft, fd);
}

char *sync_text(struct sync_rig *r)
{
	char *text = calloc(1, 8192);
	struct file *f;
	int fd;

	assert_non_null(text);
	assert_int_equal(sw_sync_open_info(r->sync, fake_task(r->ft), O_RDONLY, &f), 0);
	fd = fake_task_install(r->ft, f);
	assert_true(fake_task_pread(r->ft, fd, text, 8191, 0) >= 0);
	fake_task_close(r->ft, fd);
	return text;
}
