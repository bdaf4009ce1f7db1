/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The scatterlist: addresses that the importer's device puts on the bus. What every driver knows that is not aware of
 * types: an exporter without a list of offers offers this one, an importer without a list accepts nothing else.
 *
 * The exporter maps its memory for the importer's device (dma/dma.h): system memory and memory of peers behind the host
 * bridge get addresses in the device's IO address space, peers below a common switch their bus addresses. The importer
 * says whether it can live with memory of a peer, which may go away, the exporter whether its memory is such.
 *
 * Who may include this: dmabuf/, exporters and importers.
 */
#ifndef BARTER_DMABUF_TYPE_SGT_H
#define BARTER_DMABUF_TYPE_SGT_H

#include "dma/dma.h"
#include "dmabuf/mapping_type.h"

struct dma_buf;
struct dma_buf_importer_ops;
struct dma_buf_phys_list;

extern const struct dma_buf_mapping_type dma_buf_type_sgt;

/* Match data of the exporter. */
struct dma_buf_sgt_exporter {
	struct pci_function *provider; /* its memory is a peer's, or NULL: system memory */
};

/* Match data of the importer. */
struct dma_buf_sgt_importer {
	struct dma_device *device;
	bool accepts_peer;
};

/* Linux's struct scatterlist has 32 bits for a length: longer runs are several entries. */
struct dma_buf_sg {
	dma_addr_t addr;
	uint32_t len;
};

struct dma_buf_sgt {
	size_t nr_entries;
	struct dma_buf_sg *entries; /* in the order of the buffer; neighbours are merged as far as lengths allow */
	/* What to undo: one run of addresses for the whole buffer. */
	dma_addr_t addr;
	uint64_t len;
};

struct dma_buf_sgt_ops {
	/* resv held. prot: IOMMU_READ | IOMMU_WRITE, what the device is to do. May be dma_buf_sgt_create()'s work. */
	int (*map)(struct dma_buf_attachment *a, struct dma_device *device, unsigned prot, struct dma_buf_sgt **sgt);
	void (*unmap)(struct dma_buf_attachment *a, struct dma_device *device, struct dma_buf_sgt *sgt);
};

/* resv held. Ended by dma_buf_unmap_locked(), which does not drain. */
int dma_buf_sgt_map_locked(struct dma_buf_attachment *a, unsigned prot, const struct dma_buf_sgt **sgt);

/*
 * For exporters: makes what lies at `list` reachable for the device. -ENOMEM, and what dma_map_phys() answers. And the
 * operations of one who always does just that, with what its ops->layout() says.
 */
int dma_buf_sgt_create(struct dma_device *device, const struct dma_buf_phys_list *list, unsigned prot,
		       struct dma_buf_sgt **sgt);
void dma_buf_sgt_destroy(struct dma_device *device, struct dma_buf_sgt *sgt);
extern const struct dma_buf_sgt_ops dma_buf_sgt_of_layout;

/*
 * For importers that know no types, and bring nothing but their device: dma_buf_attach_accepting() with the scatterlist
 * alone. Memory of peers is accepted by those that can give it back, as Linux's rule is.
 */
int dma_buf_attach_device(struct dma_buf *b, struct dma_device *device, const struct dma_buf_importer_ops *ops,
			  void *priv, struct dma_buf_attachment **out);

#endif
