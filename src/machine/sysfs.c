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

static int attributes_add(struct machine_function *mf)
{
	int err = sysfs_add_function(mf);

	if (!err)
		err = sysfs_add_config(mf);
	if (!err)
		err = sysfs_add_resources(mf);
	if (!err)
		err = sysfs_add_tunables(mf);
	if (!err)
		err = sysfs_add_sriov(mf);
	if (!err)
		err = sysfs_add_driver_override(mf);
	return err;
}

int sysfs_function_add(struct machine_function *mf)
{
	struct ns *ns = mf->m->ns;
	struct ns_node *devices = ns_make_path(ns, "/sys/bus/pci/devices", false);
	int err = set_path(mf);

	mutex_assert_held(&mf->m->lock);
	if (err)
		return err;
	mf->dir = ns_make_path(ns, mf->path, false);
	err = mf->dir && sysfs_link(ns, mf->dir, "subsystem", "/sys/bus/pci") ? attributes_add(mf) : -ENOMEM;
	if (!err)
		err = sysfs_group_add(mf);
	/* Where programs look comes last: what they find is complete. */
	if (!err) {
		mf->bus_link = devices ? sysfs_link(ns, devices, mf->fn->name, mf->path) : NULL;
		err = mf->bus_link ? 0 : -ENOMEM;
	}
	if (err)
		sysfs_function_remove(mf);
	return err;
}

void sysfs_function_remove(struct machine_function *mf)
{
	struct ns *ns = mf->m->ns;

	mutex_assert_held(&mf->m->lock);
	if (mf->bus_link)
		ns_remove(ns, mf->bus_link);
	sysfs_group_remove(mf);
	if (mf->dir)
		ns_remove(ns, mf->dir);
	mf->bus_link = mf->dir = NULL;
}

int sysfs_create(struct machine *m)
{
	char root[64];
	int err;

	snprintf(root, sizeof(root), "/sys/devices/pci%04x:00", m->rack->root.segment);
	/* Named before anything is put in them, for ns_make_path() makes what is on the way merged. */
	if (!ns_make_path(m->ns, "/dev", true) || !ns_make_path(m->ns, "/sys/bus/pci", false) ||
	    !ns_make_path(m->ns, root, false) || !ns_make_path(m->ns, "/sys/bus/pci/slots", false) ||
	    !ns_make_path(m->ns, "/sys/bus/pci/devices", false))
		return -ENOMEM;
	err = sysfs_add_groups(m);
	mutex_lock(&m->lock);
	for (size_t i = 0; i < m->rack->root.nr_functions && !err; i++)
		if (pci_is_present(m->functions[i].fn))
			err = sysfs_function_add(&m->functions[i]);
	mutex_unlock(&m->lock);
	if (!err)
		err = sysfs_add_drivers(m);
	return err;
}
