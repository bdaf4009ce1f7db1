/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Taking leaves away. What leaves the tree is retired, never freed, so nothing here waits. A table that is covered
 * whole leaves with all its leaves by one store; one that becomes empty bit by bit stays as the domain's idle table.
 */
#include "iommu/domain_priv.h"

static uint64_t clear_range(struct iommu_domain *d, struct io_table *t, unsigned level, iova_t iova, iova_t last);

static void entry_clear(struct io_table *t, unsigned i)
{
	entry_store(t, i, 0);
	table_info(t)->nr_live--;
}

static void retire(struct iommu_domain *d, struct io_table *t)
{
	d->near = NULL;
	table_retire(&d->pool, t);
}

/* Retires a table that has left the tree, and all below it. Returns the bytes its leaves mapped. */
static uint64_t retire_tree(struct iommu_domain *d, struct io_table *t, unsigned level)
{
	uint64_t bytes = 0;

	if (level == 0) {
		bytes = table_info(t)->nr_live * level_bytes(0);
	} else {
		for (unsigned i = 0; i < TABLE_ENTRIES; i++) {
			uint64_t e = entry_load(t, i);
			if (e)
				bytes += entry_is_leaf(e) ? level_bytes(level)
							  : retire_tree(d, entry_table(e), level - 1);
		}
	}
	retire(d, t);
	return bytes;
}

/* Replaces a leaf by a table of 512 smaller ones that say the same. NULL: no memory, nothing changed. */
static struct io_table *split(struct iommu_domain *d, struct io_table *t, unsigned i, unsigned level)
{
	struct io_table *below = table_take(&d->pool);
	uint64_t e = entry_load(t, i);

	if (!below)
		return NULL;
	for (unsigned j = 0; j < TABLE_ENTRIES; j++)
		atomic_store_explicit(&below->entries[j], e + j * level_bytes(level - 1), memory_order_relaxed);
	table_info(below)->nr_live = TABLE_ENTRIES;
	entry_store(t, i, entry_to_table(below));
	/* Best effort: the next map insists on it. */
	table_reserve(&d->pool);
	return below;
}

static void note_idle(struct iommu_domain *d, iova_t iova)
{
	if (d->has_idle && d->idle / level_bytes(1) != iova / level_bytes(1))
		domain_prune(d, d->idle);
	d->idle = iova;
	d->has_idle = true;
}

/* [iova, last] lies within entry i. */
static uint64_t clear_entry(struct iommu_domain *d, struct io_table *t, unsigned level, iova_t iova, iova_t last)
{
	unsigned i = level_index(level, iova);
	uint64_t e = entry_load(t, i);
	bool whole = last - iova == level_bytes(level) - 1;
	struct io_table *below;

	if (!e)
		return 0;
	if (whole) {
		entry_clear(t, i);
		return entry_is_leaf(e) ? level_bytes(level) : retire_tree(d, entry_table(e), level - 1);
	}
	below = entry_is_leaf(e) ? split(d, t, i, level) : entry_table(e);
	if (!below) {
		/*
		 * Out of memory with the reserve used up, after many splits without a map that could refill it. Losing
		 * the rest of the leaf makes DMA there fault, keeping it would let DMA reach freed memory.
		 */
		entry_clear(t, i);
		return last - iova + 1;
	}
	if (level == 1)
		domain_set_near(d, iova, below);
	uint64_t bytes = clear_range(d, below, level - 1, iova, last);
	if (table_info(below)->nr_live == 0)
		note_idle(d, iova);
	return bytes;
}

static uint64_t clear_pages(struct io_table *t, iova_t iova, iova_t last)
{
	unsigned first = level_index(0, iova), end = level_index(0, last) + 1, nr = 0;

	for (unsigned i = first; i < end; i++) {
		if (atomic_load_explicit(&t->entries[i], memory_order_relaxed)) {
			entry_store(t, i, 0);
			nr++;
		}
	}
	table_info(t)->nr_live -= nr;
	return nr * level_bytes(0);
}

/* [iova, last] lies within table t. */
static uint64_t clear_range(struct iommu_domain *d, struct io_table *t, unsigned level, iova_t iova, iova_t last)
{
	uint64_t bytes = 0;

	if (level == 0)
		return clear_pages(t, iova, last);
	for (;;) {
		iova_t part_last = MIN(last, iova | (level_bytes(level) - 1));
		bytes += clear_entry(d, t, level, iova, part_last);
		if (part_last == last)
			return bytes;
		iova = part_last + 1;
	}
}

uint64_t domain_clear(struct iommu_domain *d, iova_t iova, iova_t last)
{
	struct io_table *near = domain_near(d, iova, last);

	mutex_assert_held(&d->lock);
	/* A table that is cleared whole is better taken out of the tree. */
	if (!near || last - iova == level_bytes(1) - 1)
		return clear_range(d, d->root, ROOT_LEVEL, iova, last);
	uint64_t bytes = clear_pages(near, iova, last);
	if (table_info(near)->nr_live == 0)
		note_idle(d, iova);
	return bytes;
}

void domain_prune(struct iommu_domain *d, iova_t iova)
{
	struct io_table *path[ROOT_LEVEL + 1] = {[ROOT_LEVEL] = d->root};
	unsigned level = ROOT_LEVEL;

	mutex_assert_held(&d->lock);
	if (iova >= IOVA_LIMIT)
		return;
	while (level > 0) {
		uint64_t e = entry_load(path[level], level_index(level, iova));
		if (!e || entry_is_leaf(e))
			break;
		path[--level] = entry_table(e);
	}
	for (; level < ROOT_LEVEL && table_info(path[level])->nr_live == 0; level++) {
		entry_clear(path[level + 1], level_index(level + 1, iova));
		retire(d, path[level]);
	}
}

uint64_t iommu_unmap(struct iommu_domain *d, iova_t iova, uint64_t len)
{
	if (len == 0 || iova >= IOVA_LIMIT)
		return 0;
	iova_t last = len > IOVA_LIMIT - iova ? IOVA_LIMIT - 1 : iova + len - 1;

	mutex_lock(&d->lock);
	uint64_t bytes = domain_clear(d, iova, last);
	if (bytes)
		domain_new_tag(d);
	table_commit(&d->pool);
	mutex_unlock(&d->lock);
	return bytes;
}
