/* SPDX-License-Identifier: BSD-3-Clause */
#include "iommufd/pages.h"

#include <stdlib.h>

#include "base/trace.h"
#include "file/kernel.h"
#include "memory/section.h"

static const struct lock_class pages_lock_class = {.name = "pages", .rank = LOCK_RANK_PAGES};

/* A megabyte of them, about. */
enum { CACHE_MOST = 2048 };

static const struct lock_class cache_lock_class = {.name = "pages cache", .rank = LOCK_RANK_LEAF};

void iopt_pages_cache_init(struct iopt_pages_cache *c)
{
	mutex_init(&c->lock, &cache_lock_class);
	c->dead = NULL;
	c->nr = 0;
}

void iopt_pages_cache_fini(struct iopt_pages_cache *c)
{
	while (c->dead) {
		struct iopt_pages *p = c->dead;

		c->dead = p->next_dead;
		mutex_fini(&p->lock);
		free(p);
	}
	mutex_fini(&c->lock);
}

/* Its lock is initialised, nothing else. */
static struct iopt_pages *cache_take(struct iopt_pages_cache *c)
{
	struct iopt_pages *p;

	mutex_lock(&c->lock);
	p = c->dead;
	if (p) {
		c->dead = p->next_dead;
		c->nr--;
	}
	mutex_unlock(&c->lock);
	if (p)
		return p;
	p = malloc(sizeof(*p));
	if (p)
		mutex_init(&p->lock, &pages_lock_class);
	return p;
}

static void pages_free(struct iopt_pages *p)
{
	struct iopt_pages_cache *c = p->origin.cache;
	bool keep;

	mutex_lock(&c->lock);
	keep = c->nr < CACHE_MOST;
	if (keep) {
		p->next_dead = c->dead;
		c->dead = p;
		c->nr++;
	}
	mutex_unlock(&c->lock);
	if (keep)
		return;
	mutex_fini(&p->lock);
	free(p);
}

/* Field by field, for clearing all of it would be a good part of what a map of one page costs. */
static struct iopt_pages *pages_alloc(enum iopt_source source, const struct iopt_origin *o, uint64_t start,
				      uint64_t len, bool writable)
{
	struct iopt_pages *p = cache_take(o->cache);

	if (!p)
		return NULL;
	atomic_init(&p->refs, 1);
	p->source = source;
	p->writable = writable;
	p->origin = *o;
	p->start = start;
	p->len = len;
	p->file_error = 0;
	p->is_pinned = false;
	p->nr_fills = 0;
	p->buffer_file = NULL;
	p->attachment = NULL;
	p->ranges = NULL;
	p->first.pages = NULL;
	atomic_init(&p->first.complete, false);
	p->first.mappings.domain = NULL;
	p->first.mappings.next = NULL;
	list_init(&p->mappings);
	return p;
}

int iopt_pages_create_user(const struct iopt_origin *o, uaddr_t start, uint64_t len, bool writable,
			   struct iopt_pages **out)
{
	*out = pages_alloc(IOPT_USER, o, start, len, writable);
	return *out ? 0 : -ENOMEM;
}

int iopt_pages_create_file(const struct iopt_origin *o, struct memory_file *mf, int error, uint64_t start, uint64_t len,
			   bool writable, struct iopt_pages **out)
{
	struct iopt_pages *p = pages_alloc(IOPT_MEMORY_FILE, o, start, len, writable);

	if (!p)
		return -ENOMEM;
	p->file_error = error;
	if (mf)
		p->file = *mf;
	*out = p;
	return 0;
}

/*
 * Device memory
 */

static void pages_invalidate(struct dma_buf_attachment *a)
{
	struct iopt_pages *p = a->priv;

	mutex_lock(&p->lock);
	while (!list_empty(&p->mappings)) {
		struct iopt_mapping *m = list_first(&p->mappings, struct iopt_mapping, node);

		iommu_unmap(m->domain, m->area->iova, m->area->last - m->area->iova + 1);
		list_del(&m->node);
	}
	p->ranges = NULL;
	mutex_unlock(&p->lock);
}

static const struct dma_buf_match pages_accepts[] = {{.type = &dma_buf_type_phys}};

/* No restored(): the program maps anew. */
static const struct dma_buf_importer_ops pages_importer = {
	.name = "iommufd",
	.accepts = pages_accepts,
	.nr_accepts = ARRAY_SIZE(pages_accepts),
	.device = "iommu",
	.pinned = true,
	.invalidate = pages_invalidate,
};

