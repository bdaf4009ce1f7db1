/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which driver has which function. Two are there: pcieport for ports and vfio-pci for devices; everything else would be
 * a driver inside a real kernel. At boot every device is bound to vfio-pci through its driver_override, as an
 * administrator does who gives a machine's devices to programs.
 *
 * Unbinding waits for the program to close its files, as Linux does, and must not hold the machine's lock meanwhile:
 * `unbinding` keeps others from binding the function.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "machine/machine_priv.h"

enum { DRIVER_PCIEPORT, DRIVER_VFIO_PCI, NR_DRIVERS };

static bool is_port(const struct pci_function *fn)
{
	return fn->is_bridge;
}

static bool is_nothing(const struct pci_function *fn)
{
	return false;
}

int drivers_create(struct machine *m)
{
	static const struct machine_driver drivers[NR_DRIVERS] = {
		[DRIVER_PCIEPORT] = {.name = "pcieport",
				     .path = "/sys/bus/pci/drivers/pcieport",
				     .module = "/sys/module/pcieportdrv",
				     .matches = is_port},
		[DRIVER_VFIO_PCI] = {.name = "vfio-pci",
				     .path = "/sys/bus/pci/drivers/vfio-pci",
				     .module = "/sys/module/vfio_pci",
				     .matches = is_nothing},
	};

	m->drivers = malloc(sizeof(drivers));
	if (!m->drivers)
		return -ENOMEM;
	memcpy(m->drivers, drivers, sizeof(drivers));
	m->nr_drivers = NR_DRIVERS;
	m->autoprobe = true;
	for (size_t i = 0; i < m->nr_drivers; i++)
		m->drivers[i].m = m;
	return 0;
}

void drivers_destroy(struct machine *m)
{
	free(m->drivers);
}

const char *driver_name_locked(const struct machine_function *mf)
{
	mutex_assert_held(&mf->m->lock);
	return mf->driver ? mf->driver->name : NULL;
}

bool driver_matches_locked(const struct machine_function *mf, const struct machine_driver *driver)
{
	uint16_t vendor = pci_config_read(mf->fn, PCI_VENDOR_ID, 2), device = pci_config_read(mf->fn, PCI_DEVICE_ID, 2);

	mutex_assert_held(&mf->m->lock);
	if (mf->driver_override[0])
		return !strcmp(mf->driver_override, driver->name);
	for (size_t i = 0; i < driver->nr_ids; i++)
		if (driver->ids[i].vendor == vendor && driver->ids[i].device == device)
			return true;
	return driver->matches(mf->fn);
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

/* The lowest vfioN that nobody has. */
static unsigned free_vfio_index(const struct machine *m)
{
	for (unsigned index = 0;; index++) {
		bool taken = false;

		for (size_t i = 0; i < m->rack->root.nr_functions; i++)
			taken |= m->functions[i].vfio && m->functions[i].vfio_index == index;
		if (!taken)
			return index;
	}
}

static int vfio_probe(struct machine_function *mf)
{
	struct machine *m = mf->m;
	unsigned index = free_vfio_index(m);
	int err;

	if (mf->fn->is_bridge)
		return refuse(m->trace, -EINVAL, "vfio-pci/bind: %s is a bridge", mf->fn->name);
	err = vfio_device_register(m->ns, mf->dir, mf->fn, index, m->trace, &mf->vfio);
	if (!err)
		mf->vfio_index = index;
	return err;
}

int driver_bind_locked(struct machine_function *mf, struct machine_driver *driver)
{
	int err;

	mutex_assert_held(&mf->m->lock);
	if (mf->driver || mf->unbinding)
		return refuse(mf->m->trace, -EBUSY, "%s/bind: %s has a driver", driver->name, mf->fn->name);
	err = links_add(mf, driver);
	if (err)
		return err;
	if (driver == &mf->m->drivers[DRIVER_VFIO_PCI])
		err = vfio_probe(mf);
	if (err) {
		links_remove(mf);
		return err;
	}
	mf->driver = driver;
	return 0;
}

void driver_unbind(struct machine_function *mf)
{
	struct vfio_device *vfio;

	mutex_lock(&mf->m->lock);
	if (!mf->driver || mf->unbinding) {
		mutex_unlock(&mf->m->lock);
		return;
	}
	mf->unbinding = true;
	vfio = mf->vfio;
	mutex_unlock(&mf->m->lock);
	if (vfio)
		vfio_device_unregister(vfio);
	mutex_lock(&mf->m->lock);
	mf->vfio = NULL;
	mf->driver = NULL;
	mf->unbinding = false;
	links_remove(mf);
	mutex_unlock(&mf->m->lock);
}

void driver_probe_locked(struct machine_function *mf)
{
	for (size_t i = 0; i < mf->m->nr_drivers && !mf->driver && !mf->unbinding; i++)
		if (driver_matches_locked(mf, &mf->m->drivers[i]))
			driver_bind_locked(mf, &mf->m->drivers[i]);
}

int drivers_bind_all(struct machine *m)
{
	int err = 0;

	mutex_lock(&m->lock);
	for (size_t i = 0; i < m->rack->root.nr_functions && !err; i++) {
		struct machine_function *mf = &m->functions[i];

		if (mf->fn->is_bridge) {
			err = driver_bind_locked(mf, &m->drivers[DRIVER_PCIEPORT]);
		} else if (mf->fn->model_name) {
			snprintf(mf->driver_override, sizeof(mf->driver_override), "vfio-pci");
			err = driver_bind_locked(mf, &m->drivers[DRIVER_VFIO_PCI]);
		}
	}
	mutex_unlock(&m->lock);
	return err;
}

void drivers_unbind_all(struct machine *m)
{
	for (size_t i = 0; i < m->rack->root.nr_functions; i++)
		driver_unbind(&m->functions[i]);
}
