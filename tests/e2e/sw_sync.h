/* SPDX-License-Identifier: BSD-3-Clause */
/* Timelines that a program moves on by hand, through debugfs. Their ioctls are in no installed header. */
#ifndef TESTS_E2E_SW_SYNC_H
#define TESTS_E2E_SW_SYNC_H

#include <fcntl.h>
#include <linux/sync_file.h>
#include <sys/ioctl.h>

#include "answers.h"

#define SW_SYNC_PATH "/sys/kernel/debug/sync/sw_sync"

struct sw_sync_create_fence_data {
	__u32 value;
	char name[32];
	__s32 fence;
};

struct sw_sync_get_deadline {
	__u64 deadline_ns;
	__u32 pad;
	__s32 fence_fd;
};

#define SW_SYNC_IOC_CREATE_FENCE _IOWR('W', 0, struct sw_sync_create_fence_data)
#define SW_SYNC_IOC_INC _IOW('W', 1, __u32)
#define SW_SYNC_GET_DEADLINE _IOWR('W', 2, struct sw_sync_get_deadline)

static inline int timeline_open(void)
{
	int fd = open(SW_SYNC_PATH, O_RDWR);

	if (fd < 0)
		die(SW_SYNC_PATH);
	return fd;
}

static inline long timeline_fence(int timeline, uint32_t value)
{
	struct sw_sync_create_fence_data data = {.value = value, .name = "named"};
	long ret = io(timeline, SW_SYNC_IOC_CREATE_FENCE, &data);

	return ret < 0 ? ret : data.fence;
}

static inline long timeline_inc(int timeline, uint32_t by)
{
	return io(timeline, SW_SYNC_IOC_INC, &by);
}

static inline long fence_merge(int a, int b)
{
	struct sync_merge_data data = {.name = "merged", .fd2 = b};
	long ret = io(a, SYNC_IOC_MERGE, &data);

	return ret < 0 ? ret : data.fence;
}

#endif
