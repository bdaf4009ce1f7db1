/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The core of sharing: buffers, and the attachments by which they reach their users.
 *
 * A buffer's state moves Usable <-> Revoked -> Revoked for good, under its reservation lock; so does everything that an
 * attachment holds. dma_buf_map_locked() tests the state under the hold under which the importer inserts what it got,
 * and a revocation sets the state before it walks the attachments under one hold of the same lock. Hence a mapping is
 * either seen by the walk or never made.
 */
#include "dmabuf/dmabuf.h"

#include <stdlib.h>
#include <string.h>

#include "base/trace.h"
#include "dmabuf/dmabuf_priv.h"

const struct dma_buf_mapping_type dma_buf_type_phys = {.name = "physical address list"};

static const struct lock_class reservation_class = {.name = "reservation", .rank = LOCK_RANK_RESERVATION};

int dma_buf_create(const struct dma_buf_ops *ops, void *priv, uint64_t size, int open_flags, bool with_file,
		   struct trace *trace, struct dma_buf **out)
{
	struct dma_buf *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	b->ops = ops;
	b->priv = priv;
	b->size = size;
	b->trace = trace;
	mutex_init(&b->resv, &reservation_class);
	list_init(&b->attachments);
	if (with_file) {
		b->file = file_create(&dma_buf_file_ops, b, open_flags);
		if (!b->file) {
			mutex_fini(&b->resv);
			free(b);
			return -ENOMEM;
		}
		/* A buffer has a poll operation on Linux; without fences it is always ready. Its inode has no type. */
		b->file->carrier = CARRIER_POLL;
		b->file->mode = S_IRUSR | S_IWUSR;
	}
	trace_count(trace, "dma_buf", 1);
	*out = b;
	return 0;
}

void dma_buf_release(struct dma_buf *b)
{
	if (!list_empty(&b->attachments))
		lock_assert_failed("a dma-buf is released with attachments", __FILE__, __LINE__);
	b->ops->release(b);
	trace_count(b->trace, "dma_buf", -1);
	mutex_fini(&b->resv);
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

/* The exporter's order decides: its first type that the importer accepts. */
static const struct dma_buf_match *match_find(const struct dma_buf_ops *exporter,
					      const struct dma_buf_importer_ops *importer)
{
	for (size_t i = 0; i < exporter->nr_offers; i++)
		for (size_t j = 0; j < importer->nr_accepts; j++)
			if (exporter->offers[i].type == importer->accepts[j].type)
				return &exporter->offers[i];
	return NULL;
}

static int match_refuse(struct dma_buf *b, const struct dma_buf_importer_ops *ops)
{
	return refuse(b->trace, -EOPNOTSUPP, "dma-buf attach: %s offers no mapping type that %s accepts", b->ops->name,
		      ops->name);
}

static struct dma_buf_attachment *attachment_alloc(struct dma_buf *b, const struct dma_buf_importer_ops *ops,
						   void *priv, const struct dma_buf_match *match)
{
	struct dma_buf_attachment *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	if (match->data_len) {
		a->match_data = malloc(match->data_len);
		if (!a->match_data) {
			free(a);
			return NULL;
		}
		memcpy(a->match_data, match->data, match->data_len);
	}
	a->buf = b;
	a->ops = ops;
	a->priv = priv;
	a->type = match->type;
	return a;
}

static void attachment_free(struct dma_buf_attachment *a)
{
	free(a->match_data);
	free(a);
}

static bool may_attach_locked(const struct dma_buf *b, const struct dma_buf_importer_ops *ops)
{
	mutex_assert_held(&b->resv);
	return b->state == DMA_BUF_USABLE || (b->state == DMA_BUF_REVOKED && ops->restored);
}

int dma_buf_attach(struct dma_buf *b, const struct dma_buf_importer_ops *ops, void *priv,
		   struct dma_buf_attachment **out)
{
	const struct dma_buf_match *match = match_find(b->ops, ops);
	struct dma_buf_attachment *a;
	bool attached;

	if (!match)
		return match_refuse(b, ops);
	if (b->ops->may_revoke && !ops->invalidate)
		return refuse(b->trace, -EOPNOTSUPP, "dma-buf attach: %s may revoke, %s cannot give the memory back",
			      b->ops->name, ops->name);
	a = attachment_alloc(b, ops, priv, match);
	if (!a)
		return -ENOMEM;

	dma_buf_lock(b);
	attached = may_attach_locked(b, ops);
	if (attached)
		list_add_tail(&b->attachments, &a->node);
	dma_buf_unlock(b);

	if (!attached) {
		attachment_free(a);
		return refuse(b->trace, -ENODEV, "dma-buf attach: the buffer of %s is revoked", b->ops->name);
	}
	trace_count(b->trace, "dma_buf_attachment", 1);
	*out = a;
	return 0;
}

void dma_buf_detach(struct dma_buf_attachment *a)
{
	struct dma_buf *b = a->buf;

	dma_buf_lock(b);
	if (a->mapped)
		dma_buf_unmap_locked(a);
	list_del(&a->node);
	dma_buf_unlock(b);
	trace_count(b->trace, "dma_buf_attachment", -1);
	attachment_free(a);
}

int dma_buf_map_locked(struct dma_buf_attachment *a, const void **out)
{
	struct dma_buf *b = a->buf;
	int rc;

	mutex_assert_held(&b->resv);
	if (b->state != DMA_BUF_USABLE)
		return refuse(b->trace, -ENODEV, "dma-buf map: the buffer of %s is revoked", b->ops->name);
	rc = b->ops->map(a, out);
	if (!rc)
		a->mapped = true;
	return rc;
}

void dma_buf_unmap_locked(struct dma_buf_attachment *a)
{
	mutex_assert_held(&a->buf->resv);
	if (!a->mapped)
		return;
	a->mapped = false;
	if (a->buf->ops->unmap)
		a->buf->ops->unmap(a);
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
