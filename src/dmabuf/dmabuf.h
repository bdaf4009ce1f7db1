/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Buffers and attachments: how device memory is shared (SPEC S1-S4, S7).
 *
 * A buffer (struct dma_buf) is device memory that can be mapped by anyone. An attachment is the only edge by which it
 * reaches a user: an IOAS area, a CPU mapping, later a scatterlist importer. It is a match between what the exporter
 * offers and what the importer accepts (types are objects, compared by address), and has one invalidate().
 *
 * The contract, call by call ("resv" is the buffer's reservation lock, dma_buf_lock()):
 *   dma_buf_attach()    without resv. May be refused: no common type (-EOPNOTSUPP); the exporter may revoke and the
 *                       importer has no invalidate (-EOPNOTSUPP); revoked (-ENODEV), but for an importer that has
 *                       restored(), which may wait out a revocation for now.
 *   map, unmap          with resv held. What map returns holds until the next invalidate or unmap.
 *   invalidate()        called by the exporter's revoke with resv held (and its gate). The importer drops its mapping:
 *                       its leaves or pages are gone when it returns; it must not wait for DMA (the gate drains once,
 *                       after all importers) and must not detach. It may not take an IOAS lock.
 *   restored()          called by the exporter's restore, under the same locks.
 *   dma_buf_detach()    without resv. After it no callback comes.
 *   ops->release()      when the last reference to the file is gone; no attachment exists then.
 *
 * State is tested and the mapping inserted under one hold of resv.
 *
 * Who may include this: dmabuf/, iommufd/, vfio/ and later importers.
 */
#ifndef BARTER_DMABUF_DMABUF_H
#define BARTER_DMABUF_DMABUF_H

#include <linux/dma-buf.h>

#include "base/list.h"
#include "base/lock.h"
#include "base/types.h"
#include "file/file.h"
#include "memory/phys.h"

struct dma_buf;
struct dma_buf_attachment;

/* An interconnect. Defined anywhere; its address is its identity. */
struct dma_buf_mapping_type {
	const char *name;
};

/* Physical ranges and the provider that owns them; for importers that program an IOMMU or page tables themselves. */
extern const struct dma_buf_mapping_type dma_buf_type_phys;

struct pci_function;

struct dma_buf_range {
	phys_t pa;
	uint64_t len;
};

/* dma_buf_type_phys: what map() gives. Owned by the exporter, stable until invalidate or unmap. */
struct dma_buf_phys_list {
	const struct dma_buf_range *ranges;
	size_t nr_ranges;
	struct pci_function *provider; /* whose memory it is; NULL: system memory */
};

/* One entry of an ordered offer or acceptance. */
struct dma_buf_match {
	const struct dma_buf_mapping_type *type;
	const void *data; /* the type's; copied into the attachment when the type says how long it is */
	size_t data_len;
};

struct dma_buf_ops {
	const char *name; /* exporter, for bufinfo and the report */
	/* What the exporter offers, best first. */
	const struct dma_buf_match *offers;
	size_t nr_offers;
	bool may_revoke;
	/* resv held. -ENODEV while revoked. *out by type. */
	int (*map)(struct dma_buf_attachment *a, const void **out);
	void (*unmap)(struct dma_buf_attachment *a);
	/*
	 * Where the memory lies whenever it is usable, for exporters that never move it: asked while revoked, too, so
	 * that a CPU mapping can be made that comes to life later. Lives as long as the buffer. NULL: no CPU mappings.
	 */
	const struct dma_buf_phys_list *(*layout)(struct dma_buf *b);
	/* mmap(2) on the buffer's fd; NULL: -EINVAL, as Linux answers. */
	int64_t (*mmap)(struct dma_buf *b, struct task *t, const struct mmap_request *req);
	void (*release)(struct dma_buf *b);
};

struct dma_buf_importer_ops {
	const char *name;
	const struct dma_buf_match *accepts;
	size_t nr_accepts;
	void (*invalidate)(struct dma_buf_attachment *a);
	/* The memory is usable again (never after one for good). NULL: the importer maps anew when asked to. */
	void (*restored)(struct dma_buf_attachment *a);
};

enum dma_buf_state { DMA_BUF_USABLE, DMA_BUF_REVOKED, DMA_BUF_REVOKED_FOR_GOOD };

struct dma_buf {
	const struct dma_buf_ops *ops;
	void *priv;
	uint64_t size;
	struct file *file; /* NULL: an internal buffer (a CPU mapping's), which has no fd and is not counted by it */
	struct trace *trace;
	struct mutex resv; /* LOCK_RANK_RESERVATION; guards all below */
	struct list attachments;
	enum dma_buf_state state;
	bool named;
	char name[DMA_BUF_NAME_LEN]; /* DMA_BUF_SET_NAME */
};

struct dma_buf_attachment {
	struct dma_buf *buf;
	const struct dma_buf_importer_ops *ops;
	void *priv;
	struct list node;			 /* buf->resv */
	const struct dma_buf_mapping_type *type; /* immutable */
	void *match_data;			 /* the copy; immutable */
	bool mapped;				 /* buf->resv */
};

/* Makes a buffer with a file of one reference (with_file) or without. Nothing is visible yet. -ENOMEM. */
int dma_buf_create(const struct dma_buf_ops *ops, void *priv, uint64_t size, int open_flags, bool with_file,
		   struct trace *trace, struct dma_buf **out);
/* For buffers without a file: ops->release and free. No attachment exists. */
void dma_buf_destroy(struct dma_buf *b);
/* The buffer behind a file, or NULL when it is not a dma-buf. Borrowed: lives as long as the file. */
struct dma_buf *dma_buf_from_file(struct file *f);

int dma_buf_attach(struct dma_buf *b, const struct dma_buf_importer_ops *ops, void *priv,
		   struct dma_buf_attachment **out);
void dma_buf_detach(struct dma_buf_attachment *a);

static inline void dma_buf_lock(struct dma_buf *b)
{
	mutex_lock(&b->resv);
}
static inline void dma_buf_unlock(struct dma_buf *b)
{
	mutex_unlock(&b->resv);
}

/* resv held. */
int dma_buf_map_locked(struct dma_buf_attachment *a, const void **out);
void dma_buf_unmap_locked(struct dma_buf_attachment *a);

/*
 * The exporter's side, called from its gate client: sets the state and invalidates every attachment, or tells those
 * that wait for it that the memory is back. Takes resv. After a revocation for good nothing brings the buffer back.
 */
void dma_buf_revoke(struct dma_buf *b, bool for_good);
void dma_buf_restore(struct dma_buf *b);

#endif
