/* SPDX-License-Identifier: BSD-3-Clause */
/* Virtual functions of a model: each is a device of its own, with a model of its own and no settings. */
#include <stdlib.h>

#include "device/device_priv.h"
#include "pci/build.h"
#include "pci/sriov.h"

_Static_assert(DEVICE_MAX_VFS == PCI_MAX_VFS && DEVICE_MAX_FRAGMENTS == PCI_MAX_FRAGMENTS,
	       "the SDK's limits are pci's");

static int vf_create(struct device *d, const struct device_sriov *s, unsigned index)
{
	struct device *vf = device_alloc(s->vf_model, d->fn.root);
	int err;

	if (!vf)
		return -ENOMEM;
	vf->physfn = d;
	err = pci_function_init_vf(&vf->fn, &d->fn, index, &device_ops, vf, s->vf_model->name);
	if (err) {
		free(vf);
		return err;
	}
	vf->has_ids = true;
	d->vfs[d->nr_vfs++] = vf;
	return device_build(vf, &d->config);
}

int device_add_sriov(struct device *d, const struct device_sriov *s)
{
	int err = device_buildable(d);

	if (!err)
		err = pci_build_sriov(&d->fn, s->total_vfs, s->vf_device);
	for (unsigned i = 0; i < s->total_vfs && !err; i++)
		err = vf_create(d, s, i);
	return device_remember(d, err);
}

void device_vfs_destroy(struct device *d)
{
	while (d->nr_vfs > 0)
		device_destroy(&d->vfs[--d->nr_vfs]->fn);
}

int device_add_window(struct device *vf, unsigned bar, unsigned flags, uint64_t size, unsigned pf_bar)
{
	int err = device_buildable(vf);

	return err ? err : device_remember(vf, pci_build_window(&vf->fn, bar, device_bar_flags(flags), size, pf_bar));
}

struct device *device_physfn(struct device *vf)
{
	return vf->physfn;
}

unsigned device_vf_index(const struct device *vf)
{
	return vf->fn.vf_index;
}

void device_vf_set_slice(struct device *pf, unsigned vf, const struct device_fragment *fragments, size_t nr)
{
	struct pci_fragment list[DEVICE_MAX_FRAGMENTS];

	device_assert_locked(pf);
	nr = MIN(nr, ARRAY_SIZE(list));
	for (size_t i = 0; i < nr; i++)
		list[i] = (struct pci_fragment){.offset = fragments[i].offset, .len = fragments[i].len};
	pci_vf_set_window_locked(&pf->fn, vf, list, nr);
}
