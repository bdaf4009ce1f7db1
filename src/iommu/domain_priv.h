/* SPDX-License-Identifier: BSD-3-Clause */
/* A domain from the inside. Private to iommu/. */
#ifndef BARTER_IOMMU_DOMAIN_PRIV_H
#define BARTER_IOMMU_DOMAIN_PRIV_H

#include "base/lock.h"
#include "iommu/table.h"

struct iommu_domain {
	struct iommu_unit *unit; /* immutable */
	struct io_table *root;	 /* immutable; its entries are read without the lock */
	/* What an IOTLB entry must carry to be valid; unique in the unit, new after every unmap. */
	_Atomic uint64_t tag;
	struct mutex lock; /* LOCK_RANK_DOMAIN; guards what follows, and writes to entries */
	struct table_pool pool;
	/*
	 * An IOVA whose lowest table has become empty and stays in the tree, for the next map is likely to be there
	 * again. At most one, so that tables cannot pile up.
	 */
	iova_t idle;
	bool has_idle;
	/* The lowest table used last and the IOVA it begins at; NULL once any table has been retired. */
	struct io_table *near;
	iova_t near_start;
};

/* The lowest table that holds [iova, last], when it is the one used last. Lock held. */
static inline struct io_table *domain_near(const struct iommu_domain *d, iova_t iova, iova_t last)
{
	iova_t start = align_down(iova, level_bytes(1));

	return d->near && d->near_start == start && last - start < level_bytes(1) ? d->near : NULL;
}

static inline void domain_set_near(struct iommu_domain *d, iova_t iova, struct io_table *t)
{
	d->near = t;
	d->near_start = align_down(iova, level_bytes(1));
}

/* 1 << TAG_BITS numbers that no domain of the unit has had before; the first of them. */
enum { TAG_BITS = 24 };
uint64_t iommu_unit_new_tags(struct iommu_unit *u);

/* What IOTLBs have learnt so far is void. Lock held; after the entries have changed. */
static inline void domain_new_tag(struct iommu_domain *d)
{
	uint64_t tag = atomic_load_explicit(&d->tag, memory_order_relaxed) + 1;

	if (is_aligned(tag, 1ull << TAG_BITS))
		tag = iommu_unit_new_tags(d->unit);
	atomic_store_explicit(&d->tag, tag, memory_order_release);
}

/*
 * Both with the lock held. Clears [iova, last] and returns the bytes that were mapped. Retires the empty tables on the
 * way to iova.
 */
uint64_t domain_clear(struct iommu_domain *d, iova_t iova, iova_t last);
void domain_prune(struct iommu_domain *d, iova_t iova);

#endif
