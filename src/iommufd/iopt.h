/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The mappings of one IOAS: which IOVAs are what (areas), which may be used (allowed, reserved), and the domains that
 * show them to devices.
 *
 * An area is a range of IOVAs backed by a slice of a pages object (pages.h). Every domain of the IOAS holds leaves for
 * every area, but for those whose device memory was revoked. IOVAs are counted in bytes; `last` is inclusive because
 * the space ends at 2^64 - 1. Until a domain is there any byte alignment is accepted, as on Linux.
 *
 * Locks: domains_lock, then iova_lock. Adding and removing a domain holds both, so either of them keeps the list of
 * domains as it is. A map fills domains under a read hold of domains_lock, for pinning may take its time; meanwhile its
 * areas are in the tree but not complete: they keep their IOVAs and nothing else can be done with them. Completing and
 * undoing happen under the same hold, so a writer never meets an incomplete area. Unmap does with iova_lock.
 */
#ifndef BARTER_IOMMUFD_IOPT_H
#define BARTER_IOMMUFD_IOPT_H

#include <stdatomic.h>

#include "base/list.h"
#include "base/lock.h"
#include "base/range_map.h"
#include "base/types.h"
#include "iommu/domain.h"

struct iopt_pages;
struct iopt_area;
struct trace;

/* The leaves of one area of device memory in one domain. */
struct iopt_mapping {
	struct list node; /* pages->mappings, guarded by pages->lock; empty once invalidated */
	struct iopt_area *area;
	struct iommu_domain *domain; /* NULL: not in use */
	struct iopt_mapping *next;   /* further ones of this area */
};

struct iopt_area {
	iova_t iova, last;
	struct iopt_pages *pages; /* a reference */
	uint64_t offset;	  /* of its first byte in the pages object */
	unsigned prot;
	atomic_bool complete;
	struct iopt_area *next;	      /* a chain of areas on their way in or out */
	struct iopt_mapping mappings; /* device memory only; guarded by pages->lock */
};

/* IOVAs that cannot be used, for as long as the owner is there. Lives in the owner. */
struct iopt_reserved {
	struct list node; /* guarded by iova_lock; NULL when it was never put in */
	iova_t start, last;
};

/* A domain as the IOAS keeps it. */
struct iopt_domain {
	struct list node; /* guarded by both locks */
	struct iommu_domain *domain;
	struct iopt_reserved below, above; /* what its aperture leaves out */
};

struct iopt {
	struct section_domain *sections;
	struct trace *trace;

	struct rwlock domains_lock;
	struct list domains;

	struct mutex iova_lock; /* guards all below */
	struct range_map areas, allowed;
	struct list reserved;
	bool small_leaves;  /* IOMMU_OPTION_HUGE_PAGES is 0; written under both locks */
	uint64_t alignment; /* 1 without a domain; written under both locks */
};

/* A part of a pages object, on its way to become an area. */
struct iopt_slice {
	struct iopt_pages *pages; /* a reference */
	uint64_t offset, len;
};

struct iopt_slices {
	size_t nr;
	struct iopt_slice *list; /* &one when nr is 1 */
	struct iopt_slice one;
};

void iopt_init(struct iopt *iopt, struct section_domain *sections, struct trace *trace);
/* No domain is left. */
void iopt_fini(struct iopt *iopt);

/* Maps slices one behind the other at *iova (fixed) or where it finds room. Consumes the references. */
int iopt_map(struct iopt *iopt, struct iopt_slices *slices, unsigned prot, bool fixed, iova_t *iova);
/* Unmaps the areas inside [iova, last]; everything: no area at all is no error. */
int iopt_unmap(struct iopt *iopt, iova_t iova, iova_t last, bool everything, uint64_t *unmapped);
/* The slices that areas show at [iova, last], without a hole. Release with iopt_slices_put(). */
int iopt_slices_get(struct iopt *iopt, iova_t iova, iova_t last, struct iopt_slices *out);
void iopt_slices_put(struct iopt_slices *slices);

/* Fills a domain with all areas. -EADDRINUSE: an area or an allowed range lies where the domain cannot translate. */
int iopt_add_domain(struct iopt *iopt, struct iopt_domain *d, const struct iommu_geometry *g);
/* No device uses the domain any more. Does nothing when it was never added. */
void iopt_remove_domain(struct iopt *iopt, struct iopt_domain *d);
int iopt_set_small_leaves(struct iopt *iopt, bool small);
/* Is an area of IOMMU_IOAS_MAP, rather than of a file, there? */
bool iopt_has_user_memory(struct iopt *iopt);

/* iova.c */
/* -EADDRINUSE: an area or an allowed range is there. */
int iopt_reserve(struct iopt *iopt, struct iopt_reserved *r, iova_t start, iova_t last);
void iopt_unreserve(struct iopt *iopt, struct iopt_reserved *r);
int iopt_reserve_locked(struct iopt *iopt, struct iopt_reserved *r, iova_t start, iova_t last);
void iopt_unreserve_locked(struct iopt_reserved *r);
/* Takes over the ranges; on failure they stay the caller's. */
int iopt_set_allowed(struct iopt *iopt, struct range_map *allowed);
/* The first run of IOVAs at or above pos that is not reserved. iova_lock held. */
bool iopt_next_usable_locked(struct iopt *iopt, iova_t pos, iova_t *start, iova_t *last);
/* -EINVAL, -EOVERFLOW: why [iova, iova + len) cannot be mapped, but for areas in the way. iova_lock held. */
int iopt_check_iova_locked(struct iopt *iopt, iova_t iova, uint64_t len);
/* Finds room for len bytes of memory that begins at addr. iova_lock held. */
int iopt_choose_iova_locked(struct iopt *iopt, uint64_t addr, uint64_t len, iova_t *iova);

#endif
