/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Translation for one function. An IOTLB entry remembers a run of contiguous leaves with the tag its domain had before
 * the walk. iommu_unmap() clears the entries first and changes the tag then: who reads the new tag finds the leaf gone,
 * who reads the old one is inside a section that the unmapper's drain waits for. Physical addresses name objects, so a
 * pin that moves invalidates nothing.
 */
#include "iommu/requester.h"

#include <stdlib.h>

#include "base/trace.h"
#include "iommu/domain_priv.h"

enum { IOTLB_ENTRIES = 64, IOTLB_GRANULE_SHIFT = 16 };

struct iotlb_entry {
	uint64_t tag; /* 0: empty */
	iova_t start;
	uint64_t len;
	phys_t pa;
	unsigned prot;
};

struct iotlb {
	struct iotlb_entry entries[IOTLB_ENTRIES];
};

void iommu_requester_init(struct iommu_requester *r, struct iommu_unit *u, uint16_t id)
{
	r->unit = u;
	r->id = id;
	atomic_init(&r->domain, NULL);
}

void iommu_attach(struct iommu_requester *r, struct iommu_domain *d)
{
	atomic_store_explicit(&r->domain, d, memory_order_release);
	section_drain(phys_sections(iommu_unit_space(r->unit)));
}

struct iotlb *iotlb_create(void)
{
	return calloc(1, sizeof(struct iotlb));
}

void iotlb_destroy(struct iotlb *tlb)
{
	free(tlb);
}

static int fault(struct iommu_requester *r, iova_t iova, unsigned prot, const char *reason)
{
	iommu_report_fault(r->unit, &(struct iommu_fault){.time_ns = trace_now(),
							  .requester = r->id,
							  .iova = iova,
							  .write = prot & IOMMU_WRITE,
							  .reason = reason});
	return -EFAULT;
}

static const char *reason_absent(const struct iommu_unit *u, iova_t iova)
{
	const struct iommu_geometry *g = iommu_unit_geometry(u);

	if (iova < g->aperture_start || iova > g->aperture_last || iova >= IOVA_LIMIT)
		return "outside the aperture";
	return "not present";
}

/* Whole pages around [iova, iova + want), as far as they are contiguous. */
static bool iotlb_fill(struct iotlb_entry *e, struct iommu_domain *d, uint64_t tag, iova_t iova, uint64_t want)
{
	iova_t start = align_down(iova, BARTER_PAGE_SIZE);
	struct iommu_leaf leaf;

	if (!iommu_walk(d, start, align_up(iova - start + want, BARTER_PAGE_SIZE), &leaf))
		return false;
	*e = (struct iotlb_entry){tag, start, leaf.run_len, leaf.pa, leaf.prot};
	return true;
}

int iommu_translate(struct iommu_requester *r, struct iotlb *tlb, iova_t iova, uint64_t want, unsigned prot,
		    struct iommu_leaf *leaf)
{
	struct iommu_domain *d = atomic_load_explicit(&r->domain, memory_order_acquire);
	if (!d)
		return fault(r, iova, prot, "no domain");

	uint64_t tag = atomic_load_explicit(&d->tag, memory_order_acquire);
	struct iotlb_entry *e = &tlb->entries[(iova >> IOTLB_GRANULE_SHIFT) % IOTLB_ENTRIES];
	bool hit = e->tag == tag && iova >= e->start && iova - e->start < e->len;
	if (!hit && !iotlb_fill(e, d, tag, iova, want))
		return fault(r, iova, prot, reason_absent(r->unit, iova));
	if (prot & ~e->prot)
		return fault(r, iova, prot, prot & IOMMU_WRITE ? "no write permission" : "no read permission");
	leaf->pa = e->pa + (iova - e->start);
	leaf->run_len = MIN(e->len - (iova - e->start), want);
	leaf->prot = e->prot;
	return 0;
}
