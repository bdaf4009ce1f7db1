/* SPDX-License-Identifier: BSD-3-Clause */
/* /sys/bus/pci, its drivers, and a function's driver_override: how programs choose who has a device. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "machine/machine_priv.h"

/* The text up to its newline. */
static void take_line(char *line, size_t size, const char *buf)
{
	snprintf(line, size, "%s", buf);
	line[strcspn(line, "\n")] = 0;
}

struct machine_function *machine_find_locked(struct machine *m, const char *name)
{
	mutex_assert_held(&m->lock);
	for (size_t i = 0; i < m->rack->root.nr_functions; i++)
		if (m->functions[i].dir && !strcmp(m->functions[i].fn->name, name))
			return &m->functions[i];
	return NULL;
}

static ssize_t bind_store(void *priv, uint64_t offset, const char *buf, size_t len)
{
	struct machine_driver *driver = priv;
	struct machine *m = driver->m;
	struct machine_function *mf;
	char name[32];
	int err = -ENODEV;

	take_line(name, sizeof(name), buf);
	mutex_lock(&m->lock);
	mf = machine_find_locked(m, name);
	if (mf && driver_matches_locked(mf, driver))
		err = driver_bind_locked(mf, driver);
	else
		refuse(m->trace, err, "%s/bind: \"%s\" is no function that the driver takes", driver->type->name, name);
	mutex_unlock(&m->lock);
	return err ? err : (ssize_t)len;
}

static ssize_t unbind_store(void *priv, uint64_t offset, const char *buf, size_t len)
{
	struct machine_driver *driver = priv;
	struct machine_function *mf;
	char name[32];
	bool has;

	take_line(name, sizeof(name), buf);
	mutex_lock(&driver->m->lock);
	mf = machine_find_locked(driver->m, name);
	has = mf && mf->driver == driver;
	mutex_unlock(&driver->m->lock);
	if (!has)
		return refuse(driver->m->trace, -ENODEV, "%s/unbind: the driver does not have \"%s\"",
			      driver->type->name, name);
	driver_unbind(mf);
	return (ssize_t)len;
}

/* "vendor device" in hexadecimal; what may follow (subsystem, class, private data) plays no part here. */
static bool parse_id(const char *buf, uint16_t *vendor, uint16_t *device)
{
	unsigned v, d;

	if (sscanf(buf, "%x %x", &v, &d) != 2 || v > 0xffff || d > 0xffff)
		return false;
	*vendor = (uint16_t)v;
	*device = (uint16_t)d;
	return true;
}

static size_t id_find(const struct machine_driver *driver, uint16_t vendor, uint16_t device)
{
	size_t i = 0;

	while (i < driver->nr_ids && (driver->ids[i].vendor != vendor || driver->ids[i].device != device))
		i++;
	return i;
}

static int id_add_locked(struct machine_driver *driver, uint16_t vendor, uint16_t device)
{
	struct machine *m = driver->m;

	if (id_find(driver, vendor, device) < driver->nr_ids)
		return -EEXIST;
	if (driver->nr_ids == ARRAY_SIZE(driver->ids))
		return -ENOMEM;
	driver->ids[driver->nr_ids].vendor = vendor;
	driver->ids[driver->nr_ids++].device = device;
	for (size_t i = 0; i < m->rack->root.nr_functions; i++)
		if (m->functions[i].dir && !m->functions[i].driver && driver_matches_locked(&m->functions[i], driver))
			driver_probe_locked(&m->functions[i]);
	return 0;
}

static ssize_t new_id_store(void *priv, uint64_t offset, const char *buf, size_t len)
{
	struct machine_driver *driver = priv;
	uint16_t vendor, device;
	int err;

	if (!parse_id(buf, &vendor, &device))
		return -EINVAL;
	mutex_lock(&driver->m->lock);
	err = id_add_locked(driver, vendor, device);
	mutex_unlock(&driver->m->lock);
	return err ? err : (ssize_t)len;
}

