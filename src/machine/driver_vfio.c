/* SPDX-License-Identifier: BSD-3-Clause */
/* vfio-pci: gives a function to programs. It has none by nature: driver_override and new_id say which. */
#include <stdio.h>

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

/*
 * A PF that a program drives may have VFs when an administrator has said so by the module parameter; who opens a VF
 * then must know the token of the PF's owner.
 */
static int vfio_sriov_configure(struct machine_function *mf, unsigned nr)
{
	bool allowed;

	if (!nr) {
		pci_sriov_disable(mf->fn);
		return 0;
	}
	mutex_lock(&mf->m->lock);
	allowed = mf->m->vfio_enable_sriov;
	mutex_unlock(&mf->m->lock);
	if (!allowed)
		return refuse(mf->m->trace, -ENOENT, "vfio-pci: the parameter enable_sriov is off");
	pci_set_power_state(mf->fn, 0);
	return pci_sriov_enable(mf->fn, nr);
}

static ssize_t enable_sriov_show(void *priv, uint64_t offset, char *buf, size_t capacity)
{
	struct machine *m = priv;
	bool on;

	mutex_lock(&m->lock);
	on = m->vfio_enable_sriov;
	mutex_unlock(&m->lock);
	return snprintf(buf, capacity, "%c\n", on ? 'Y' : 'N');
}

static ssize_t enable_sriov_store(void *priv, uint64_t offset, const char *buf, size_t len)
{
	struct machine *m = priv;
	bool on;

	if (!sysfs_bool(buf, &on))
		return -EINVAL;
	mutex_lock(&m->lock);
	m->vfio_enable_sriov = on;
	mutex_unlock(&m->lock);
	return (ssize_t)len;
}

static int vfio_add_parameters(struct machine *m, struct ns_node *module)
{
	static const struct ns_attribute_ops enable_sriov = {enable_sriov_show, enable_sriov_store, 0};
	struct ns_node *parameters = ns_directory(m->ns, module, "parameters", false);

	return parameters && ns_attribute(m->ns, parameters, "enable_sriov", 0644, &enable_sriov, m) ? 0 : -ENOMEM;
}

const struct machine_driver_type vfio_pci_driver = {
	.name = "vfio-pci",
	.path = "/sys/bus/pci/drivers/vfio-pci",
	.module = "/sys/module/vfio_pci",
	.probe = vfio_probe,
	.remove = vfio_remove,
	.add_parameters = vfio_add_parameters,
	.sriov_configure = vfio_sriov_configure,
};
