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

static int group_create(struct machine *m, unsigned group)
{
	static const struct ns_attribute_ops reserved = {.show = reserved_regions_show};
	static const struct ns_attribute_ops type = {.show = type_show, .store = type_store};
	struct ns_node *dir, *devices;
	char path[64];

	snprintf(path, sizeof(path), "/sys/kernel/iommu_groups/%u", group);
	dir = ns_make_path(m->ns, path, false);
	devices = dir ? ns_directory(m->ns, dir, "devices", false) : NULL;
	if (!devices || !ns_attribute(m->ns, dir, "reserved_regions", 0444, &reserved, m) ||
	    !ns_attribute(m->ns, dir, "type", 0644, &type, m))
		return -ENOMEM;
	for (size_t i = 0; i < m->rack->root.nr_functions; i++) {
		struct machine_function *mf = &m->functions[i];

		if (mf->fn->iommu_group != group)
			continue;
		if (!sysfs_link(m->ns, devices, mf->fn->name, mf->path) ||
		    !sysfs_link(m->ns, mf->dir, "iommu_group", path))
			return -ENOMEM;
	}
	return 0;
}

static int iommu_create(struct machine *m)
{
	struct ns_node *dir, *devices, *class;
	int err;

	if (!ns_make_path(m->ns, "/sys/devices/virtual/iommu", false))
		return -ENOMEM;
	dir = ns_make_path(m->ns, IOMMU_PATH, false);
	class = ns_make_path(m->ns, "/sys/class/iommu", false);
	devices = dir ? ns_directory(m->ns, dir, "devices", false) : NULL;
	if (!devices || !class || !sysfs_link(m->ns, class, "dmar0", IOMMU_PATH) ||
	    !sysfs_link(m->ns, dir, "subsystem", "/sys/class/iommu") || !ns_text(m->ns, dir, "uevent", ""))
		return -ENOMEM;
	err = sysfs_add_power(m->ns, dir);
	for (size_t i = 0; i < m->rack->root.nr_functions && !err; i++) {
		struct machine_function *mf = &m->functions[i];

		if (!sysfs_link(m->ns, devices, mf->fn->name, mf->path) ||
		    !sysfs_link(m->ns, mf->dir, "iommu", IOMMU_PATH))
			err = -ENOMEM;
	}
	return err;
}

int sysfs_add_groups(struct machine *m)
{
	int err = 0;

	if (!ns_make_path(m->ns, "/sys/kernel/iommu_groups", false))
		return -ENOMEM;
	for (unsigned i = 0; i < m->rack->root.nr_groups && !err; i++)
		err = group_create(m, i);
	return err ? err : iommu_create(m);
}
