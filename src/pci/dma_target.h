/* SPDX-License-Identifier: BSD-3-Clause */
/* Where an address that a function puts on the bus leads. Private to pci/. */
#ifndef BARTER_PCI_DMA_TARGET_H
#define BARTER_PCI_DMA_TARGET_H

#include "pci/dma.h"

struct pinned;

struct dma_target {
	enum { DMA_TO_MEMORY, DMA_TO_PROTECTED, DMA_TO_REGISTERS, DMA_TO_HOLE } kind;
	uint64_t len; /* bytes from here on of the same kind, at most what was wanted */
	char *host;   /* MEMORY, PROTECTED */
	/* REGISTERS: alive as long as the function whose window it is. PROTECTED: the struct pinned's. */
	struct phys_region *region;
	uint64_t offset;		/* in the region */
	unsigned moves;			/* of a program's pages: see pinned_was_moved() */
	const char *rule;		/* why not, when the status is DMA_UNSUPPORTED; a literal */
	bool no_route;			/* DMA_UNSUPPORTED: by the topology, which the program can look up */
	struct pci_function *completer; /* DMA_UNSUPPORTED: who says so; NULL: the root complex */
};

/* Inside a section. prot: IOMMU_READ or IOMMU_WRITE. Records the fault when the IOMMU refuses. */
enum dma_status dma_resolve(struct dma_port *p, iova_t iova, uint64_t want, unsigned prot, struct dma_target *t);

#endif
