/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The DMA API for drivers inside barter: a function's own domain, the addresses in it, and memory that both sides see.
 * What dma_map_phys() and dma_alloc_coherent() are to a driver in Linux.
 *
 * A DMA address is what the function is to put on the bus: an IOVA of its domain, or for a peer below the same switch
 * the peer's bus address, which never reaches the IOMMU (SPEC S6).
 *
 * Who may include this: dma/, dmabuf/, drm/, tests.
 */
#ifndef BARTER_DMA_DMA_H
#define BARTER_DMA_DMA_H

#include "base/lock.h"
#include "memory/system_memory.h"
#include "pci/function.h"

struct dma_device;

typedef uint64_t dma_addr_t;

/* What a driver can address and how its lists may be cut. */
struct dma_limits {
	uint64_t mask;	      /* highest address; 0: 64 bits */
	uint64_t max_segment; /* longest entry of a scatterlist; 0: 4 GiB less a page */
};

/* Gives fn a domain of its own and attaches it. -EBUSY: it has one. */
int dma_device_create(struct pci_function *fn, const struct dma_limits *limits, struct dma_device **out);
/* Everything is unmapped. Detaches, unless that was done; drains. */
void dma_device_destroy(struct dma_device *d);
/*
 * The function does no DMA through it any more, and may be another driver's: what is still mapped can be unmapped
 * later. Drains.
 */
void dma_device_detach(struct dma_device *d);
struct pci_function *dma_device_function(const struct dma_device *d);
const struct dma_limits *dma_device_limits(const struct dma_device *d);

/*
 * Makes [pa, pa + len) reachable. provider: whose memory it is, NULL: system memory. prot: IOMMU_READ | IOMMU_WRITE.
 * By pci_route(): system memory and peers behind the host bridge get an IOVA, peers below a common switch their bus
 * address. -EREMOTEIO: the topology does not route it (refused with the rule). -ENOMEM, -ENOSPC. May be called under a
 * reservation lock. A driver that maps several ranges as one passes them as a list: contiguous in the IOVA space.
 */
int dma_map_phys(struct dma_device *d, const struct phys_range *ranges, size_t nr, struct pci_function *provider,
		 unsigned prot, dma_addr_t *addr);
/*
 * Unreachable for sections that open from now on; no drain, so that a revoke drains once for all. The address may be
 * handed out again only after a drain: dma_unmap_drain() does that for a driver on its own.
 */
void dma_unmap(struct dma_device *d, dma_addr_t addr, uint64_t len);
void dma_unmap_drain(struct dma_device *d, dma_addr_t addr, uint64_t len);

/* Memory for rings and write-backs. */
struct dma_coherent {
	struct system_memory *memory;
	void *cpu;
	dma_addr_t addr;
	uint64_t len;
};
int dma_alloc_coherent(struct dma_device *d, uint64_t len, struct dma_coherent *out);
void dma_free_coherent(struct dma_device *d, struct dma_coherent *c);

#endif
