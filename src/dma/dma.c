/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A driver's view of its function's IO address space. System memory and peers behind the host bridge are mapped into a
 * domain of the function's own; a peer below a common switch is reached at its bus address and is not mapped at all.
 *
 * Addresses that a switch on the way or the root complex would not hand to the IOMMU are never given out: the windows
 * of bridges, BARs on the root bus, and where interrupt messages go.
 */
#include "dma/dma.h"

#include <linux/pci_regs.h>
#include <stdlib.h>

#include "base/trace.h"
#include "dma/dma_priv.h"
#include "pci/topology.h"

/* Linux's lists have 32 bits for a length. */
#define MAX_SEGMENT (UINT32_MAX & ~BARTER_PAGE_MASK)
/* Low addresses are what bugs look like. */
#define FIRST_IOVA 0x10000ull

struct dma_device {
	struct pci_function *fn;
	struct dma_limits limits;
	struct iommu_domain *domain;
	struct iova_space iovas;
	bool attached; /* its owner's */
};

static int window_reserve(struct iova_space *s, uint64_t start, uint64_t last)
{
	start = MAX(start, s->first);
	last = MIN(last, s->last);
	return start > last ? 0 : iova_reserve(s, start, last);
}

static int bridge_reserve(struct iova_space *s, struct pci_function *fn)
{
	uint64_t base = (uint64_t)(pci_config_read(fn, PCI_MEMORY_BASE, 2) & 0xfff0) << 16;
	uint64_t limit = (uint64_t)(pci_config_read(fn, PCI_MEMORY_LIMIT, 2) & 0xfff0) << 16 | 0xfffff;
	int err = base && base < limit ? window_reserve(s, base, limit) : 0;

	base = (uint64_t)(pci_config_read(fn, PCI_PREF_MEMORY_BASE, 2) & 0xfff0) << 16 |
	       (uint64_t)pci_config_read(fn, PCI_PREF_BASE_UPPER32, 4) << 32;
	limit = (uint64_t)(pci_config_read(fn, PCI_PREF_MEMORY_LIMIT, 2) & 0xfff0) << 16 | 0xfffff |
		(uint64_t)pci_config_read(fn, PCI_PREF_LIMIT_UPPER32, 4) << 32;
	return !err && base && base < limit ? window_reserve(s, base, limit) : err;
}

/* What is below a bridge lies in its windows, so the root bus is all there is to look at. */
static int root_bus_reserve(struct iova_space *s, struct pci_root *root)
{
	struct pci_function *fn;
	int err = 0;

	list_for_each (fn, &root->bus0, sibling) {
		for (unsigned i = 0; i < PCI_NR_BARS && !err; i++)
			if (fn->bars[i].size && !fn->bars[i].is_io)
				err = window_reserve(s, fn->bars[i].base, fn->bars[i].base + fn->bars[i].size - 1);
		if (fn->is_bridge && fn != root->host_bridge && !err)
			err = bridge_reserve(s, fn);
		if (err)
			return err;
	}
	return 0;
}

static int addresses_init(struct dma_device *d, const struct iommu_geometry *g)
{
	struct iova_space *s = &d->iovas;
	int err = 0;

	iova_space_init(s, phys_sections(d->fn->root->space), MAX(g->aperture_start, FIRST_IOVA),
			MIN(g->aperture_last, d->limits.mask));
	if (g->msi_last)
		err = window_reserve(s, g->msi_start, g->msi_last);
	if (!err)
		err = root_bus_reserve(s, d->fn->root);
	if (err)
		iova_space_fini(s);
	return err;
}

int dma_device_create(struct pci_function *fn, const struct dma_limits *limits, struct dma_device **out)
{
	struct dma_device *d;
	int err = -ENOMEM;

	if (atomic_load(&fn->iommu.domain))
		return refuse(fn->root->trace, -EBUSY, "DMA: %s has an IO address space already", fn->name);
	d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	d->fn = fn;
	d->limits.mask = limits->mask ? limits->mask : UINT64_MAX;
	d->limits.max_segment = limits->max_segment ? MIN(limits->max_segment, MAX_SEGMENT) : MAX_SEGMENT;
	d->limits.max_segment = MAX(align_down(d->limits.max_segment, BARTER_PAGE_SIZE), BARTER_PAGE_SIZE);
	d->domain = iommu_domain_create(fn->iommu.unit);
	if (!d->domain)
		goto undo_device;
	err = addresses_init(d, iommu_unit_geometry(fn->iommu.unit));
	if (err)
		goto undo_domain;
	iommu_attach(&fn->iommu, d->domain);
	d->attached = true;
	*out = d;
	return 0;

undo_domain:
	iommu_domain_destroy(d->domain);
undo_device:
	free(d);
	return err;
}

void dma_device_detach(struct dma_device *d)
{
	if (d->attached)
		iommu_attach(&d->fn->iommu, NULL);
	d->attached = false;
}

