/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory of the emulated kernel's own: what a dma-buf heap, a driver's ring and a buffer object in system memory are
 * made of. Cut from one file a space, so that it can be mapped into a program and takes one fd of it however many
 * buffers there are. A place in the file is used once: what a program still maps by mistake never shows another's
 * bytes.
 *
 * Who may include this: memory/, dma/, heap/, dmabuf/, drm/, tests.
 */
#ifndef BARTER_MEMORY_SYSTEM_MEMORY_H
#define BARTER_MEMORY_SYSTEM_MEMORY_H

#include "memory/phys.h"

struct system_memory {
	struct phys_space *space;
	struct phys_region region; /* kind PHYS_SYSTEM; base, host, fd and fd_offset are set */
	bool borrowed;		   /* of a file of somebody else's */
};

/* len: page aligned, not 0. Zeroed; takes nothing from the host until it is touched. -ENOMEM. */
int system_memory_create(struct phys_space *s, uint64_t len, struct system_memory **out);
/*
 * [offset, offset + len) of a file that the caller keeps open, and that cannot become shorter, as system memory: pages
 * of a program's memfd that the emulated kernel holds. -ENOMEM.
 */
int system_memory_create_file(struct phys_space *s, int fd, uint64_t offset, uint64_t len, struct system_memory **out);
/* No domain and no mapping shows it any more, and DMA has been drained. NULL is allowed. */
void system_memory_destroy(struct system_memory *m);

/* The file that all of a space's is cut from, as phys_space_create() makes it. */
struct system_file;
struct system_file *system_file_create(void);
void system_file_destroy(struct system_file *f);
/* Its fd, which the door keeps out of the program's sight. */
int system_memory_fd(struct phys_space *s);

#endif
