/* SPDX-License-Identifier: BSD-3-Clause */
/* Device mappings as the subsystems ask for them: placed, zapped, restored. */
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/trace.h"
#include "door/mm.h"
#include "door/mm_share.h"
#include "door/pin.h"
#include "door/signals.h"
#include "door/task_mm.h"
#include "door/trap.h"

#define FIXED_FLAGS (MAP_FIXED | MAP_FIXED_NOREPLACE)

struct mm_placed *mm_placed_create(struct cpu_mapping *m)
{
	struct mm_placed *placed = calloc(1, sizeof(*placed));

	if (!placed)
		return NULL;
	placed->m = m;
	atomic_init(&placed->traps, 0);
	list_init(&placed->parts);
	list_init(&placed->gone);
	list_init(&placed->holders);
	list_init(&placed->node);
	return placed;
}

/* Finds the range, empty and inaccessible; what MAP_FIXED replaces is forgotten. The address or -errno. */
static int64_t reserve_range_locked(struct mm *mm, uaddr_t hint, uint64_t len, int flags, struct list *gone)
{
	bool replaces = (flags & FIXED_FLAGS) == MAP_FIXED && mm_concerns(hint, len);
	size_t first, end_index;
	void *at;
	int err;

	if (replaces) {
		err = pin_evict_locked(mm, hint, len, PIN_EVICT_UNMAP);
		if (!err)
			err = mm_isolate_locked(mm, hint, hint + len, &first, &end_index);
		if (err)
			return err;
	}
	at = real.mmap((void *)hint, len, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (flags & FIXED_FLAGS), -1, 0);
	if (at == MAP_FAILED)
		return -errno;
	if (replaces)
		mm_forget_locked(mm, first, end_index, gone);
	return (int64_t)(uaddr_t)at;
}

int64_t mm_place_locked(struct mm *mm, struct mm_placed *placed, uaddr_t hint, uint64_t len, int prot, int flags,
			struct list *gone)
{
	int64_t at = reserve_range_locked(mm, hint, len, flags, gone);
	int err;

	if (at < 0)
		return at;
	err = mm_add_part_locked(mm, placed, (uaddr_t)at, 0, len, prot);
	if (err)
		goto unmap;
	placed->m->task_private = placed;
	err = mm_part_map_locked(mm, mm_part_at_locked(mm, (uaddr_t)at));
	if (err)
		goto remove;
	return at;
remove : {
	struct list nobody;
	size_t i = mm_find_locked(mm, (uaddr_t)at);

	list_init(&nobody);
	mm_forget_locked(mm, i, i + 1, &nobody);
	list_del(&placed->gone);
}
unmap:
	real.munmap((void *)at, len);
	return err;
}

bool mm_may_trap(const struct cpu_mapping *m)
{
	for (size_t i = 0; i < m->nr_extents; i++)
		if (m->extents[i].region->kind == PHYS_REGISTERS || m->extents[i].region->fd < 0)
			return true;
	return false;
}

int64_t task_mm_place(struct task *t, struct cpu_mapping *m, uaddr_t hint, uint64_t len, int prot, int flags)
{
	struct mm *mm = mm_get();
	struct mm_placed *placed = mm ? mm_placed_create(m) : NULL;
	struct list gone;
	int64_t at;

	if (!placed)
		return -ENOMEM;
	signals_install();
	if (mm_may_trap(m) && !trap_prepare()) {
		free(placed);
		return refuse(t->trace, -ENODEV,
			      "mmap of registers: the library that decodes stores (Zydis) is not installed");
	}
	list_init(&gone);
	mutex_lock(&mm->lock);
	at = mm_slot_take_locked(mm, placed);
	if (!at) {
		at = mm_place_locked(mm, placed, hint, len, prot, flags, &gone);
		if (at < 0)
			mm_slot_drop_locked(mm, placed);
	}
	mutex_unlock(&mm->lock);
	mm_release_gone(&gone);
	if (at < 0)
		free(placed);
	return at;
}

static struct mm_placed *set_zapped(struct cpu_mapping *m, bool zapped)
{
	struct mm_placed *placed = m->task_private;
	struct mm *mm = door.mm;

	mutex_lock(&mm->lock);
	if (m->zapped != zapped) {
		m->zapped = zapped;
		mm_placed_show_locked(mm, placed);
		mm_slot_update_locked(mm, placed);
	}
	mutex_unlock(&mm->lock);
	mm_tell_holders(mm, placed);
	return placed;
}

void task_mm_zap(struct task *t, struct cpu_mapping *m)
{
	struct mm_placed *placed = set_zapped(m, true);

	/* Stores that trapped before are still on their way to the model; register actions take no lock of our caller.
	 */
	while (atomic_load_explicit(&placed->traps, memory_order_acquire))
		sched_yield();
}

void task_mm_restore(struct task *t, struct cpu_mapping *m)
{
	set_zapped(m, false);
}

void task_mm_retrap(struct task *t, struct cpu_mapping *m, uint64_t offset, uint64_t len)
{
	struct mm *mm = door.mm;
	struct mm_placed *placed;
	struct mm_part *part;

	if (!mm)
		return;
	mutex_lock(&mm->lock);
	placed = m->task_private;
	if (placed && !m->zapped)
		list_for_each (part, &placed->parts, node)
			if (part->offset < offset + len && offset < part->offset + part->len)
				mm_part_protect_locked(part, offset, len);
	mutex_unlock(&mm->lock);
}
