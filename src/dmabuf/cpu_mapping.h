/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A CPU mapping: the attachment by which a buffer reaches a program's address space. It is zapped by invalidate and
 * comes back by itself when the memory is usable again.
 *
 * Who may include this: dmabuf/, vfio/.
 */
#ifndef BARTER_DMABUF_CPU_MAPPING_H
#define BARTER_DMABUF_CPU_MAPPING_H

#include "dmabuf/dmabuf.h"

/*
 * Maps [offset, offset + req->len) of the buffer as req says (req->offset is the caller's to interpret). The mapping
 * may be made while the buffer is revoked for now: then it is zapped until the memory is back. on_gone (may be NULL)
 * runs, without locks, when the program has unmapped the last part; not after a failure. space: where the buffer's
 * physical ranges are looked up. Call without locks. Returns the address or -errno: -EINVAL beyond the buffer or where
 * it holds memory that cannot be mapped, -ENODEV revoked for good, and what mmap(2) answers.
 */
int64_t cpu_mapping_create(struct dma_buf *b, struct task *t, struct phys_space *space, uint64_t offset,
			   const struct mmap_request *req, void (*on_gone)(void *arg), void *arg);

#endif
