/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which driver has which function. pcieport has the ports, and a driver inside barter the functions that it is made
 * for. At boot every other device is bound to vfio-pci through its driver_override, as an administrator does who gives
 * a machine's devices to programs.
 *
 * Unbinding waits for the program to close its files, as Linux does, and must not hold the machine's lock meanwhile:
 * `unbinding` keeps others from binding the function.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "machine/machine_priv.h"

static bool is_port(const struct pci_function *fn)
{
	return fn->is_bridge;
}

const struct machine_driver_type pcieport_driver = {
	.name = "pcieport",
	.path = "/sys/bus/pci/drivers/pcieport",
	.module = "/sys/module/pcieportdrv",
	.matches = is_port,
};

/* In the order in which a function is offered to them. */
static const struct machine_driver_type *const driver_types[] = {&pcieport_driver, &sgpu_driver, &vfio_pci_driver};

int drivers_create(struct machine *m)
{
	m->drivers = calloc(ARRAY_SIZE(driver_types), sizeof(*m->drivers));
	if (!m->drivers)
		return -ENOMEM;
	m->nr_drivers = ARRAY_SIZE(driver_types);
	m->autoprobe = true;
	for (size_t i = 0; i < m->nr_drivers; i++) {
		m->drivers[i].m = m;
		m->drivers[i].type = driver_types[i];
	}
	return 0;
}

void drivers_destroy(struct machine *m)
{
	free(m->drivers);
}

const char *driver_name_locked(const struct machine_function *mf)
{
	mutex_assert_held(&mf->m->lock);
	return mf->driver ? mf->driver->type->name : NULL;
}

bool driver_matches_locked(const struct machine_function *mf, const struct machine_driver *driver)
{
	uint16_t vendor = pci_vendor_id(mf->fn), device = pci_device_id(mf->fn);

	mutex_assert_held(&mf->m->lock);
	if (mf->driver_override[0])
		return !strcmp(mf->driver_override, driver->type->name);
	for (size_t i = 0; i < driver->nr_ids; i++)
		if (driver->ids[i].vendor == vendor && driver->ids[i].device == device)
			return true;
	return driver->type->matches && driver->type->matches(mf->fn);
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
	struct ns_node *dir = ns_make_path(mf->m->ns, driver->type->path, false);

	mf->driver_link = sysfs_link(mf->m->ns, mf->dir, "driver", driver->type->path);
	mf->driver_entry = dir ? sysfs_link(mf->m->ns, dir, mf->fn->name, mf->path) : NULL;
	if (mf->driver_link && mf->driver_entry)
		return 0;
	links_remove(mf);
	return -ENOMEM;
}

int driver_bind_locked(struct machine_function *mf, struct machine_driver *driver)
{
	int err;

	mutex_assert_held(&mf->m->lock);
	if (mf->leaving)
		return refuse(mf->m->trace, -ENODEV, "%s/bind: %s is being removed", driver->type->name, mf->fn->name);
	if (mf->driver || mf->unbinding)
		return refuse(mf->m->trace, -EBUSY, "%s/bind: %s has a driver", driver->type->name, mf->fn->name);
	err = links_add(mf, driver);
	if (err)
		return err;
	if (driver->type->probe)
		err = driver->type->probe(mf);
	if (err) {
		links_remove(mf);
		return err;
	}
	mf->driver = driver;
	return 0;
}

void driver_unbind(struct machine_function *mf)
{
	const struct machine_driver_type *type;

	mutex_lock(&mf->m->lock);
	if (!mf->driver || mf->unbinding) {
		mutex_unlock(&mf->m->lock);
		return;
	}
	mf->unbinding = true;
	type = mf->driver->type;
	mutex_unlock(&mf->m->lock);
	sriov_release(mf, type);
	if (type->remove)
		type->remove(mf);
	mutex_lock(&mf->m->lock);
	mf->driver = NULL;
	mf->unbinding = false;
	links_remove(mf);
	mutex_unlock(&mf->m->lock);
}

int driver_reset(struct machine_function *mf)
{
	const struct machine_driver_type *type = NULL;
	int err;

	mutex_lock(&mf->m->lock);
	function_busy_begin_locked(mf);
	if (mf->driver && !mf->unbinding && mf->driver->type->reset_done)
		type = mf->driver->type;
	mutex_unlock(&mf->m->lock);
	err = pci_reset_function(mf->fn);
	if (type)
		type->reset_done(mf);
	mutex_lock(&mf->m->lock);
	mf->busy = false;
	mutex_unlock(&mf->m->lock);
	return err;
}

void driver_probe_locked(struct machine_function *mf)
{
	for (size_t i = 0; i < mf->m->nr_drivers && !mf->driver && !mf->unbinding; i++)
		if (driver_matches_locked(mf, &mf->m->drivers[i]))
			driver_bind_locked(mf, &mf->m->drivers[i]);
}

/* One that is made for the function, or else the one that gives it to programs. */
static int bind_at_boot_locked(struct machine_function *mf)
{
	struct machine *m = mf->m;

	if (!mf->dir)
		return 0;
	driver_probe_locked(mf);
	if (mf->driver || !mf->fn->model_name)
		return 0;
	snprintf(mf->driver_override, sizeof(mf->driver_override), "%s", vfio_pci_driver.name);
	for (size_t i = 0; i < m->nr_drivers; i++)
		if (m->drivers[i].type == &vfio_pci_driver)
			return driver_bind_locked(mf, &m->drivers[i]);
	return 0;
}

int drivers_bind_all(struct machine *m)
{
	int err = 0;

	mutex_lock(&m->lock);
	for (size_t i = 0; i < m->rack->root.nr_functions && !err; i++)
		err = bind_at_boot_locked(&m->functions[i]);
	mutex_unlock(&m->lock);
	return err;
}

void drivers_unbind_all(struct machine *m)
{
	for (size_t i = 0; i < m->rack->root.nr_functions; i++)
		driver_unbind(&m->functions[i]);
}
