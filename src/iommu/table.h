/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IO page tables from the inside: what an entry says, and where tables come from. Private to iommu/.
 *
 * Four levels of 512 entries of 8 bytes translate 48 bits. Level 0 holds 4 KiB leaves, level 1 2 MiB, level 2 1 GiB;
 * level 3 is the root. An entry is 0 (absent), a leaf (physical address and permissions) or the host address of the
 * table below it.
 */
#ifndef BARTER_IOMMU_TABLE_H
#define BARTER_IOMMU_TABLE_H

#include <stdatomic.h>

#include "iommu/domain.h"
#include "memory/section.h"

enum { TABLE_ENTRIES = 512, TABLE_BYTES = 4096, TABLE_BITS = 9, ROOT_LEVEL = 3, IOVA_BITS = 48 };

#define IOVA_LIMIT (1ull << IOVA_BITS)

/* The low twelve bits. Permissions are IOMMU_READ, IOMMU_WRITE and IOMMU_MMIO as they are. */
#define ENTRY_PRESENT 0x8ull
#define ENTRY_LEAF 0x80ull
#define ENTRY_PROT(e) ((unsigned)(e) & (IOMMU_READ | IOMMU_WRITE | IOMMU_MMIO))
#define ENTRY_ADDRESS(e) ((e) & ~BARTER_PAGE_MASK)

struct io_table {
	_Atomic uint64_t entries[TABLE_ENTRIES];
};

static inline uint64_t level_bytes(unsigned level)
{
	return BARTER_PAGE_SIZE << (TABLE_BITS * level);
}

static inline unsigned level_index(unsigned level, iova_t iova)
{
	return iova >> (BARTER_PAGE_SHIFT + TABLE_BITS * level) & (TABLE_ENTRIES - 1);
}

static inline uint64_t entry_leaf(phys_t pa, unsigned prot)
{
	return pa | prot | ENTRY_PRESENT | ENTRY_LEAF;
}

static inline uint64_t entry_to_table(const struct io_table *t)
{
	return (uintptr_t)t | IOMMU_READ | IOMMU_WRITE | ENTRY_PRESENT;
}

static inline bool entry_is_leaf(uint64_t e)
{
	return e & ENTRY_LEAF;
}

static inline struct io_table *entry_table(uint64_t e)
{
	return (struct io_table *)ENTRY_ADDRESS(e);
}

static inline uint64_t entry_load(struct io_table *t, unsigned i)
{
	return atomic_load_explicit(&t->entries[i], memory_order_acquire);
}

static inline void entry_store(struct io_table *t, unsigned i, uint64_t e)
{
	atomic_store_explicit(&t->entries[i], e, memory_order_release);
}

/*
 * The tables of one domain; guarded by its lock. A table taken out of the tree is retired: engines may still walk it.
 * It is used again once anyone's drain has passed, so neither map nor unmap ever waits.
 *
 * Tables come in slabs whose first page describes the others, found by alignment; pages nobody used yet take no memory.
 */
enum { SLAB_TABLES = 64, SLAB_BYTES = SLAB_TABLES * TABLE_BYTES, TABLES_IN_RESERVE = 4, TABLES_KEPT = 1024 };

struct table_info {
	struct io_table *next; /* in one of the pool's lists */
	uint64_t stamp;	       /* retired: section_passed() says when nobody sees it any more */
	uint16_t nr_live;      /* entries that are not 0 */
};

struct table_slab {
	struct table_slab *next;
	struct table_info info[SLAB_TABLES]; /* [0] is this page */
};

struct table_pool {
	struct section_domain *sections;
	struct table_slab *slabs;
	unsigned nr_fresh;			  /* at the end of the newest slab, never touched */
	struct io_table *zeroed;		  /* ready, resident */
	struct io_table *cold;			  /* ready, not resident */
	struct io_table *retired, **retired_tail; /* oldest first, stamped */
	struct io_table *retiring;		  /* not stamped yet */
	size_t nr_zeroed, nr_cold, nr_retired;
	size_t nr_resident; /* tables and slab heads that take memory */
};

static inline struct table_info *table_info(const struct io_table *t)
{
	uintptr_t offset = (uintptr_t)t & (SLAB_BYTES - 1);
	return &((struct table_slab *)((uintptr_t)t - offset))->info[offset / TABLE_BYTES];
}

void table_pool_init(struct table_pool *p, struct section_domain *sections);
void table_pool_fini(struct table_pool *p);
/* An empty table, or NULL when there is no memory. */
struct io_table *table_take(struct table_pool *p);
/* The same, for who overwrites every entry before anyone sees it: what it holds is not defined. */
struct io_table *table_take_raw(struct table_pool *p);
/* Afterwards table_take() succeeds at least TABLES_IN_RESERVE times. -ENOMEM. */
int table_reserve(struct table_pool *p);
/* The table is out of the tree. Once per map or unmap that retired any, table_commit() stamps them. */
void table_retire(struct table_pool *p, struct io_table *t);
void table_commit(struct table_pool *p);

#endif
