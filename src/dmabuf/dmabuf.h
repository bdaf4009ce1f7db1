/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Buffers and attachments: how device memory is shared (SPEC S1-S4, S7).
 *
 * A buffer (struct dma_buf) is device memory that can be mapped by anyone. An attachment is the only edge by which it
 * reaches a user: an IOAS area, a CPU mapping, a device that a driver inside barter programs. It is a match between
 * what the exporter offers and what the importer accepts (dmabuf/mapping_type.h), and has one invalidate().
 *
 * Its reservation object (fence/dma_resv.h) holds the fences of the work that uses it, and its lock guards what the
 * buffer holds. Who uses several buffers at once locks them with an acquire context, as Linux's drivers do.
 *
 * The contract, call by call ("resv" is the buffer's reservation lock, dma_buf_lock()):
 *   dma_buf_attach()    without resv. May be refused: no type that suits both (-EOPNOTSUPP); the exporter may revoke
 *                       and the importer has no invalidate (-EOPNOTSUPP); the exporter cannot pin (what it says);
 *                       revoked (-ENODEV), but for an importer that has restored(), which may wait out a revocation for
 *                       now.
 *   map, unmap          with resv held. What map returns holds until the next invalidate or unmap.
 *   invalidate()        called by the exporter's revoke or move with resv held (and its gate). The importer drops its
 *                       mapping: its leaves or pages are gone when it returns; it must not wait for DMA (the gate
 *                       drains once, after all importers) and must not detach. It may not take an IOAS lock.
 *   restored()          called by the exporter's restore, under the same locks.
 *   dma_buf_detach()    without resv. After it no callback comes.
 *   ops->release()      when the last reference to the file is gone; no attachment exists then.
 *
 * State is tested and the mapping inserted under one hold of resv.
 *
 * Three kinds of importers: dynamic ones let go in invalidate and map again when they need to; pinned revocable ones
 * (iommufd: its devices cannot fault) let go in invalidate and lose what they had; static ones have no invalidate.
 * While one of the latter two is attached the buffer is pinned: it may be revoked, if it may at all, but never moved.
 *
 * Who may include this: dmabuf/, iommufd/, vfio/, heap/, drm/ and other importers.
 */
#ifndef BARTER_DMABUF_DMABUF_H
#define BARTER_DMABUF_DMABUF_H

#include <linux/dma-buf.h>

#include "base/list.h"
#include "base/lock.h"
#include "base/types.h"
#include "dmabuf/mapping_type.h"
#include "dmabuf/registry.h"
#include "fence/dma_resv.h"
#include "file/file.h"
#include "memory/phys.h"

struct dma_buf;
struct dma_buf_attachment;
struct dma_buf_registry;
struct dma_buf_phys_list;
struct dma_buf_poll;
struct dma_buf_sgt_ops;

struct dma_buf_ops {
	const char *name; /* exporter, for bufinfo and the report */
	/* What the exporter offers, best first, when it is the same for each of its buffers: see dma_buf.offers. */
	const struct dma_buf_match *offers;
	size_t nr_offers;
	/* For exporters that know no mapping types, instead of offers: a scatterlist of system memory. */
	const struct dma_buf_sgt_ops *sgt;
	bool may_revoke;
	/*
	 * resv held. The first pin: the memory stays where it is from now on, or -errno. The last one has gone. May be
	 * NULL: it never moves.
	 */
	int (*pin)(struct dma_buf *b);
	void (*unpin)(struct dma_buf *b);
	/*
	 * Where the memory lies whenever it is usable, for exporters that never move it: asked while revoked, too, so
	 * that a CPU mapping can be made that comes to life later. Lives as long as the buffer. NULL: no CPU mappings.
	 */
	const struct dma_buf_phys_list *(*layout)(struct dma_buf *b);
	/*
	 * A program brackets its accesses: before it waits for fences, and when it is done. rw: DMA_BUF_SYNC_READ,
	 * _WRITE. No locks. 0 or -errno; may be NULL.
	 */
	int (*begin_cpu_access)(struct dma_buf *b, unsigned rw);
	int (*end_cpu_access)(struct dma_buf *b, unsigned rw);
	/* mmap(2) on the buffer's fd; NULL: -EINVAL, as Linux answers. */
	int64_t (*mmap)(struct dma_buf *b, struct task *t, const struct mmap_request *req);
	void (*release)(struct dma_buf *b);
};

struct dma_buf_importer_ops {
	const char *name;
	/* What the importer accepts, in any order, when it is the same for each of its attachments. */
	const struct dma_buf_match *accepts;
	size_t nr_accepts;
	/* What bufinfo names when its attachments bring no dma_device; NULL: they are no device's. */
	const char *device;
	/* It has invalidate, but its devices cannot fault: memory that moves would be as good as lost. */
	bool pinned;
	/* NULL: static, cannot give the memory back before it is done with it. */
	void (*invalidate)(struct dma_buf_attachment *a);
	/* The memory is usable again (never after one for good). NULL: the importer maps anew when asked to. */
	void (*restored)(struct dma_buf_attachment *a);
	/* It has restored, and yet does not attach to memory that is away for now. */
	bool usable_only;
};

enum dma_buf_state { DMA_BUF_USABLE, DMA_BUF_REVOKED, DMA_BUF_REVOKED_FOR_GOOD };

struct dma_buf {
	const struct dma_buf_ops *ops;
	void *priv;
	uint64_t size;
	struct file *file; /* NULL: an internal buffer (a CPU mapping's), which has no fd and is not counted by it */
	struct trace *trace;
	struct dma_buf_registry *registry; /* may be NULL */
	struct list registered;		   /* the registry's lock */
	/* ops->offers, or the exporter's own for this buffer: set before anyone attaches, lives as long as the buffer.
	 */
	const struct dma_buf_match *offers;
	size_t nr_offers;
	struct dma_resv own_resv;
	struct dma_buf_poll *poll; /* NULL: nobody can */
	struct dma_resv *resv;	   /* its fences, and its lock, which guards all below; immutable */
	struct list attachments;
	enum dma_buf_state state;
	unsigned nr_pins;
	bool named;
	char name[DMA_BUF_NAME_LEN]; /* DMA_BUF_SET_NAME */
};

struct dma_buf_attachment {
	struct dma_buf *buf;
	const struct dma_buf_importer_ops *ops;
	void *priv;
	/* buf->resv */
	struct list node;
	const struct dma_buf_mapping_type *type; /* to be used, or used; changes by dma_buf_fall_back_locked() only */
	bool mapped;
	const void *mapping; /* the type's */
	unsigned nr_pins;
	unsigned chosen; /* whose type it is */
	/* The types that either side named: the exporter's in its order, then the rest. */
	unsigned nr_candidates; /* immutable */
	struct dma_buf_candidate candidates[];
};

/* Makes a buffer with a file of one reference (with_file) or without. Nothing is visible yet. -ENOMEM. */
int dma_buf_create(const struct dma_buf_ops *ops, void *priv, uint64_t size, int open_flags, bool with_file,
		   struct dma_buf_registry *registry, struct dma_buf **out);
/* For buffers without a file: ops->release and free. No attachment exists. */
void dma_buf_destroy(struct dma_buf *b);
/* The buffer behind a file, or NULL when it is not a dma-buf. Borrowed: lives as long as the file. */
struct dma_buf *dma_buf_from_file(struct file *f);

/* accepts: ops->accepts, or a list for this attachment, as one that has a device brings in its match data. */
int dma_buf_attach(struct dma_buf *b, const struct dma_buf_importer_ops *ops, void *priv,
		   struct dma_buf_attachment **out);
int dma_buf_attach_accepting(struct dma_buf *b, const struct dma_buf_importer_ops *ops, void *priv,
			     const struct dma_buf_match *accepts, size_t nr_accepts, struct dma_buf_attachment **out);
/* Unmaps and unpins what still is. */
void dma_buf_detach(struct dma_buf_attachment *a);

static inline void dma_buf_lock(struct dma_buf *b)
{
	dma_resv_lock(b->resv, NULL);
}
static inline void dma_buf_unlock(struct dma_buf *b)
{
	dma_resv_unlock(b->resv);
}

static inline void dma_buf_assert_held(const struct dma_buf *b)
{
	dma_resv_assert_held(b->resv);
}

/*
 * Mapping is the type's: dma_buf_phys_map_locked() and its like; unmapping is one call for all. resv held.
 *
 * An importer that accepts several types looks at a->type and tries until it is done:
 *
 *	do {
 *		if (a->type == &dma_buf_type_iov)
 *			err = import_window(a);		(maps, and puts what it got in place)
 *		else
 *			err = import_addresses(a);
 *	} while (dma_buf_fall_back_locked(a, err));
 */
void dma_buf_unmap_locked(struct dma_buf_attachment *a);
/*
 * err: what came of mapping through a->type and of using the result. True: it failed, a->type has become the next one
 * that suits both. False: it succeeded; or no other type would do better (-ENODEV, -EINTR, -EAGAIN); or there is none
 * left, and the next attempt begins with the first again. After a failure nothing is mapped.
 */
bool dma_buf_fall_back_locked(struct dma_buf_attachment *a, int err);

/* resv held. Pinned memory does not move. Counted; for dynamic importers, the others are pinned while attached. */
int dma_buf_pin_locked(struct dma_buf_attachment *a);
void dma_buf_unpin_locked(struct dma_buf_attachment *a);

/*
 * The exporter's side, called from its gate client: sets the state and invalidates every attachment, or tells those
 * that wait for it that the memory is back. Takes resv. After a revocation for good nothing brings the buffer back.
 */
void dma_buf_revoke(struct dma_buf *b, bool for_good);
void dma_buf_restore(struct dma_buf *b);
/*
 * The gate client's settle(): waits for all fences, as long as it takes, and not to be interrupted. Without resv. One
 * that does not signal for a while is reported by name, as what holds up the memory of `owner`, the name of a function.
 */
void dma_buf_settle(struct dma_buf *b, const char *owner);
/*
 * resv held from before the one to after the other. An exporter that moves the memory asks all importers to let go of
 * it (-EBUSY: it is pinned), moves it, and tells those that wait for it.
 */
int dma_buf_move_begin_locked(struct dma_buf *b);
void dma_buf_move_end_locked(struct dma_buf *b);

#endif