/* The state is tested and the ranges are taken under one hold of the reservation; a revocation before or after it is
 * seen by invalidate(). */
static int pages_map_buffer(struct iopt_pages *p, struct dma_buf *b)
{
	const struct dma_buf_phys_list *ranges;
	int err;

	dma_buf_lock(b);
	err = dma_buf_phys_map_locked(p->attachment, &ranges);
	if (!err) {
		mutex_lock(&p->lock);
		p->ranges = ranges;
		if (!p->ranges->provider)
			err = kernel_check(p->origin.task, NEXT_MAP_FILE_EXPORTERS);
		else if (p->ranges->nr_ranges != 1)
			err = kernel_check(p->origin.task, NEXT_MAP_FILE_RANGES);
		mutex_unlock(&p->lock);
	}
	dma_buf_unlock(b);
	return err;
}

static void pages_detach_buffer(struct iopt_pages *p)
{
	dma_buf_detach(p->attachment);
	file_put(p->buffer_file);
}

int iopt_pages_create_dmabuf(const struct iopt_origin *o, struct file *f, uint64_t start, uint64_t len, bool writable,
			     struct iopt_pages **out)
{
	struct dma_buf *b = dma_buf_from_file(f);
	struct iopt_pages *p;
	int err;

	if (start > b->size || len > b->size - start)
		return refuse(o->task->trace, -EINVAL,
			      "IOMMU_IOAS_MAP_FILE: 0x%llx bytes at 0x%llx do not lie in the dma-buf of 0x%llx bytes",
			      (unsigned long long)len, (unsigned long long)start, (unsigned long long)b->size);
	p = pages_alloc(IOPT_DMABUF, o, start, len, writable);
	if (!p)
		return -ENOMEM;
	err = dma_buf_attach(b, &pages_importer, p, &p->attachment);
	if (err) {
		pages_free(p);
		return err;
	}
	p->buffer_file = file_get(f);
	err = pages_map_buffer(p, b);
	if (err) {
		pages_detach_buffer(p);
		pages_free(p);
		return err;
	}
	*out = p;
	return 0;
}

/* The mapping of an area in a domain; domain NULL: one that is free. */
static struct iopt_mapping *mapping_find_locked(struct iopt_area *area, struct iommu_domain *d)
{
	for (struct iopt_mapping *m = &area->mappings; m; m = m->next)
		if (m->domain == d)
			return m;
	return NULL;
}

static struct iopt_mapping *mapping_get_locked(struct iopt_area *area)
{
	struct iopt_mapping *m = mapping_find_locked(area, NULL);

	if (!m) {
		m = calloc(1, sizeof(*m));
		if (!m)
			return NULL;
		m->next = area->mappings.next;
		area->mappings.next = m;
	}
	m->area = area;
	list_init(&m->node);
	return m;
}

/* IOMMU_OPTION_HUGE_PAGES 0 is a promise about leaves. */
static unsigned leaf_prot(const struct iopt_area *area, bool small_leaves)
{
	return area->prot | (small_leaves ? IOMMU_SMALL_LEAVES : 0);
}

/* The part of the buffer's ranges that the area shows. */
static int map_ranges(struct iommu_domain *d, const struct iopt_area *area, const struct dma_buf_phys_list *list,
		      bool small_leaves)
{
	unsigned prot = leaf_prot(area, small_leaves) | (list->provider ? IOMMU_MMIO : 0);

	return iommu_map_ranges(d, area->iova, list->ranges, area->pages->start + area->offset,
				area->last - area->iova + 1, prot);
}

static int fill_device_memory(struct iopt_area *area, struct iommu_domain *d, bool small_leaves)
{
	struct iopt_pages *p = area->pages;
	struct iopt_mapping *m;
	int err = 0;

	dma_buf_lock(p->attachment->buf);
	mutex_lock(&p->lock);
	if (!p->ranges)
		goto unlock;
	m = mapping_get_locked(area);
	err = m ? map_ranges(d, area, p->ranges, small_leaves) : -ENOMEM;
	if (!err) {
		m->domain = d;
		list_add(&p->mappings, &m->node);
	}
unlock:
	mutex_unlock(&p->lock);
	dma_buf_unlock(p->attachment->buf);
	return err;
}

static void unfill_device_memory(struct iopt_area *area, struct iommu_domain *d, bool clear)
{
	struct iopt_mapping *m;

	mutex_lock(&area->pages->lock);
	m = mapping_find_locked(area, d);
	if (m) {
		if (clear && !list_empty(&m->node))
			iommu_unmap(d, area->iova, area->last - area->iova + 1);
		list_del(&m->node);
		m->domain = NULL;
	}
	mutex_unlock(&area->pages->lock);
}

