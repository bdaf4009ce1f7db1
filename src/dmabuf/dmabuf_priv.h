/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of dmabuf/ share. */
#ifndef BARTER_DMABUF_PRIV_H
#define BARTER_DMABUF_PRIV_H

#include "dmabuf/dmabuf.h"

struct dma_buf_registry {
	struct trace *trace;	    /* immutable */
	uint64_t patience_ns;	    /* immutable once there are buffers */
	struct mutex lock;	    /* LOCK_RANK_BUFFERS; guards the list: a buffer in it is alive while it is held */
	struct list buffers;	    /* dma_buf.registered */
	struct mutex outcomes_lock; /* LOCK_RANK_LEAF */
	struct dma_buf_outcome *outcomes;
};

/* An attachment ends: the report counts it. Without locks. */
void dma_buf_outcome_note(const struct dma_buf_attachment *a);
void dma_buf_outcomes_free(struct dma_buf_registry *r);
/* The report's part "attachments", a trace_part_fn. */
int dma_buf_outcomes_json(void *registry, char **text, size_t *len);

uint64_t dma_buf_registry_patience(const struct dma_buf_registry *r);
void dma_buf_register(struct dma_buf *b);
void dma_buf_unregister(struct dma_buf *b);

/* fences.c */
long dma_buf_sync_ioctl(struct dma_buf *b, struct task *t, uaddr_t arg);
long dma_buf_export_sync_file_ioctl(struct dma_buf *b, struct task *t, uaddr_t arg);
long dma_buf_import_sync_file_ioctl(struct dma_buf *b, struct task *t, uaddr_t arg);

/* poll.c: what poll answers for the file follows the fences. _begin before anyone has it; -ENOMEM. */
int dma_buf_poll_begin(struct dma_buf *b);
void dma_buf_poll_end(struct dma_buf *b);
/* After a wait for fences: poll answers as if whoever signalled them had done all that belongs to it. */
void dma_buf_poll_catch_up(struct dma_buf *b);

/* What a buffer's fd does: dmabuf_file.c. Its release calls dma_buf_release(). */
extern const struct file_ops dma_buf_file_ops;

/* The exporter's release, then the buffer's own memory. */
void dma_buf_release(struct dma_buf *b);

/* Where the exporter or a type may take its gate, and nobody is told anything. A literal. */
static inline void dma_buf_assert_callable(const char *where)
{
	lock_check_none_held_from(LOCK_RANK_GATE, where);
}

/* The importer cannot do without the memory's place: its attachment is a pin. */
static inline bool dma_buf_importer_pins(const struct dma_buf_importer_ops *ops)
{
	return ops->pinned || !ops->invalidate;
}

#endif
