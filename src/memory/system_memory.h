/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory of the emulated kernel's own: what a dma-buf heap, a driver's ring and a buffer object in system memory are
 * made of. Backed by a memfd of its own, so that it can be mapped into a program and goes away with its pages.
 *
 * Who may include this: memory/, dma/, heap/, dmabuf/, drm/, tests.
 */
#ifndef BARTER_MEMORY_SYSTEM_MEMORY_H
#define BARTER_MEMORY_SYSTEM_MEMORY_H

#include "memory/phys.h"

struct system_memory {
	struct phys_space *space;
	struct phys_region region; /* kind PHYS_SYSTEM; base, host, fd and fd_offset are set */
};

/* len: page aligned, not 0. Zeroed; takes nothing from the host until it is touched. -ENOMEM, -EMFILE. */
int system_memory_create(struct phys_space *s, uint64_t len, struct system_memory **out);
/* No domain and no mapping shows it any more, and DMA has been drained. NULL is allowed. */
void system_memory_destroy(struct system_memory *m);

#endif
