/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * BARs: windows made of regions, and accesses to them.
 *
 * An access tests fn->decoding under the function lock, where config space changes it: after decoding was turned off no
 * access that saw it on is still under way. The MSI-X region is answered here, so a model never sees it.
 */
#include <stdlib.h>
#include <string.h>

#include "pci/pci_priv.h"

static uint64_t all_ones(unsigned len)
{
	return len == 8 ? UINT64_MAX : (1ull << (len * 8)) - 1;
}

static uint64_t load(const char *p, unsigned len)
{
	switch (len) {
	case 1:
		return *(const volatile uint8_t *)p;
	case 2:
		return *(const volatile uint16_t *)p;
	case 4:
		return *(const volatile uint32_t *)p;
	default:
		return *(const volatile uint64_t *)p;
	}
}

static void store(char *p, uint64_t value, unsigned len)
{
	switch (len) {
	case 1:
		__atomic_store_n((uint8_t *)p, (uint8_t)value, __ATOMIC_RELEASE);
		return;
	case 2:
		__atomic_store_n((uint16_t *)p, (uint16_t)value, __ATOMIC_RELEASE);
		return;
	case 4:
		__atomic_store_n((uint32_t *)p, (uint32_t)value, __ATOMIC_RELEASE);
		return;
	default:
		__atomic_store_n((uint64_t *)p, value, __ATOMIC_RELEASE);
	}
}

struct phys_region *pci_bar_region(const struct pci_bar *bar, uint64_t offset, uint64_t *region_offset)
{
	for (size_t i = 0; i < bar->nr_regions; i++) {
		if (offset < bar->regions[i].len) {
			*region_offset = offset;
			return &bar->regions[i];
		}
		offset -= bar->regions[i].len;
	}
	return NULL;
}

static uint64_t region_read_locked(struct pci_bar *bar, struct phys_region *r, uint64_t bar_offset,
				   uint64_t region_offset, unsigned len)
{
	struct pci_function *fn = bar->fn;

	mutex_assert_held(&fn->lock);
	if (!fn->decoding || r->kind == PHYS_HOLE)
		return all_ones(len);
	if (r->host)
		return load(r->host + region_offset, len);
	if (fn->ops && fn->ops->mmio_read)
		return fn->ops->mmio_read(fn->model, bar->index, bar_offset, len) & all_ones(len);
	return all_ones(len);
}

static void region_write_locked(struct pci_bar *bar, struct phys_region *r, uint64_t bar_offset, uint64_t region_offset,
				uint64_t value, unsigned len)
{
	struct pci_function *fn = bar->fn;

	mutex_assert_held(&fn->lock);
	if (!fn->decoding || r->kind == PHYS_HOLE)
		return;
	value &= all_ones(len);
	if (r->kind == PHYS_DEVICE)
		store(r->host + region_offset, value, len);
	else if (r == fn->irq->msix_region)
		irq_msix_write_locked(fn, region_offset, value, len);
	else if (fn->ops && fn->ops->mmio_write)
		fn->ops->mmio_write(fn->model, bar->index, bar_offset, value, len);
}

static uint64_t register_read(struct phys_region *r, uint64_t offset, unsigned len)
{
	struct pci_bar *bar = r->owner;
	uint64_t value;

	mutex_lock(&bar->fn->lock);
	value = region_read_locked(bar, r, r->base - bar->base + offset, offset, len);
	mutex_unlock(&bar->fn->lock);
	return value;
}

static void register_write(struct phys_region *r, uint64_t offset, uint64_t value, unsigned len)
{
	struct pci_bar *bar = r->owner;

	mutex_lock(&bar->fn->lock);
	region_write_locked(bar, r, r->base - bar->base + offset, offset, value, len);
	function_unlock(bar->fn);
}

static const struct phys_register_ops register_ops = {.read = register_read, .write = register_write};

static bool access_is_valid(uint64_t offset, unsigned len)
{
	return (len == 1 || len == 2 || len == 4 || len == 8) && is_aligned(offset, len);
}

uint64_t pci_mmio_read(struct pci_function *fn, unsigned bar, uint64_t offset, unsigned len)
{
	uint64_t region_offset, value = UINT64_MAX;
	struct phys_region *r;

	if (bar >= PCI_NR_BARS || !access_is_valid(offset, len))
		return value;
	mutex_lock(&fn->lock);
	r = pci_bar_region(&fn->bars[bar], offset, &region_offset);
	value = r ? region_read_locked(&fn->bars[bar], r, offset, region_offset, len) : all_ones(len);
	mutex_unlock(&fn->lock);
	return value;
}

void pci_mmio_write(struct pci_function *fn, unsigned bar, uint64_t offset, uint64_t value, unsigned len)
{
	struct phys_region *r;
	uint64_t region_offset;

	if (bar >= PCI_NR_BARS || !access_is_valid(offset, len))
		return;
	mutex_lock(&fn->lock);
	r = pci_bar_region(&fn->bars[bar], offset, &region_offset);
	if (r)
		region_write_locked(&fn->bars[bar], r, offset, region_offset, value, len);
	function_unlock(fn);
}

