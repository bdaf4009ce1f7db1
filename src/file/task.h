/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The caller. Everything that comes from a program arrives with a task, and everything that touches the program (its
 * memory, its fds, its address space) goes through the task's operations. The preload door implements them for the
 * program it lives in; tests/fake/task.c implements them over plain arrays. Subsystems may include this; device models
 * may not.
 *
 * Rules
 *  - No core lock is held while copying from or to a program (lock_check_none_held()); the copy may fault and wait.
 *  - Operations return 0 (or a non-negative number) or a negative errno. None of them sets errno.
 *  - fds: reserve, build, publish. fd_reserve() is the only step that can fail; after fd_publish() nothing may fail.
 */
#ifndef BARTER_FILE_TASK_H
#define BARTER_FILE_TASK_H

#include "base/list.h"
#include "base/lock.h"
#include "base/types.h"

struct file;
struct task;
struct trace;
struct pinned;
struct cpu_mapping;
struct phys_region;

/* A program's eventfd, kept alive on its own: the program may close its fd. */
struct event;

/* Called on barter's service thread when a watched event was signalled; it has been read (reset) already. */
typedef void (*event_callback)(void *arg);

/* A memfd of the program, held for pinning (IOMMU_IOAS_MAP_FILE). Owned by who got it. */
struct memory_file {
	int fd;	       /* barter's own duplicate */
	uint64_t size; /* when it was looked up */
	bool writable; /* opened for writing and not sealed against it */
	int seals;     /* F_SEAL_SHRINK.. that the program put on it */
};

struct task_ops {
	/* 0 or -EFAULT; partial copies may have happened. Never takes a core lock. */
	int (*copy_from)(struct task *t, void *dst, uaddr_t src, size_t len);
	int (*copy_to)(struct task *t, uaddr_t dst, const void *src, size_t len);

	/* A new reference to the emulated file behind fd, or NULL: not open, or not one of ours. */
	struct file *(*file_get)(struct task *t, int fd);
	/* Is fd open at all (ours or not)? Tells EBADF from EINVAL. */
	bool (*fd_is_open)(struct task *t, int fd);
	/* Takes an fd number for a file of this kind (struct file's carrier); flags: O_CLOEXEC. -EMFILE, -ENFILE,
	 * -ENOMEM. */
	int (*fd_reserve)(struct task *t, struct file *f, int flags);
	/* Makes the reserved fd reach f; consumes the caller's reference to f. */
	void (*fd_publish)(struct task *t, int fd, struct file *f);
	/* Gives a reserved, unpublished fd back. */
	void (*fd_cancel)(struct task *t, int fd);

	/* -EBADF not open, -EINVAL not an eventfd. */
	int (*event_get)(struct task *t, int fd, struct event **event);
	void (*event_put)(struct event *event);
	/* Adds one, as eventfd_signal(). Any thread, under LOCK_RANK_IRQ. Never blocks. */
	void (*event_signal)(struct event *event);
	/* Calls back when the program writes to the eventfd; NULL callback ends it and waits for a running callback. */
	int (*event_watch)(struct event *event, event_callback callback, void *arg);

	/* -EBADF not open, -EINVAL neither memfd nor shmem, -EACCES... as memfd_pin_folios() users see on Linux. */
	int (*memory_file_get)(struct task *t, int fd, struct memory_file *out);
	void (*memory_file_put)(struct memory_file *mf);

