/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sync files as of Linux 7.3: barter's own statement of the kernel's ABI. tests/uapi compares it with the kernel's
 * header wherever that can be had.
 */
#ifndef BARTER_UAPI_LINUX_SYNC_FILE_H
#define BARTER_UAPI_LINUX_SYNC_FILE_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* A new sync file of the fences of this one and of fd2. */
struct sync_merge_data {
	char name[32];
	__s32 fd2;
	__s32 fence; /* out: the new fd */
	__u32 flags; /* 0 */
	__u32 pad;   /* 0 */
};

/* One fence of a sync file. */
struct sync_fence_info {
	char obj_name[32]; /* its timeline */
	char driver_name[32];
	__s32 status; /* 1 signalled, 0 pending, negative: signalled with an error */
	__u32 flags;
	__u64 timestamp_ns; /* CLOCK_MONOTONIC, of the signal */
};

/* num_fences 0: asks how many there are, and the status of the whole. */
struct sync_file_info {
	char name[32];
	__s32 status;
	__u32 flags; /* 0 */
	__u32 num_fences;
	__u32 pad; /* 0 */
	__u64 sync_fence_info;
};

/* When the fences should have signalled, CLOCK_MONOTONIC: a hint to their drivers. */
struct sync_set_deadline {
	__u64 deadline_ns;
	__u64 pad; /* 0 */
};

#define SYNC_IOC_MAGIC '>'

#define SYNC_IOC_MERGE _IOWR(SYNC_IOC_MAGIC, 3, struct sync_merge_data)
#define SYNC_IOC_FILE_INFO _IOWR(SYNC_IOC_MAGIC, 4, struct sync_file_info)
#define SYNC_IOC_SET_DEADLINE _IOW(SYNC_IOC_MAGIC, 5, struct sync_set_deadline)

#endif
