/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VFIO_DEVICE_IOEVENTFD: an eventfd whose signal is a store to a BAR. The store is made on the thread that watches
 * eventfds, as a write(2) to the region would make it, and dropped while memory is off.
 */
#include <stdlib.h>

#include "vfio/vfio_priv.h"

#define IOEVENTFDS_MAX 1000

struct vfio_ioeventfd {
	struct list node;
	struct vfio_device *v;
	struct vfio_trigger trigger;
	unsigned bar, len;
	uint64_t position, data;
};

static void ioeventfd_store(void *arg)
{
	struct vfio_ioeventfd *io = arg;

	vfio_bar_write(io->v, io->bar, io->position, io->len, io->data);
}

static void ioeventfd_destroy(struct vfio_ioeventfd *io)
{
	io->trigger.ops->event_watch(io->trigger.event, NULL, NULL);
	vfio_trigger_put(&io->trigger);
	free(io);
}

static struct vfio_ioeventfd *find_locked(struct vfio_device *v, const struct vfio_ioeventfd *like)
{
	struct vfio_ioeventfd *io;

	mutex_assert_held(&v->ioeventfd_lock);
	list_for_each (io, &v->ioeventfds, node)
		if (io->bar == like->bar && io->position == like->position && io->len == like->len &&
		    io->data == like->data)
			return io;
	return NULL;
}

static int ioeventfd_remove(struct vfio_device *v, const struct vfio_ioeventfd *like)
{
	struct vfio_ioeventfd *io;

	mutex_lock(&v->ioeventfd_lock);
	io = find_locked(v, like);
	if (io) {
		list_del(&io->node);
		v->nr_ioeventfds--;
	}
	mutex_unlock(&v->ioeventfd_lock);
	if (!io)
		return refuse(v->trace, -ENODEV, "VFIO_DEVICE_IOEVENTFD: nothing to remove at BAR%u 0x%llx", like->bar,
			      (unsigned long long)like->position);
	ioeventfd_destroy(io);
	return 0;
}

static int insert(struct vfio_device *v, struct vfio_ioeventfd *io)
{
	int err = 0;

	mutex_lock(&v->ioeventfd_lock);
	if (find_locked(v, io))
		err = -EEXIST;
	else if (v->nr_ioeventfds == IOEVENTFDS_MAX)
		err = -ENOSPC;
	if (!err) {
		list_add(&v->ioeventfds, &io->node);
		v->nr_ioeventfds++;
	}
	mutex_unlock(&v->ioeventfd_lock);
	return err;
}

static int ioeventfd_add(struct vfio_device *v, struct task *t, const struct vfio_ioeventfd *like, int fd)
{
	struct vfio_ioeventfd *io = malloc(sizeof(*io));
	int err;

	if (!io)
		return -ENOMEM;
	*io = *like;
	list_init(&io->node);
	io->trigger.ops = t->ops;
	err = t->ops->event_get(t, fd, &io->trigger.event);
	if (err)
		goto err_free;
	err = t->ops->event_watch(io->trigger.event, ioeventfd_store, io);
	if (err)
		goto err_put;
	err = insert(v, io);
	if (err) {
		ioeventfd_destroy(io);
		return refuse(v->trace, err, "VFIO_DEVICE_IOEVENTFD: BAR%u 0x%llx", like->bar,
			      (unsigned long long)like->position);
	}
	return 0;

err_put:
	vfio_trigger_put(&io->trigger);
err_free:
	free(io);
	return err;
}

long vfio_ioeventfd_ioctl(struct vfio_open *o, struct file *f, struct task *t, uaddr_t arg)
{
	struct vfio_device_ioeventfd set;
	struct vfio_ioeventfd like = {.v = o->v};
	uint64_t start, end;
	int err = vfio_copy_struct(t, &set, arg, offsetof(struct vfio_device_ioeventfd, reserved),
				   "VFIO_DEVICE_IOEVENTFD");

	if (err)
		return err;
	like.bar = VFIO_REGION_INDEX(set.offset);
	like.position = VFIO_REGION_POSITION(set.offset);
	like.len = set.flags & VFIO_DEVICE_IOEVENTFD_SIZE_MASK;
	like.data = set.data;
	if (set.flags != like.len || __builtin_popcount(like.len) != 1 || set.fd < -1)
		return refuse(t->trace, -EINVAL, "VFIO_DEVICE_IOEVENTFD: flags 0x%x fd %d", set.flags, set.fd);
	if (like.bar >= PCI_NR_BARS || like.position + like.len > vfio_region_size(o->v, like.bar))
		return refuse(t->trace, -EINVAL, "VFIO_DEVICE_IOEVENTFD: offset 0x%llx is in no BAR",
			      (unsigned long long)set.offset);
	vfio_msix_table(o->v, like.bar, &start, &end);
	if (like.position < end && start < like.position + like.len)
		return refuse(t->trace, -EINVAL, "VFIO_DEVICE_IOEVENTFD: offset 0x%llx is in the MSI-X table",
			      (unsigned long long)set.offset);
	return set.fd == -1 ? ioeventfd_remove(o->v, &like) : ioeventfd_add(o->v, t, &like, set.fd);
}

void vfio_ioeventfds_fini(struct vfio_device *v)
{
	struct vfio_ioeventfd *io, *tmp;

	/* The file that made them is being released: nobody else is here. */
	list_for_each_safe (io, tmp, &v->ioeventfds, node) {
		list_del(&io->node);
		ioeventfd_destroy(io);
	}
	v->nr_ioeventfds = 0;
}
