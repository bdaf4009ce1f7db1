/* SPDX-License-Identifier: BSD-3-Clause */
/* A program with timelines and sync files, and no door. Calls answer an fd, 0 or -errno. */
#ifndef BARTER_TESTS_FENCE_SYNC_RIG_H
#define BARTER_TESTS_FENCE_SYNC_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <linux/sync_file.h>
#include <poll.h>

#include "fake/task.h"
#include "fence/dma_fence.h"
#include "fence/sw_sync.h"

struct sync_rig {
	struct fake_task *ft;
	struct sw_sync *sync;
};

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

void sync_rig_init(struct sync_rig *r);
/* Closes what is open. */
void sync_rig_fini(struct sync_rig *r);

int sync_timeline(struct sync_rig *r);
int sync_point(struct sync_rig *r, int timeline, uint32_t value);
int sync_inc(struct sync_rig *r, int timeline, uint32_t by);
int sync_merge(struct sync_rig *r, int fd, int fd2);
/* At most nr of them; the file's status and, in *nr, how many there are. */
long sync_info(struct sync_rig *r, int fd, struct sync_fence_info *each, unsigned *nr, int *status);
int sync_close(struct sync_rig *r, int fd);
/* The text of debugfs/sync/info. The caller frees it. */
char *sync_text(struct sync_rig *r);

#endif
