/* SPDX-License-Identifier: BSD-3-Clause */
#include "fence/sync_file.h"

#include <fcntl.h>
#include <linux/sync_file.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/trace.h"
#include "fence/dma_fence_unwrap.h"

struct sync_file {
	struct file *file;
	struct trace *trace;
	struct dma_fence *fence; /* NULL until it is published; immutable then */
	struct dma_fence_cb cb;
	char name[32]; /* "": told by the fence */
};

static const struct file_ops sync_file_ops;

int sync_file_reserve(struct task *t, struct file **out)
{
	struct sync_file *sf = calloc(1, sizeof(*sf));
	int fd;

	if (!sf)
		return -ENOMEM;
	sf->file = file_create(&sync_file_ops, sf, O_RDONLY);
	if (!sf->file) {
		free(sf);
		return -ENOMEM;
	}
	sf->file->carrier = CARRIER_POLL;
	sf->file->mode = S_IRUSR | S_IWUSR;
	sf->trace = t->trace;
	trace_count(sf->trace, "sync_file", 1);
	file_set_ready(sf->file, 0);
	fd = t->ops->fd_reserve(t, sf->file, O_CLOEXEC);
	if (fd < 0)
		file_put(sf->file);
	else
		*out = sf->file;
	return fd;
}

/* Under the fence's lock; the file outlives its callback (sync_file_release()). */
static void sync_file_signaled(struct dma_fence *f, struct dma_fence_cb *cb)
{
	file_set_ready(container_of(cb, struct sync_file, cb)->file, POLLIN);
}

void sync_file_publish(struct task *t, int fd, struct file *f, struct dma_fence *fence, const char *name)
{
	struct sync_file *sf = f->priv;

	sf->fence = dma_fence_get(fence);
	if (name)
		snprintf(sf->name, sizeof(sf->name), "%s", name);
	if (dma_fence_add_callback(fence, &sf->cb, sync_file_signaled))
		file_set_ready(f, POLLIN);
	t->ops->fd_publish(t, fd, f);
}

void sync_file_cancel(struct task *t, int fd, struct file *f)
{
	t->ops->fd_cancel(t, fd);
	file_put(f);
}

static void sync_file_release(struct file *f)
{
	struct sync_file *sf = f->priv;

	if (sf->fence)
		dma_fence_remove_callback(sf->fence, &sf->cb);
	dma_fence_put(sf->fence);
	trace_count(sf->trace, "sync_file", -1);
	free(sf);
}

struct dma_fence *sync_file_get_fence(struct task *t, int fd)
{
	struct file *f = t->ops->file_get(t, fd);
	struct dma_fence *fence = NULL;

	if (!f)
		return NULL;
	if (f->ops == &sync_file_ops)
		fence = dma_fence_get(((struct sync_file *)f->priv)->fence);
	file_put(f);
	return fence;
}

static long merge(struct sync_file *sf, struct task *t, uaddr_t arg, int fd, struct file *merged)
{
	struct sync_merge_data data;
	struct dma_fence *both[2] = {sf->fence}, *fence;
	long rc = 0;

	if (copy_from_task(t, &data, arg, sizeof(data)))
		return -EFAULT;
	if (data.flags || data.pad)
		return refuse(t->trace, -EINVAL, "SYNC_IOC_MERGE: flags 0x%x pad 0x%x", data.flags, data.pad);
	both[1] = sync_file_get_fence(t, data.fd2);
	if (!both[1])
		return refuse(t->trace, -ENOENT, "SYNC_IOC_MERGE: fd %d is not a sync file", data.fd2);
	fence = dma_fence_unwrap_merge(2, both);
	dma_fence_put(both[1]);
	if (!fence)
		return -ENOMEM;
	data.name[sizeof(data.name) - 1] = '\0';
	data.fence = fd;
	if (copy_to_task(t, arg, &data, sizeof(data)))
		rc = -EFAULT;
	else
		sync_file_publish(t, fd, merged, fence, data.name);
	dma_fence_put(fence);
	return rc;
}

static long merge_ioctl(struct sync_file *sf, struct task *t, uaddr_t arg)
{
	struct file *merged;
	int fd = sync_file_reserve(t, &merged);
	long rc;

	if (fd < 0)
		return fd;
	rc = merge(sf, t, arg, fd, merged);
	if (rc)
		sync_file_cancel(t, fd, merged);
	return rc;
}

