/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Virtual functions as Linux's driver core has them: how many there are is for the physical function's driver to say,
 * through sriov_numvfs. They come when the driver has set them up and go before it takes them away; going waits for the
 * programs that have them open, as unbinding does.
 *
 * Linux holds the PF's device lock all the while. Here `busy` stands for it, for a wait for programs must hold no lock.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "machine/machine_priv.h"

static struct machine_function *function_of(struct machine *m, const struct pci_function *fn)
{
	for (size_t i = 0; i < m->rack->root.nr_functions; i++)
		if (m->functions[i].fn == fn)
			return &m->functions[i];
	return NULL;
}

static void nap(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
}

/* For one that is of no kernel driver: as all devices of a rack, unless the PF's VFs are to be left alone. */
static void vf_bind_locked(struct machine_function *pf, struct machine_function *vf)
{
	if (!vf->m->autoprobe || !pf->vf_autoprobe)
		return;
	snprintf(vf->driver_override, sizeof(vf->driver_override), "%s", vfio_pci_driver.name);
	driver_probe_locked(vf);
}

static int vf_add_locked(struct machine_function *pf, unsigned index)
{
	struct machine_function *vf = function_of(pf->m, pci_sriov_vf(pf->fn, index));
	char name[24];
	int err;

	snprintf(name, sizeof(name), "virtfn%u", index);
	vf->leaving = false;
	vf->driver_override[0] = '\0';
	err = sysfs_function_add(vf);
	if (err)
		return err;
	vf->virtfn_link = sysfs_link(pf->m->ns, pf->dir, name, vf->path);
	if (!vf->virtfn_link || !sysfs_link(pf->m->ns, vf->dir, "physfn", pf->path)) {
		if (vf->virtfn_link)
			ns_remove(pf->m->ns, vf->virtfn_link);
		sysfs_function_remove(vf);
		return -ENOMEM;
	}
	vf_bind_locked(pf, vf);
	return 0;
}

/* Without a lock: waits for whoever has it open, or is unbinding it. */
static void vf_remove(struct machine_function *pf, unsigned index)
{
	struct machine *m = pf->m;
	struct machine_function *vf = function_of(m, pci_sriov_vf(pf->fn, index));

	mutex_lock(&m->lock);
	vf->leaving = true;
	ns_remove(m->ns, vf->virtfn_link);
	while (vf->driver) {
		bool other = vf->unbinding;

		mutex_unlock(&m->lock);
		if (other)
			nap();
		else
			driver_unbind(vf);
		mutex_lock(&m->lock);
	}
	sysfs_function_remove(vf);
	mutex_unlock(&m->lock);
}

static void vfs_remove(struct machine_function *pf, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++)
		vf_remove(pf, i);
}

static int vfs_add(struct machine_function *pf, unsigned nr)
{
	unsigned added = 0;
	int err = 0;

	mutex_lock(&pf->m->lock);
	for (; added < nr && !err; added += !err)
		err = vf_add_locked(pf, added);
	mutex_unlock(&pf->m->lock);
	if (err)
		vfs_remove(pf, added);
	return err;
}

/* The PF is busy; no lock is held. */
static int numvfs_change(struct machine_function *pf, const struct machine_driver_type *driver, unsigned nr)
{
	int err;

	if (!nr) {
		vfs_remove(pf, pf->nr_vfs);
		return driver->sriov_configure(pf, 0);
	}
	err = driver->sriov_configure(pf, nr);
	if (err)
		return refuse(pf->m->trace, err, "%s/sriov_numvfs: %s does not set up %u functions", pf->fn->name,
			      driver->name, nr);
	err = vfs_add(pf, nr);
	if (err)
		driver->sriov_configure(pf, 0);
	return err;
}

