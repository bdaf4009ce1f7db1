/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IO page tables and the domains they belong to.
 *
 * A domain is a radix table with 4 KiB, 2 MiB and 1 GiB leaves from iova_t to phys_t. Writers hold the domain's lock
 * (taken inside, LOCK_RANK_DOMAIN); walks by engines take none: they run inside a DMA section (memory/section.h),
 * tables are freed after a drain. A leaf carries read, write and mmio.
 *
 * iommu_unmap() and iommu_flush() make the old translation unreachable for sections opened from then on; the caller
 * drains once, after as many unmaps as it has to do, before it reuses or frees the memory.
 *
 * Who may include this: iommu/, pci/, iommufd/, device/, tests.
 */
#ifndef BARTER_IOMMU_DOMAIN_H
#define BARTER_IOMMU_DOMAIN_H

#include "base/types.h"
#include "memory/phys.h"

#define IOMMU_READ 1u
#define IOMMU_WRITE 2u
#define IOMMU_MMIO 4u /* device memory: never bounced, cached or pinned */
/* For maps, beside what a leaf carries: leaves of 4 KiB whatever could be larger. */
#define IOMMU_SMALL_LEAVES 0x100u

struct iommu_domain;
struct iommu_unit;

/* How a unit translates: one per root port or rack; immutable. */
struct iommu_geometry {
	iova_t aperture_start, aperture_last;
	iova_t msi_start, msi_last; /* reserved for interrupt messages */
	uint64_t page_sizes;	    /* bit mask, (1 << 12) | (1 << 21) | (1 << 30) */
};

struct iommu_domain *iommu_domain_create(struct iommu_unit *u);
/* No device is attached and no engine can be inside. */
void iommu_domain_destroy(struct iommu_domain *d);

/*
 * All aligned to 4 KiB, len not 0. Uses the largest leaves that alignment and the unit allow. Overlap with a present
 * mapping is the caller's error (-EEXIST). -ENOMEM leaves nothing behind. Does not drain.
 */
int iommu_map(struct iommu_domain *d, iova_t iova, phys_t pa, uint64_t len, unsigned prot);
/* The same for [offset, offset + len) of ranges that lie one behind the other. All of it is mapped or nothing. */
int iommu_map_ranges(struct iommu_domain *d, iova_t iova, const struct phys_range *ranges, uint64_t offset,
		     uint64_t len, unsigned prot);
/*
 * Clears [iova, iova + len); a larger leaf that reaches outside is split first (memory for that is kept in reserve by
 * the domain, so that unmap never fails). Absent parts are skipped. Invalidates IOTLBs. Returns the bytes that were
 * mapped.
 */
uint64_t iommu_unmap(struct iommu_domain *d, iova_t iova, uint64_t len);

/* For readers inside a section. */
struct iommu_leaf {
	phys_t pa;	  /* of iova itself */
	uint64_t run_len; /* bytes from iova for which pa grows along, within this and following leaves, up to `want` */
	unsigned prot;
};
/* False: nothing mapped there. */
bool iommu_walk(struct iommu_domain *d, iova_t iova, uint64_t want, struct iommu_leaf *leaf);

/* For debugfs and tests: the raw entry at each level, and the memory that tables take. Takes the domain's lock. */
struct iommu_walk_levels {
	uint64_t entry[4]; /* PGD, PUD, PMD, PTE; 0 when absent */
};
bool iommu_walk_levels(struct iommu_domain *d, iova_t iova, struct iommu_walk_levels *levels);
uint64_t iommu_domain_table_bytes(struct iommu_domain *d);

struct iommu_unit *iommu_unit_create(struct phys_space *s, const char *name, const struct iommu_geometry *g);
void iommu_unit_destroy(struct iommu_unit *u);
const struct iommu_geometry *iommu_unit_geometry(const struct iommu_unit *u);
struct phys_space *iommu_unit_space(const struct iommu_unit *u);

/* Faults: newest last; a ring of 256, and a count of all. Any thread. */
struct iommu_fault {
	uint64_t time_ns;
	uint16_t requester; /* bus << 8 | devfn */
	iova_t iova;
	bool write;
	const char *reason; /* a literal: "not present", "no write permission", "no domain", "outside the aperture" */
};
void iommu_report_fault(struct iommu_unit *u, const struct iommu_fault *f);
uint64_t iommu_nr_faults(struct iommu_unit *u);
size_t iommu_faults(struct iommu_unit *u, struct iommu_fault *out, size_t nr);

#endif
