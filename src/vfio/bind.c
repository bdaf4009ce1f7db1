/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Binding a device to an iommufd, and attaching it to address spaces there.
 *
 * A binding is reserved (the device has an owner), built, and published when the id has reached the program. A copy
 * that fails undoes it, so the file is as if it had never been bound.
 */
#include <string.h>

#include "vfio/vfio_priv.h"

#define BIND_MIN_SIZE offsetof(struct vfio_device_bind_iommufd, token_uuid_ptr)

/* The struct of a caller that knows more than we do: what we do not know must be zero. */
static int check_tail(struct task *t, uaddr_t arg, size_t argsz, size_t known)
{
	uint8_t bytes[256];

	if (argsz > BARTER_PAGE_SIZE)
		return -E2BIG;
	for (size_t at = known, n; at < argsz; at += n) {
		n = MIN(sizeof(bytes), argsz - at);
		if (copy_from_task(t, bytes, arg + at, n))
			return -EFAULT;
		for (size_t i = 0; i < n; i++)
			if (bytes[i])
				return -E2BIG;
	}
	return 0;
}

static int bind_copy(struct task *t, uaddr_t arg, struct vfio_device_bind_iommufd *b)
{
	uint32_t argsz;
	int err;

	memset(b, 0, sizeof(*b));
	if (copy_from_task(t, &argsz, arg, sizeof(argsz)))
		return -EFAULT;
	if (argsz < BIND_MIN_SIZE)
		return refuse(t->trace, -EINVAL, "VFIO_DEVICE_BIND_IOMMUFD: argsz %u is less than %zu", argsz,
			      BIND_MIN_SIZE);
	err = check_tail(t, arg, argsz, sizeof(*b));
	if (err)
		return refuse(t->trace, err, "VFIO_DEVICE_BIND_IOMMUFD: argsz %u with unknown bytes set", argsz);
	if (copy_from_task(t, b, arg, MIN(argsz, sizeof(*b))))
		return -EFAULT;
	if ((b->flags & ~VFIO_DEVICE_BIND_FLAG_TOKEN) || b->iommufd < 0)
		return refuse(t->trace, -EINVAL, "VFIO_DEVICE_BIND_IOMMUFD: flags 0x%x iommufd %d", b->flags,
			      b->iommufd);
	return 0;
}

/* Tokens are between a VF and its PF; no function here is a VF, so any token is one too many. */
static int check_token(struct task *t, const struct vfio_device_bind_iommufd *b)
{
	uint8_t uuid[16];

	if (!(b->flags & VFIO_DEVICE_BIND_FLAG_TOKEN))
		return 0;
	if (copy_from_task(t, uuid, b->token_uuid_ptr, sizeof(uuid)))
		return -EFAULT;
	return refuse(t->trace, -EINVAL, "VFIO_DEVICE_BIND_IOMMUFD: a token for a device that is not a VF");
}

static int ctx_lookup(struct task *t, int fd, struct iommufd_ctx **out)
{
	struct file *f = t->ops->file_get(t, fd);
	int err = f || t->ops->fd_is_open(t, fd) ? -EBADFD : -EBADF;

	*out = f ? iommufd_ctx_from_file(f) : NULL;
	if (f)
		file_put(f);
	if (*out)
		return 0;
	return refuse(t->trace, err, "VFIO_DEVICE_BIND_IOMMUFD: fd %d is not /dev/iommu", fd);
}

static int bind_locked(struct vfio_open *o, struct iommufd_ctx *ctx)
{
	struct vfio_device *v = o->v;
	int err;

	mutex_assert_held(&v->lock);
	if (v->owner)
		return refuse(v->trace, -EINVAL, "VFIO_DEVICE_BIND_IOMMUFD: %s is bound already", v->fn->name);
	err = iommufd_device_bind(ctx, v->fn, &v->idev, &v->devid);
	if (err)
		return err;
	err = vfio_device_enable(v);
	if (err) {
		iommufd_device_unbind(v->idev);
		return err;
	}
	v->owner = o;
	v->ctx = ctx;
	v->attached = false;
	return 0;
}

void vfio_unbind(struct vfio_open *o)
{
	struct vfio_device *v = o->v;
	struct iommufd_ctx *ctx = NULL;

	mutex_lock(&v->lock);
	if (v->owner == o) {
		vfio_device_disable(v);
		if (v->attached)
			iommufd_device_detach(v->idev);
		iommufd_device_unbind(v->idev);
		ctx = v->ctx;
		v->owner = NULL;
		v->ctx = NULL;
		v->idev = NULL;
	}
	mutex_unlock(&v->lock);
	if (ctx)
		iommufd_ctx_put(ctx);
}

