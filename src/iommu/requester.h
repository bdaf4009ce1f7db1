/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The IOMMU's view of one PCI function: which domain translates for it. Embedded in struct pci_function.
 *
 * Who may include this: iommu/, pci/, iommufd/.
 */
#ifndef BARTER_IOMMU_REQUESTER_H
#define BARTER_IOMMU_REQUESTER_H

#include <stdatomic.h>

#include "iommu/domain.h"

struct iommu_requester {
	struct iommu_unit *unit; /* immutable */
	uint16_t id;		 /* bus << 8 | devfn; immutable */
	/* NULL: blocked. Written by attach, read in a section. */
	_Atomic(struct iommu_domain *) domain;
};

void iommu_requester_init(struct iommu_requester *r, struct iommu_unit *u, uint16_t id);
/* NULL detaches. Returns after a drain: no DMA uses the old domain any more. */
void iommu_attach(struct iommu_requester *r, struct iommu_domain *d);

/*
 * Translates inside a section, through the port's IOTLB. On failure reports the fault against the requester and returns
 * -EFAULT. prot: IOMMU_READ or IOMMU_WRITE.
 */
struct iotlb; /* one per DMA port, owned by its thread */
struct iotlb *iotlb_create(void);
void iotlb_destroy(struct iotlb *tlb);
int iommu_translate(struct iommu_requester *r, struct iotlb *tlb, iova_t iova, uint64_t want, unsigned prot,
		    struct iommu_leaf *leaf);

#endif
