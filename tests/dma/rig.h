/* SPDX-License-Identifier: BSD-3-Clause */
/* The tree of tests/pci with an engine that can move bytes: card 0, whose DMA device is the driver's. */
#ifndef TESTS_DMA_RIG_H
#define TESTS_DMA_RIG_H

#include "pci/tree.h"

#include "dma/dma.h"
#include "pci/dma.h"

#define PAGE 4096ull
#define RW (IOMMU_READ | IOMMU_WRITE)

struct rig {
	struct tree *tree;
	struct pci_function *engine, *peer, *far; /* below the same switch; below the other root port */
	struct dma_device *device;
	struct dma_port port;
	uint32_t run;
};

void rig_init(struct rig *r, const struct tree_options *o, const struct dma_limits *limits);
void rig_fini(struct rig *r);
/* What the engine finds at, and what it does with, a DMA address. */
enum dma_status rig_read(struct rig *r, dma_addr_t addr, void *to, size_t len);
enum dma_status rig_write(struct rig *r, dma_addr_t addr, const void *from, size_t len);
static inline phys_t rig_bar(struct pci_function *fn)
{
	return fn->bars[2].base;
}
static inline char *rig_bar_host(struct pci_function *fn)
{
	return fn->bars[2].regions[0].host;
}

#endif
