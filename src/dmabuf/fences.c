/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a program does with a buffer's fences: brackets its accesses by SYNC, which waits for them, and takes them out
 * and puts them in as sync files.
 */
#include <poll.h>

#include "base/trace.h"
#include "dmabuf/dmabuf_priv.h"
#include "fence/dma_fence_unwrap.h"
#include "fence/sync_file.h"

/* Who will read waits for writers, who will write for everybody. */
static enum dma_resv_usage usage_to_wait_for(uint64_t flags)
{
	return dma_resv_usage_rw(flags & DMA_BUF_SYNC_WRITE);
}

static long cpu_access_begin(struct dma_buf *b, struct task *t, uint64_t flags)
{
	unsigned rw = (unsigned)flags & DMA_BUF_SYNC_RW;
	int err = b->ops->begin_cpu_access ? b->ops->begin_cpu_access(b, rw) : 0;

	if (!err && t->cannot_wait && !dma_resv_test_signaled(b->resv, usage_to_wait_for(flags)))
		return FILE_POLL_FIRST(flags & DMA_BUF_SYNC_WRITE ? POLLOUT : POLLIN);
	if (!err)
		err = dma_resv_wait_interruptible(b->resv, usage_to_wait_for(flags));
	if (!err)
		dma_buf_poll_catch_up(b);
	return err;
}

static int cpu_access_end(struct dma_buf *b, uint64_t flags)
{
	unsigned rw = (unsigned)flags & DMA_BUF_SYNC_RW;

	return b->ops->end_cpu_access ? b->ops->end_cpu_access(b, rw) : 0;
}

long dma_buf_sync_ioctl(struct dma_buf *b, struct task *t, uaddr_t arg)
{
	struct dma_buf_sync sync;

	if (copy_from_task(t, &sync, arg, sizeof(sync)))
		return -EFAULT;
	if (sync.flags & ~DMA_BUF_SYNC_VALID_FLAGS_MASK || !(sync.flags & DMA_BUF_SYNC_RW))
		return refuse(b->trace, -EINVAL, "DMA_BUF_IOCTL_SYNC: flags 0x%llx", (unsigned long long)sync.flags);
	return sync.flags & DMA_BUF_SYNC_END ? cpu_access_end(b, sync.flags) : cpu_access_begin(b, t, sync.flags);
}

static int flags_check(struct dma_buf *b, const char *what, uint32_t flags)
{
	if (flags & ~DMA_BUF_SYNC_RW || !flags)
		return refuse(b->trace, -EINVAL, "%s: flags 0x%x, neither for reading nor for writing", what, flags);
	return 0;
}

/* What who reads or writes must wait for, as one fence; one that has signalled when there is nothing. */
static int fence_to_wait_for(struct dma_buf *b, uint32_t flags, struct dma_fence **out)
{
	int err = dma_resv_get_singleton(b->resv, usage_to_wait_for(flags), out);

	if (!err && !*out)
		*out = dma_fence_get_stub();
	return err ? err : *out ? 0 : -ENOMEM;
}

static long export_fence(struct dma_buf *b, struct task *t, uaddr_t arg, struct dma_buf_export_sync_file *export)
{
	struct dma_fence *fence = NULL;
	struct file *f = NULL;
	int fd = sync_file_reserve(t, &f), err;

	if (fd < 0)
		return refuse(t->trace, fd, "DMA_BUF_IOCTL_EXPORT_SYNC_FILE: no fd for the fence");
	err = fence_to_wait_for(b, export->flags, &fence);
	if (err)
		goto cancel;
	export->fd = fd;
	err = copy_to_task(t, arg, export, sizeof(*export)) ? -EFAULT : 0;
	if (err)
		goto cancel;
	sync_file_publish(t, fd, f, fence, NULL);
	dma_fence_put(fence);
	return 0;
cancel:
	dma_fence_put(fence);
	sync_file_cancel(t, fd, f);
	return err;
}

long dma_buf_export_sync_file_ioctl(struct dma_buf *b, struct task *t, uaddr_t arg)
{
	struct dma_buf_export_sync_file export;
	int err;

	if (copy_from_task(t, &export, arg, sizeof(export)))
		return -EFAULT;
	err = flags_check(b, "DMA_BUF_IOCTL_EXPORT_SYNC_FILE", export.flags);
	return err ? err : export_fence(b, t, arg, &export);
}

/* A reservation object holds plain fences only. */
static int import_fence(struct dma_buf *b, struct dma_fence *fence, enum dma_resv_usage usage)
{
	struct dma_fence_unwrap cursor;
	struct dma_fence *f;
	unsigned nr = 0;
	int err;

	dma_fence_unwrap_for_each (f, &cursor, fence)
		nr++;
	dma_buf_lock(b);
	err = dma_resv_reserve_fences(b->resv, nr);
	if (!err)
		dma_fence_unwrap_for_each (f, &cursor, fence)
			dma_resv_add_fence(b->resv, f, usage);
	dma_buf_unlock(b);
	return err;
}

long dma_buf_import_sync_file_ioctl(struct dma_buf *b, struct task *t, uaddr_t arg)
{
	struct dma_buf_import_sync_file import;
	struct dma_fence *fence;
	int err;

	if (copy_from_task(t, &import, arg, sizeof(import)))
		return -EFAULT;
	err = flags_check(b, "DMA_BUF_IOCTL_IMPORT_SYNC_FILE", import.flags);
	if (err)
		return err;
	fence = sync_file_get_fence(t, import.fd);
	if (!fence)
		return refuse(t->trace, -EINVAL, "DMA_BUF_IOCTL_IMPORT_SYNC_FILE: fd %d is not a sync file", import.fd);
	err = import_fence(b, fence, import.flags & DMA_BUF_SYNC_WRITE ? DMA_RESV_USAGE_WRITE : DMA_RESV_USAGE_READ);
	dma_fence_put(fence);
	return err;
}