static ssize_t remove_id_store(void *priv, uint64_t offset, const char *buf, size_t len)
{
	struct machine_driver *driver = priv;
	uint16_t vendor, device;
	size_t at;

	if (!parse_id(buf, &vendor, &device))
		return -EINVAL;
	mutex_lock(&driver->m->lock);
	at = id_find(driver, vendor, device);
	if (at == driver->nr_ids)
		len = 0;
	else
		driver->ids[at] = driver->ids[--driver->nr_ids];
	mutex_unlock(&driver->m->lock);
	return len ? (ssize_t)len : -ENODEV;
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

static ssize_t driver_override_store(void *priv, uint64_t offset, const char *buf, size_t len)
{
	struct machine_function *mf = priv;

	if (strcspn(buf, "\n") >= sizeof(mf->driver_override))
		return -EINVAL;
	mutex_lock(&mf->m->lock);
	take_line(mf->driver_override, sizeof(mf->driver_override), buf);
	mutex_unlock(&mf->m->lock);
	return (ssize_t)len;
}

int sysfs_add_driver_override(struct machine_function *mf)
{
	static const struct ns_attribute_ops ops = {driver_override_show, driver_override_store, 0};

	return ns_attribute(mf->m->ns, mf->dir, "driver_override", 0644, &ops, mf) ? 0 : -ENOMEM;
}

static ssize_t drivers_probe_store(void *priv, uint64_t offset, const char *buf, size_t len)
{
	struct machine *m = priv;
	struct machine_function *mf;
	char name[32];

	take_line(name, sizeof(name), buf);
	mutex_lock(&m->lock);
	mf = machine_find_locked(m, name);
	if (mf)
		driver_probe_locked(mf);
	mutex_unlock(&m->lock);
	if (!mf)
		return refuse(m->trace, -ENODEV, "drivers_probe: there is no function \"%s\"", name);
	return (ssize_t)len;
}

static ssize_t autoprobe_show(void *priv, uint64_t offset, char *buf, size_t capacity)
{
	struct machine *m = priv;
	bool on;

	mutex_lock(&m->lock);
	on = m->autoprobe;
	mutex_unlock(&m->lock);
	return snprintf(buf, capacity, "%d\n", on);
}

/* What comes later is virtual functions. */
static ssize_t autoprobe_store(void *priv, uint64_t offset, const char *buf, size_t len)
{
	struct machine *m = priv;

	mutex_lock(&m->lock);
	m->autoprobe = buf[0] != '0';
	mutex_unlock(&m->lock);
	return (ssize_t)len;
}

static ssize_t rescan_store(void *priv, uint64_t offset, const char *buf, size_t len)
{
	unsigned long value;

	return sysfs_number(buf, &value) ? (ssize_t)len : -EINVAL;
}

struct attribute {
	const char *name;
	mode_t mode;
	struct ns_attribute_ops ops;
};

static int add_attributes(struct ns *ns, struct ns_node *dir, const struct attribute *attributes, size_t nr, void *priv)
{
	for (size_t i = 0; i < nr; i++)
		if (!ns_attribute(ns, dir, attributes[i].name, attributes[i].mode, &attributes[i].ops, priv))
			return -ENOMEM;
	return 0;
}

static int driver_create(struct machine *m, struct machine_driver *driver)
{
	static const struct attribute attributes[] = {
		{"bind", 0200, {NULL, bind_store, 0}},
		{"new_id", 0200, {NULL, new_id_store, 0}},
		{"remove_id", 0200, {NULL, remove_id_store, 0}},
		{"unbind", 0200, {NULL, unbind_store, 0}},
	};
	struct ns_node *dir = ns_make_path(m->ns, driver->type->path, false);
	struct ns_node *module = ns_make_path(m->ns, driver->type->module, false), *drivers;
	char name[32];

	drivers = module ? ns_directory(m->ns, module, "drivers", false) : NULL;
	snprintf(name, sizeof(name), "pci:%s", driver->type->name);
	if (!dir || !drivers || !sysfs_link(m->ns, dir, "module", driver->type->module) ||
	    !sysfs_link(m->ns, drivers, name, driver->type->path))
		return -ENOMEM;
	if (driver->type->add_parameters && driver->type->add_parameters(m, module))
		return -ENOMEM;
	return add_attributes(m->ns, dir, attributes, ARRAY_SIZE(attributes), driver);
}

int sysfs_add_drivers(struct machine *m)
{
	static const struct attribute attributes[] = {
		{"drivers_autoprobe", 0644, {autoprobe_show, autoprobe_store, 0}},
		{"drivers_probe", 0200, {NULL, drivers_probe_store, 0}},
		{"rescan", 0200, {NULL, rescan_store, 0}},
	};
	struct ns_node *bus = ns_make_path(m->ns, "/sys/bus/pci", false);
	int err;

	if (!bus || !ns_make_path(m->ns, "/sys/bus/pci/drivers", false))
		return -ENOMEM;
	err = add_attributes(m->ns, bus, attributes, ARRAY_SIZE(attributes), m);
	for (size_t i = 0; i < m->nr_drivers && !err; i++)
		err = driver_create(m, &m->drivers[i]);
	return err;
}
