/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * CPU mappings: one mmap(2) of a buffer, from its placement to its last page's munmap.
 *
 * A mapping is placed zapped and without locks, for what MAP_FIXED replaces is released on the way; then it is filled
 * under the reservation lock if the buffer is usable. So it never appears while the buffer is revoked, and a revocation
 * that comes in between finds it attached.
 *
 * From mm_place() on it belongs to two: to its maker until that returns, and to the task until the program has unmapped
 * the last part, which can be before. The later of the two takes it down. invalidate and restored touch the address
 * space only while the mapping is there by `place`; that its last part may have gone without released() having run yet
 * is the task's to cope with.
 */
#include "dmabuf/cpu_mapping.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "base/trace.h"
#include "dmabuf/type_phys.h"

/* Each may become a mapping of the kernel's, which gives a program 65530 (vm.max_map_count). */
enum { MOST_EXTENTS = 32768 };

struct buffer_mapping {
	struct cpu_mapping m;
	struct task *task;
	struct dma_buf_attachment *attachment;
	atomic_int refs;
	enum { MAPPING_NOT_YET, MAPPING_PLACED, MAPPING_GONE } place; /* buf->resv */
	struct cpu_mapping_how how;
	struct buffer_extent {
		struct phys_watch watch;
		struct buffer_mapping *mapping;
		uint64_t offset; /* in the mapping */
	} * watches;		 /* one an extent */
	struct cpu_extent *extents;
};

static void mapping_invalidate(struct dma_buf_attachment *a)
{
	struct buffer_mapping *bm = a->priv;

	if (bm->place == MAPPING_PLACED)
		bm->task->ops->mm_zap(bm->task, &bm->m);
}

static void mapping_restored(struct dma_buf_attachment *a)
{
	struct buffer_mapping *bm = a->priv;

	if (bm->place == MAPPING_PLACED)
		bm->task->ops->mm_restore(bm->task, &bm->m);
}

static const struct dma_buf_match mapping_accepts[] = {{.type = &dma_buf_type_phys}};

#define MAPPING_IMPORTER                                                                                               \
	.accepts = mapping_accepts, .nr_accepts = ARRAY_SIZE(mapping_accepts), .invalidate = mapping_invalidate,       \
	.restored = mapping_restored

/* By what the mapping asks for: [usable_only][write_combining]. */
static const struct dma_buf_importer_ops mapping_importers[2][2] = {
	{{.name = "CPU mapping", MAPPING_IMPORTER}, {.name = "CPU mapping, write-combining", MAPPING_IMPORTER}},
	{{.name = "CPU mapping", MAPPING_IMPORTER, .usable_only = true},
	 {.name = "CPU mapping, write-combining", MAPPING_IMPORTER, .usable_only = true}},
};

/* A register page went from trapped to polled or back. */
static void extent_retrap(struct phys_watch *w, uint64_t offset, uint64_t len)
{
	struct buffer_extent *be = container_of(w, struct buffer_extent, watch);
	struct buffer_mapping *bm = be->mapping;
	const struct cpu_extent *e = &bm->extents[be - bm->watches];
	uint64_t start = MAX(offset, e->region_offset), end = MIN(offset + len, e->region_offset + e->len);

	if (start < end)
		bm->task->ops->mm_retrap(bm->task, &bm->m, be->offset + start - e->region_offset, end - start);
}

/*
 * Cuts [offset, offset + len) of the buffer into extents; fills out (when not NULL) and returns how many there are, or
 * -EINVAL when a part has no region behind it that could be mapped.
 */
static ssize_t extents_build(const struct dma_buf_phys_list *list, struct phys_space *space, uint64_t offset,
			     uint64_t len, struct cpu_extent *out)
{
	ssize_t nr = 0;

	for (size_t i = 0; i < list->nr_ranges && len; i++) {
		const struct phys_range *range = &list->ranges[i];

		while (len && offset < range->len) {
			phys_t pa = range->pa + offset;
			struct phys_region *r = phys_find(space, pa);
			uint64_t step;

			if (!r || (r->fd < 0 && !r->ops))
				return -EINVAL;
			step = MIN(len, range->len - offset);
			step = MIN(step, r->base + r->len - pa);
			if (out)
				out[nr] = (struct cpu_extent){.region = r, .region_offset = pa - r->base, .len = step};
			nr++;
			offset += step;
			len -= step;
		}
		offset -= MIN(offset, range->len);
	}
	return len ? -EINVAL : nr;
}

static void mapping_free(struct buffer_mapping *bm)
{
	free(bm->watches);
	free(bm->extents);
	free(bm);
}

/* resv held: what the ranges lie in stays as it is until the buffer is revoked for good, and then need not be found. */
static ssize_t extents_build_locked(struct dma_buf *b, struct phys_space *space, uint64_t offset, uint64_t len,
				    struct cpu_extent *out)
{
	dma_buf_assert_held(b);
	return b->state == DMA_BUF_REVOKED_FOR_GOOD ? -ENODEV
						    : extents_build(b->ops->layout(b), space, offset, len, out);
}

static int mapping_alloc(struct dma_buf *b, struct phys_space *space, uint64_t offset, uint64_t len,
			 struct buffer_mapping **out)
{
	struct buffer_mapping *bm = NULL;
	uint64_t at = 0;
	ssize_t nr, built;

