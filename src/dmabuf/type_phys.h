/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The physical address list: ranges of the physical address space and whose memory they are. For importers that program
 * an IOMMU or page tables themselves: an IOAS, CPU mappings, a virtual machine's memory slots.
 *
 * Who may include this: dmabuf/, exporters and importers.
 */
#ifndef BARTER_DMABUF_TYPE_PHYS_H
#define BARTER_DMABUF_TYPE_PHYS_H

#include "dmabuf/mapping_type.h"
#include "memory/phys.h"

struct pci_function;

extern const struct dma_buf_mapping_type dma_buf_type_phys;

/* Owned by the exporter, stable until invalidate or unmap. */
struct dma_buf_phys_list {
	const struct phys_range *ranges;
	size_t nr_ranges;
	struct pci_function *provider; /* whose memory it is; NULL: system memory */
};

/* An offer of this type: {.type = &dma_buf_type_phys, .ops = &these}. An acceptance needs nothing but the type. */
struct dma_buf_phys_ops {
	/* resv held. */
	int (*map)(struct dma_buf_attachment *a, const struct dma_buf_phys_list **list);
	void (*unmap)(struct dma_buf_attachment *a, const struct dma_buf_phys_list *list); /* may be NULL */
};

/* resv held. Ended by dma_buf_unmap_locked(). */
int dma_buf_phys_map_locked(struct dma_buf_attachment *a, const struct dma_buf_phys_list **list);

#endif
