/* SPDX-License-Identifier: BSD-3-Clause */
/* A child's side of device memory that it shares with the owner (mm_share.h). */
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "door/fd_table.h"
#include "door/forward.h"
#include "door/mm_peer.h"
#include "door/raw_syscall.h"
#include "door/signals.h"
#include "door/trap.h"

/* One thread a process serves the owner. */
static struct {
	_Atomic pid_t pid;	 /* the process that it runs in; 0: it serves no more */
	_Atomic uint32_t looked; /* the changes that it has seen */
	atomic_bool runs;	 /* it has all the memory that it needs */
	int control;
} service;

/* A mapping of the child's own. */
struct child_mapping {
	struct cpu_mapping m;
	struct phys_region *regions;
	struct cpu_extent extents[];
};

/*
 * What is not for children is a hole in them, and stays one for as long as they map nothing there. The stack of our
 * thread, and what else it brings (a sanitizer's memory), is not to end up in it: where the program expects a fault it
 * would find that. So holes are kept until the thread runs.
 */
static void keep_holes_locked(struct mm *mm)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
	size_t left = 0;

	for (size_t i = 0; i < mm->nr_parts; i++) {
		struct mm_part *part = mm->parts[i];

		if (!part->no_fork) {
			mm->parts[left++] = part;
			continue;
		}
		/* Its mapping was never here: nothing to release. */
		list_del(&part->node);
		if (raw_syscall(SYS_mmap, part->start, part->len, PROT_NONE, flags, -1, 0) == (long)part->start)
			list_add(&mm->holes, &part->node);
		else
			free(part);
	}
	mm->nr_parts = left;
}

static void give_holes_back(struct mm *mm)
{
	struct mm_part *part, *next;

	mutex_lock(&mm->lock);
	list_for_each_safe (part, next, &mm->holes, node) {
		raw_syscall(SYS_munmap, part->start, part->len);
		list_del(&part->node);
		free(part);
	}
	mutex_unlock(&mm->lock);
}

void mm_child_adopt(struct mm *mm)
{
	door_enter();
	mutex_lock(&mm->lock);
	if (mm->pid != getpid()) {
		/* What devices reach is the parent's memory. */
		mm->pins = NULL;
		mm->mem_fd = mm->maps_fd = -1;
		keep_holes_locked(mm);
		for (size_t i = 0; i < mm->nr_parts; i++) {
			struct mm_placed *placed = mm->parts[i]->placed;

			/* Stores and holders are the parent's, too. */
			atomic_store(&placed->traps, 0);
			list_init(&placed->holders);
			mm_part_protect_locked(mm->parts[i], mm->parts[i]->offset, mm->parts[i]->len);
		}
		mm->pid = getpid();
	}
	mutex_unlock(&mm->lock);
	door_leave();
}

static bool slot_is_zapped(const struct mm *mm, unsigned slot)
{
	return atomic_load(&mm->shared->slots[slot]) != MM_SLOT_SHOWN;
}

static void look(struct mm *mm)
{
	uint32_t changes = atomic_load(&mm->shared->changes);

	mutex_lock(&mm->lock);
	for (size_t i = 0; i < mm->nr_parts; i++) {
		struct mm_placed *placed = mm->parts[i]->placed;
		bool zapped = slot_is_zapped(mm, placed->slot);

		if (placed->m->zapped == zapped)
			continue;
		placed->m->zapped = zapped;
		mm_placed_show_locked(mm, placed);
	}
	mutex_unlock(&mm->lock);
	atomic_store(&service.looked, changes);
}

static void *service_main(void *arg)
{
	struct mm *mm = arg;
	struct mm_control_msg m;
	long n = 0;

	atomic_store(&service.runs, true);
	do {
		look(mm);
		m.changes = atomic_load(&service.looked);
		raw_syscall(SYS_sendto, service.control, &m, sizeof(m), MSG_NOSIGNAL, NULL, 0);
		do
			n = raw_syscall(SYS_recvfrom, service.control, &m, sizeof(m), 0, NULL, NULL);
		while (n == -EINTR);
	} while (n == sizeof(m));
	/* The owner is gone: the memory stays as it is. */
	atomic_store(&service.pid, 0);
	return NULL;
}

/* Not even the signal by which the owner stops the others reaches it. */
static int service_start(struct mm *mm)
{
	sigset_t all, old;
	pthread_t thread;
	int err;

	sigfillset(&all);
	real.pthread_sigmask(SIG_BLOCK, &all, &old);
	err = real.pthread_create(&thread, NULL, service_main, mm);
	real.pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!err)
		pthread_detach(thread);
	while (!err && !list_empty(&mm->holes) && !atomic_load(&service.runs))
		sched_yield();
	give_holes_back(mm);
	return -err;
}

