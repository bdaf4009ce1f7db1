/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Copies that survive the memory going away behind our back: a program may unmap it with a system call that we do not
 * see, or truncate the file under it. The routines may fault at known instructions only; the door's SIGSEGV and SIGBUS
 * handler asks copy_fixup() where to go on, and the routine then tells how far it came.
 *
 * Who may include this: memory/, pci/, door/, tests.
 */
#ifndef BARTER_MEMORY_COPY_H
#define BARTER_MEMORY_COPY_H

#include "base/types.h"

/* Copy forwards. Return the bytes that were not copied: 0 is all of them. */
size_t copy_guarded(void *dst, const void *src, size_t len);
/* Past the caches; for targets that nobody reads soon. All stores are globally visible when it returns. */
size_t copy_guarded_stream(void *dst, const void *src, size_t len);

/* One access of 4 or 8 bytes, aligned; the store is a release, the load an acquire. False: it faulted. */
bool copy_load_guarded(const void *src, unsigned len, uint64_t *value);
bool copy_store_guarded(void *dst, unsigned len, uint64_t value);

/*
 * Which of the two: targets that come round again within a few MiB of copying stay in the caches, a long flow to ever
 * new places goes past them.
 */
enum { COPY_HISTORY_SLOTS = 128 };
struct copy_history {
	uintptr_t recent[COPY_HISTORY_SLOTS]; /* pieces of 64 KiB written lately; zeroed to begin with */
	uint64_t new_bytes;		      /* in pieces not among them, since the last one that was */
};
bool copy_history_streams(struct copy_history *h, const void *dst, size_t len);

/* For signal handlers: the faulting instruction is one of ours: the address to go on at; else 0. */
uintptr_t copy_fixup(uintptr_t pc);

#endif