/*
 * Memory of the program
 */

static int pin(struct iopt_pages *p)
{
	uint64_t start = align_down(p->start, BARTER_PAGE_SIZE);
	uint64_t len = align_up(p->start + p->len, BARTER_PAGE_SIZE) - start;

	if (p->source == IOPT_USER)
		return pinned_init_user(&p->pinned, p->origin.space, p->origin.task, start, len, p->writable);
	if (p->file_error)
		return refuse(p->origin.task->trace, p->file_error,
			      "IOMMU_IOAS_MAP_FILE: the fd is neither memfd nor dma-buf");
	if (start > p->file.size || len > align_up(p->file.size, BARTER_PAGE_SIZE) - start)
		return refuse(p->origin.task->trace, -EINVAL,
			      "IOMMU_IOAS_MAP_FILE: 0x%llx bytes at 0x%llx do not lie in the memfd of 0x%llx bytes",
			      (unsigned long long)len, (unsigned long long)start, (unsigned long long)p->file.size);
	return pinned_init_file(&p->pinned, p->origin.space, p->origin.task, &p->file, start, len, p->writable);
}

/*
 * An area that holds the only reference is alone: another could only come from a copy of it, which needs the lock of
 * the IOAS that its caller holds. Most maps and unmaps are such, and save the lock. Device memory is never alone.
 */
static bool pages_lock_shared(struct iopt_pages *p)
{
	bool shared = atomic_load_explicit(&p->refs, memory_order_acquire) > 1;

	if (shared)
		mutex_lock(&p->lock);
	return shared;
}

static void pages_unlock_shared(struct iopt_pages *p, bool shared)
{
	if (shared)
		mutex_unlock(&p->lock);
}

/*
 * Who took the last leaf away has drained, unless it is another IOAS that is still about to. A domain that goes as a
 * whole has left its devices before, which drains: a million areas need not wait a million times.
 */
void iopt_pages_unpin_idle(struct iopt_pages *p)
{
	bool shared = pages_lock_shared(p);

	if (p->nr_fills == 0 && p->is_pinned) {
		if (shared)
			section_drain(phys_sections(p->origin.space));
		pinned_fini(&p->pinned);
		p->is_pinned = false;
	}
	pages_unlock_shared(p, shared);
}

int iopt_pages_fill(struct iopt_area *area, struct iommu_domain *d, bool small_leaves)
{
	struct iopt_pages *p = area->pages;
	uint64_t skip = area->offset + (p->start & BARTER_PAGE_MASK);
	bool shared;
	int err = 0;

	if (p->source == IOPT_DMABUF)
		return fill_device_memory(area, d, small_leaves);

	shared = pages_lock_shared(p);
	if (!p->is_pinned)
		err = pin(p);
	p->is_pinned |= !err;
	if (!err)
		err = iommu_map(d, area->iova, p->pinned.region.base + skip, area->last - area->iova + 1,
				leaf_prot(area, small_leaves));
	p->nr_fills += !err;
	pages_unlock_shared(p, shared);
	return err;
}

void iopt_pages_unfill(struct iopt_area *area, struct iommu_domain *d, bool clear)
{
	struct iopt_pages *p = area->pages;
	bool shared;

	if (p->source == IOPT_DMABUF) {
		unfill_device_memory(area, d, clear);
		return;
	}
	shared = pages_lock_shared(p);
	if (clear)
		iommu_unmap(d, area->iova, area->last - area->iova + 1);
	p->nr_fills--;
	pages_unlock_shared(p, shared);
}

void iopt_pages_get(struct iopt_pages *p)
{
	atomic_fetch_add(&p->refs, 1);
}

/*
 * Every reference that goes was drained for by its holder, so the last one needs no further drain. References that stay
 * may belong to areas that no domain shows; then the memory is let go of early.
 */
void iopt_pages_put(struct iopt_pages *p)
{
	if (atomic_load_explicit(&p->refs, memory_order_acquire) > 1) {
		iopt_pages_unpin_idle(p);
		if (atomic_fetch_sub(&p->refs, 1) != 1)
			return;
	}
	if (p->is_pinned)
		pinned_fini(&p->pinned);
	if (p->attachment)
		pages_detach_buffer(p);
	if (p->source == IOPT_MEMORY_FILE && !p->file_error)
		p->origin.task->ops->memory_file_put(&p->file);
	pages_free(p);
}