/* In Linux's order. 1: there is nothing to do. */
static int numvfs_check_locked(struct machine_function *pf, unsigned nr)
{
	struct trace *trace = pf->m->trace;
	const char *name = pf->fn->name;

	if (nr == pf->nr_vfs)
		return 1;
	if (!pf->driver || pf->unbinding)
		return refuse(trace, -ENOENT, "%s/sriov_numvfs: no driver has the function", name);
	if (!pf->driver->type->sriov_configure)
		return refuse(trace, -ENOENT, "%s/sriov_numvfs: %s does not do SR-IOV", name, pf->driver->type->name);
	if (nr && pf->nr_vfs)
		return refuse(trace, -EBUSY, "%s/sriov_numvfs: %u functions are enabled, disable them before %u", name,
			      pf->nr_vfs, nr);
	return 0;
}

void function_busy_begin_locked(struct machine_function *mf)
{
	while (mf->busy) {
		mutex_unlock(&mf->m->lock);
		nap();
		mutex_lock(&mf->m->lock);
	}
	mf->busy = true;
}

static int numvfs_set(struct machine_function *pf, unsigned nr)
{
	struct machine *m = pf->m;
	const struct machine_driver_type *driver = NULL;
	int err;

	mutex_lock(&m->lock);
	function_busy_begin_locked(pf);
	err = numvfs_check_locked(pf, nr);
	if (!err)
		driver = pf->driver->type;
	mutex_unlock(&m->lock);
	if (driver)
		err = numvfs_change(pf, driver, nr);
	mutex_lock(&m->lock);
	if (!err)
		pf->nr_vfs = nr;
	pf->busy = false;
	mutex_unlock(&m->lock);
	return err == 1 ? 0 : err;
}

void sriov_release(struct machine_function *mf, const struct machine_driver_type *driver)
{
	struct machine *m = mf->m;

	mutex_lock(&m->lock);
	function_busy_begin_locked(mf);
	mutex_unlock(&m->lock);
	if (mf->nr_vfs)
		numvfs_change(mf, driver, 0);
	mutex_lock(&m->lock);
	mf->nr_vfs = 0;
	mf->busy = false;
	mutex_unlock(&m->lock);
}

/* An administrator who wants VFs of a function that vfio-pci has sets its parameter. */
static int set_at_boot(struct machine_function *pf, unsigned nr)
{
	if (!nr)
		return 0;
	pf->m->vfio_enable_sriov = true;
	return numvfs_set(pf, nr);
}

int sriov_set_at_boot(struct machine *m)
{
	int err = 0;

	for (size_t i = 0; i < m->rack->root.nr_functions && !err; i++) {
		struct machine_function *mf = &m->functions[i];
		const char *value = mf->fn->sriov ? rack_setting(m->rack, mf->fn, "enabled_vfs") : NULL;

		if (value)
			err = set_at_boot(mf, (unsigned)strtoul(value, NULL, 0));
	}
	return err;
}

/* --- sysfs --- */

static ssize_t sriov_totalvfs_show(void *priv, uint64_t offset, char *buf, size_t capacity)
{
	return snprintf(buf, capacity, "%u\n", pci_sriov_total(((struct machine_function *)priv)->fn));
}

static ssize_t sriov_numvfs_show(void *priv, uint64_t offset, char *buf, size_t capacity)
{
	struct machine_function *pf = priv;
	unsigned nr;

	mutex_lock(&pf->m->lock);
	nr = pf->nr_vfs;
	mutex_unlock(&pf->m->lock);
	return snprintf(buf, capacity, "%u\n", nr);
}

static ssize_t sriov_numvfs_store(void *priv, uint64_t offset, const char *buf, size_t len)
{
	struct machine_function *pf = priv;
	unsigned total = pci_sriov_total(pf->fn);
	unsigned long nr;
	int err;

	if (!sysfs_number(buf, &nr) || nr > UINT16_MAX)
		return -EINVAL;
	if (nr > total)
		return refuse(pf->m->trace, -ERANGE, "%s/sriov_numvfs: %lu of %u functions", pf->fn->name, nr, total);
	err = numvfs_set(pf, (unsigned)nr);
	return err ? err : (ssize_t)len;
}