static bool is_owner(struct vfio_open *o)
{
	bool owner;

	mutex_lock(&o->v->lock);
	owner = o->v->owner == o;
	mutex_unlock(&o->v->lock);
	return owner;
}

long vfio_bind_ioctl(struct vfio_open *o, struct file *f, struct task *t, uaddr_t arg)
{
	struct vfio_device_bind_iommufd b;
	struct iommufd_ctx *ctx;
	int err = bind_copy(t, arg, &b);

	if (err)
		return err;
	if (is_owner(o))
		return refuse(t->trace, -EINVAL, "VFIO_DEVICE_BIND_IOMMUFD: this file is bound already");
	err = check_token(t, &b);
	if (err)
		return err;
	err = ctx_lookup(t, b.iommufd, &ctx);
	if (err)
		return err;
	mutex_lock(&o->v->lock);
	err = bind_locked(o, ctx);
	b.out_devid = o->v->devid;
	mutex_unlock(&o->v->lock);
	if (err)
		goto err_ctx;
	if (copy_to_task(t, arg + offsetof(struct vfio_device_bind_iommufd, out_devid), &b.out_devid,
			 sizeof(b.out_devid))) {
		vfio_unbind(o);
		return -EFAULT;
	}
	o->bound = true;
	return 0;

err_ctx:
	iommufd_ctx_put(ctx);
	return err;
}

/* A flag that says "by PASID" needs the caller's struct to hold one. */
static int check_pasid(struct task *t, const char *what, uint32_t argsz, uint32_t flags, uint32_t known,
		       size_t size_with_pasid)
{
	if (flags & ~known)
		return refuse(t->trace, -EINVAL, "%s: flags 0x%x", what, flags);
	if ((flags & known) && argsz < size_with_pasid)
		return refuse(t->trace, -EINVAL, "%s: argsz %u has no room for a PASID", what, argsz);
	return 0;
}

long vfio_attach_ioctl(struct vfio_open *o, struct file *f, struct task *t, uaddr_t arg)
{
	struct vfio_device_attach_iommufd_pt a;
	struct vfio_device *v = o->v;
	int err = vfio_copy_struct(t, &a, arg, offsetof(struct vfio_device_attach_iommufd_pt, pasid),
				   "VFIO_DEVICE_ATTACH_IOMMUFD_PT");

	if (err)
		return err;
	err = check_pasid(t, "VFIO_DEVICE_ATTACH_IOMMUFD_PT", a.argsz, a.flags, VFIO_DEVICE_ATTACH_PASID, sizeof(a));
	if (err)
		return err;
	if (a.flags & VFIO_DEVICE_ATTACH_PASID)
		return refuse(t->trace, -EINVAL, "VFIO_DEVICE_ATTACH_IOMMUFD_PT: %s has no PASIDs", v->fn->name);
	mutex_lock(&v->lock);
	err = iommufd_device_attach(v->idev, &a.pt_id);
	if (!err)
		v->attached = true;
	mutex_unlock(&v->lock);
	if (err)
		return err;
	if (!copy_to_task(t, arg + offsetof(struct vfio_device_attach_iommufd_pt, pt_id), &a.pt_id, sizeof(a.pt_id)))
		return 0;
	mutex_lock(&v->lock);
	if (v->attached)
		iommufd_device_detach(v->idev);
	v->attached = false;
	mutex_unlock(&v->lock);
	return -EFAULT;
}

long vfio_detach_ioctl(struct vfio_open *o, struct file *f, struct task *t, uaddr_t arg)
{
	struct vfio_device_detach_iommufd_pt d;
	struct vfio_device *v = o->v;
	int err = vfio_copy_struct(t, &d, arg, offsetof(struct vfio_device_detach_iommufd_pt, pasid),
				   "VFIO_DEVICE_DETACH_IOMMUFD_PT");

	if (err)
		return err;
	err = check_pasid(t, "VFIO_DEVICE_DETACH_IOMMUFD_PT", d.argsz, d.flags, VFIO_DEVICE_DETACH_PASID, sizeof(d));
	if (err || (d.flags & VFIO_DEVICE_DETACH_PASID))
		return err; /* a PASID that is not attached is detached already */
	mutex_lock(&v->lock);
	if (v->attached)
		iommufd_device_detach(v->idev);
	v->attached = false;
	mutex_unlock(&v->lock);
	return 0;
}
