/* SPDX-License-Identifier: BSD-3-Clause */
/* Writing leaves. Tables are linked empty and then filled, so a walk meanwhile finds a leaf or nothing. */
#include "iommu/domain_priv.h"

static uint64_t leaf_sizes(const struct iommu_domain *d)
{
	return iommu_unit_geometry(d->unit)->page_sizes;
}

/* The level of the largest leaf that can stand at iova. */
static unsigned best_level(const struct iommu_domain *d, iova_t iova, phys_t pa, uint64_t len, unsigned prot)
{
	/* Most maps are short. */
	if (len < level_bytes(1) || prot & IOMMU_SMALL_LEAVES)
		return 0;
	for (unsigned level = 2; level > 0; level--) {
		uint64_t bytes = level_bytes(level);
		if (leaf_sizes(d) & bytes && len >= bytes && is_aligned(iova | pa, bytes))
			return level;
	}
	return 0;
}

/* The table of that level which holds iova's entry, made when it is absent. */
static int table_at(struct iommu_domain *d, iova_t iova, unsigned level, struct io_table **out)
{
	struct io_table *t = level == 0 ? domain_near(d, iova, iova) : NULL;

	if (t)
		goto found;
	t = d->root;
	for (unsigned l = ROOT_LEVEL; l > level; l--) {
		unsigned i = level_index(l, iova);
		uint64_t e = entry_load(t, i);
		if (e && entry_is_leaf(e))
			return -EEXIST;
		if (!e) {
			struct io_table *below = table_take(&d->pool);
			if (!below)
				return -ENOMEM;
			e = entry_to_table(below);
			entry_store(t, i, e);
			table_info(t)->nr_live++;
		}
		t = entry_table(e);
	}
	if (level == 0)
		domain_set_near(d, iova, t);
found:
	*out = t;
	return 0;
}

/* Fills entries of one table from iova on; returns how many, fewer than wanted when one is present. */
static unsigned fill(struct io_table *t, unsigned level, unsigned first, unsigned nr, phys_t pa, unsigned prot)
{
	uint64_t e = entry_leaf(pa, prot);
	unsigned i;

	for (i = first; i < first + nr; i++, e += level_bytes(level)) {
		if (atomic_load_explicit(&t->entries[i], memory_order_relaxed))
			break;
		entry_store(t, i, e);
	}
	table_info(t)->nr_live += i - first;
	return i - first;
}

/* A table that gets all its entries now is filled before it is linked. Returns how many: all, 0 or a negative errno. */
static int fill_new(struct iommu_domain *d, iova_t iova, unsigned level, phys_t pa, unsigned prot)
{
	struct io_table *above;
	int err = table_at(d, iova, level + 1, &above);

	if (err)
		return err;
	if (entry_load(above, level_index(level + 1, iova)))
		return 0;
	struct io_table *t = table_take_raw(&d->pool);
	if (!t)
		return -ENOMEM;
	for (unsigned i = 0; i < TABLE_ENTRIES; i++, pa += level_bytes(level))
		atomic_store_explicit(&t->entries[i], entry_leaf(pa, prot), memory_order_relaxed);
	table_info(t)->nr_live = TABLE_ENTRIES;
	entry_store(above, level_index(level + 1, iova), entry_to_table(t));
	table_info(above)->nr_live++;
	return TABLE_ENTRIES;
}

/* Maps as much as one table takes. Returns how many leaves or a negative errno; fewer than nr: one was present. */
static int map_some(struct iommu_domain *d, iova_t iova, unsigned level, unsigned nr, phys_t pa, unsigned prot)
{
	struct io_table *t;

	if (nr == TABLE_ENTRIES) {
		int filled = fill_new(d, iova, level, pa, prot);
		if (filled)
			return filled;
	}
	int err = table_at(d, iova, level, &t);
	return err ? err : (int)fill(t, level, level_index(level, iova), nr, pa, prot);
}

/* *done: bytes mapped, also on failure. */
static int map_locked(struct iommu_domain *d, iova_t iova, phys_t pa, uint64_t len, unsigned prot, uint64_t *done)
{
	for (*done = 0; *done < len;) {
		iova_t at = iova + *done;
		unsigned level = best_level(d, at, pa + *done, len - *done, prot);
		uint64_t room = TABLE_ENTRIES - level_index(level, at);
		unsigned nr = MIN((len - *done) / level_bytes(level), room);
		int mapped = map_some(d, at, level, nr, pa + *done, prot & ~IOMMU_SMALL_LEAVES);

		if (mapped < 0)
			return mapped;
		*done += mapped * level_bytes(level);
		if ((unsigned)mapped < nr)
			return -EEXIST;
	}
	return table_reserve(&d->pool);
}

/* Engines may have seen what was mapped for a moment, and the caller will free the memory: wait for them here. */
static void undo(struct iommu_domain *d, iova_t iova, uint64_t done)
{
	if (done)
		domain_clear(d, iova, iova + done - 1);
	domain_prune(d, iova + done);
	domain_new_tag(d);
	section_drain(d->pool.sections);
}

static bool outside(const struct iommu_domain *d, iova_t iova, uint64_t len)
{
	const struct iommu_geometry *g = iommu_unit_geometry(d->unit);

	return len == 0 || iova < g->aperture_start || iova + len - 1 < iova || iova + len - 1 > g->aperture_last ||
	       iova + len > IOVA_LIMIT;
}

/* An empty table must not be in the way of a large leaf. */
static void make_room(struct iommu_domain *d, iova_t iova, uint64_t len)
{
	if (d->has_idle && d->idle - iova < len && len >= level_bytes(1)) {
		domain_prune(d, d->idle);
		d->has_idle = false;
	}
}

int iommu_map(struct iommu_domain *d, iova_t iova, phys_t pa, uint64_t len, unsigned prot)
{
	uint64_t done;

	if (outside(d, iova, len) || !is_aligned(iova | pa | len, BARTER_PAGE_SIZE))
		return -EINVAL;
	mutex_lock(&d->lock);
	make_room(d, iova, len);
	int err = map_locked(d, iova, pa, len, prot, &done);
	if (err)
		undo(d, iova, done);
	table_commit(&d->pool);
	mutex_unlock(&d->lock);
	return err;
}

/* *done: bytes mapped, also on failure. */
static int map_ranges_locked(struct iommu_domain *d, iova_t iova, const struct phys_range *ranges, uint64_t offset,
			     uint64_t len, unsigned prot, uint64_t *done)
{
	int err = 0;

	for (*done = 0; *done < len && !err; ranges++) {
		uint64_t n, mapped;
		phys_t pa;

		if (offset >= ranges->len) {
			offset -= ranges->len;
			continue;
		}
		pa = ranges->pa + offset;
		n = MIN(ranges->len - offset, len - *done);
		if (!is_aligned(pa | n, BARTER_PAGE_SIZE))
			return -EINVAL;
		err = map_locked(d, iova + *done, pa, n, prot, &mapped);
		*done += mapped;
		offset = 0;
	}
	return err;
}

int iommu_map_ranges(struct iommu_domain *d, iova_t iova, const struct phys_range *ranges, uint64_t offset,
		     uint64_t len, unsigned prot)
{
	uint64_t done;

	if (outside(d, iova, len) || !is_aligned(iova | len, BARTER_PAGE_SIZE))
		return -EINVAL;
	mutex_lock(&d->lock);
	make_room(d, iova, len);
	int err = map_ranges_locked(d, iova, ranges, offset, len, prot, &done);
	if (err)
		undo(d, iova, done);
	table_commit(&d->pool);
	mutex_unlock(&d->lock);
	return err;
}
