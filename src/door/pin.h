/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory of the program that devices reach: "pinned late". On Linux the pages of such memory stay what they are while
 * the program does what it likes with its address space. Here devices use the program's own addresses until the program
 * is about to take them away; then the pages are moved aside and the pin is pointed there.
 *
 * A pin is a list of nodes, each a run of it that lies in one place: in the program (found by address, in buckets of
 * 2 MiB of address space), or aside (in memory of ours, until the pin ends).
 *
 * The order of a move: a place is reserved, pins are pointed to it and a drain awaited, so that nobody uses the old
 * place; then the pages go there in one mremap. A device that comes to the new place too early has a copy that ends
 * short, sees pinned.moves and tries again.
 *
 * Who may include this: door/, tests/door.
 */
#ifndef BARTER_DOOR_PIN_H
#define BARTER_DOOR_PIN_H

#include <signal.h>
#include <ucontext.h>

#include "door/mm.h"
#include "memory/pinned.h"

enum pin_eviction {
	PIN_EVICT_UNMAP, /* the range is about to be unmapped or replaced */
	PIN_EVICT_EMPTY, /* its private pages are about to be dropped, the mapping stays */
};

/* Lock held. The pages of pins in the range go aside. 0 or -ENOMEM, then what was not moved is still in place. */
int pin_evict_locked(struct mm *mm, uaddr_t start, uint64_t len, enum pin_eviction how);
/* Lock held. `mover` moves the program's [old, old + len) to `to`, with what is pinned there. Its result, or -ENOMEM.
 */
typedef int (*pin_mover)(void *arg);
int pin_follow_locked(struct mm *mm, uaddr_t old, uint64_t len, uaddr_t to, pin_mover mover, void *arg);
/* Lock held. Before mprotect(2): pins that `prot` shuts out are reached by another way. After it: those it lets in. */
int pin_before_protect_locked(struct mm *mm, uaddr_t start, uint64_t len, int prot);
void pin_after_protect_locked(struct mm *mm, uaddr_t start, uint64_t len, int prot);
bool pin_any_locked(struct mm *mm, uaddr_t start, uint64_t len);

/*
 * In the handler of SIGSEGV and SIGBUS: true when it was a device's copy that faulted (memory/copy.h); it now ends
 * short.
 */
bool pin_fixup(const siginfo_t *info, ucontext_t *uc);

#endif