static ssize_t sriov_offset_show(void *priv, uint64_t offset, char *buf, size_t capacity)
{
	return snprintf(buf, capacity, "%u\n", pci_sriov_offset(((struct machine_function *)priv)->fn));
}

static ssize_t sriov_stride_show(void *priv, uint64_t offset, char *buf, size_t capacity)
{
	return snprintf(buf, capacity, "%u\n", pci_sriov_stride(((struct machine_function *)priv)->fn));
}

static ssize_t sriov_vf_device_show(void *priv, uint64_t offset, char *buf, size_t capacity)
{
	const struct machine_function *pf = priv;

	return snprintf(buf, capacity, "%x\n", pci_device_id(pci_sriov_vf(pf->fn, 0)));
}

/* No driver here hands out vectors among its VFs. */
static ssize_t sriov_vf_total_msix_show(void *priv, uint64_t offset, char *buf, size_t capacity)
{
	return snprintf(buf, capacity, "0\n");
}

static ssize_t sriov_drivers_autoprobe_show(void *priv, uint64_t offset, char *buf, size_t capacity)
{
	struct machine_function *pf = priv;
	bool on;

	mutex_lock(&pf->m->lock);
	on = pf->vf_autoprobe;
	mutex_unlock(&pf->m->lock);
	return snprintf(buf, capacity, "%u\n", on);
}

static ssize_t sriov_drivers_autoprobe_store(void *priv, uint64_t offset, const char *buf, size_t len)
{
	struct machine_function *pf = priv;
	bool on;

	if (!sysfs_bool(buf, &on))
		return -EINVAL;
	mutex_lock(&pf->m->lock);
	pf->vf_autoprobe = on;
	mutex_unlock(&pf->m->lock);
	return (ssize_t)len;
}

static ssize_t sriov_vf_msix_count_store(void *priv, uint64_t offset, const char *buf, size_t len)
{
	const struct machine_function *vf = priv;
	unsigned long value;

	if (!sysfs_number(buf, &value) || value > INT32_MAX)
		return -EINVAL;
	return refuse(vf->m->trace, -EOPNOTSUPP, "%s/sriov_vf_msix_count: the PF's driver does not share vectors",
		      vf->fn->name);
}

static const struct {
	const char *name;
	mode_t mode;
	struct ns_attribute_ops ops;
} pf_attributes[] = {
	{"sriov_totalvfs", 0444, {sriov_totalvfs_show, NULL, 0}},
	{"sriov_numvfs", 0644, {sriov_numvfs_show, sriov_numvfs_store, 0}},
	{"sriov_offset", 0444, {sriov_offset_show, NULL, 0}},
	{"sriov_stride", 0444, {sriov_stride_show, NULL, 0}},
	{"sriov_vf_device", 0444, {sriov_vf_device_show, NULL, 0}},
	{"sriov_drivers_autoprobe", 0644, {sriov_drivers_autoprobe_show, sriov_drivers_autoprobe_store, 0}},
	{"sriov_vf_total_msix", 0444, {sriov_vf_total_msix_show, NULL, 0}},
};

int sysfs_add_sriov(struct machine_function *mf)
{
	static const struct ns_attribute_ops msix_count = {.store = sriov_vf_msix_count_store};
	struct ns *ns = mf->m->ns;

	if (mf->fn->physfn)
		return ns_attribute(ns, mf->dir, "sriov_vf_msix_count", 0200, &msix_count, mf) ? 0 : -ENOMEM;
	for (size_t i = 0; mf->fn->sriov && i < ARRAY_SIZE(pf_attributes); i++)
		if (!ns_attribute(ns, mf->dir, pf_attributes[i].name, pf_attributes[i].mode, &pf_attributes[i].ops, mf))
			return -ENOMEM;
	return 0;
}
