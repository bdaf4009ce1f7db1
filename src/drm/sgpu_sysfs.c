/* SPDX-License-Identifier: BSD-3-Clause */
/* sriov_admin/vfN/slice in the function's directory: how much local memory virtual function N sees; takes another. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drm/sgpu_priv.h"

static ssize_t slice_show(void *priv, uint64_t offset, char *buf, size_t capacity)
{
	const struct sgpu_slice_file *f = priv;

	return snprintf(buf, capacity, "%llu\n", (unsigned long long)sgpu_slice_len(f->gpu, f->vf));
}

static ssize_t slice_store(void *priv, uint64_t offset, const char *buf, size_t len)
{
	const struct sgpu_slice_file *f = priv;
	unsigned long long value;
	char *end;
	int err;

	errno = 0;
	value = strtoull(buf, &end, 0);
	if (errno || end == buf || buf[0] == '-' || (*end && strcmp(end, "\n") != 0))
		return -EINVAL;
	err = sgpu_slice_set(f->gpu, f->vf, value);
	return err ? err : (ssize_t)len;
}

static const struct ns_attribute_ops slice_ops = {.show = slice_show, .store = slice_store};

static int slice_add(struct sgpu *gpu, unsigned i)
{
	char name[8];
	struct ns_node *vf;

	snprintf(name, sizeof(name), "vf%u", i);
	gpu->slice_files[i] = (struct sgpu_slice_file){gpu, i};
	vf = ns_directory(gpu->place.ns, gpu->admin, name, false);
	return vf && ns_attribute(gpu->place.ns, vf, "slice", 0644, &slice_ops, &gpu->slice_files[i]) ? 0 : -ENOMEM;
}

int sgpu_sysfs_add(struct sgpu *gpu)
{
	unsigned total = pci_sriov_total(gpu->fn);
	int err = 0;

	if (!total)
		return 0;
	gpu->admin = ns_directory(gpu->place.ns, gpu->place.dir, "sriov_admin", false);
	if (!gpu->admin)
		return -ENOMEM;
	for (unsigned i = 0; i < total && !err; i++)
		err = slice_add(gpu, i);
	if (err)
		sgpu_sysfs_remove(gpu);
	return err;
}

void sgpu_sysfs_remove(struct sgpu *gpu)
{
	if (gpu->admin)
		ns_remove(gpu->place.ns, gpu->admin);
	gpu->admin = NULL;
}
