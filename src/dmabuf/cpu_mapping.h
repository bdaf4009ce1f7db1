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
 * Maps [offset, offset + req->len) of the buffer as req says. The mapping may be made while the buffer is revoked for
 * now: then it starts zapped. on_gone (may be NULL) runs, without locks, when the program has unmapped the last part.
 * space: where the buffer's physical ranges are looked up. Returns the address or -errno.
 */
int64_t cpu_mapping_create(struct dma_buf *b, struct task *t, struct phys_space *space, uint64_t offset,
			   const struct mmap_request *req, void (*on_gone)(void *arg), void *arg);

#endif
