/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The IOV type: an SR-IOV virtual function's BAR is a window into memory of its physical function, so between the two a
 * buffer need not travel as bus addresses. It is told as ranges inside the VF's BAR; the PF's driver knows what lies
 * behind that window and translates them itself. Nothing goes over PCIe.
 *
 * Exporter: who owns the VF (VFIO). Importer: the PF's driver. They suit each other when the VF is one of the PF's and
 * both speak of the same BAR. That the ranges lie in the VF's own part is the importer's to check: it alone knows.
 *
 * Who may include this: dmabuf/, vfio/, drm/, tests.
 */
#ifndef BARTER_DMABUF_TYPE_IOV_H
#define BARTER_DMABUF_TYPE_IOV_H

#include "dmabuf/mapping_type.h"

struct pci_function;

extern const struct dma_buf_mapping_type dma_buf_type_iov;

/* Match data of the exporter. */
struct dma_buf_iov_exporter {
	struct pci_function *vf, *pf;
	unsigned bar;
};

/* Match data of the importer. */
struct dma_buf_iov_importer {
	struct pci_function *pf;
	unsigned bar; /* the VF's BAR that is such a window */
};

struct dma_buf_iov_range {
	uint64_t offset, len; /* in the VF's BAR, bytes */
};

/* Owned by the exporter, stable until invalidate or unmap. The buffer is the concatenation of the ranges. */
struct dma_buf_iov_list {
	const struct dma_buf_iov_range *ranges;
	size_t nr_ranges;
};

struct dma_buf_iov_ops {
	/* resv held. */
	int (*map)(struct dma_buf_attachment *a, const struct dma_buf_iov_list **list);
	void (*unmap)(struct dma_buf_attachment *a, const struct dma_buf_iov_list *list); /* may be NULL */
};

/* resv held. Ended by dma_buf_unmap_locked(). */
int dma_buf_iov_map_locked(struct dma_buf_attachment *a, const struct dma_buf_iov_list **list);

/* Whose window it is: the VF of the exporter that the attachment matched. */
static inline struct pci_function *dma_buf_iov_vf(const struct dma_buf_attachment *a)
{
	return ((const struct dma_buf_iov_exporter *)dma_buf_exporter_data(a))->vf;
}

#endif