int mm_child_serve(struct mm *mm, int control)
{
	int err;

	service.control = control;
	/* What was changed before is done, and what is changed from here on arrives as a message. */
	look(mm);
	atomic_store(&service.runs, false);
	atomic_store(&service.pid, getpid());
	err = service_start(mm);
	if (err) {
		atomic_store(&service.pid, 0);
		fd_drop(control);
	}
	return err;
}

bool mm_child_is_call(const siginfo_t *info)
{
	return info->si_signo == MM_CONTROL_SIGNAL && info->si_code == SI_QUEUE && info->si_errno == MM_CONTROL_MAGIC;
}

void mm_child_wait(const siginfo_t *info)
{
	uint32_t changes = (uint32_t)info->si_value.sival_int;

	while (service.pid == getpid() && !mm_changes_reached(atomic_load(&service.looked), changes))
		sched_yield();
}

int mm_for_each_held(struct mm *mm, int (*fn)(unsigned slot, void *arg), void *arg)
{
	int rc = 0;

	for (unsigned slot = 0; slot < mm->shared->end && !rc; slot++) {
		bool held = false;

		if (atomic_load_explicit(&mm->shared->slots[slot], memory_order_relaxed) == MM_SLOT_FREE)
			continue;
		mutex_lock(&mm->lock);
		for (size_t i = 0; i < mm->nr_parts && !held; i++)
			held = mm->parts[i]->placed->slot == slot;
		mutex_unlock(&mm->lock);
		if (held)
			rc = fn(slot, arg);
	}
	return rc;
}

bool mm_holds_any(void)
{
	struct mm *mm = mm_here();
	bool any;

	if (!mm)
		return false;
	mutex_lock(&mm->lock);
	/* Who only keeps holes is served, too: with that he gives them back. */
	any = mm->nr_parts || !list_empty(&mm->holes);
	mutex_unlock(&mm->lock);
	return any;
}

uint64_t mm_fork_lock(struct mm *mm)
{
	mutex_lock(&mm->lock);
	return mm->nr_placed;
}

void mm_fork_unlock(struct mm *mm)
{
	mutex_unlock(&mm->lock);
}

static void child_mapping_free(struct child_mapping *cm)
{
	for (size_t i = 0; i < cm->m.nr_extents; i++)
		if (cm->regions[i].fd >= 0 && (i == 0 || cm->regions[i].fd != cm->regions[i - 1].fd))
			fd_drop(cm->regions[i].fd);
	free(cm->regions);
	free(cm);
}

static struct child_mapping *child_mapping_create(const struct mm_child_mapping *what)
{
	const struct mm_child_extent *extents = what->extents;
	size_t nr = what->nr_extents;
	struct child_mapping *cm = calloc(1, sizeof(*cm) + nr * sizeof(cm->extents[0]));
	struct phys_region *regions = calloc(nr, sizeof(*regions));

	if (!cm || !regions) {
		for (size_t i = 0; i < nr; i++)
			if (extents[i].fd >= 0)
				real.close(extents[i].fd);
		free(cm);
		free(regions);
		return NULL;
	}
	cm->regions = regions;
	cm->m.extents = cm->extents;
	cm->m.nr_extents = nr;
	cm->m.denied_prot = what->denied_prot;
	cm->m.private_ = what->private_;
	for (size_t i = 0; i < nr; i++) {
		regions[i].kind = extents[i].registers ? PHYS_REGISTERS : PHYS_DEVICE;
		regions[i].len = extents[i].len;
		regions[i].fd = extents[i].fd >= 0 ? fd_keep(extents[i].fd) : i ? regions[i - 1].fd : -1;
		regions[i].fd_offset = extents[i].offset;
		cm->extents[i] = (struct cpu_extent){.region = &regions[i], .len = extents[i].len};
		cm->m.len += extents[i].len;
	}
	return cm;
}

void mm_child_release(struct mm_placed *placed)
{
	forward_unmapped(placed->slot);
	/* A copy of what its parent had was never counted here. */
	if (placed->made_here) {
		child_mapping_free(container_of(placed->m, struct child_mapping, m));
		free(placed);
	}
}

int64_t mm_child_place(struct mm *mm, const struct mm_child_mapping *what, const struct mmap_request *req,
		       struct list *gone)
{
	struct child_mapping *cm = child_mapping_create(what);
	struct mm_placed *placed = cm ? mm_placed_create(&cm->m) : NULL;
	int64_t at = -ENOMEM;

	if (!placed)
		goto free_mapping;
	at = mm_may_trap(&cm->m) && !trap_prepare() ? -ENODEV : 0;
	if (at)
		goto free_placed;
	placed->slot = what->slot;
	placed->made_here = true;
	mutex_lock(&mm->lock);
	cm->m.zapped = slot_is_zapped(mm, what->slot);
	at = mm_place_locked(mm, placed, req->hint, req->len, req->prot, req->flags, gone);
	mutex_unlock(&mm->lock);
	if (at >= 0)
		return at;
free_placed:
	free(placed);
free_mapping:
	if (cm)
		child_mapping_free(cm);
	return at;
}
