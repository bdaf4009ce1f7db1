/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A CPU mapping: the attachment by which a buffer reaches a program's address space. It is zapped by invalidate and
 * comes back by itself when the memory is usable again.
 *
 * Who may include this: dmabuf/, vfio/, heap/, drm/.
 */
#ifndef BARTER_DMABUF_CPU_MAPPING_H
#define BARTER_DMABUF_CPU_MAPPING_H

#include "dmabuf/dmabuf.h"

/* What mmap(2) does not say. */
struct cpu_mapping_how {
	struct phys_space *space; /* where the buffer's physical ranges are looked up */
	uint64_t offset;	  /* in the buffer; req->offset is the caller's to interpret */
	int denied_prot;	  /* what mprotect(2) may not give later */
	bool usable_only; /* -ENODEV while revoked for now; otherwise it is made, and zapped until the memory is back */
	bool write_combining; /* as the owner of the memory asked; seen in bufinfo, the timeline and the report */
	/* May be NULL: runs, without locks, when the program has unmapped the last part; not after a failure. */
	void (*on_gone)(void *arg);
	void *arg;
};

/*
 * Maps [how->offset, + req->len) of the buffer as req says. Call without locks. Returns the address or -errno: -EINVAL
 * beyond the buffer or where it holds memory that cannot be mapped, -ENODEV revoked, -ENOMEM too many pieces, and what
 * mmap(2) answers.
 */
int64_t cpu_mapping_create(struct dma_buf *b, struct task *t, const struct mmap_request *req,
			   const struct cpu_mapping_how *how);

#endif
