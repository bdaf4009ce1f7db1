/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * System calls that change memory where it is, or move it: mremap, mprotect, madvise, mlock. Device memory answers as
 * VFIO's does on Linux, where it is VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP.
 */
#include <sys/mman.h>

#include "door/mm.h"
#include "door/pin.h"
#include "door/signals.h"

/* Takes [start, start + len) out of the kernel's hands and ours. */
static int drop_range_locked(struct mm *mm, uaddr_t start, uint64_t len, struct list *gone)
{
	size_t first, end_index;
	int err = mm_isolate_locked(mm, start, start + len, &first, &end_index);

	if (err)
		return err;
	if (real.munmap((void *)start, len))
		return -errno;
	mm_forget_locked(mm, first, end_index, gone);
	return 0;
}

struct mremap_args {
	uaddr_t old;
	uint64_t old_len, new_len;
	int flags;
	uaddr_t new_addr;
};

static int remap_check(const struct mremap_args *a, const struct mm_part *part)
{
	if ((a->flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP)) || a->new_len == 0)
		return -EINVAL;
	if ((a->flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) && !(a->flags & MREMAP_MAYMOVE))
		return -EINVAL;
	if ((a->flags & MREMAP_FIXED) && (!is_aligned(a->new_addr, BARTER_PAGE_SIZE) ||
					  (a->old < a->new_addr + a->new_len && a->new_addr < a->old + a->old_len)))
		return -EINVAL;
	if (a->flags & MREMAP_DONTUNMAP)
		return -EINVAL;
	/* It cannot grow, nor be mapped a second time by an old length of 0. */
	if (a->new_len > a->old_len || a->old + a->old_len > mm_part_end(part))
		return -EFAULT;
	return 0;
}

