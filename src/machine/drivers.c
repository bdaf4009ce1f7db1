/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which driver has which function. Two are there: pcieport for ports and vfio-pci for devices; everything else would be
 * a driver inside a real kernel. At boot every device is bound to vfio-pci through its driver_override, as an
 * administrator does who gives a machine's devices to programs.
 */
#include <stdio.h>
#include <string.h>

#include "machine/machine_priv.h"

struct machine_driver {
	const char *name, *path;
};

static const struct machine_driver pcieport = {"pcieport", "/sys/bus/pci/drivers/pcieport"};
static const struct machine_driver vfio_pci = {"vfio-pci", "/sys/bus/pci/drivers/vfio-pci"};

const char *driver_name(const struct machine_function *mf)
{
	mutex_assert_held(&mf->m->lock);
	return mf->driver ? mf->driver->name : NULL;
}

static void links_remove(struct machine_function *mf)
{
	if (mf->driver_link)
		ns_remove(mf->m->ns, mf->driver_link);
	if (mf->driver_entry)
		ns_remove(mf->m->ns, mf->driver_entry);
	mf->driver_link = mf->driver_entry = NULL;
}

static int links_add(struct machine_function *mf, const struct machine_driver *driver)
{
	struct ns_node *dir = ns_make_path(mf->m->ns, driver->path, false);

	mf->driver_link = sysfs_link(mf->m->ns, mf->dir, "driver", driver->path);
	mf->driver_entry = dir ? sysfs_link(mf->m->ns, dir, mf->fn->name, mf->path) : NULL;
	if (mf->driver_link && mf->driver_entry)
		return 0;
	links_remove(mf);
	return -ENOMEM;
}

static int bind_locked(struct machine_function *mf, const struct machine_driver *driver)
{
	struct machine *m = mf->m;
	int err;

	mutex_assert_held(&m->lock);
	err = links_add(mf, driver);
	if (err)
		return err;
	if (driver == &vfio_pci)
		err = vfio_device_register(m->ns, mf->dir, mf->fn, m->nr_vfio, m->trace, &mf->vfio);
	if (err) {
		links_remove(mf);
		return err;
	}
	m->nr_vfio += driver == &vfio_pci;
	mf->driver = driver;
	return 0;
}

static void unbind_locked(struct machine_function *mf)
{
	mutex_assert_held(&mf->m->lock);
	if (mf->vfio)
		vfio_device_unregister(mf->vfio);
	mf->vfio = NULL;
	mf->driver = NULL;
	links_remove(mf);
}

int drivers_bind_all(struct machine *m)
{
	int err = 0;

	mutex_lock(&m->lock);
	for (size_t i = 0; i < m->rack->root.nr_functions && !err; i++) {
		struct machine_function *mf = &m->functions[i];

		if (mf->fn->is_bridge) {
			err = bind_locked(mf, &pcieport);
		} else if (mf->fn->model_name) {
			snprintf(mf->driver_override, sizeof(mf->driver_override), "%s", vfio_pci.name);
			err = bind_locked(mf, &vfio_pci);
		}
	}
	mutex_unlock(&m->lock);
	return err;
}

void drivers_unbind_all(struct machine *m)
{
	mutex_lock(&m->lock);
	for (size_t i = 0; i < m->rack->root.nr_functions; i++)
		if (m->functions[i].driver)
			unbind_locked(&m->functions[i]);
	mutex_unlock(&m->lock);
}

static ssize_t driver_override_show(void *priv, uint64_t offset, char *buf, size_t capacity)
{
	struct machine_function *mf = priv;
	ssize_t n;

	mutex_lock(&mf->m->lock);
	n = snprintf(buf, capacity, "%s\n", mf->driver_override[0] ? mf->driver_override : "(null)");
	mutex_unlock(&mf->m->lock);
	return n;
}

int sysfs_add_driver_attributes(struct machine_function *mf)
{
	static const struct ns_attribute_ops override = {.show = driver_override_show};

	return ns_attribute(mf->m->ns, mf->dir, "driver_override", 0644, &override, mf) ? 0 : -ENOMEM;
}

int drivers_create(struct machine *m)
{
	if (!ns_make_path(m->ns, "/sys/bus/pci/drivers", false) || !ns_make_path(m->ns, pcieport.path, false) ||
	    !ns_make_path(m->ns, vfio_pci.path, false))
		return -ENOMEM;
	return 0;
}
