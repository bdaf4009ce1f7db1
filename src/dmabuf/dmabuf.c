/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The core of sharing: buffers, and the attachments by which they reach their users.
 *
 * A buffer's state moves Usable <-> Revoked -> Revoked for good, under its reservation lock; so does everything that an
 * attachment holds. dma_buf_map_begin() tests the state under the hold under which the importer inserts what it got,
 * and a revocation sets the state before it walks the attachments under one hold of the same lock. Hence a mapping is
 * either seen by the walk or never made.
 */
#include "dmabuf/dmabuf.h"

#include <stdlib.h>

#include "base/trace.h"
#include "dmabuf/dmabuf_priv.h"

static int buffer_add_file(struct dma_buf *b, int open_flags)
{
	int err = dma_buf_poll_begin(b);

	if (err)
		return err;
	b->file = file_create(&dma_buf_file_ops, b, open_flags);
	if (!b->file) {
		dma_buf_poll_end(b);
		return -ENOMEM;
	}
	/* Its inode has no type. */
	b->file->carrier = CARRIER_POLL;
	b->file->mode = S_IRUSR | S_IWUSR;
	return 0;
}

int dma_buf_create(const struct dma_buf_ops *ops, void *priv, uint64_t size, int open_flags, bool with_file,
		   struct dma_buf_registry *registry, struct dma_buf **out)
{
	struct dma_buf *b = calloc(1, sizeof(*b));
	int err;

	dma_buf_assert_callable("dma_buf_create");
	if (!b)
		return -ENOMEM;
	b->ops = ops;
	b->priv = priv;
	b->size = size;
	b->trace = dma_buf_registry_trace(registry);
	b->registry = with_file ? registry : NULL;
	b->offers = ops->offers;
	b->nr_offers = ops->nr_offers;
	dma_resv_init(&b->own_resv);
	b->resv = &b->own_resv;
	list_init(&b->attachments);
	if (with_file) {
		err = buffer_add_file(b, open_flags);
		if (err) {
			dma_resv_fini(&b->own_resv);
			free(b);
			return err;
		}
	}
	dma_buf_register(b);
	trace_count(b->trace, "dma_buf", 1);
	*out = b;
	return 0;
}

void dma_buf_release(struct dma_buf *b)
{
	dma_buf_assert_callable("release of a dma-buf");
	if (!list_empty(&b->attachments))
		lock_assert_failed("a dma-buf is released with attachments", __FILE__, __LINE__);
	dma_buf_unregister(b);
	dma_buf_poll_end(b);
	b->ops->release(b);
	trace_count(b->trace, "dma_buf", -1);
	dma_resv_fini(&b->own_resv);
	free(b);
}

void dma_buf_destroy(struct dma_buf *b)
{
	if (b->file)
		lock_assert_failed("a dma-buf with a file is destroyed by hand", __FILE__, __LINE__);
	dma_buf_release(b);
}

struct dma_buf *dma_buf_from_file(struct file *f)
{
	return f->ops == &dma_buf_file_ops ? f->priv : NULL;
}

static void attachment_invalidate(struct dma_buf_attachment *a)
{
	if (a->ops->invalidate)
		a->ops->invalidate(a);
	dma_buf_unmap_locked(a);
}

void dma_buf_revoke(struct dma_buf *b, bool for_good)
{
	struct dma_buf_attachment *a;

	dma_buf_lock(b);
	if (b->state == DMA_BUF_USABLE) {
		b->state = DMA_BUF_REVOKED;
		list_for_each (a, &b->attachments, node)
			attachment_invalidate(a);
	}
	if (for_good)
		b->state = DMA_BUF_REVOKED_FOR_GOOD;
	dma_buf_unlock(b);
}

void dma_buf_restore(struct dma_buf *b)
{
	struct dma_buf_attachment *a;

	dma_buf_lock(b);
	if (b->state == DMA_BUF_REVOKED) {
		b->state = DMA_BUF_USABLE;
		list_for_each (a, &b->attachments, node)
			if (a->ops->restored)
				a->ops->restored(a);
	}
	dma_buf_unlock(b);
}

int dma_buf_move_begin_locked(struct dma_buf *b)
{
	struct dma_buf_attachment *a;

	dma_buf_assert_held(b);
	if (b->nr_pins)
		return refuse(b->trace, -EBUSY, "dma-buf move: %u importers of a buffer of %s cannot follow it",
			      b->nr_pins, b->ops->name);
	list_for_each (a, &b->attachments, node)
		attachment_invalidate(a);
	return 0;
}

void dma_buf_move_end_locked(struct dma_buf *b)
{
	struct dma_buf_attachment *a;

	dma_buf_assert_held(b);
	if (b->state != DMA_BUF_USABLE)
		return;
	list_for_each (a, &b->attachments, node)
		if (a->ops->restored)
			a->ops->restored(a);
}
