/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Device memory in several processes. The owner knows which mapping of device memory each child holds, inherited or
 * made by itself, and a child knows which of them are zapped: owner and children share an array of one byte a mapping,
 * its slot.
 *
 * A revocation changes the byte and tells each holder to look, over a control connection that a thread in the child
 * serves; it returns when they have all answered, and with that no access reaches the memory. A child that is stopped
 * cannot answer. Its threads are sent a signal each, which the kernel delivers before they run another instruction of
 * the program: there they wait for the thread that looks.
 *
 * In a child stores to registers trap always, and are done by the owner (forward.h).
 *
 * A child that was made by vfork() has its parent's address space, and so has nothing of its own to be told. Who forks
 * by a system call of his own, past libc, is known from his first call to us on.
 *
 * Who may include this: door/.
 */
#ifndef BARTER_DOOR_MM_SHARE_H
#define BARTER_DOOR_MM_SHARE_H

#include "door/mm.h"

#define MM_SLOTS 65536u /* as many mappings as Linux gives a process */

enum mm_slot_state { MM_SLOT_FREE, MM_SLOT_SHOWN, MM_SLOT_ZAPPED };

struct mm_shared {
	_Atomic uint32_t changes; /* counts up with every change of a slot that is in use */
	_Atomic uint32_t end;	  /* behind the highest slot that was ever used */
	_Atomic uint8_t slots[MM_SLOTS];
};

struct mm_shared *mm_shared_create(void);
void mm_shared_destroy(struct mm_shared *s);

/* The owner. -ENOMEM. */
int mm_slot_take_locked(struct mm *mm, struct mm_placed *placed);
void mm_slot_drop_locked(struct mm *mm, struct mm_placed *placed);
void mm_slot_update_locked(struct mm *mm, struct mm_placed *placed);
void mm_placed_check_gone_locked(struct mm_placed *placed, struct list *gone);
/* No lock of the address space. Returns when all children that hold it have looked, or are stopped before they can. */
void mm_tell_holders(struct mm *mm, struct mm_placed *placed);

/* A child, as the owner sees it. */
struct mm_peer {
	struct mutex lock; /* LOCK_RANK_LEAF; one conversation at a time; guards control */
	int control;	   /* -1: it has no device memory, or is gone */
	_Atomic pid_t pid; /* 0: not known yet */
	struct list holds; /* struct mm_holder; the address space's lock */
};

void mm_peer_init(struct mm_peer *p);
/* The child's end of the control connection, or -errno; the caller closes it when he has passed it on. */
int mm_peer_connect(struct mm_peer *p);
void mm_peer_end(struct mm_peer *p);
/* It has the mapping of this slot, or has it no more. 0, -ENOENT, -ENOMEM. */
int mm_peer_hold(struct mm_peer *p, unsigned slot);
int mm_peer_hold_locked(struct mm_peer *p, struct mm_placed *placed);
void mm_peer_let_go(struct mm_peer *p, unsigned slot);
/* It was not placed there after all: frees it, without a word to its maker. */
void mm_peer_cancel(struct mm_peer *p, struct mm_placed *placed);
/* Does its store of len (1, 2, 4, 8) bytes to registers. 0; -EAGAIN: zapped by now; -ENOENT. */
int mm_peer_store(struct mm_peer *p, unsigned slot, uint64_t offset, uint64_t value, unsigned len);

/* A child. Makes a copy of the parent's address space its own. */
void mm_child_adopt(struct mm *mm);
/* Serves the owner from now on; takes the connection over. 0 or -errno. */
int mm_child_serve(struct mm *mm, int control);
void mm_child_release(struct mm_placed *placed);
/* The signal by which the owner stops a thread until the child has looked. Async-signal-safe. */
bool mm_child_is_call(const siginfo_t *info);
void mm_child_wait(const siginfo_t *info);
/* Calls fn with each slot of which this process has parts; ends at the first result that is not 0. */
int mm_for_each_held(struct mm *mm, int (*fn)(unsigned slot, void *arg), void *arg);
bool mm_holds_any(void);
/* Over fork(): the number of mappings ever placed, while nothing changes. */
uint64_t mm_fork_lock(struct mm *mm);
void mm_fork_unlock(struct mm *mm);

/* A mapping that the owner has made for this child: extents with fds of the child's own, which go with it. */
struct mm_child_extent {
	int fd; /* -1: as the previous one's */
	uint64_t offset, len;
	bool registers;
};
struct mm_child_mapping {
	unsigned slot;
	int denied_prot;
	bool private_;
	size_t nr_extents;
	const struct mm_child_extent *extents;
};
/* The address or -errno. What it replaces goes on the list; the fds are consumed in any case. */
int64_t mm_child_place(struct mm *mm, const struct mm_child_mapping *what, const struct mmap_request *req,
		       struct list *gone);

#endif
