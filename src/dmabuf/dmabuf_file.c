/* SPDX-License-Identifier: BSD-3-Clause */
/* The fd of a buffer: lseek tells its size, mmap goes to the exporter, the ioctls name it and deal with its fences. */
#include <stdio.h>
#include <string.h>

#include "base/trace.h"
#include "dmabuf/dmabuf_priv.h"

/* Only the two questions that find the size: from the start or the end, at offset 0. */
static int64_t dma_buf_lseek(struct file *f, int64_t offset, int whence)
{
	struct dma_buf *b = f->priv;

	if ((whence != SEEK_SET && whence != SEEK_END) || offset)
		return refuse(b->trace, -EINVAL, "dma-buf lseek: offset %lld whence %d, only 0 from SET or END",
			      (long long)offset, whence);
	return whence == SEEK_END ? (int64_t)b->size : 0;
}

static int64_t dma_buf_mmap(struct file *f, struct task *t, const struct mmap_request *req)
{
	struct dma_buf *b = f->priv;

	if (!b->ops->mmap)
		return refuse(b->trace, -EINVAL, "dma-buf mmap: %s does not offer it", b->ops->name);
	if ((req->offset >> BARTER_PAGE_SHIFT) + (req->len >> BARTER_PAGE_SHIFT) > b->size >> BARTER_PAGE_SHIFT)
		return refuse(b->trace, -EINVAL, "dma-buf mmap: offset 0x%llx + len 0x%llx beyond 0x%llx",
			      (unsigned long long)req->offset, (unsigned long long)req->len,
			      (unsigned long long)b->size);
	return b->ops->mmap(b, t, req);
}

/* A string of at most DMA_BUF_NAME_LEN bytes with its NUL, fetched bytewise: the page after it may be absent. */
static int name_copy(struct task *t, uaddr_t arg, char *name)
{
	for (size_t i = 0; i < DMA_BUF_NAME_LEN; i++) {
		if (copy_from_task(t, name + i, arg + i, 1))
			return -EFAULT;
		if (!name[i])
			return 0;
	}
	return -EINVAL;
}

static long dma_buf_set_name_ioctl(struct dma_buf *b, struct task *t, uaddr_t arg)
{
	char name[DMA_BUF_NAME_LEN] = "";
	int rc = name_copy(t, arg, name);

	if (rc)
		return refuse(b->trace, rc, "DMA_BUF_SET_NAME: no string of less than %d bytes", DMA_BUF_NAME_LEN);
	dma_buf_lock(b);
	memcpy(b->name, name, sizeof(name));
	b->named = true;
	dma_buf_unlock(b);
	return 0;
}

static long dma_buf_ioctl(struct file *f, struct task *t, unsigned long cmd, unsigned long arg)
{
	lock_check_none_held(__func__);
	switch ((unsigned)cmd) {
	case DMA_BUF_IOCTL_SYNC:
		return dma_buf_sync_ioctl(f->priv, t, arg);
	case DMA_BUF_IOCTL_EXPORT_SYNC_FILE:
		return dma_buf_export_sync_file_ioctl(f->priv, t, arg);
	case DMA_BUF_IOCTL_IMPORT_SYNC_FILE:
		return dma_buf_import_sync_file_ioctl(f->priv, t, arg);
	case DMA_BUF_SET_NAME_A:
	case DMA_BUF_SET_NAME_B:
		return dma_buf_set_name_ioctl(f->priv, t, arg);
	default:
		return -ENOTTY;
	}
}

static void dma_buf_fstat(struct file *f, struct stat *st)
{
	const struct dma_buf *b = f->priv;

	st->st_mode = f->mode;
	st->st_size = (off_t)b->size;
	st->st_blksize = (blksize_t)BARTER_PAGE_SIZE;
	st->st_blocks = (blkcnt_t)(b->size / 512);
}

static int dma_buf_show_fdinfo(struct file *f, char *buf, size_t len)
{
	struct dma_buf *b = f->priv;
	char name[sizeof("name:\t\n") + DMA_BUF_NAME_LEN] = "";

	dma_buf_lock(b);
	if (b->named)
		snprintf(name, sizeof(name), "name:\t%s\n", b->name);
	dma_buf_unlock(b);
	return snprintf(buf, len, "size:\t%llu\ncount:\t%d\nexp_name:\t%s\n%s", (unsigned long long)b->size,
			atomic_load(&f->refs), b->ops->name, name);
}

static void dma_buf_file_release(struct file *f)
{
	dma_buf_release(f->priv);
}

const struct file_ops dma_buf_file_ops = {
	.name = "/dmabuf:",
	.noexec = true,
	.no_positions = true,
	.lseek = dma_buf_lseek,
	.mmap = dma_buf_mmap,
	.ioctl = dma_buf_ioctl,
	.fstat = dma_buf_fstat,
	.show_fdinfo = dma_buf_show_fdinfo,
	.release = dma_buf_file_release,
};
