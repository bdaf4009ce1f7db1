/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which fds are ours. An fd of ours is a real one (its carrier) whose number leads to a handle, and the handle to the
 * emulated file. A handle lives as long as something leads to it: fds (dups are several), look-ups in progress,
 * messages in flight. Then the file loses the handle's reference.
 *
 * Looking up takes no lock. Handles are never given back to the allocator, so that a look-up which loses a race against
 * close() finds a handle without references, or one that by now stands for another file and is no longer in the slot.
 *
 * A file that arrives behind our back (SCM_RIGHTS, pidfd_getfd, a raw dup) is recognised by its carrier's (st_dev,
 * st_ino) when something is asked of the fd that only we can answer.
 *
 * A child made by fork() has a copy of the table and a copy of every file: it never releases one, but lets the owner
 * know (forward.h). A child made by vfork() runs on the parent's table and must not change it.
 *
 * Who may include this: door/, tests/door.
 */
#ifndef BARTER_DOOR_FD_TABLE_H
#define BARTER_DOOR_FD_TABLE_H

#include <sys/resource.h>

#include "base/list.h"
#include "door/carrier.h"
#include "door/door.h"
#include "file/file.h"
#include "file/ns.h"

#define FD_CHUNK_SHIFT 10
#define FD_CHUNK_SIZE (1u << FD_CHUNK_SHIFT)
#define FD_CHUNKS 1024u
/* Of the last chunk the numbers are lent (fd_lend()), from the end on. */
#define FD_MAX_LENT FD_CHUNK_SIZE
/* Where real fds end. */
#define FD_REAL_END ((FD_CHUNKS - 1) * FD_CHUNK_SIZE)

struct fd_handle {
	atomic_int refs; /* 0: free, in the pool */
	struct file *file;
	struct ns_node *node; /* a reference: the name it was opened by; NULL for a file without one */
	dev_t dev;	      /* of the carrier; all these are immutable while refs > 0 */
	ino_t ino;
	/* Guarded by the table's lock. */
	struct list link;   /* in the table's list of live handles, or in its pool */
	unsigned in_flight; /* references held for messages that nobody has received yet */
	int probe;	    /* tells whether the kernel still has the carrier (fd_flight.c); -1: none */
};

/* A real fd of barter's own: closing it is not the program's business. Never dereferenced. */
#define FD_INTERNAL ((struct fd_handle *)1)

struct fd_chunk {
	_Atomic(struct fd_handle *) slots[FD_CHUNK_SIZE];
};

struct fd_table {
	_Atomic(struct fd_chunk *) chunks[FD_CHUNKS];
	_Atomic uint64_t lent[FD_MAX_LENT / 64]; /* a bit a number */
	pid_t owner;				 /* the process that made the table */
	struct mutex lock;			 /* LOCK_RANK_FD_TABLE; guards what follows */
	struct list live;			 /* handles with references */
	struct list pool;			 /* handles without: at least nr_promised of them */
	size_t nr_pool, nr_promised;
	atomic_uint nr_in_flight; /* messages; written under the lock */
};

/* Makes the table at the first need; NULL when out of memory. */
struct fd_table *fd_table_get(void);

static inline struct fd_handle *fd_table_peek(int fd)
{
	struct fd_table *table = atomic_load_explicit(&door.fds, memory_order_acquire);
	if (likely(!table) || (unsigned)fd >= FD_CHUNKS * FD_CHUNK_SIZE)
		return NULL;
	struct fd_chunk *chunk =
		atomic_load_explicit(&table->chunks[(unsigned)fd >> FD_CHUNK_SHIFT], memory_order_acquire);
	if (!chunk)
		return NULL;
	return atomic_load_explicit(&chunk->slots[(unsigned)fd & (FD_CHUNK_SIZE - 1)], memory_order_acquire);
}

/* What every thunk asks first: one of ours, or barter's own? */
static inline bool fd_is_ours(int fd)
{
	return unlikely(fd_table_peek(fd) != NULL);
}

/* A reference, or NULL: not ours. */
struct fd_handle *fd_handle_get(int fd);
void fd_handle_put(struct fd_handle *h);
/* False when h has no references any more: it is on its way to the pool. */
bool fd_handle_try_get(struct fd_handle *h);

/* As fd_handle_get(), and recognises a carrier that came by a way we did not see. Costs an fstat when not ours. */
struct fd_handle *fd_adopt(int fd);

/* All of publishing that can fail; followed by fd_publish() or fd_unprepare(). */
int fd_prepare(int fd);
void fd_unprepare(void);
/* fd, a carrier just made, leads to f from now on; consumes the reference to f, takes its own to node (or NULL). */
void fd_publish(int fd, struct file *f, struct ns_node *node);
/* Marks fd, a real one, as barter's own (h = FD_INTERNAL) or as nothing special again (NULL). */
int fd_mark(int fd, struct fd_handle *h);

/*
 * What a program does to numbers. All of them keep the table right for fds that are not ours, too, and return what the
 * system call returns.
 */
int fd_close(int fd);
int fd_dup(int fd, int lowest, bool cloexec);
int fd_dup_to(int from, int to, int flags);
int fd_close_range(unsigned first, unsigned last, unsigned flags);

/* Stores what was written to an attribute past us (fd_collect.c); before its number goes. */
void fd_collect(int fd);

/* fd was made by a call of ours that passes on the kernel's: nothing of ours can be behind it any more. */
void fd_forget(int fd);

/* Takes over a real fd as barter's own: moved away from low numbers, close-on-exec, out of the program's reach. */
int fd_keep(int fd);
void fd_drop(int fd);
/* Around the making of fds that are kept: then they need no free number of the program's (fd_internal.c). */
struct fd_lift {
	struct rlimit limit; /* the program's */
	bool taken, lifted;
};
void fd_lift(struct fd_lift *l);
int fd_keep_lifted(int fd, const struct fd_lift *l);
void fd_lower(const struct fd_lift *l);

/*
 * Messages (fd_flight.c): a reference from sendmsg() until a recvmsg() of ours has got it, or until the kernel has
 * thrown it away with its socket, which fd_flight_sweep() finds out.
 */
void fd_send(int fd);
void fd_unsend(int fd); /* it was not sent after all */
void fd_receive(int fd, bool peek);
void fd_flight_sweep(void);

static inline bool fd_any_in_flight(void)
{
	struct fd_table *table = atomic_load_explicit(&door.fds, memory_order_acquire);
	return table && atomic_load_explicit(&table->nr_in_flight, memory_order_relaxed);
}

/* In a child: fd, which the owner has just made for it, was opened by this name. */
void fd_set_name(int fd, struct ns_node *node);
/* For forwarded calls (forward.h). A reference to the live handle of a carrier, or NULL. */
struct fd_handle *fd_find(struct carrier_identity id);
/* A number that leads to h and is no real fd's, for one call; or -errno (-EMFILE: all are lent). */
int fd_lend(struct fd_handle *h);
void fd_unlend(int fd);
/* Each live handle, under no lock; ends at the first answer that is not 0 and returns it. */
int fd_for_each_live(int (*fn)(const struct fd_handle *h, void *arg), void *arg);
bool fd_any_live(void);
/* In a child: its copies of barter's own SOCK_SEQPACKET sockets (forward.h), all but two (-1: none), are in the way. */
void fd_close_inherited_sockets(int except, int and_except);
/* Over fork(), so that a child finds the table whole. */
void fd_table_fork_lock(void);
void fd_table_fork_unlock(void);

#endif
