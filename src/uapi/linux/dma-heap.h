/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ioctl of a dma-buf heap, /dev/dma_heap/NAME, as of Linux 7.3: barter's own statement of the kernel's ABI.
 */
#ifndef BARTER_UAPI_LINUX_DMA_HEAP_H
#define BARTER_UAPI_LINUX_DMA_HEAP_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define DMA_HEAP_VALID_FD_FLAGS (O_CLOEXEC | O_ACCMODE)
#define DMA_HEAP_VALID_HEAP_FLAGS (0ULL)

struct dma_heap_allocation_data {
	__u64 len; /* rounded up to whole pages */
	__u32 fd;  /* 0; out: the buffer */
	__u32 fd_flags;
	__u64 heap_flags; /* 0 */
};

#define DMA_HEAP_IOC_MAGIC 'H'
#define DMA_HEAP_IOCTL_ALLOC _IOWR(DMA_HEAP_IOC_MAGIC, 0x0, struct dma_heap_allocation_data)

#endif