	dma_buf_lock(b);
	nr = extents_build_locked(b, space, offset, len, NULL);
	dma_buf_unlock(b);
	if (nr < 0)
		return (int)nr;
	if (nr > MOST_EXTENTS)
		return -ENOMEM;
	bm = calloc(1, sizeof(*bm));
	if (!bm)
		return -ENOMEM;
	bm->extents = calloc((size_t)nr, sizeof(*bm->extents));
	bm->watches = calloc((size_t)nr, sizeof(*bm->watches));
	if (!bm->extents || !bm->watches) {
		mapping_free(bm);
		return -ENOMEM;
	}
	dma_buf_lock(b);
	built = extents_build_locked(b, space, offset, len, bm->extents);
	dma_buf_unlock(b);
	if (built < 0) {
		mapping_free(bm);
		return (int)built;
	}
	for (ssize_t i = 0; i < nr; i++) {
		bm->watches[i].watch.retrap = extent_retrap;
		bm->watches[i].mapping = bm;
		bm->watches[i].offset = at;
		at += bm->extents[i].len;
	}
	bm->m.extents = bm->extents;
	bm->m.nr_extents = (size_t)nr;
	bm->m.len = len;
	*out = bm;
	return 0;
}

static void mapping_watch(struct buffer_mapping *bm)
{
	for (size_t i = 0; i < bm->m.nr_extents; i++)
		if (bm->extents[i].region->kind == PHYS_REGISTERS)
			phys_watch_add(bm->extents[i].region, &bm->watches[i].watch);
}

static void mapping_unwatch(struct buffer_mapping *bm)
{
	for (size_t i = 0; i < bm->m.nr_extents; i++)
		if (bm->extents[i].region->kind == PHYS_REGISTERS)
			phys_watch_remove(bm->extents[i].region, &bm->watches[i].watch);
}

static const char *mapping_kind(const struct cpu_mapping_how *how)
{
	return how->write_combining ? "cpu_mapping (write-combining)" : "cpu_mapping";
}

static void mapping_put(struct buffer_mapping *bm)
{
	struct dma_buf *b = bm->attachment->buf;
	struct cpu_mapping_how how = bm->how;

	if (atomic_fetch_sub(&bm->refs, 1) != 1)
		return;
	mapping_unwatch(bm);
	dma_buf_detach(bm->attachment);
	trace_count(b->trace, mapping_kind(&how), -1);
	mapping_free(bm);
	if (how.on_gone)
		how.on_gone(how.arg);
}

static void mapping_released(struct cpu_mapping *m)
{
	struct buffer_mapping *bm = container_of(m, struct buffer_mapping, m);
	struct dma_buf *b = bm->attachment->buf;

	lock_check_none_held(__func__);
	dma_buf_lock(b);
	bm->place = MAPPING_GONE;
	dma_buf_unlock(b);
	mapping_put(bm);
}

static const struct cpu_mapping_ops mapping_ops = {.released = mapping_released};

/* Placed and attached: let it reach the memory, unless that is revoked at the moment. */
static void mapping_fill(struct buffer_mapping *bm)
{
	struct dma_buf *b = bm->attachment->buf;

	dma_buf_lock(b);
	if (bm->place == MAPPING_NOT_YET)
		bm->place = MAPPING_PLACED;
	if (b->state == DMA_BUF_USABLE)
		mapping_restored(bm->attachment);
	dma_buf_unlock(b);
}

int64_t cpu_mapping_create(struct dma_buf *b, struct task *t, const struct mmap_request *req,
			   const struct cpu_mapping_how *how)
{
	struct buffer_mapping *bm = NULL;
	int64_t addr;
	int rc;

	lock_check_none_held(__func__);
	if (!b->ops->layout)
		return refuse(b->trace, -ENODEV, "mmap: memory of %s has no fixed place", b->ops->name);
	rc = mapping_alloc(b, how->space, how->offset, req->len, &bm);
	if (rc)
		return refuse(b->trace, rc, "mmap: [0x%llx, +0x%llx) of a buffer of %s cannot be mapped",
			      (unsigned long long)how->offset, (unsigned long long)req->len, b->ops->name);
	bm->m.ops = &mapping_ops;
	bm->m.owner = bm;
	bm->m.denied_prot = how->denied_prot;
	bm->m.private_ = (req->flags & MAP_TYPE) == MAP_PRIVATE;
	bm->m.zapped = true;
	bm->task = t;
	bm->how = *how;
	atomic_init(&bm->refs, 2);

	addr = dma_buf_attach(b, &mapping_importers[how->usable_only][how->write_combining], bm, &bm->attachment);
	if (addr)
		goto err_free;
	mapping_watch(bm);
	addr = t->ops->mm_place(t, &bm->m, req->hint, req->len, req->prot, req->flags);
	if (addr < 0)
		goto err_detach;
	mapping_fill(bm);
	trace_count(b->trace, mapping_kind(how), 1);
	mapping_put(bm);
	return addr;

err_detach:
	mapping_unwatch(bm);
	dma_buf_detach(bm->attachment);
err_free:
	mapping_free(bm);
	return addr;
}