static int region_build(struct pci_bar *bar, struct phys_region *r, const struct pci_region *d)
{
	static const enum phys_kind kinds[] = {
		[PCI_REGION_MEMORY] = PHYS_DEVICE,
		[PCI_REGION_REGISTERS] = PHYS_REGISTERS,
		[PCI_REGION_REGISTERS_NO_MMAP] = PHYS_REGISTERS,
		[PCI_REGION_MSIX] = PHYS_REGISTERS,
		[PCI_REGION_HOLE] = PHYS_HOLE,
	};
	struct pci_memory *memory = bar->fn->root->memory;
	char *host = NULL;
	int err;

	phys_region_init(r, kinds[d->kind], d->len);
	r->fd = -1;
	r->owner = bar;
	if (r->kind == PHYS_REGISTERS)
		r->ops = &register_ops;
	if (d->kind == PCI_REGION_REGISTERS_NO_MMAP || d->kind == PCI_REGION_HOLE)
		return 0;
	err = pci_memory_alloc(memory, d->len, &r->fd_offset, &host);
	if (err) {
		phys_region_fini(r);
		return err;
	}
	r->fd = pci_memory_fd(memory);
	r->host = host;
	return 0;
}

static void region_fini(struct pci_bar *bar, struct phys_region *r)
{
	if (r->host && !bar->shows)
		pci_memory_free(bar->fn->root->memory, r->len, r->host);
	phys_region_fini(r);
}

static int bar_check(const struct pci_function *fn, unsigned bar, unsigned flags, uint64_t size)
{
	unsigned last = bar + ((flags & PCI_BAR_64BIT) ? 1 : 0);

	if (last >= PCI_NR_BARS || fn->bars[bar].size || fn->bars[last].size || !size)
		return -EINVAL;
	if (bar && fn->bars[bar - 1].size && fn->bars[bar - 1].is_64bit)
		return -EINVAL;
	if (size < BARTER_PAGE_SIZE || !is_aligned(size, size) || (!(flags & PCI_BAR_64BIT) && size > 1ull << 31))
		return -EINVAL;
	return 0;
}

/* 0: not what a BAR can be made of. */
static uint64_t regions_size(const struct pci_region *regions, size_t nr)
{
	uint64_t size = 0;

	for (size_t i = 0; i < nr; i++) {
		if (!regions[i].len || !is_aligned(regions[i].len, BARTER_PAGE_SIZE) ||
		    regions[i].len > (1ull << 62) - size)
			return 0;
		size += regions[i].len;
	}
	return size;
}

void bar_build_register(struct pci_function *fn, unsigned offset, const struct pci_bar *bar)
{
	uint32_t low = (bar->is_64bit ? PCI_BASE_ADDRESS_MEM_TYPE_64 : 0) |
		       (bar->prefetchable ? PCI_BASE_ADDRESS_MEM_PREFETCH : 0);
	uint64_t mask = ~(bar->size - 1);

	pci_config_set(fn, offset, low, 4);
	for (unsigned i = 0; i < (bar->is_64bit ? 8 : 4); i++)
		fn->write_mask[offset + i] = (uint8_t)(mask >> (i * 8));
}

/* VFs have no registers of their own: the first one's BARs make those of the PF's capability. */
static void bar_publish(struct pci_function *fn, struct pci_bar *bar, unsigned flags, uint64_t size)
{
	bar->size = size;
	bar->is_64bit = flags & PCI_BAR_64BIT;
	bar->prefetchable = flags & PCI_BAR_PREFETCHABLE;
	if (!fn->physfn)
		bar_build_register(fn, PCI_BASE_ADDRESS_0 + bar->index * 4, bar);
	else if (fn->vf_index == 0)
		bar_build_register(fn->physfn, fn->physfn->cap_sriov + PCI_SRIOV_BAR + bar->index * 4, bar);
}

int pci_build_bar(struct pci_function *fn, unsigned index, unsigned flags, const struct pci_region *regions, size_t nr)
{
	struct pci_bar *bar = &fn->bars[index < PCI_NR_BARS ? index : 0];
	uint64_t size = regions_size(regions, nr);
	int err;

	err = bar_check(fn, index, flags, size);
	if (err)
		return err;
	bar->regions = calloc(nr, sizeof(*bar->regions));
	if (!bar->regions)
		return -ENOMEM;
	for (; bar->nr_regions < nr; bar->nr_regions++) {
		err = region_build(bar, &bar->regions[bar->nr_regions], &regions[bar->nr_regions]);
		if (err)
			return err;
	}
	bar_publish(fn, bar, flags, size);
	return 0;
}

int pci_build_window(struct pci_function *vf, unsigned index, unsigned flags, uint64_t size, unsigned pf_bar)
{
	const struct pci_bar *shows = vf->physfn && pf_bar < PCI_NR_BARS ? &vf->physfn->bars[pf_bar] : NULL;
	struct pci_bar *bar = &vf->bars[index < PCI_NR_BARS ? index : 0];
	int err = bar_check(vf, index, flags, size);

	if (err || !shows || !shows->size)
		return -EINVAL;
	bar->regions = calloc(PCI_MAX_FRAGMENTS + 1, sizeof(*bar->regions));
	if (!bar->regions)
		return -ENOMEM;
	for (unsigned i = 0; i <= PCI_MAX_FRAGMENTS; i++) {
		phys_region_init(&bar->regions[i], PHYS_HOLE, size);
		bar->regions[i].owner = bar;
	}
	bar->nr_regions = 1;
	bar->shows = shows;
	bar_publish(vf, bar, flags, size);
	return 0;
}

void bar_fini(struct pci_bar *bar)
{
	size_t nr = bar->shows ? PCI_MAX_FRAGMENTS + 1 : bar->nr_regions;

	for (size_t i = 0; i < nr; i++) {
		if (bar->base && i < bar->nr_regions)
			phys_remove(bar->fn->root->space, &bar->regions[i]);
		region_fini(bar, &bar->regions[i]);
	}
	free(bar->regions);
	bar->regions = NULL;
	bar->nr_regions = 0;
}
