/* SPDX-License-Identifier: BSD-3-Clause */
/* vfio-pci: gives a function to programs. It has none by nature: driver_override and new_id say which. */
#include "machine/machine_priv.h"

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
	err = vfio_device_register(m->ns, mf->dir, mf->fn, index, m->trace, m->dma_bufs, &mf->vfio);
	if (!err)
		mf->vfio_index = index;
	return err;
}

static void vfio_remove(struct machine_function *mf)
{
	vfio_device_unregister(mf->vfio);
	mutex_lock(&mf->m->lock);
	mf->vfio = NULL;
	mutex_unlock(&mf->m->lock);
}

const struct machine_driver_type vfio_pci_driver = {
	.name = "vfio-pci",
	.path = "/sys/bus/pci/drivers/vfio-pci",
	.module = "/sys/module/vfio_pci",
	.probe = vfio_probe,
	.remove = vfio_remove,
};
