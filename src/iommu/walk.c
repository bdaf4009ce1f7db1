/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading the tables without a lock, inside a DMA section. */
#include "iommu/domain_priv.h"

struct found {
	struct io_table *table; /* that holds the leaf */
	unsigned level, index;
	uint64_t entry;
};

static bool find_leaf(struct iommu_domain *d, iova_t iova, struct found *f)
{
	if (iova >= IOVA_LIMIT)
		return false;
	f->table = d->root;
	for (f->level = ROOT_LEVEL;; f->level--) {
		f->index = level_index(f->level, iova);
		f->entry = entry_load(f->table, f->index);
		if (!f->entry)
			return false;
		if (entry_is_leaf(f->entry))
			return true;
		f->table = entry_table(f->entry);
	}
}

/* The entry that would go on where f ends: the same permissions, the next address. */
static uint64_t next_entry(const struct found *f)
{
	return f->entry + level_bytes(f->level);
}

bool iommu_walk(struct iommu_domain *d, iova_t iova, uint64_t want, struct iommu_leaf *leaf)
{
	struct found f, next;

	if (!find_leaf(d, iova, &f))
		return false;
	uint64_t offset = iova & (level_bytes(f.level) - 1);
	leaf->pa = ENTRY_ADDRESS(f.entry) + offset;
	leaf->prot = ENTRY_PROT(f.entry);

	uint64_t run = level_bytes(f.level) - offset;
	while (run < want) {
		uint64_t expected = next_entry(&f);
		if (f.index + 1 < TABLE_ENTRIES) {
			f.entry = entry_load(f.table, ++f.index);
			/* Something else may go on there with smaller leaves: not worth the look. */
			if (f.entry != expected)
				break;
		} else {
			if (!find_leaf(d, iova + run, &next) || next.entry != expected)
				break;
			f = next;
		}
		run += level_bytes(f.level);
	}
	leaf->run_len = MIN(run, want);
	return true;
}

bool iommu_walk_levels(struct iommu_domain *d, iova_t iova, struct iommu_walk_levels *levels)
{
	struct io_table *t = d->root;
	bool leaf = false;

	*levels = (struct iommu_walk_levels){0};
	if (iova >= IOVA_LIMIT)
		return false;
	mutex_lock(&d->lock);
	for (unsigned level = ROOT_LEVEL;; level--) {
		uint64_t e = entry_load(t, level_index(level, iova));
		levels->entry[ROOT_LEVEL - level] = e;
		leaf = e && entry_is_leaf(e);
		if (!e || leaf)
			break;
		t = entry_table(e);
	}
	mutex_unlock(&d->lock);
	return leaf;
}