/* Device memory to a place that the program chose: mapped there, and unmapped here. */
static int64_t move_part_locked(struct mm *mm, const struct mremap_args *a, struct list *gone)
{
	struct mm_part *part = mm_part_at_locked(mm, a->old), copy = *part;
	size_t i, first, end_index;
	void *at;
	int err;

	err = pin_evict_locked(mm, a->new_addr, a->new_len, PIN_EVICT_UNMAP);
	if (!err)
		err = mm_isolate_locked(mm, a->new_addr, a->new_addr + a->new_len, &first, &end_index);
	if (err)
		return err;
	at = real.mmap((void *)a->new_addr, a->new_len, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	if (at == MAP_FAILED)
		return -errno;
	mm_forget_locked(mm, first, end_index, gone);
	err = mm_add_part_locked(mm, copy.placed, a->new_addr, copy.offset + (a->old - copy.start), a->new_len,
				 copy.prot);
	if (err)
		return err;
	i = mm_find_locked(mm, a->new_addr);
	mm->parts[i]->no_fork = copy.no_fork;
	err = mm_part_map_locked(mm, mm->parts[i]);
	if (!err)
		err = drop_range_locked(mm, a->old, a->old_len, gone);
	return err ? err : (int64_t)a->new_addr;
}

static int64_t remap_part_locked(struct mm *mm, const struct mremap_args *a, struct list *gone)
{
	int err = remap_check(a, mm_part_at_locked(mm, a->old));

	if (err)
		return err;
	if (a->flags & MREMAP_FIXED)
		return move_part_locked(mm, a, gone);
	if (a->new_len < a->old_len)
		err = drop_range_locked(mm, a->old + a->new_len, a->old_len - a->new_len, gone);
	return err ? err : (int64_t)a->old;
}

static int perform_mremap(void *arg)
{
	const struct mremap_args *a = arg;
	void *at = real.mremap((void *)a->old, a->old_len, a->new_len, a->flags, (void *)a->new_addr);

	return at == MAP_FAILED ? -errno : 0;
}

/* The program's own memory, some of it pinned, or a target that is ours. */
static int64_t remap_memory_locked(struct mm *mm, struct mremap_args *a, struct list *gone)
{
	uint64_t kept = MIN(a->old_len, a->new_len);
	size_t first = 0, end_index = 0;
	void *at;
	int err;

	if (a->old_len > kept && (err = pin_evict_locked(mm, a->old + kept, a->old_len - kept, PIN_EVICT_UNMAP)))
		return err;
	if (!(a->flags & MREMAP_FIXED)) {
		at = real.mremap((void *)a->old, a->old_len, a->new_len, a->flags & ~MREMAP_MAYMOVE, NULL);
		if (at != MAP_FAILED || !(a->flags & MREMAP_MAYMOVE) || errno != ENOMEM)
			return at == MAP_FAILED ? -errno : (int64_t)(uaddr_t)at;
		at = real.mmap(NULL, a->new_len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (at == MAP_FAILED)
			return -ENOMEM;
		a->new_addr = (uaddr_t)at;
		a->flags |= MREMAP_FIXED;
	} else if (mm_concerns(a->new_addr, a->new_len)) {
		err = pin_evict_locked(mm, a->new_addr, a->new_len, PIN_EVICT_UNMAP);
		if (!err)
			err = mm_isolate_locked(mm, a->new_addr, a->new_addr + a->new_len, &first, &end_index);
		if (err)
			return err;
	}
	err = pin_follow_locked(mm, a->old, kept, a->new_addr, perform_mremap, a);
	if (err)
		return err;
	mm_forget_locked(mm, first, end_index, gone);
	return (int64_t)a->new_addr;
}

int64_t mm_sys_mremap(uaddr_t old, uint64_t old_len, uint64_t new_len, int flags, uaddr_t new_addr)
{
	struct mremap_args a = {old, align_up(old_len, BARTER_PAGE_SIZE), align_up(new_len, BARTER_PAGE_SIZE), flags,
				flags & MREMAP_FIXED ? new_addr : 0};
	struct mm *mm = mm_here();
	struct list gone;
	int64_t result = DOOR_NOT_OURS;

	if (!mm || !is_aligned(old, BARTER_PAGE_SIZE) ||
	    !(mm_concerns(old, MAX(a.old_len, 1ull)) || (a.new_addr && mm_concerns(a.new_addr, a.new_len))))
		return DOOR_NOT_OURS;
	list_init(&gone);
	door_enter();
	mutex_lock(&mm->lock);
	if (mm_part_at_locked(mm, old))
		result = remap_part_locked(mm, &a, &gone);
	else if (a.old_len && a.new_len && !(flags & MREMAP_DONTUNMAP))
		result = remap_memory_locked(mm, &a, &gone);
	mutex_unlock(&mm->lock);
	mm_release_gone(&gone);
	door_leave();
	return result;
}

static int real_protect(uaddr_t start, uaddr_t end, int prot, int key)
{
	int err;

	if (start >= end)
		return 0;
	err = key < 0 ? real.mprotect((void *)start, end - start, prot)
		      : real.pkey_mprotect((void *)start, end - start, prot, key);
	return err ? -errno : 0;
}

/* What is ours keeps what the program wants in mind and gets what is possible; the rest is the kernel's. */
static int protect_locked(struct mm *mm, uaddr_t start, uaddr_t end, int prot, int key)
{
	size_t first, end_index;
	uaddr_t at = start;
	int err = mm_isolate_locked(mm, start, end, &first, &end_index);

	for (size_t i = first; i < end_index && !err; i++) {
		struct mm_part *part = mm->parts[i];

		err = real_protect(at, part->start, prot, key);
		if (!err && (part->placed->m->denied_prot & prot))
			err = -EACCES;
		if (err)
			break;
		part->prot = prot;
		mm_part_protect_locked(part, part->offset, part->len);
		at = mm_part_end(part);
	}
	return err ? err : real_protect(at, end, prot, key);
}

int64_t mm_sys_mprotect(uaddr_t addr, uint64_t len, int prot, int key)
{
	uaddr_t end = addr + align_up(len, BARTER_PAGE_SIZE);
	struct mm *mm = mm_here();
	int err;

	if (!is_aligned(addr, BARTER_PAGE_SIZE) || end <= addr || !mm_concerns(addr, end - addr) ||
	    (prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC)))
		return DOOR_NOT_OURS;
	door_enter();
	mutex_lock(&mm->lock);
	err = pin_before_protect_locked(mm, addr, end - addr, prot);
	if (!err)
		err = protect_locked(mm, addr, end, prot, key);
	if (!err)
		pin_after_protect_locked(mm, addr, end - addr, prot);
	mutex_unlock(&mm->lock);
	door_leave();
	return err;
}

/* What Linux says to each advice for device memory. 1: it has an effect that is the kernel's to give. */
static int advise_device(int advice)
{
	switch (advice) {
	case MADV_DONTFORK:
		return 1;
	case MADV_NORMAL:
	case MADV_RANDOM:
	case MADV_SEQUENTIAL:
	case MADV_WILLNEED:
	case MADV_HUGEPAGE:
	case MADV_NOHUGEPAGE:
	case MADV_DONTDUMP:
	case MADV_KEEPONFORK:
		return 0;
	case MADV_REMOVE:
		return -ENODEV;
	default:
		return -EINVAL;
	}
}

/* Kept in mind, for what is mapped there changes. What is not ours in the range is the kernel's to mark. */
static int64_t keep_from_children_locked(struct mm *mm, uaddr_t start, uaddr_t end)
{
	size_t first, end_index;
	int err = mm_isolate_locked(mm, start, end, &first, &end_index);

	if (err)
		return err;
	for (size_t i = first; i < end_index; i++)
		mm->parts[i]->no_fork = true;
	return DOOR_NOT_OURS;
}

static bool drops_pages(int advice)
{
	return advice == MADV_DONTNEED || advice == MADV_FREE || advice == 24 /* MADV_DONTNEED_LOCKED */;
}

int64_t mm_sys_madvise(uaddr_t addr, uint64_t len, int advice)
{
	uint64_t aligned = align_up(len, BARTER_PAGE_SIZE);
	struct mm *mm = mm_here();
	int64_t result = DOOR_NOT_OURS;
	int answer;

	if (!is_aligned(addr, BARTER_PAGE_SIZE) || !aligned || addr + aligned <= addr || !mm_concerns(addr, aligned))
		return DOOR_NOT_OURS;
	door_enter();
	mutex_lock(&mm->lock);
	if (mm_has_parts_locked(mm, addr, addr + aligned)) {
		answer = advise_device(advice);
		result = answer <= 0 ? answer : keep_from_children_locked(mm, addr, addr + aligned);
	} else if (drops_pages(advice)) {
		answer = pin_evict_locked(mm, addr, aligned, PIN_EVICT_EMPTY);
		if (answer)
			result = answer;
		else
			result = real.madvise((void *)addr, len, advice) ? -errno : 0;
	}
	mutex_unlock(&mm->lock);
	door_leave();
	return result;
}

/* mlock(2) passes over device memory; what is left of the range is the kernel's. */
int64_t mm_sys_mlock(uaddr_t addr, uint64_t len, int (*real_lock)(uaddr_t start, uint64_t len, int flags), int flags)
{
	uaddr_t start = align_down(addr, BARTER_PAGE_SIZE), end = align_up(addr + len, BARTER_PAGE_SIZE), at = start;
	struct mm *mm = mm_here();
	int err = 0;

	if (end <= start || !mm_concerns(start, end - start))
		return DOOR_NOT_OURS;
	door_enter();
	mutex_lock(&mm->lock);
	for (size_t i = mm_find_locked(mm, start); at < end && !err; i++) {
		const struct mm_part *part = i < mm->nr_parts && mm->parts[i]->start < end ? mm->parts[i] : NULL;
		uaddr_t next = part ? MAX(at, part->start) : end;

		if (at < next && real_lock(at, next - at, flags))
			err = -errno;
		at = part ? mm_part_end(part) : end;
	}
	mutex_unlock(&mm->lock);
	door_leave();
	return err;
}

/* A device has nothing to write back, and says so; what is left of the range is the kernel's, holes included. */
int64_t mm_sys_msync(uaddr_t addr, uint64_t len, int flags)
{
	uaddr_t end = addr + align_up(len, BARTER_PAGE_SIZE), at = addr;
	struct mm *mm = mm_here();
	int err = 0, hole = 0;

	if (!is_aligned(addr, BARTER_PAGE_SIZE) || end <= addr || !mm_concerns(addr, end - addr) ||
	    (flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC)) || (flags & MS_ASYNC && flags & MS_SYNC))
		return DOOR_NOT_OURS;
	door_enter();
	mutex_lock(&mm->lock);
	for (size_t i = mm_find_locked(mm, addr); at < end && !err; i++) {
		const struct mm_part *part = i < mm->nr_parts && mm->parts[i]->start < end ? mm->parts[i] : NULL;
		uaddr_t next = part ? MAX(at, part->start) : end;

		if (at < next && real.msync((void *)at, next - at, flags))
			err = -errno;
		if (err == -ENOMEM) {
			hole = err;
			err = 0;
		}
		if (part && !err && (flags & MS_SYNC))
			err = -EINVAL;
		at = part ? mm_part_end(part) : end;
	}
	mutex_unlock(&mm->lock);
	door_leave();
	return err ? err : hole;
}
