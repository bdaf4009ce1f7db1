/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VFIO_DEVICE_RESET, and the hot reset of the bus or slot: that one every function here refuses as Linux does where
 * neither the slot nor the bus can be reset.
 */
#include "vfio/vfio_priv.h"

long vfio_reset_ioctl(struct vfio_open *o, struct file *f, struct task *t, uaddr_t arg)
{
	struct vfio_device *v = o->v;
	int err;

	if (!pci_can_reset_function(v->fn))
		return refuse(v->trace, -EINVAL, "VFIO_DEVICE_RESET: %s cannot be reset on its own", v->fn->name);
	rwlock_write_lock(&v->memory_lock);
	err = pci_reset_function(v->fn);
	rwlock_unlock(&v->memory_lock);
	return err;
}

long vfio_hot_reset_info_ioctl(struct vfio_open *o, struct file *f, struct task *t, uaddr_t arg)
{
	struct vfio_pci_hot_reset_info info;
	int err = vfio_copy_struct(t, &info, arg, offsetof(struct vfio_pci_hot_reset_info, devices),
				   "VFIO_DEVICE_GET_PCI_HOT_RESET_INFO");

	if (err)
		return err;
	return refuse(t->trace, -ENODEV, "VFIO_DEVICE_GET_PCI_HOT_RESET_INFO: neither slot nor bus of %s has a reset",
		      o->v->fn->name);
}

long vfio_hot_reset_ioctl(struct vfio_open *o, struct file *f, struct task *t, uaddr_t arg)
{
	struct vfio_pci_hot_reset reset;
	int err = vfio_copy_struct(t, &reset, arg, offsetof(struct vfio_pci_hot_reset, group_fds),
				   "VFIO_DEVICE_PCI_HOT_RESET");

	if (err)
		return err;
	/* A device that was opened by its own node proves ownership by its iommufd, not by groups. */
	if (reset.flags || reset.count)
		return refuse(t->trace, -EINVAL, "VFIO_DEVICE_PCI_HOT_RESET: flags 0x%x count %u", reset.flags,
			      reset.count);
	return refuse(t->trace, -ENODEV, "VFIO_DEVICE_PCI_HOT_RESET: neither slot nor bus of %s has a reset",
		      o->v->fn->name);
}
