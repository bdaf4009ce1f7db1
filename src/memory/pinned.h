/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program's own memory, pinned for DMA: a PAGES region with the task operations to get and release it. What an IOAS
 * area of user memory or of a memfd stands on.
 *
 * Who may include this: memory/, iommufd/, the door's task, tests.
 */
#ifndef BARTER_MEMORY_PINNED_H
#define BARTER_MEMORY_PINNED_H

#include "base/list.h"
#include "file/task.h"
#include "memory/phys.h"

/*
 * Where the bytes are. Normally one piece: region.host. After the program unmapped or moved a part, `pieces` lists
 * where each part is now (sorted, complete); it is replaced as a whole and the old one freed after a drain.
 */
struct pinned_piece {
	uint64_t offset, len;
	char *host;
	/* The program took away access (mprotect): the bytes are reached through /proc/self/mem instead. */
	bool protected_;
};

struct pinned_pieces {
	size_t nr;
	struct pinned_piece pieces[];
};

struct pinned {
	struct phys_region region;
	struct phys_space *space;
	struct task *task;
	bool writable;
	_Atomic(struct pinned_pieces *) pieces; /* NULL: region.host is all */
	/*
	 * The task moves bytes of it at this moment (moving != 0), or has done so (moves has changed). A copy that ends
	 * short meanwhile is no fault: it is tried again, in a new section.
	 */
	_Atomic unsigned moving, moves;
	/* The task's: where it is in the program, how to undo it. Guarded by its address-space lock. */
	uaddr_t uaddr;
	void *task_private;
};

/* Pins and places it in the space. -EFAULT and friends from the task, -ENOMEM. On failure nothing is left. */
int pinned_create_user(struct phys_space *s, struct task *t, uaddr_t start, uint64_t len, bool write,
		       struct pinned **out);
int pinned_create_file(struct phys_space *s, struct task *t, const struct memory_file *mf, uint64_t offset,
		       uint64_t len, bool write, struct pinned **out);
/* The caller has unmapped it from every domain and drained. */
void pinned_destroy(struct pinned *p);

/* The same in memory of the caller's, for one that allocates a larger object around it. */
int pinned_init_user(struct pinned *p, struct phys_space *s, struct task *t, uaddr_t start, uint64_t len, bool write);
int pinned_init_file(struct pinned *p, struct phys_space *s, struct task *t, const struct memory_file *mf,
		     uint64_t offset, uint64_t len, bool write);
void pinned_fini(struct pinned *p);

/*
 * For the task, under its address-space lock: [offset, offset + len) now is at host. Returns after a drain: nobody uses
 * the old place any more. -ENOMEM changes nothing.
 */
int pinned_move(struct pinned *p, uint64_t offset, uint64_t len, char *host, bool protected_);

/* Was a copy that ended short disturbed by a move? `before`: moves, read before pinned_host(). */
static inline bool pinned_was_moved(const struct pinned *p, unsigned before)
{
	return atomic_load_explicit(&p->moving, memory_order_acquire) ||
	       atomic_load_explicit(&p->moves, memory_order_acquire) != before;
}

/* Host address of an offset and how many bytes follow it there. Inside a section, or while nobody moves it. */
char *pinned_host(struct pinned *p, uint64_t offset, uint64_t *run_len, bool *protected_);

#endif
