/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ioctls of /dev/udmabuf as of Linux 7.3: barter's own statement of the kernel's ABI. Both return the buffer's fd.
 */
#ifndef BARTER_UAPI_LINUX_UDMABUF_H
#define BARTER_UAPI_LINUX_UDMABUF_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define UDMABUF_FLAGS_CLOEXEC 0x01 /* other bits are not looked at */

/* Pages of one memfd, which is sealed against shrinking and not against writing. */
struct udmabuf_create {
	__u32 memfd;
	__u32 flags;
	__u64 offset;
	__u64 size;
};

/* Of several: the buffer is their concatenation. */
struct udmabuf_create_item {
	__u32 memfd;
	__u32 __pad;
	__u64 offset;
	__u64 size;
};

struct udmabuf_create_list {
	__u32 flags;
	__u32 count;
	struct udmabuf_create_item list[];
};

#define UDMABUF_CREATE _IOW('u', 0x42, struct udmabuf_create)
#define UDMABUF_CREATE_LIST _IOW('u', 0x43, struct udmabuf_create_list)

#endif
