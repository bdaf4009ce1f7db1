/* SPDX-License-Identifier: BSD-3-Clause */
/* Pinned memory that the program takes away: moved aside, followed, or reached in spite of its protection. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "door/fd_table.h"
#include "door/pin_priv.h"
#include "door/raw_syscall.h"
#include "door/task_mm.h"
#include "door/uaccess.h"
#include "memory/copy.h"

#ifdef __x86_64__
bool pin_fixup(const siginfo_t *info, ucontext_t *uc)
{
	greg_t *ip = &uc->uc_mcontext.gregs[REG_RIP];
	uintptr_t landing = copy_fixup((uintptr_t)*ip);

	if (!landing)
		return false;
	*ip = (greg_t)landing;
	return true;
}
#else
bool pin_fixup(const siginfo_t *info, ucontext_t *uc)
{
	return false;
}
#endif

/* While a move is under way, a device that finds the pages missing tries again. */
static void moves_begin(struct pin_node **nodes, ssize_t nr)
{
	for (ssize_t i = 0; i < nr; i++)
		atomic_fetch_add(&nodes[i]->pinned->moving, 1);
}

static void moves_end(struct pin_node **nodes, ssize_t nr)
{
	for (ssize_t i = 0; i < nr; i++) {
		atomic_fetch_add(&nodes[i]->pinned->moves, 1);
		atomic_fetch_sub(&nodes[i]->pinned->moving, 1);
	}
}

/* What the program does: to which range, and which way. */
struct eviction {
	uaddr_t start, end;
	enum pin_eviction how;
};

/*
 * A place outside of the range that is about to go. One inside, in a hole, stays: it goes with the range, and the
 * kernel offers the next hole.
 */
static void *reserve(const struct eviction *ev, uint64_t len)
{
	for (;;) {
		void *at = real.mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		if (at == MAP_FAILED)
			return NULL;
		if ((uaddr_t)at >= ev->end || (uaddr_t)at + len <= ev->start)
			return at;
	}
}

/* Points the nodes, which begin at `from`, to their place in `aside`; how many were before memory ran out. */
static ssize_t point_aside_locked(struct pin_node **nodes, ssize_t nr, uaddr_t from, struct pin_aside *aside)
{
	for (ssize_t i = 0; i < nr; i++) {
		struct pin_node *n = nodes[i];

		if (pinned_move(n->pinned, n->offset, n->len, aside->host + (n->start - from), false))
			return i;
		list_del(&n->by_place);
		n->aside = aside;
		n->shut_out = false;
		aside->nr_nodes++;
	}
	return nr;
}

/* The program's protection may be less than devices need. */
static void open_up(const struct pin_aside *aside)
{
	if (real.mprotect(aside->host, aside->len, PROT_READ | PROT_WRITE))
		real.mprotect(aside->host, aside->len, PROT_READ);
	real.madvise(aside->host, aside->len, MADV_DONTFORK);
}

/* A second mapping of the same shared pages: nothing has to move. */
static int alias_shared_locked(const struct eviction *ev, struct pin_node **nodes, ssize_t nr, uaddr_t start,
			       struct pin_aside *aside)
{
	void *alias = reserve(ev, aside->len);
	ssize_t pointed;

	if (!alias)
		return -ENOMEM;
	if (real.mremap((void *)start, 0, aside->len, MREMAP_MAYMOVE | MREMAP_FIXED, alias) == MAP_FAILED) {
		real.munmap(alias, aside->len);
		return -ENOMEM;
	}
	aside->host = alias;
	open_up(aside);
	pointed = point_aside_locked(nodes, nr, start, aside);
	if (pointed == 0)
		real.munmap(alias, aside->len);
	return pointed == nr ? 0 : -ENOMEM;
}

/* What mremap does not move (huge pages cut in two) is copied: devices no longer see what the program writes there. */
static void copy_aside(uaddr_t start, const struct pin_aside *aside)
{
	void *at = real.mmap(aside->host, aside->len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
			     -1, 0);

	if (at != MAP_FAILED)
		uaccess_copy(at, (void *)start, aside->len);
}

static int move_private_locked(const struct eviction *ev, struct pin_node **nodes, ssize_t nr, uaddr_t start,
			       struct pin_aside *aside)
{
	int flags = MREMAP_MAYMOVE | MREMAP_FIXED | (ev->how == PIN_EVICT_EMPTY ? MREMAP_DONTUNMAP : 0);
	ssize_t pointed;

	aside->host = reserve(ev, aside->len);
	if (!aside->host)
		return -ENOMEM;
	moves_begin(nodes, nr);
	pointed = point_aside_locked(nodes, nr, start, aside);
	if (pointed < nr) {
		if (pointed == 0)
			real.munmap(aside->host, aside->len);
		else
			copy_aside(start, aside);
	} else if (real.mremap((void *)start, aside->len, aside->len, flags, aside->host) == MAP_FAILED) {
		copy_aside(start, aside);
	}
	if (pointed)
		open_up(aside);
	moves_end(nodes, nr);
	return pointed == nr ? 0 : -ENOMEM;
}

