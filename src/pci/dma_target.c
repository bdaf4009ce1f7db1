/* SPDX-License-Identifier: BSD-3-Clause */
#include "pci/dma_target.h"

#include "memory/pinned.h"
#include "pci/topology.h"

/* A window belongs to a BAR; pages and system memory do not. */
static struct pci_function *region_function(const struct phys_region *r)
{
	const struct pci_bar *bar = r->owner;
	return bar->fn;
}

static enum dma_status unsupported(struct dma_target *t, const char *rule, struct pci_function *completer)
{
	t->rule = rule;
	t->no_route = false;
	t->completer = completer;
	return DMA_UNSUPPORTED;
}

static enum dma_status target_pages(struct phys_region *r, uint64_t offset, uint64_t want, struct dma_target *t)
{
	struct pinned *p = r->owner;
	uint64_t run;
	bool protected_;

	t->moves = atomic_load_explicit(&p->moves, memory_order_acquire);
	t->host = pinned_host(p, offset, &run, &protected_);
	t->kind = protected_ ? DMA_TO_PROTECTED : DMA_TO_MEMORY;
	t->region = r;
	t->len = MIN(run, want);
	return DMA_OK;
}

/* Nobody's gate stands before it, and every function reaches it through the root complex. */
static enum dma_status target_system(struct phys_region *r, uint64_t offset, uint64_t want, struct dma_target *t)
{
	t->kind = DMA_TO_MEMORY;
	t->host = atomic_load_explicit(&r->host, memory_order_relaxed) + offset;
	t->region = r;
	t->offset = offset;
	t->len = MIN(r->len - offset, want);
	return DMA_OK;
}

/* The gate is looked at inside the section: who shuts it drains before it relies on that. */
static enum dma_status target_window(struct phys_region *r, uint64_t offset, uint64_t want, struct dma_target *t)
{
	static const int kinds[] = {
		[PHYS_DEVICE] = DMA_TO_MEMORY, [PHYS_REGISTERS] = DMA_TO_REGISTERS, [PHYS_HOLE] = DMA_TO_HOLE};

	if (!pci_gate_is_open(&region_function(r)->gate))
		return unsupported(t, "the target's memory is not accessible now", region_function(r));
	t->kind = kinds[r->kind];
	t->host = r->kind == PHYS_DEVICE ? atomic_load_explicit(&r->host, memory_order_relaxed) + offset : NULL;
	t->region = r;
	t->offset = offset;
	t->len = MIN(r->len - offset, want);
	return DMA_OK;
}

/* The window that a switch below the root complex would send an untranslated request to; NULL: it goes upstream. */
static struct phys_region *peer_window(const struct pci_function *fn, iova_t iova)
{
	struct phys_region *r = iova < PHYS_PAGES_BASE ? phys_find(fn->root->space, iova) : NULL;

	if (!r || pci_route(fn, region_function(r)).kind != PCI_ROUTE_BUS_ADDRESS)
		return NULL;
	return r;
}

enum dma_status dma_resolve(struct dma_port *p, iova_t iova, uint64_t want, unsigned prot, struct dma_target *t)
{
	struct pci_function *fn = p->fn;
	struct phys_region *r = peer_window(fn, iova);
	struct iommu_leaf leaf;

	if (r)
		return target_window(r, iova - r->base, want, t);
	if (iommu_translate(&fn->iommu, p->iotlb, iova, want, prot, &leaf))
		return DMA_FAULT;
	r = phys_find(fn->root->space, leaf.pa);
	if (!r)
		return unsupported(t, "nothing is at that physical address", NULL);
	if (r->kind == PHYS_PAGES)
		return target_pages(r, leaf.pa - r->base, leaf.run_len, t);
	if (r->kind == PHYS_SYSTEM)
		return target_system(r, leaf.pa - r->base, leaf.run_len, t);

	struct pci_route route = pci_route(fn, region_function(r));
	if (route.kind == PCI_ROUTE_NONE) {
		unsupported(t, route.rule, NULL);
		t->no_route = true;
		return DMA_UNSUPPORTED;
	}
	return target_window(r, leaf.pa - r->base, leaf.run_len, t);
}