	/*
	 * Pins [start, start + len) of the program's memory, page aligned, as pin_user_pages(FOLL_LONGTERM) would:
	 * -EFAULT on a hole, on a mapping that `write` does not allow (or that cannot be read), on a mapping of device
	 * memory. Fills p (memory/pinned.h). What the program later does to the range (munmap, mremap, MAP_FIXED,
	 * MADV_DONTNEED, mprotect) does not change what p reaches; the task moves p's host memory aside first, with
	 * pinned_move().
	 */
	int (*pin)(struct task *t, uaddr_t start, uint64_t len, bool write, struct pinned *p);
	int (*pin_file)(struct task *t, const struct memory_file *mf, uint64_t offset, uint64_t len, bool write,
			struct pinned *p);
	void (*unpin)(struct task *t, struct pinned *p);
	/*
	 * Bytes of a pinned piece that is protected_ (memory/pinned.h): the program took its own access away, DMA still
	 * reaches them. Called inside a DMA section: takes no lock, waits for nothing. 0 or -EFAULT. May be NULL.
	 */
	int (*protected_access)(struct task *t, char *host, void *buf, size_t len, bool write);

	/*
	 * Device memory in the program's address space. A mapping (below) is placed by mm_place() as mmap(2) would with
	 * hint, len, prot and flags (MAP_FIXED, MAP_FIXED_NOREPLACE, MAP_SHARED, ...): returns the address or -errno.
	 * It starts zapped when m->zapped is set. LOCK_RANK_ADDRESS_SPACE is taken inside. mm_zap: every access from
	 * now on is SIGBUS, on every thread, when it returns. mm_restore: accesses reach the memory again. mm_retrap:
	 * the trap state of a register page of this mapping has changed (pci/bar.h).
	 */
	int64_t (*mm_place)(struct task *t, struct cpu_mapping *m, uaddr_t hint, uint64_t len, int prot, int flags);
	void (*mm_zap)(struct task *t, struct cpu_mapping *m);
	void (*mm_restore)(struct task *t, struct cpu_mapping *m);
	void (*mm_retrap)(struct task *t, struct cpu_mapping *m, uint64_t offset, uint64_t len);
};

struct task {
	const struct task_ops *ops;
	struct trace *trace; /* may be NULL; immutable */
	bool next;	     /* --kernel next; immutable */
	/*
	 * No signal of its own ends its wait, and its other threads' calls would wait, too: what waits for as long as
	 * it takes answers FILE_POLL_FIRST(events) instead. The door makes the call anew once the file polls so.
	 * Immutable.
	 */
	bool cannot_wait;
};

/* events: POLLIN, POLLOUT. No errno, and no result of an ioctl. */
#define FILE_POLL_FIRST(events) (-0x10000l - (long)(events))

/*
 * One mmap of device memory. Made by a subsystem's mmap operation, owned by the task once mm_place() has succeeded. The
 * program may cut it into parts, move them and unmap them one by one: the task keeps track of the parts. When the last
 * part is gone the task calls ops->released(), holding no lock; the subsystem then detaches and frees it.
 *
 * It is described by extents: consecutive pieces of device memory, in the order of the mapping, that do not change
 * while it lives.
 */
struct cpu_extent {
	struct phys_region *region; /* memory/phys.h; kept alive by the mapping's owner */
	uint64_t region_offset;
	uint64_t len;
};

struct cpu_mapping {
	const struct cpu_mapping_ops *ops;
	void *owner;
	const struct cpu_extent *extents; /* owned by the subsystem until released() */
	size_t nr_extents;
	uint64_t len;
	int denied_prot; /* PROT_ bits that mprotect(2) is refused with -EACCES; immutable */
	bool private_;	 /* the program's stores are its own (MAP_PRIVATE); immutable */
	bool zapped;	 /* guarded by the task's address-space lock once placed */
	void *task_private;
};

struct cpu_mapping_ops {
	void (*released)(struct cpu_mapping *m);
};

static inline int copy_from_task(struct task *t, void *dst, uaddr_t src, size_t len)
{
	lock_may_fault("copy_from_task");
	return t->ops->copy_from(t, dst, src, len);
}

static inline int copy_to_task(struct task *t, uaddr_t dst, const void *src, size_t len)
{
	lock_may_fault("copy_to_task");
	return t->ops->copy_to(t, dst, src, len);
}

#endif
