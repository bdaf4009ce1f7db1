/* SPDX-License-Identifier: BSD-3-Clause */
/* The files of debugfs/sync. Their ioctls are in no header of Linux's user-space ABI. */
#include "fence/sw_sync.h"

#include <linux/ioctl.h>
#include <linux/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/trace.h"
#include "fence/sw_sync_priv.h"
#include "fence/sync_file.h"

struct sw_sync_create_fence_data {
	__u32 value;
	char name[32]; /* of no consequence */
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

static long create_fence(struct sw_timeline *tl, struct task *t, uaddr_t arg, int fd, struct file *f)
{
	struct sw_sync_create_fence_data data;
	struct dma_fence *fence;
	long rc = 0;

	if (copy_from_task(t, &data, arg, sizeof(data)))
		return -EFAULT;
	fence = sw_timeline_point(tl, data.value);
	if (!fence)
		return -ENOMEM;
	data.fence = fd;
	if (copy_to_task(t, arg, &data, sizeof(data)))
		rc = -EFAULT;
	else
		sync_file_publish(t, fd, f, fence, NULL);
	dma_fence_put(fence);
	return rc;
}

static long create_fence_ioctl(struct sw_timeline *tl, struct task *t, uaddr_t arg)
{
	struct file *f;
	int fd = sync_file_reserve(t, &f);
	long rc;

	if (fd < 0)
		return fd;
	rc = create_fence(tl, t, arg, fd, f);
	if (rc)
		sync_file_cancel(t, fd, f);
	return rc;
}

static long inc_ioctl(struct sw_timeline *tl, struct task *t, uaddr_t arg)
{
	uint32_t by;

	if (copy_from_task(t, &by, arg, sizeof(by)))
		return -EFAULT;
	sw_timeline_inc(tl, by);
	return 0;
}

static long get_deadline_ioctl(struct task *t, uaddr_t arg)
{
	struct sw_sync_get_deadline data;
	struct dma_fence *fence;
	uint64_t ns = 0;
	int rc;

	if (copy_from_task(t, &data, arg, sizeof(data)))
		return -EFAULT;
	if (data.deadline_ns || data.pad)
		return refuse(t->trace, -EINVAL, "SW_SYNC_GET_DEADLINE: deadline_ns %llu pad 0x%x",
			      (unsigned long long)data.deadline_ns, data.pad);
	fence = sync_file_get_fence(t, data.fence_fd);
	if (!fence)
		return refuse(t->trace, -EINVAL, "SW_SYNC_GET_DEADLINE: fd %d is not a sync file", data.fence_fd);
	rc = sw_point_deadline(fence, &ns);
	dma_fence_put(fence);
	if (rc)
		return refuse(t->trace, rc, "SW_SYNC_GET_DEADLINE: fd %d has no deadline", data.fence_fd);
	data.deadline_ns = ns;
	return copy_to_task(t, arg, &data, sizeof(data)) ? -EFAULT : 0;
}

static long sw_sync_ioctl(struct file *f, struct task *t, unsigned long cmd, unsigned long arg)
{
	lock_check_none_held(__func__);
	switch ((unsigned)cmd) {
	case SW_SYNC_IOC_CREATE_FENCE:
		return create_fence_ioctl(f->priv, t, arg);
	case SW_SYNC_IOC_INC:
		return inc_ioctl(f->priv, t, arg);
	case SW_SYNC_GET_DEADLINE:
		return get_deadline_ioctl(t, arg);
	default:
		return -ENOTTY;
	}
}

static void sw_sync_release(struct file *f)
{
	sw_timeline_end(f->priv);
}

static const struct file_ops sw_sync_ops = {.name = "sw_sync", .ioctl = sw_sync_ioctl, .release = sw_sync_release};

int sw_sync_open(void *priv, struct task *t, int open_flags, struct file **out)
{
	struct sw_timeline *tl = sw_timeline_create(priv);

	if (!tl)
		return -ENOMEM;
	*out = file_create(&sw_sync_ops, tl, open_flags);
	if (!*out)
		sw_timeline_end(tl);
	return *out ? 0 : -ENOMEM;
}

/* Adds to a text that may not fit; the length it would have, as snprintf counts. */
static int timeline_describe(struct sw_timeline *tl, char *buf, size_t len)
{
	uint32_t value = atomic_load(&tl->value);
	int at = snprintf(buf, len, "%s: %u\n", tl->name, value);
	struct sw_point *pt;

	spin_lock_irq(&tl->lock);
	list_for_each (pt, &tl->points, link) {
		size_t used = MIN((size_t)at, len);

		at += snprintf(buf + used, len - used, "  fence active: %llu / %u\n",
			       (unsigned long long)pt->base.seqno, value);
	}
	spin_unlock_irq(&tl->lock);
	return at + snprintf(buf + MIN((size_t)at, len), len - MIN((size_t)at, len), "\n");
}

/* Linux lists no fences under their heading any more. */
static int all_describe(struct sw_sync *s, char *buf, size_t len)
{
	int at = snprintf(buf, len, "objs:\n--------------\n");
	struct sw_timeline *tl;

	mutex_lock(&s->lock);
	list_for_each (tl, &s->timelines, node) {
		size_t used = MIN((size_t)at, len);

		at += timeline_describe(tl, buf + used, len - used);
	}
	mutex_unlock(&s->lock);
	return at + snprintf(buf + MIN((size_t)at, len), len - MIN((size_t)at, len), "fences:\n--------------\n");
}

/* The whole, or NULL. What comes in between its two looks is cut off. */
static char *all_text(struct sw_sync *s)
{
	char none[1], *text;
	size_t size = (size_t)all_describe(s, none, 0) + 1;

	text = malloc(size);
	if (text)
		all_describe(s, text, size);
	return text;
}

static ssize_t info_read(struct file *f, struct task *t, uaddr_t buf, size_t len, uint64_t *pos)
{
	char *text = all_text(f->priv);
	size_t total = text ? strlen(text) : 0, n = *pos < total ? MIN(len, total - *pos) : 0;
	ssize_t rc = (ssize_t)n;

	if (!text)
		return -ENOMEM;
	if (copy_to_task(t, buf, text + *pos, n))
		rc = -EFAULT;
	else
		*pos += n;
	free(text);
	return rc;
}

static int64_t info_lseek(struct file *f, int64_t offset, int whence)
{
	if (whence != SEEK_SET || offset < 0)
		return -EINVAL;
	atomic_store(&f->pos, (uint64_t)offset);
	return offset;
}

static const struct file_ops info_ops = {.name = "info", .read = info_read, .lseek = info_lseek};

int sw_sync_open_info(void *priv, struct task *t, int open_flags, struct file **out)
{
	*out = file_create(&info_ops, priv, open_flags);
	return *out ? 0 : -ENOMEM;
}
