/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The file behind an open of /dev/vfio/devices/vfioN, and the table of its ioctls.
 *
 * Until it is bound every call but VFIO_DEVICE_BIND_IOMMUFD is EINVAL, whatever its number. Such a file does not seek.
 */
#include <stdio.h>
#include <stdlib.h>

#include "vfio/vfio_priv.h"

static const struct vfio_ioctl {
	unsigned cmd;
	vfio_ioctl_fn fn;
	bool wakes; /* ends low power with wake-up */
} vfio_ioctls[] = {
	{VFIO_DEVICE_GET_INFO, vfio_info_ioctl, true},
	{VFIO_DEVICE_GET_REGION_INFO, vfio_region_info_ioctl, true},
	{VFIO_DEVICE_GET_IRQ_INFO, vfio_irq_info_ioctl, true},
	{VFIO_DEVICE_SET_IRQS, vfio_set_irqs_ioctl, true},
	{VFIO_DEVICE_RESET, vfio_reset_ioctl, true},
	{VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, vfio_hot_reset_info_ioctl, true},
	{VFIO_DEVICE_PCI_HOT_RESET, vfio_hot_reset_ioctl, true},
	{VFIO_DEVICE_IOEVENTFD, vfio_ioeventfd_ioctl, true},
	{VFIO_DEVICE_FEATURE, vfio_feature_ioctl, true},
	{VFIO_DEVICE_ATTACH_IOMMUFD_PT, vfio_attach_ioctl, false},
	{VFIO_DEVICE_DETACH_IOMMUFD_PT, vfio_detach_ioctl, false},
};

static long vfio_file_ioctl(struct file *f, struct task *t, unsigned long cmd, unsigned long arg)
{
	struct vfio_open *o = f->priv;

	lock_check_none_held(__func__);
	if ((unsigned)cmd == VFIO_DEVICE_BIND_IOMMUFD)
		return vfio_bind_ioctl(o, f, t, arg);
	if (!o->bound)
		return vfio_refuse_unbound(o, "ioctl");
	for (size_t i = 0; i < ARRAY_SIZE(vfio_ioctls); i++) {
		if (vfio_ioctls[i].cmd != (unsigned)cmd)
			continue;
		if (vfio_ioctls[i].wakes)
			vfio_wake(o->v);
		return vfio_ioctls[i].fn(o, f, t, arg);
	}
	return -ENOTTY;
}

int vfio_refuse_unbound(const struct vfio_open *o, const char *what)
{
	return refuse(o->v->trace, -EINVAL, "%s on %s: not bound to an iommufd yet", what, o->v->fn->name);
}

int vfio_copy_struct(struct task *t, void *dst, uaddr_t arg, size_t min_size, const char *what)
{
	uint32_t argsz;

	lock_check_none_held(__func__);
	if (copy_from_task(t, dst, arg, min_size))
		return -EFAULT;
	argsz = *(const uint32_t *)dst;
	if (argsz < min_size)
		return refuse(t->trace, -EINVAL, "%s: argsz %u is less than %zu", what, argsz, min_size);
	return 0;
}

static int vfio_show_fdinfo(struct file *f, char *buf, size_t len)
{
	const struct vfio_open *o = f->priv;

	return snprintf(buf, len, "vfio-device-syspath: %s\n", o->v->syspath);
}

static void vfio_file_release(struct file *f)
{
	struct vfio_open *o = f->priv;

	vfio_unbind(o);
	atomic_fetch_sub(&o->v->nr_opens, 1);
	vfio_device_put(o->v);
	free(o);
}

const struct file_ops vfio_file_ops = {
	.name = "[vfio-device]",
	.read = vfio_file_read,
	.write = vfio_file_write,
	.ioctl = vfio_file_ioctl,
	.mmap = vfio_file_mmap,
	.show_fdinfo = vfio_show_fdinfo,
	.release = vfio_file_release,
};