/* The names first: they are gone with the signal, and what is told to be pending must not have lost them. */
static void fence_info_fill(struct dma_fence *f, struct sync_fence_info *info)
{
	snprintf(info->obj_name, sizeof(info->obj_name), "%s", dma_fence_timeline_name(f));
	snprintf(info->driver_name, sizeof(info->driver_name), "%s", dma_fence_driver_name(f));
	info->status = dma_fence_get_status(f);
	if (info->status)
		info->timestamp_ns = f->timestamp_ns;
}

static unsigned fences_count(struct dma_fence *head)
{
	struct dma_fence_unwrap cursor;
	struct dma_fence *f;
	unsigned nr = 0;

	dma_fence_unwrap_for_each (f, &cursor, head)
		nr++;
	return nr;
}

/* The status of the whole: that of the first which is not plainly signalled, else 1. In *nr: room, then how many. */
static int fences_fill(struct dma_fence *head, struct sync_fence_info *info, unsigned *nr)
{
	struct dma_fence_unwrap cursor;
	struct dma_fence *f;
	int status = 1;
	unsigned i = 0;

	dma_fence_unwrap_for_each (f, &cursor, head) {
		if (i == *nr) {
			dma_fence_unwrap_end(&cursor);
			break;
		}
		fence_info_fill(f, &info[i]);
		status = status <= 0 ? status : info[i].status;
		i++;
	}
	*nr = i;
	return status;
}

/* nr of them a moment ago; links that have signalled since drop out of a chain. */
static long fences_copy(struct sync_file *sf, struct task *t, struct sync_file_info *info, unsigned nr)
{
	struct sync_fence_info *each;
	long rc = 0;

	if (info->num_fences < nr)
		return refuse(t->trace, -EINVAL, "SYNC_IOC_FILE_INFO: room for %u of %u fences", info->num_fences, nr);
	each = calloc(nr, sizeof(*each));
	if (!each)
		return -ENOMEM;
	info->num_fences = nr;
	info->status = fences_fill(sf->fence, each, &info->num_fences);
	if (copy_to_task(t, info->sync_fence_info, each, nr * sizeof(*each)))
		rc = -EFAULT;
	free(each);
	return rc;
}

/* Without room: how many there are, and the status of the whole. */
static long fences_ask(struct sync_file *sf, struct sync_file_info *info, unsigned nr)
{
	info->status = dma_fence_get_status(sf->fence);
	info->num_fences = nr;
	return 0;
}

static void name_fill(struct sync_file *sf, char *name, size_t len)
{
	struct dma_fence *f = sf->fence;

	if (sf->name[0])
		snprintf(name, len, "%s", sf->name);
	else
		snprintf(name, len, "%s-%s%llu-%lld", dma_fence_driver_name(f), dma_fence_timeline_name(f),
			 (unsigned long long)f->context, (long long)f->seqno);
}

static long info_ioctl(struct sync_file *sf, struct task *t, uaddr_t arg)
{
	struct sync_file_info info;
	unsigned nr = fences_count(sf->fence);
	long rc;

	if (copy_from_task(t, &info, arg, sizeof(info)))
		return -EFAULT;
	if (info.flags || info.pad)
		return refuse(t->trace, -EINVAL, "SYNC_IOC_FILE_INFO: flags 0x%x pad 0x%x", info.flags, info.pad);
	rc = info.num_fences ? fences_copy(sf, t, &info, nr) : fences_ask(sf, &info, nr);
	if (rc)
		return rc;
	name_fill(sf, info.name, sizeof(info.name));
	return copy_to_task(t, arg, &info, sizeof(info)) ? -EFAULT : 0;
}

static long deadline_ioctl(struct sync_file *sf, struct task *t, uaddr_t arg)
{
	struct sync_set_deadline set;

	if (copy_from_task(t, &set, arg, sizeof(set)))
		return -EFAULT;
	if (set.pad)
		return refuse(t->trace, -EINVAL, "SYNC_IOC_SET_DEADLINE: pad 0x%llx", (unsigned long long)set.pad);
	dma_fence_set_deadline(sf->fence, set.deadline_ns);
	return 0;
}

static long sync_file_ioctl(struct file *f, struct task *t, unsigned long cmd, unsigned long arg)
{
	lock_check_none_held(__func__);
	switch ((unsigned)cmd) {
	case SYNC_IOC_MERGE:
		return merge_ioctl(f->priv, t, arg);
	case SYNC_IOC_FILE_INFO:
		return info_ioctl(f->priv, t, arg);
	case SYNC_IOC_SET_DEADLINE:
		return deadline_ioctl(f->priv, t, arg);
	default:
		return -ENOTTY;
	}
}

static const struct file_ops sync_file_ops = {
	.name = "anon_inode:sync_file",
	.no_positions = true,
	.ioctl = sync_file_ioctl,
	.release = sync_file_release,
};
