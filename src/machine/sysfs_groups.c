/* SPDX-License-Identifier: BSD-3-Clause */
/* /sys/kernel/iommu_groups and the IOMMU's own device, /sys/class/iommu/dmar0. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "machine/machine_priv.h"

#define IOMMU_PATH "/sys/devices/virtual/iommu/dmar0"

static ssize_t reserved_regions_show(void *priv, uint64_t offset, char *buf, size_t capacity)
{
	const struct iommu_geometry *g = iommu_unit_geometry(((struct machine *)priv)->rack->iommu);

	return snprintf(buf, capacity, "0x%016" PRIx64 " 0x%016" PRIx64 " msi\n", g->msi_start, g->msi_last);
}

/* Every group keeps the kind of default domain that it was born with: there is no in-kernel DMA that could tell. */
static ssize_t type_store(void *priv, uint64_t offset, const char *buf, size_t len)
{
	static const char *const others[] = {"identity", "DMA-FQ", "auto"};
	size_t word = strcspn(buf, "\n");

	if (word == 3 && !strncmp(buf, "DMA", word))
		return (ssize_t)len;
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (strlen(others[i]) == word && !strncmp(buf, others[i], word))
			return refuse(((struct machine *)priv)->trace, -EBUSY, "iommu_groups: the type stays DMA");
	return -EINVAL;
}

static ssize_t type_show(void *priv, uint64_t offset, char *buf, size_t capacity)
{
	return snprintf(buf, capacity, "DMA\n");
}

static int group_create(struct machine *m, const char *path)
{
	static const struct ns_attribute_ops reserved = {.show = reserved_regions_show};
	static const struct ns_attribute_ops type = {.show = type_show, .store = type_store};
	struct ns_node *dir = ns_make_path(m->ns, path, false);

	if (!dir || !ns_directory(m->ns, dir, "devices", false) ||
	    !ns_attribute(m->ns, dir, "reserved_regions", 0444, &reserved, m) ||
	    !ns_attribute(m->ns, dir, "type", 0644, &type, m))
		return -ENOMEM;
	return 0;
}

/* Does a function that is there, other than this one, have its group? */
static bool group_has_others(const struct machine_function *mf)
{
	const struct machine *m = mf->m;

	for (size_t i = 0; i < m->rack->root.nr_functions; i++)
		if (&m->functions[i] != mf && m->functions[i].group_link &&
		    m->functions[i].fn->iommu_group == mf->fn->iommu_group)
			return true;
	return false;
}

static void group_path(const struct machine_function *mf, const char *below, char *buf, size_t len)
{
	snprintf(buf, len, "/sys/kernel/iommu_groups/%u%s", mf->fn->iommu_group, below);
}

int sysfs_group_add(struct machine_function *mf)
{
	struct ns *ns = mf->m->ns;
	struct ns_node *devices;
	char path[64];

	mutex_assert_held(&mf->m->lock);
	group_path(mf, "", path, sizeof(path));
	if (!group_has_others(mf) && group_create(mf->m, path))
		return -ENOMEM;
	if (!sysfs_link(ns, mf->dir, "iommu_group", path) || !sysfs_link(ns, mf->dir, "iommu", IOMMU_PATH))
		return -ENOMEM;
	group_path(mf, "/devices", path, sizeof(path));
	devices = ns_make_path(ns, path, false);
	mf->group_link = devices ? sysfs_link(ns, devices, mf->fn->name, mf->path) : NULL;
	devices = ns_make_path(ns, IOMMU_PATH "/devices", false);
	mf->iommu_link = devices ? sysfs_link(ns, devices, mf->fn->name, mf->path) : NULL;
	return mf->group_link && mf->iommu_link ? 0 : -ENOMEM;
}

/* The group goes with the last function in it. */
void sysfs_group_remove(struct machine_function *mf)
{
	struct ns *ns = mf->m->ns;
	struct ns_node *group;
	char path[64];

	mutex_assert_held(&mf->m->lock);
	if (mf->iommu_link)
		ns_remove(ns, mf->iommu_link);
	if (mf->group_link)
		ns_remove(ns, mf->group_link);
	mf->iommu_link = mf->group_link = NULL;
	if (group_has_others(mf))
		return;
	group_path(mf, "", path, sizeof(path));
	group = ns_make_path(ns, path, false);
	if (group)
		ns_remove(ns, group);
}

int sysfs_add_groups(struct machine *m)
{
	struct ns_node *dir, *class;

	if (!ns_make_path(m->ns, "/sys/kernel/iommu_groups", false) ||
	    !ns_make_path(m->ns, "/sys/devices/virtual/iommu", false))
		return -ENOMEM;
	dir = ns_make_path(m->ns, IOMMU_PATH, false);
	class = ns_make_path(m->ns, "/sys/class/iommu", false);
	if (!dir || !class || !ns_directory(m->ns, dir, "devices", false) ||
	    !sysfs_link(m->ns, class, "dmar0", IOMMU_PATH) ||
	    !sysfs_link(m->ns, dir, "subsystem", "/sys/class/iommu") || !ns_text(m->ns, dir, "uevent", ""))
		return -ENOMEM;
	return sysfs_add_power(m->ns, dir);
}
