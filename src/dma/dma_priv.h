/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of dma/ share: the addresses that one device's mappings are given. */
#ifndef BARTER_DMA_PRIV_H
#define BARTER_DMA_PRIV_H

#include "base/list.h"
#include "base/lock.h"
#include "base/range_map.h"
#include "dma/dma.h"
#include "memory/section.h"

/* A run of addresses that is in use or rests. */
struct iova_run {
	struct list node; /* iova_space.resting */
	iova_t start;
	uint64_t len;
	uint64_t stamp; /* rests: until a drain that began after this has passed */
};

/*
 * Addresses that were given back rest until every DMA that may have translated them has ended: a late write of the old
 * mapping must not land in the new one.
 */
struct iova_space {
	struct section_domain *sections;
	iova_t first, last;
	struct mutex lock;     /* LOCK_RANK_IOVA; guards what follows */
	struct range_map runs; /* in use, resting, and reserved ones */
	struct list resting;   /* oldest first */
	size_t nr_resting;
	struct iova_run reserved; /* the value of every range that is never given out */
};

void iova_space_init(struct iova_space *s, struct section_domain *sections, iova_t first, iova_t last);
void iova_space_fini(struct iova_space *s);
/* Never gives out [start, last]; for the time before the first iova_take(). -ENOMEM. */
int iova_reserve(struct iova_space *s, iova_t start, iova_t last);
/* start % align == skew. -ENOSPC after all that rests was waited for; -ENOMEM. May drain. */
int iova_take(struct iova_space *s, uint64_t len, uint64_t align, uint64_t skew, iova_t *start);
/* Is it the start of a run that is in use? */
bool iova_is_taken(struct iova_space *s, iova_t start, uint64_t len);
/* Its translation is gone; nobody has drained yet. Never fails. */
void iova_rest(struct iova_space *s, iova_t start);

#endif
