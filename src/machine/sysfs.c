/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The directories that a rack's machine has in /sys. What belongs to PCI is opaque: a real machine's devices are not
 * seen beside the rack's. What only leads there is merged with the real tree.
 */
#include <stdio.h>
#include <string.h>

#include "machine/machine_priv.h"

/* How much of two paths is the same, in whole components. */
static size_t common_length(const char *a, const char *b)
{
	size_t last = 0, i = 0;

	for (; a[i] && a[i] == b[i]; i++)
		if (a[i] == '/')
			last = i;
	if ((!a[i] || a[i] == '/') && (!b[i] || b[i] == '/'))
		last = i;
	return last;
}

struct ns_node *sysfs_link(struct ns *ns, struct ns_node *dir, const char *name, const char *target)
{
	char from[512], text[1024] = "";
	size_t common, used = 0;

	if (ns_path(dir, from, sizeof(from)) < 0)
		return NULL;
	common = common_length(from, target);
	for (const char *p = from + common; *p; p++)
		if (*p == '/')
			used += snprintf(text + used, sizeof(text) - used, "../");
	snprintf(text + used, sizeof(text) - used, "%s", target + common + (target[common] == '/'));
	return ns_link(ns, dir, name, text);
}

static int set_path(struct machine_function *mf)
{
	const struct pci_function *chain[64];
	size_t nr = 0, used;

	for (const struct pci_function *fn = mf->fn; nr < ARRAY_SIZE(chain); fn = &fn->parent->fn) {
		chain[nr++] = fn;
		if (!fn->parent)
			break;
	}
	used = snprintf(mf->path, sizeof(mf->path), "/sys/devices/pci%04x:00", mf->fn->segment);
	while (nr > 0 && used < sizeof(mf->path))
		used += snprintf(mf->path + used, sizeof(mf->path) - used, "/%s", chain[--nr]->name);
	return used < sizeof(mf->path) ? 0 : -ENAMETOOLONG;
}

static int function_create(struct machine_function *mf, struct ns_node *bus_devices)
{
	struct ns *ns = mf->m->ns;
	int err = set_path(mf);

	if (err)
		return err;
	mf->dir = ns_make_path(ns, mf->path, false);
	if (!mf->dir || !sysfs_link(ns, mf->dir, "subsystem", "/sys/bus/pci") ||
	    !sysfs_link(ns, bus_devices, mf->fn->name, mf->path))
		return -ENOMEM;
	err = sysfs_add_function(mf);
	if (!err)
		err = sysfs_add_config(mf);
	if (!err)
		err = sysfs_add_resources(mf);
	if (!err)
		err = sysfs_add_tunables(mf);
	if (!err)
		err = sysfs_add_driver_override(mf);
	return err;
}

int sysfs_create(struct machine *m)
{
	struct ns_node *devices;
	char root[64];
	int err = 0;

	snprintf(root, sizeof(root), "/sys/devices/pci%04x:00", m->rack->root.segment);
	/* Named before anything is put in them, for ns_make_path() makes what is on the way merged. */
	if (!ns_make_path(m->ns, "/dev", true) || !ns_make_path(m->ns, "/sys/bus/pci", false) ||
	    !ns_make_path(m->ns, root, false) || !ns_make_path(m->ns, "/sys/bus/pci/slots", false))
		return -ENOMEM;
	devices = ns_make_path(m->ns, "/sys/bus/pci/devices", false);
	if (!devices)
		return -ENOMEM;
	for (size_t i = 0; i < m->rack->root.nr_functions && !err; i++)
		err = function_create(&m->functions[i], devices);
	if (!err)
		err = sysfs_add_groups(m);
	if (!err)
		err = sysfs_add_drivers(m);
	return err;
}
