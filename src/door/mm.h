/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The program's address space as far as it concerns barter: device memory that the program has mapped, and memory of
 * its own that devices reach (pin.h).
 *
 * A mapping of device memory is cut by the program into parts: munmap of a piece, mprotect of a piece, a move. A part
 * is a range of the address space with one protection that shows consecutive bytes of one mapping. The parts lie in a
 * sorted array. A mapping is released when its last part is gone and no trap works on it any more.
 *
 * A program that maps nothing of ours is told apart by one comparison: mm_concerns().
 *
 * Who may include this: door/, tests/door.
 */
#ifndef BARTER_DOOR_MM_H
#define BARTER_DOOR_MM_H

#include <stdatomic.h>

#include "base/list.h"
#include "base/lock.h"
#include "door/door.h"
#include "memory/phys.h"

/* A mapping that mm_place() has put somewhere: here, or in a child (mm_share.h). */
struct mm_placed {
	struct cpu_mapping *m;
	atomic_int traps;  /* stores at work, begun under the lock; whoever takes the mapping away waits for them */
	struct list parts; /* in no order */
	struct list gone;  /* on the list of mappings to be released once the lock is dropped */
	unsigned slot;	   /* its number among owner and children */
	struct list holders;
	struct list node; /* mm->placed */
	bool made_here;	  /* in a child: it is the child's own, not a copy of its parent's */
};

struct mm_part {
	uaddr_t start;
	uint64_t len;
	struct mm_placed *placed;
	uint64_t offset; /* in the mapping */
	int prot;	 /* as the program wants it */
	bool no_fork;	 /* MADV_DONTFORK */
	struct list node;
};

struct mm {
	struct mutex lock; /* guards what follows; LOCK_RANK_ADDRESS_SPACE */
	struct mm_part **parts;
	size_t nr_parts, capacity;
	int empty_fd; /* a shared file without a byte: what zapped memory is mapped to */
	struct pins *pins;
	struct list placed;
	struct list holes;	  /* in a child: parts that it did not inherit, while they are kept (mm_child.c) */
	struct mm_shared *shared; /* what children read; immutable */
	uint64_t nr_placed;	  /* ever */
	pid_t pid;		  /* whose address space this is; a child that has not looked at it yet has a copy */
	_Atomic int mem_fd;	  /* /proc/self/mem, opened when the first pinned memory is protected; -1 before */
	_Atomic int maps_fd;	  /* /proc/self/maps, opened when the first long range is pinned; -1 before */
	/* Everything of ours is within [low, high). They only grow. Read without the lock. */
	_Atomic uaddr_t low, high;
};

/* The address space, made at first use; NULL when out of memory. */
struct mm *mm_get(void);
/* The same, or NULL when nothing of ours was ever in it. In a child its copy has become its own. */
struct mm *mm_here(void);

/* May [start, start + len) hold anything of ours? */
static inline bool mm_concerns(uaddr_t start, uint64_t len)
{
	struct mm *mm = atomic_load_explicit(&door.mm, memory_order_acquire);

	return unlikely(mm && start < atomic_load_explicit(&mm->high, memory_order_relaxed) &&
			start + len > atomic_load_explicit(&mm->low, memory_order_relaxed));
}

static inline uaddr_t mm_part_end(const struct mm_part *part)
{
	return part->start + part->len;
}

/* Lock held, for all of these. */
void mm_grow_bounds_locked(struct mm *mm, uaddr_t start, uint64_t len);
/* The index of the first part that ends above addr; nr_parts when there is none. */
size_t mm_find_locked(const struct mm *mm, uaddr_t addr);
/* The part that holds addr, or NULL. */
struct mm_part *mm_part_at_locked(const struct mm *mm, uaddr_t addr);
bool mm_has_parts_locked(const struct mm *mm, uaddr_t start, uaddr_t end);
/* Cuts parts so that none crosses start or end; *first and *end_index are those inside. -ENOMEM changes nothing. */
int mm_isolate_locked(struct mm *mm, uaddr_t start, uaddr_t end, size_t *first, size_t *end_index);
/* Forgets the parts inside an isolated range; mappings that nobody has any more go on the list. */
void mm_forget_locked(struct mm *mm, size_t first, size_t end_index, struct list *gone);
/* Adds a part. -ENOMEM. */
int mm_add_part_locked(struct mm *mm, struct mm_placed *placed, uaddr_t start, uint64_t offset, uint64_t len, int prot);
/* Maps what a part shows, over what is there: the memory or, when zapped, nothing. 0 or -errno. */
int mm_part_map_locked(struct mm *mm, const struct mm_part *part);
/* Sets the real protection of [offset, offset + len) of the mapping as far as this part shows it. */
void mm_part_protect_locked(const struct mm_part *part, uint64_t offset, uint64_t len);
/* Brings the parts in line with m->zapped. */
void mm_placed_show_locked(struct mm *mm, struct mm_placed *placed);
/* NULL: out of memory. */
struct mm_placed *mm_placed_create(struct cpu_mapping *m);
/* As mmap(2): the address or -errno. Registers among it need trap_prepare() first. */
int64_t mm_place_locked(struct mm *mm, struct mm_placed *placed, uaddr_t hint, uint64_t len, int prot, int flags,
			struct list *gone);
bool mm_may_trap(const struct cpu_mapping *m);
/* The piece of the mapping that holds offset, and where in it. */
const struct cpu_extent *mm_extent_at(const struct cpu_mapping *m, uint64_t offset, uint64_t *in_extent);
/* Do stores to this page go to memory? In a child, which does not hear of changes, they never do. */
static inline bool mm_is_polled(const struct phys_region *r, uint64_t offset)
{
	return !door_is_forked() && phys_is_polled(r, offset);
}

/* Without the lock. */
void mm_release_gone(struct list *gone);
/* The file's part of mmap(2), for any task. */
struct mmap_request;
int64_t mm_mmap_file(struct task *t, struct file *f, struct mmap_request *req);

/*
 * System calls. Each does all of the call when it concerns something of ours: result or -errno; DOOR_NOT_OURS: the
 * caller makes the real call.
 */
int64_t mm_sys_mmap(uaddr_t addr, uint64_t len, int prot, int flags, int fd, uint64_t offset);
int64_t mm_sys_munmap(uaddr_t addr, uint64_t len);
int64_t mm_sys_mremap(uaddr_t old, uint64_t old_len, uint64_t new_len, int flags, uaddr_t new_addr);
int64_t mm_sys_mprotect(uaddr_t addr, uint64_t len, int prot, int key);
int64_t mm_sys_madvise(uaddr_t addr, uint64_t len, int advice);
int64_t mm_sys_mlock(uaddr_t addr, uint64_t len, int (*real_lock)(uaddr_t start, uint64_t len, int flags), int flags);
int64_t mm_sys_msync(uaddr_t addr, uint64_t len, int flags);
int64_t mm_sys_shmat(int id, uaddr_t addr, int flags);
/* Any of them by its system call number; DOOR_NOT_OURS for every other. */
int64_t mm_call(long nr, const unsigned long a[6]);
/* The program's break is about to come down to `end`: pinned memory above goes aside first. */
void mm_break_shrinks(uaddr_t end, uaddr_t current);

#endif
