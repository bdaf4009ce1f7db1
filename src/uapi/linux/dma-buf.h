/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ioctls of a dma-buf as of Linux 7.3: barter's own statement of the kernel's ABI. tests/uapi compares it with the
 * kernel's header wherever that can be had.
 */
#ifndef BARTER_UAPI_LINUX_DMA_BUF_H
#define BARTER_UAPI_LINUX_DMA_BUF_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define DMA_BUF_BASE 'b'

/* Brackets an access through a mapping: START and what will be done, then END with the same. */
struct dma_buf_sync {
	__u64 flags;
};

#define DMA_BUF_SYNC_READ (1 << 0)
#define DMA_BUF_SYNC_WRITE (1 << 1)
#define DMA_BUF_SYNC_RW (DMA_BUF_SYNC_READ | DMA_BUF_SYNC_WRITE)
#define DMA_BUF_SYNC_START (0 << 2)
#define DMA_BUF_SYNC_END (1 << 2)
#define DMA_BUF_SYNC_VALID_FLAGS_MASK (DMA_BUF_SYNC_RW | DMA_BUF_SYNC_END)

#define DMA_BUF_NAME_LEN 32 /* with the terminating zero */

/* A sync_file of the fences that an access of this kind has to wait for. */
struct dma_buf_export_sync_file {
	__u32 flags; /* DMA_BUF_SYNC_READ, WRITE */
	__s32 fd;    /* out */
};

/* Adds a sync_file's fences: later accesses wait for them. */
struct dma_buf_import_sync_file {
	__u32 flags; /* DMA_BUF_SYNC_READ, WRITE */
	__s32 fd;
};

#define DMA_BUF_IOCTL_SYNC _IOW(DMA_BUF_BASE, 0, struct dma_buf_sync)
/* The first was defined with the size of a pointer; A and B are its 32-bit and 64-bit forms. */
#define DMA_BUF_SET_NAME _IOW(DMA_BUF_BASE, 1, const char *)
#define DMA_BUF_SET_NAME_A _IOW(DMA_BUF_BASE, 1, __u32)
#define DMA_BUF_SET_NAME_B _IOW(DMA_BUF_BASE, 1, __u64)
#define DMA_BUF_IOCTL_EXPORT_SYNC_FILE _IOWR(DMA_BUF_BASE, 2, struct dma_buf_export_sync_file)
#define DMA_BUF_IOCTL_IMPORT_SYNC_FILE _IOW(DMA_BUF_BASE, 3, struct dma_buf_import_sync_file)

#endif
