/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VFIO_DEVICE_RESET, and the hot reset of the bus: what its port does to the function below it. A port here has one
 * function below it, so its owner is the owner of all that a hot reset touches. On the root bus there is no port, and
 * no hot reset.
 */
#include "vfio/vfio_priv.h"

static int reset_function(struct vfio_device *v)
{
	int err;

	rwlock_write_lock(&v->memory_lock);
	err = pci_reset_function(v->fn);
	rwlock_unlock(&v->memory_lock);
	return err;
}

long vfio_reset_ioctl(struct vfio_open *o, struct file *f, struct task *t, uaddr_t arg)
{
	struct vfio_device *v = o->v;

	if (!pci_can_reset_function(v->fn))
		return refuse(v->trace, -EINVAL, "VFIO_DEVICE_RESET: %s cannot be reset on its own", v->fn->name);
	return reset_function(v);
}

static int check_bus(const struct vfio_device *v, const char *what)
{
	enum pci_reset_method method;

	for (unsigned i = 0; (method = pci_reset_method(v->fn, i)) != PCI_RESET_NONE; i++)
		if (method == PCI_RESET_BUS)
			return 0;
	return refuse(v->trace, -ENODEV, "%s: %s has no bus of its own to be reset", what, v->fn->name);
}

long vfio_hot_reset_info_ioctl(struct vfio_open *o, struct file *f, struct task *t, uaddr_t arg)
{
	static const char what[] = "VFIO_DEVICE_GET_PCI_HOT_RESET_INFO";
	struct {
		struct vfio_pci_hot_reset_info info;
		struct vfio_pci_dependent_device devices[1];
	} a;
	const struct vfio_device *v = o->v;
	int err = vfio_copy_struct(t, &a.info, arg, sizeof(a.info), what);

	if (!err)
		err = check_bus(v, what);
	if (err)
		return err;
	a.info.flags = 0;
	a.info.count = ARRAY_SIZE(a.devices);
	if (a.info.argsz < sizeof(a)) {
		refuse(t->trace, -ENOSPC, "%s: argsz %u has no room for %u devices", what, a.info.argsz, a.info.count);
		return copy_to_task(t, arg, &a.info, sizeof(a.info)) ? -EFAULT : -ENOSPC;
	}
	a.info.flags = VFIO_PCI_HOT_RESET_FLAG_DEV_ID | VFIO_PCI_HOT_RESET_FLAG_DEV_ID_OWNED;
	a.devices[0] = (struct vfio_pci_dependent_device){
		.devid = v->devid, .segment = v->fn->segment, .bus = v->fn->bus, .devfn = v->fn->devfn};
	return copy_to_task(t, arg, &a, sizeof(a)) ? -EFAULT : 0;
}

long vfio_hot_reset_ioctl(struct vfio_open *o, struct file *f, struct task *t, uaddr_t arg)
{
	static const char what[] = "VFIO_DEVICE_PCI_HOT_RESET";
	struct vfio_pci_hot_reset reset;
	int err = vfio_copy_struct(t, &reset, arg, sizeof(reset), what);

	if (err)
		return err;
	/* A device that was opened by its own node proves ownership by its iommufd, not by groups. */
	if (reset.flags || reset.count)
		return refuse(t->trace, -EINVAL, "%s: flags 0x%x count %u", what, reset.flags, reset.count);
	err = check_bus(o->v, what);
	return err ? err : reset_function(o->v);
}
