/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * config, resource and resource0..5. Config space is the hardware's, unfiltered: a write has its effects at once, under
 * a driver's feet if there is one, as on Linux.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "machine/machine_priv.h"

/* Linux's IORESOURCE_*; the low four bits are those of the BAR. */
enum {
	RESOURCE_IO = 0x100,
	RESOURCE_MEM = 0x200,
	RESOURCE_PREFETCH = 0x2000,
	RESOURCE_SIZEALIGN = 0x40000,
	RESOURCE_MEM_64 = 0x100000,
};

/* The widest access that offset and length allow, as the kernel cuts it. */
static unsigned access_length(uint64_t offset, size_t left)
{
	if (offset & 1 || left < 2)
		return 1;
	return offset & 2 || left < 4 ? 2 : 4;
}

static ssize_t config_show(void *priv, uint64_t offset, char *buf, size_t capacity)
{
	struct machine_function *mf = priv;
	size_t size = mf->fn->config_size, done = 0;

	if (offset >= size)
		return 0;
	for (capacity = MIN(capacity, size - offset); done < capacity;) {
		unsigned len = access_length(offset + done, capacity - done);
		uint32_t value = pci_config_read(mf->fn, (unsigned)(offset + done), len);

		memcpy(buf + done, &value, len);
		done += len;
	}
	return (ssize_t)done;
}

static ssize_t config_store(void *priv, uint64_t offset, const char *buf, size_t count)
{
	struct machine_function *mf = priv;
	size_t size = mf->fn->config_size, done = 0;

	if (offset >= size)
		return 0;
	for (count = MIN(count, size - offset); done < count;) {
		unsigned len = access_length(offset + done, count - done);
		uint32_t value = 0;

		memcpy(&value, buf + done, len);
		pci_config_write(mf->fn, (unsigned)(offset + done), value, len);
		done += len;
	}
	return (ssize_t)done;
}

int sysfs_add_config(struct machine_function *mf)
{
	static const struct ns_attribute_ops conventional = {config_show, config_store, PCI_CONFIG_SIZE};
	static const struct ns_attribute_ops express = {config_show, config_store, PCIE_CONFIG_SIZE};
	const struct ns_attribute_ops *ops = mf->fn->config_size == PCIE_CONFIG_SIZE ? &express : &conventional;

	return ns_attribute(mf->m->ns, mf->dir, "config", 0644, ops, mf) ? 0 : -ENOMEM;
}

struct resource {
	uint64_t start, last, flags;
};

static struct resource bar_resource(const struct pci_bar *bar)
{
	uint64_t flags = RESOURCE_MEM | RESOURCE_SIZEALIGN;

	if (!bar->size)
		return (struct resource){0};
	if (bar->prefetchable)
		flags |= RESOURCE_PREFETCH | PCI_BASE_ADDRESS_MEM_PREFETCH;
	if (bar->is_64bit)
		flags |= RESOURCE_MEM_64 | PCI_BASE_ADDRESS_MEM_TYPE_64;
	return (struct resource){bar->base, bar->base + bar->size - 1, flags};
}

/* The same BAR of all VFs, side by side; whether or not they are enabled. */
static struct resource vf_resource(const struct pci_function *pf, unsigned index)
{
	const struct pci_bar *first = pf->sriov ? &pci_sriov_vf(pf, 0)->bars[index] : NULL;
	struct resource r = {0};

	if (!first || !first->size)
		return r;
	r = bar_resource(first);
	r.last = r.start + first->size * pci_sriov_total(pf) - 1;
	return r;
}

/* Index 0: I/O, 1: memory, 2: prefetchable memory. A window that is shut has its base above its limit. */
static struct resource bridge_window(struct pci_function *fn, unsigned index)
{
	struct resource r = {0};

	if (index == 1) {
		r.start = (uint64_t)(pci_config_read(fn, PCI_MEMORY_BASE, 2) & 0xfff0) << 16;
		r.last = (uint64_t)(pci_config_read(fn, PCI_MEMORY_LIMIT, 2) & 0xfff0) << 16 | 0xfffff;
		r.flags = RESOURCE_MEM;
	} else if (index == 2) {
		r.start = (uint64_t)pci_config_read(fn, PCI_PREF_BASE_UPPER32, 4) << 32 |
			  (uint64_t)(pci_config_read(fn, PCI_PREF_MEMORY_BASE, 2) & 0xfff0) << 16;
		r.last = (uint64_t)pci_config_read(fn, PCI_PREF_LIMIT_UPPER32, 4) << 32 |
			 (uint64_t)(pci_config_read(fn, PCI_PREF_MEMORY_LIMIT, 2) & 0xfff0) << 16 | 0xfffff;
		r.flags = RESOURCE_MEM | RESOURCE_PREFETCH | RESOURCE_MEM_64 | PCI_PREF_RANGE_TYPE_64;
	}
	return r.start < r.last ? r : (struct resource){0};
}

/* Six BARs, the ROM, six of virtual functions, and for a bridge four windows. */
static ssize_t resource_show(void *priv, uint64_t offset, char *buf, size_t capacity)
{
	struct machine_function *mf = priv;
	unsigned nr = mf->fn->is_bridge ? 17 : 13;
	size_t used = 0;

	for (unsigned i = 0; i < nr; i++) {
		struct resource r = {0};

		if (i < PCI_NR_BARS)
			r = bar_resource(&mf->fn->bars[i]);
		else if (i > PCI_NR_BARS && i < 13)
			r = vf_resource(mf->fn, i - PCI_NR_BARS - 1);
		else if (i >= 13)
			r = bridge_window(mf->fn, i - 13);
		used += snprintf(buf + used, capacity - used, "0x%016" PRIx64 " 0x%016" PRIx64 " 0x%016" PRIx64 "\n",
				 r.start, r.last, r.flags);
	}
	return (ssize_t)used;
}

static int add_bar(struct machine_function *mf, unsigned index)
{
	const struct pci_bar *bar = &mf->fn->bars[index];
	char name[24];

	snprintf(name, sizeof(name), "resource%u", index);
	mf->resources[index].binary_size = bar->size;
	if (!ns_attribute(mf->m->ns, mf->dir, name, 0600, &mf->resources[index], mf))
		return -ENOMEM;
	if (!bar->prefetchable)
		return 0;
	snprintf(name, sizeof(name), "resource%u_wc", index);
	return ns_attribute(mf->m->ns, mf->dir, name, 0600, &mf->resources[index], mf) ? 0 : -ENOMEM;
}

int sysfs_add_resources(struct machine_function *mf)
{
	static const struct ns_attribute_ops resource = {.show = resource_show};
	int err = 0;

	if (!ns_attribute(mf->m->ns, mf->dir, "resource", 0444, &resource, mf))
		return -ENOMEM;
	for (unsigned i = 0; i < PCI_NR_BARS && !err; i++)
		if (mf->fn->bars[i].size)
			err = add_bar(mf, i);
	return err;
}
