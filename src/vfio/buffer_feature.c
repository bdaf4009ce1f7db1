/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the owner of a device may say about a buffer that it exported: take it away for good (DMA_BUF_REVOKE), and how
 * its next mmap is cached (DMA_BUF_MEMATTR). Linux 7.3 has neither.
 */
#include "file/kernel.h"
#include "vfio/vfio_priv.h"

/* The fd's file, a buffer of this device; the caller puts it. -EBADF, -EINVAL, -ENODEV. */
static int buffer_get(struct vfio_device *v, struct task *t, int fd, const char *what, struct file **out)
{
	struct file *f = t->ops->file_get(t, fd);
	struct dma_buf *b = f ? dma_buf_from_file(f) : NULL;
	int err = 0;

	if (!b)
		err = refuse(t->trace, f || t->ops->fd_is_open(t, fd) ? -EINVAL : -EBADF, "%s: fd %d is no dma-buf",
			     what, fd);
	else if (!vfio_buffer_of(b, v))
		err = refuse(t->trace, -ENODEV, "%s: the dma-buf of fd %d is not %s's", what, fd, v->fn->name);
	if (!err)
		*out = f;
	else if (f)
		file_put(f);
	return err;
}

static int refuse_gone(struct task *t, const char *what, int fd)
{
	return refuse(t->trace, -EBADFD, "%s: the buffer of fd %d was revoked for good before", what, fd);
}

long vfio_feature_dma_buf_revoke(struct vfio_open *o, struct task *t, uint32_t flags, uaddr_t arg, size_t argsz)
{
	static const char what[] = "VFIO_DEVICE_FEATURE_DMA_BUF_REVOKE";
	struct vfio_device_feature_dma_buf_revoke set;
	struct file *f;
	int err = kernel_check(t, NEXT_DMA_BUF_REVOKE);

	if (err)
		return err;
	err = vfio_feature_check(t, flags, argsz, VFIO_DEVICE_FEATURE_SET, sizeof(set));
	if (err <= 0)
		return err;
	if (copy_from_task(t, &set, arg, sizeof(set)))
		return -EFAULT;
	err = buffer_get(o->v, t, set.dmabuf_fd, what, &f);
	if (err)
		return err;
	if (!vfio_buffer_revoke(vfio_buffer_of(dma_buf_from_file(f), o->v)))
		err = refuse_gone(t, what, set.dmabuf_fd);
	file_put(f);
	return err;
}

long vfio_feature_dma_buf_memattr(struct vfio_open *o, struct task *t, uint32_t flags, uaddr_t arg, size_t argsz)
{
	static const char what[] = "VFIO_DEVICE_FEATURE_DMA_BUF_MEMATTR";
	struct vfio_device_feature_dma_buf_memattr set;
	struct file *f;
	int err = kernel_check(t, NEXT_DMA_BUF_MEMATTR);

	if (err)
		return err;
	err = vfio_feature_check(t, flags, argsz, VFIO_DEVICE_FEATURE_SET, sizeof(set));
	if (err <= 0)
		return err;
	if (copy_from_task(t, &set, arg, sizeof(set)))
		return -EFAULT;
	err = buffer_get(o->v, t, set.dmabuf_fd, what, &f);
	if (err)
		return err;
	if (set.memattr > VFIO_DMA_BUF_MEMATTR_WC)
		err = refuse(t->trace, -ENOENT, "%s: no attribute %u", what, set.memattr);
	else if (!vfio_buffer_set_memattr(vfio_buffer_of(dma_buf_from_file(f), o->v), set.memattr))
		err = refuse_gone(t, what, set.dmabuf_fd);
	file_put(f);
	return err;
}