void dma_device_destroy(struct dma_device *d)
{
	dma_device_detach(d);
	iova_space_fini(&d->iovas);
	iommu_domain_destroy(d->domain);
	free(d);
}

struct pci_function *dma_device_function(const struct dma_device *d)
{
	return d->fn;
}

const struct dma_limits *dma_device_limits(const struct dma_device *d)
{
	return &d->limits;
}

/* Pages that can share a large leaf should: the address then has the alignment that the memory has. */
static uint64_t leaf_align(uint64_t len)
{
	for (unsigned shift = 30; shift > BARTER_PAGE_SHIFT; shift -= 9)
		if (len >= 1ull << shift)
			return 1ull << shift;
	return BARTER_PAGE_SIZE;
}

static int map_through_iommu(struct dma_device *d, const struct phys_range *ranges, uint64_t len, unsigned prot,
			     dma_addr_t *addr)
{
	uint64_t align = leaf_align(ranges[0].len);
	iova_t iova;
	int err = iova_take(&d->iovas, len, align, ranges[0].pa & (align - 1), &iova);

	if (err)
		return refuse(d->fn->root->trace, err, "DMA: no room for 0x%llx bytes among the addresses of %s",
			      (unsigned long long)len, d->fn->name);
	err = iommu_map_ranges(d->domain, iova, ranges, 0, len, prot);
	if (err) {
		iova_rest(&d->iovas, iova);
		return err;
	}
	*addr = iova;
	return 0;
}

/* Nothing to map: the switch knows the way. The ranges must be one run, for there is no table that could join them. */
static int map_direct(const struct dma_device *d, const struct phys_range *ranges, size_t nr, uint64_t len,
		      dma_addr_t *addr)
{
	for (size_t i = 1; i < nr; i++)
		if (ranges[i].pa != ranges[i - 1].pa + ranges[i - 1].len)
			return refuse(d->fn->root->trace, -EINVAL,
				      "DMA: %zu ranges of a peer below the same switch as %s are not one", nr,
				      d->fn->name);
	if (ranges[0].pa + len - 1 > d->limits.mask)
		return refuse(d->fn->root->trace, -EREMOTEIO, "DMA: %s cannot put 0x%llx on the bus", d->fn->name,
			      (unsigned long long)(ranges[0].pa + len - 1));
	*addr = ranges[0].pa;
	return 0;
}

int dma_map_phys(struct dma_device *d, const struct phys_range *ranges, size_t nr, struct pci_function *provider,
		 unsigned prot, dma_addr_t *addr)
{
	struct pci_route route = {.kind = PCI_ROUTE_HOST_BRIDGE};
	uint64_t len = 0, bits = 0;

	for (size_t i = 0; i < nr; i++) {
		bits |= ranges[i].pa | ranges[i].len;
		len += ranges[i].len;
	}
	if (!len || !is_aligned(bits, BARTER_PAGE_SIZE))
		return refuse(d->fn->root->trace, -EINVAL, "DMA: %zu ranges of 0x%llx bytes for %s are not pages", nr,
			      (unsigned long long)len, d->fn->name);
	if (provider)
		route = pci_route(d->fn, provider);
	if (route.kind == PCI_ROUTE_NONE)
		return refuse(d->fn->root->trace, -EREMOTEIO, "DMA: %s does not reach %s: %s", d->fn->name,
			      provider->name, route.rule);
	if (route.kind == PCI_ROUTE_BUS_ADDRESS)
		return map_direct(d, ranges, nr, len, addr);
	return map_through_iommu(d, ranges, len, provider ? prot | IOMMU_MMIO : prot, addr);
}

void dma_unmap(struct dma_device *d, dma_addr_t addr, uint64_t len)
{
	/* A bus address was never mapped. */
	if (!iova_is_taken(&d->iovas, addr, len))
		return;
	iommu_unmap(d->domain, addr, len);
	iova_rest(&d->iovas, addr);
}

void dma_unmap_drain(struct dma_device *d, dma_addr_t addr, uint64_t len)
{
	dma_unmap(d, addr, len);
	section_drain(d->iovas.sections);
}

int dma_alloc_coherent(struct dma_device *d, uint64_t len, struct dma_coherent *out)
{
	struct dma_coherent c = {.len = align_up(len, BARTER_PAGE_SIZE)};
	struct phys_range range;
	int err = system_memory_create(d->fn->root->space, c.len, &c.memory);

	if (err)
		return err;
	range = (struct phys_range){c.memory->region.base, c.len};
	err = dma_map_phys(d, &range, 1, NULL, IOMMU_READ | IOMMU_WRITE, &c.addr);
	if (err) {
		system_memory_destroy(c.memory);
		return err;
	}
	c.cpu = atomic_load_explicit(&c.memory->region.host, memory_order_relaxed);
	*out = c;
	return 0;
}

void dma_free_coherent(struct dma_device *d, struct dma_coherent *c)
{
	dma_unmap_drain(d, c->addr, c->len);
	system_memory_destroy(c->memory);
	c->memory = NULL;
}
