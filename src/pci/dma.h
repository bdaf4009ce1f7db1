/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DMA by a function: requester -> peer route -> translation -> physical range -> bytes. The one way that data moves.
 *
 * A port belongs to one thread of a model at a time. Each call moves as much as it can and tells how much: a failure is
 * exact to the byte count `done`. Data moves in sections of at most SECTION_MAX_BYTES.
 *
 * Who may include this: pci/, device/ (the SDK), tests and the bench.
 */
#ifndef BARTER_PCI_DMA_H
#define BARTER_PCI_DMA_H

#include "memory/copy.h"
#include "memory/section.h"
#include "pci/function.h"

enum dma_status {
	DMA_OK,
	DMA_FAULT,	 /* the IOMMU refused: completer abort; recorded as a fault */
	DMA_UNSUPPORTED, /* nobody claims the address, the route is not supported, the target's gate is shut */
	DMA_NO_MASTER,	 /* bus mastering is off */
	DMA_CANCELLED,	 /* dma_port_cancel() came in between */
};

struct dma_port {
	struct pci_function *fn;
	struct section_port section;
	struct iotlb *iotlb;
	_Atomic uint32_t generation; /* dma_port_cancel() adds one */
	/* The port's thread only. */
	bool failed_write; /* which side of the last failed dma_copy() it was */
	struct copy_history history;
};

int dma_port_init(struct dma_port *p, struct pci_function *fn);
void dma_port_fini(struct dma_port *p);

/* What runs started before this moves no further byte once the caller has drained. Any thread, any lock. */
void dma_port_cancel(struct dma_port *p);
static inline uint32_t dma_port_generation(const struct dma_port *p)
{
	return p->generation;
}

/*
 * run: the generation when the work was started. done may be NULL. Targets may be program memory, device memory or
 * registers of a peer; dma_write() of 4 or 8 aligned bytes is one store with release order (completion write-back,
 * doorbell).
 */
enum dma_status dma_read(struct dma_port *p, uint32_t run, iova_t src, void *dst, size_t len, size_t *done);
enum dma_status dma_write(struct dma_port *p, uint32_t run, iova_t dst, const void *src, size_t len, size_t *done);
/*
 * Forward copy in chunks; uses streaming stores for lengths that would wash out the caches. On failure
 * p->failed_write says whether the target (true) or the source refused.
 */
enum dma_status dma_copy(struct dma_port *p, uint32_t run, iova_t dst, iova_t src, size_t len, size_t *done);

const char *dma_status_name(enum dma_status s);

#endif
