/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Buffers of others. What a virtual function of ours exports is a window into our own local memory: with the IOV type
 * its ranges become offsets there and nothing goes over PCIe. Everything else is a scatterlist.
 *
 * Two kinds of importers. Dynamic: an invalidation drops the entries, and the next submission maps anew. Pinned: the
 * memory stays in place while it is imported, and what was once taken away does not come back.
 */
#include <stdlib.h>

#include "dmabuf/type_iov.h"
#include "drm/sgpu_priv.h"
#include "file/kernel.h"

static void import_invalidate(struct dma_buf_attachment *a)
{
	struct sgpu_bo *bo = a->priv;

	bo->nr_entries = 0;
	bo->lost = bo->pinned;
	atomic_fetch_add(&bo->invalidations, 1);
}

static const struct dma_buf_importer_ops importers[] = {
	{.name = "sgpu", .invalidate = import_invalidate},
	{.name = "sgpu, pinned", .invalidate = import_invalidate, .pinned = true},
};

static int make_room(struct sgpu_bo *bo)
{
	unsigned max = bo->max_entries ? 2 * bo->max_entries : 8;
	struct sgpu_entry *entries;

	if (bo->nr_entries < bo->max_entries)
		return 0;
	entries = realloc(bo->entries, max * sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	bo->entries = entries;
	bo->max_entries = max;
	return 0;
}

/* Neighbours become one. */
static int add_entry(struct sgpu_bo *bo, struct sgpu_entry e)
{
	struct sgpu_entry *last = bo->nr_entries ? &bo->entries[bo->nr_entries - 1] : NULL;
	int err;

	if (last && last->local == e.local && last->addr + last->len == e.addr) {
		last->len += e.len;
		return 0;
	}
	err = make_room(bo);
	if (!err)
		bo->entries[bo->nr_entries++] = e;
	return err;
}

/* A range of the window: what lies behind it in local memory. */
static int add_range(struct sgpu_bo *bo, const struct dma_buf_iov_range *range)
{
	struct sgpu_entry parts[GPU_MAX_FRAGMENTS];
	int nr = sgpu_slice_translate(bo->gpu, dma_buf_iov_vf(bo->attachment), range->offset, range->len, parts,
				      ARRAY_SIZE(parts));
	int err = MIN(nr, 0);

	for (int i = 0; i < nr && !err; i++)
		err = add_entry(bo, parts[i]);
	return err;
}

static int import_window(struct sgpu_bo *bo)
{
	const struct dma_buf_iov_list *list;
	int err = dma_buf_iov_map_locked(bo->attachment, &list);

	for (size_t i = 0; !err && i < list->nr_ranges; i++)
		err = add_range(bo, &list->ranges[i]);
	return err;
}

static int import_addresses(struct sgpu_bo *bo)
{
	const struct dma_buf_sgt *sgt;
	int err = dma_buf_sgt_map_locked(bo->attachment, IOMMU_READ | IOMMU_WRITE, &sgt);

	for (size_t i = 0; !err && i < sgt->nr_entries; i++)
		err = add_entry(bo, (struct sgpu_entry){sgt->entries[i].addr, sgt->entries[i].len, false});
	return err;
}

/* What is not the function's own is not its own by another way; and memory may be there at the next try. */
static bool is_the_ways_fault(int err)
{
	return err && err != -EACCES && err != -ENOMEM;
}

int sgpu_import_validate_locked(struct sgpu_bo *bo)
{
	struct dma_buf_attachment *a = bo->attachment;
	int err;

	dma_buf_assert_held(bo->buf);
	if (bo->nr_entries)
		return 0;
	if (bo->lost)
		return refuse(bo->gpu->trace, -ENODEV, "sgpu: a pinned import of %s was revoked", bo->buf->ops->name);
	do {
		bo->nr_entries = 0;
		bo->local = a->type == &dma_buf_type_iov;
		err = bo->local ? import_window(bo) : import_addresses(bo);
	} while (is_the_ways_fault(err) && dma_buf_fall_back_locked(a, err));
	if (err) {
		dma_buf_unmap_locked(a);
		bo->nr_entries = 0;
	}
	return err;
}

static int import_attach(struct sgpu_bo *bo, bool iov)
{
	const struct dma_buf_iov_importer window = {.pf = bo->gpu->fn, .bar = SGPU_BAR_MEMORY};
	const struct dma_buf_sgt_importer addresses = {.device = bo->gpu->dma, .accepts_peer = true};
	const struct dma_buf_match accepts[] = {{.type = &dma_buf_type_sgt, .data = &addresses},
						{.type = &dma_buf_type_iov, .data = &window}};
	int err = dma_buf_attach_accepting(bo->buf, &importers[bo->pinned], bo, accepts, iov ? 2 : 1, &bo->attachment);

	if (err)
		return err;
	dma_buf_lock(bo->buf);
	err = sgpu_import_validate_locked(bo);
	dma_buf_unlock(bo->buf);
	if (err)
		dma_buf_detach(bo->attachment);
	return err;
}

int sgpu_import(struct sgpu *gpu, struct task *t, struct file *f, bool pinned, struct sgpu_bo **out)
{
	struct dma_buf *b = dma_buf_from_file(f);
	struct sgpu_bo *bo = calloc(1, sizeof(*bo));
	int err;

	if (!bo)
		return -ENOMEM;
	bo->gpu = gpu;
	bo->size = b->size;
	bo->buf = b;
	bo->imported = true;
	bo->pinned = pinned;
	atomic_init(&bo->refs, 1);
	err = import_attach(bo, kernel_has(t, NEXT_DMA_BUF_IOV));
	if (err) {
		free(bo->entries);
		free(bo);
		return err;
	}
	file_get(f);
	sgpu_get(gpu);
	*out = bo;
	return 0;
}

void sgpu_import_release(struct sgpu_bo *bo)
{
	struct sgpu *gpu = bo->gpu;

	dma_buf_detach(bo->attachment);
	file_put(bo->buf->file);
	free(bo->entries);
	free(bo);
	sgpu_put(gpu);
}
