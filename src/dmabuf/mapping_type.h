/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mapping types: in which words a buffer's memory is told to an importer (SPEC S4).
 *
 * A type is an object, its address is its identity, and anyone can define one: dmabuf/type_phys.h, type_sgt.h and
 * type_iov.h are those of the core, docs/add-a-mapping-type.md shows one that two drivers agreed on. Exporter and
 * importer each bring an ordered list of matches. At attach every type that both name is judged by its match(); the
 * exporter's order decides which is used first, the others are kept to fall back on (dma_buf_fall_back_locked()).
 *
 * Each type has a call of its own that maps, with its own operations and its own result. Such a call is
 * dma_buf_map_begin(), the exporter's operation, dma_buf_map_end(): what all types share is in these two.
 *
 * Who may include this: dmabuf/ and those who define types.
 */
#ifndef BARTER_DMABUF_MAPPING_TYPE_H
#define BARTER_DMABUF_MAPPING_TYPE_H

#include "base/types.h"

struct dma_buf_attachment;
struct dma_buf_candidate;
struct dma_buf_match;

struct dma_buf_mapping_type {
	const char *name;
	/* How much of each side's match data the attachment keeps a copy of. */
	size_t exporter_data_len, importer_data_len;
	/*
	 * Do the two suit each other? 0, or -errno with a literal that says why not, for people. NULL: always.
	 * Called without locks.
	 */
	int (*match)(const struct dma_buf_match *exporter, const struct dma_buf_match *importer, const char **reason);
	/* The match has become part of an attachment, and is part of it no more: for what the data refers to. Without
	 * locks. May be NULL. */
	void (*finish)(struct dma_buf_candidate *c);
	void (*release)(struct dma_buf_candidate *c);
	/* resv held. Gives a->mapping back by the exporter's operations (dma_buf_exporter_ops()). May be NULL. */
	void (*unmap)(struct dma_buf_attachment *a);
};

/* One entry of an exporter's or an importer's list. */
struct dma_buf_match {
	const struct dma_buf_mapping_type *type;
	const void *ops;  /* exporter: its operations for this type. They outlive its attachments */
	const void *data; /* as long as the type says. Copied; need not outlive the call */
};

/* A type that at least one side of an attachment named. */
struct dma_buf_candidate {
	const struct dma_buf_mapping_type *type;
	const void *ops;		     /* the exporter's */
	void *exporter_data, *importer_data; /* copies; NULL when there is nothing to copy */
	int match_error;		     /* 0: both sides suit each other; immutable */
	int map_error;			     /* of the newest attempt to map through it; guarded by resv */
	const char *reason;		     /* of match_error, literal; immutable */
};

/*
 * resv held. Tests what every map must: the buffer is usable (-ENODEV otherwise), `type` is the attachment's at the
 * moment, nothing is mapped. Then the type calls the exporter's operation and reports its answer to map_end, which
 * returns it. mapping: what unmap() will find in a->mapping.
 */
int dma_buf_map_begin(struct dma_buf_attachment *a, const struct dma_buf_mapping_type *type);
int dma_buf_map_end(struct dma_buf_attachment *a, int err, const void *mapping);

/* Of the type that is used at the moment. */
const void *dma_buf_exporter_ops(const struct dma_buf_attachment *a);
const void *dma_buf_exporter_data(const struct dma_buf_attachment *a);
const void *dma_buf_importer_data(const struct dma_buf_attachment *a);

#endif