/* [start, end) lies in one mapping of the program and is all pinned. */
static int evict_run_locked(struct mm *mm, const struct eviction *ev, uaddr_t start, uaddr_t end, bool shared)
{
	struct pin_aside *aside;
	struct pin_node **nodes;
	ssize_t nr;
	int err = 0;

	if (shared && ev->how == PIN_EVICT_EMPTY)
		return 0; /* the file keeps the pages */
	nr = pin_collect_locked(mm, start, end, &nodes);
	if (nr <= 0)
		return (int)nr;
	aside = calloc(1, sizeof(*aside));
	if (!aside) {
		free(nodes);
		return -ENOMEM;
	}
	aside->len = end - start;
	err = shared ? alias_shared_locked(ev, nodes, nr, start, aside)
		     : move_private_locked(ev, nodes, nr, start, aside);
	if (aside->nr_nodes == 0)
		free(aside);
	free(nodes);
	return err;
}

/* [start, end) is all pinned: one mapping of the program after the other. */
static int evict_segment_locked(struct mm *mm, const struct eviction *ev, uaddr_t start, uaddr_t end)
{
	struct pin_vma vma;

	for (uaddr_t at = start; at < end; at = vma.end) {
		/* Gone without our notice: there is nothing left to move. */
		if (pin_vma_find(mm, at, &vma))
			return 0;
		int err = evict_run_locked(mm, ev, at, MIN(end, vma.end), vma.shared);
		if (err)
			return err;
	}
	return 0;
}

int pin_evict_locked(struct mm *mm, uaddr_t start, uint64_t len, enum pin_eviction how)
{
	struct eviction ev = {start, start + len, how};
	struct pin_node **nodes;
	ssize_t nr = pin_collect_locked(mm, ev.start, ev.end, &nodes), i = 0;
	int err = nr < 0 ? (int)nr : 0;

	/* Evicting replaces nodes[], so what touches is made one segment first. */
	while (i < nr && !err) {
		uaddr_t from = nodes[i]->start, to = pin_node_end(nodes[i]);

		while (++i < nr && nodes[i]->start <= to)
			to = MAX(to, pin_node_end(nodes[i]));
		err = evict_segment_locked(mm, &ev, from, to);
	}
	free(nodes);
	return err;
}

int pin_follow_locked(struct mm *mm, uaddr_t old, uint64_t len, uaddr_t to, pin_mover mover, void *arg)
{
	struct pin_node **nodes;
	ssize_t nr = pin_collect_locked(mm, old, old + len, &nodes), pointed = 0;
	int err = nr < 0 ? (int)nr : 0;

	if (err)
		return err;
	moves_begin(nodes, nr);
	while (pointed < nr && !err) {
		struct pin_node *n = nodes[pointed];

		err = pinned_move(n->pinned, n->offset, n->len, (char *)to + (n->start - old), n->shut_out);
		pointed += err == 0;
	}
	if (!err)
		err = mover(arg);
	for (ssize_t i = 0; i < pointed; i++) {
		struct pin_node *n = nodes[i];

		if (err) {
			/* As it was; without memory for that the pin ends up where nothing is and faults. */
			pinned_move(n->pinned, n->offset, n->len, (char *)n->start, n->shut_out);
			continue;
		}
		list_del(&n->by_place);
		n->start = to + (n->start - old);
		pin_node_link_locked(mm, n);
	}
	if (!err && nr)
		mm_grow_bounds_locked(mm, to, len);
	moves_end(nodes, nr);
	free(nodes);
	return err;
}

static bool shuts_out(const struct pin_node *n, int prot)
{
	return !(prot & PROT_READ) || (n->pinned->writable && !(prot & PROT_WRITE));
}

static int mem_open_locked(struct mm *mm)
{
	int fd;

	if (mm->mem_fd >= 0)
		return 0;
	fd = real.open("/proc/self/mem", O_RDWR | O_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	mm->mem_fd = fd_keep(fd);
	return 0;
}

/* The kernel's own way in ignores what the program has protected. */
int task_protected_access(struct task *t, char *host, void *buf, size_t len, bool write)
{
	long nr = write ? SYS_pwrite64 : SYS_pread64;

	return raw_syscall(nr, door.mm->mem_fd, buf, len, host) == (long)len ? 0 : -EFAULT;
}

/* Shared memory gets a mapping of its own that the program does not protect; private is reached through the kernel. */
static int shut_out_locked(struct mm *mm, struct pin_node *n)
{
	struct pin_vma vma;
	int err;

	if (pin_vma_find(mm, n->start, &vma) == 0 && vma.shared)
		return pin_evict_locked(mm, n->start, n->len, PIN_EVICT_UNMAP);
	err = mem_open_locked(mm);
	if (!err)
		err = pinned_move(n->pinned, n->offset, n->len, (char *)n->start, true);
	n->shut_out = err == 0;
	return err;
}

int pin_before_protect_locked(struct mm *mm, uaddr_t start, uint64_t len, int prot)
{
	struct pin_node **nodes;
	ssize_t nr = pin_collect_locked(mm, start, start + len, &nodes);
	int err = nr < 0 ? (int)nr : 0;

	for (ssize_t i = 0; i < nr && !err; i++)
		if (!nodes[i]->aside && !nodes[i]->shut_out && shuts_out(nodes[i], prot))
			err = shut_out_locked(mm, nodes[i]);
	free(nodes);
	return err;
}

void pin_after_protect_locked(struct mm *mm, uaddr_t start, uint64_t len, int prot)
{
	struct pin_node **nodes;
	ssize_t nr = pin_collect_locked(mm, start, start + len, &nodes);

	for (ssize_t i = 0; i < nr; i++) {
		struct pin_node *n = nodes[i];

		/* Without memory for it the pin is still reached, only slowly. */
		if (n->shut_out && !shuts_out(n, prot) &&
		    pinned_move(n->pinned, n->offset, n->len, (char *)n->start, false) == 0)
			n->shut_out = false;
	}
	free(nodes);
}
