/* SPDX-License-Identifier: BSD-3-Clause */
/* The parts of device mappings: where they are, how they are cut, what is really mapped there. */
#include "door/mm.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "door/fd_table.h"
#include "door/mm_share.h"
#include "door/raw_syscall.h"

static const struct lock_class mm_lock_class = {.name = "address space", .rank = LOCK_RANK_ADDRESS_SPACE};

static struct mm *mm_create(void)
{
	struct mm *mm = calloc(1, sizeof(*mm));

	if (!mm)
		return NULL;
	mutex_init(&mm->lock, &mm_lock_class);
	list_init(&mm->placed);
	list_init(&mm->holes);
	mm->pid = getpid();
	mm->shared = mm_shared_create();
	mm->empty_fd = mm->shared ? memfd_create("barter-empty", MFD_CLOEXEC) : -1;
	mm->low = UINT64_MAX;
	mm->mem_fd = -1;
	mm->maps_fd = -1;
	if (mm->empty_fd >= 0) {
		mm->empty_fd = fd_keep(mm->empty_fd);
		return mm;
	}
	mm_shared_destroy(mm->shared);
	free(mm);
	return NULL;
}

struct mm *mm_get(void)
{
	struct mm *mm = atomic_load_explicit(&door.mm, memory_order_acquire);

	if (mm)
		return mm;
	pthread_mutex_lock(&door.build_lock);
	mm = door.mm;
	if (!mm) {
		mm = mm_create();
		atomic_store_explicit(&door.mm, mm, memory_order_release);
	}
	pthread_mutex_unlock(&door.build_lock);
	return mm;
}

struct mm *mm_here(void)
{
	struct mm *mm = atomic_load_explicit(&door.mm, memory_order_acquire);

	if (unlikely(door_is_forked()) && mm && mm->pid != getpid())
		mm_child_adopt(mm);
	return mm;
}

void mm_grow_bounds_locked(struct mm *mm, uaddr_t start, uint64_t len)
{
	mutex_assert_held(&mm->lock);
	if (start < mm->low)
		atomic_store_explicit(&mm->low, start, memory_order_relaxed);
	if (start + len > mm->high)
		atomic_store_explicit(&mm->high, start + len, memory_order_relaxed);
}

size_t mm_find_locked(const struct mm *mm, uaddr_t addr)
{
	size_t low = 0, n = mm->nr_parts;

	while (n) {
		size_t half = n / 2;

		if (mm_part_end(mm->parts[low + half]) <= addr) {
			low += half + 1;
			n -= half + 1;
		} else {
			n = half;
		}
	}
	return low;
}

struct mm_part *mm_part_at_locked(const struct mm *mm, uaddr_t addr)
{
	size_t i = mm_find_locked(mm, addr);

	return i < mm->nr_parts && mm->parts[i]->start <= addr ? mm->parts[i] : NULL;
}

bool mm_has_parts_locked(const struct mm *mm, uaddr_t start, uaddr_t end)
{
	size_t i = mm_find_locked(mm, start);

	return i < mm->nr_parts && mm->parts[i]->start < end;
}

static int reserve_locked(struct mm *mm, size_t more)
{
	size_t capacity = MAX(mm->capacity * 2, mm->nr_parts + more);
	struct mm_part **parts;

	if (mm->nr_parts + more <= mm->capacity)
		return 0;
	parts = realloc(mm->parts, capacity * sizeof(*parts));
	if (!parts)
		return -ENOMEM;
	mm->parts = parts;
	mm->capacity = capacity;
	return 0;
}

static void insert_locked(struct mm *mm, size_t i, struct mm_part *part)
{
	memmove(&mm->parts[i + 1], &mm->parts[i], (mm->nr_parts - i) * sizeof(mm->parts[0]));
	mm->parts[i] = part;
	mm->nr_parts++;
	list_add(&part->placed->parts, &part->node);
}

int mm_add_part_locked(struct mm *mm, struct mm_placed *placed, uaddr_t start, uint64_t offset, uint64_t len, int prot)
{
	struct mm_part *part = malloc(sizeof(*part));

	mutex_assert_held(&mm->lock);
	if (!part || reserve_locked(mm, 1)) {
		free(part);
		return -ENOMEM;
	}
	*part = (struct mm_part){.start = start, .len = len, .placed = placed, .offset = offset, .prot = prot};
	insert_locked(mm, mm_find_locked(mm, start), part);
	mm_grow_bounds_locked(mm, start, len);
	return 0;
}

/* Makes addr the border of two parts if it is inside of one; uses up *spare then. */
static void split_locked(struct mm *mm, uaddr_t addr, struct mm_part **spare)
{
	size_t i = mm_find_locked(mm, addr);
	struct mm_part *head, *tail;

	if (i == mm->nr_parts || mm->parts[i]->start >= addr)
		return;
	head = mm->parts[i];
	tail = *spare;
	*spare = NULL;
	*tail = *head;
	tail->start = addr;
	tail->len = mm_part_end(head) - addr;
	tail->offset = head->offset + (addr - head->start);
	head->len = addr - head->start;
	insert_locked(mm, i + 1, tail);
}

int mm_isolate_locked(struct mm *mm, uaddr_t start, uaddr_t end, size_t *first, size_t *end_index)
{
	struct mm_part *spare[2] = {malloc(sizeof(struct mm_part)), malloc(sizeof(struct mm_part))};
	int err = -ENOMEM;

	mutex_assert_held(&mm->lock);
	if (spare[0] && spare[1] && reserve_locked(mm, 2) == 0) {
		split_locked(mm, start, &spare[0]);
		split_locked(mm, end, &spare[1]);
		*first = mm_find_locked(mm, start);
		*end_index = *first;
		while (*end_index < mm->nr_parts && mm->parts[*end_index]->start < end)
			++*end_index;
		err = 0;
	}
	free(spare[0]);
	free(spare[1]);
	return err;
}

void mm_forget_locked(struct mm *mm, size_t first, size_t end_index, struct list *gone)
{
	mutex_assert_held(&mm->lock);
	for (size_t i = first; i < end_index; i++) {
		struct mm_part *part = mm->parts[i];
		struct mm_placed *placed = part->placed;

		list_del(&part->node);
		mm_placed_check_gone_locked(placed, gone);
		free(part);
	}
	memmove(&mm->parts[first], &mm->parts[end_index], (mm->nr_parts - end_index) * sizeof(mm->parts[0]));
	mm->nr_parts -= end_index - first;
}

void mm_release_gone(struct list *gone)
{
	struct mm_placed *placed, *next;

	list_for_each_safe (placed, next, gone, gone) {
		/* No store begins any more; those on their way end soon, and must not release anything in a handler. */
		while (atomic_load_explicit(&placed->traps, memory_order_acquire))
			sched_yield();
		if (door_is_forked()) {
			mm_child_release(placed);
			continue;
		}
		/* Until this runs the owner may still zap or restore the mapping, which then finds no parts. */
		placed->m->ops->released(placed->m);
		mutex_lock(&door.mm->lock);
		mm_slot_drop_locked(door.mm, placed);
		mutex_unlock(&door.mm->lock);
		free(placed);
	}
}

/*
 * Past every interposer: the kernel replaces a mapping at one stroke, while a sanitizer's mmap() would take this for a
 * store to all of it, racing with the program's own accesses.
 */
static int map_over(uaddr_t at, uint64_t len, int prot, bool private_, int fd, uint64_t offset)
{
	int flags = (private_ ? MAP_PRIVATE : MAP_SHARED) | MAP_FIXED | MAP_NORESERVE;

	if (fd < 0)
		flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
	return (int)MIN(raw_syscall(SYS_mmap, at, len, prot, flags, fd, offset), 0L);
}

/* How a run of a region's pages is really mapped: a trapped page keeps its loads, one without memory has neither. */
static int real_prot(const struct phys_region *r, uint64_t offset, int prot)
{
	if (r->fd < 0)
		return PROT_NONE;
	if (r->kind == PHYS_REGISTERS && !mm_is_polled(r, offset))
		return prot & ~PROT_WRITE;
	return prot;
}

static uint64_t run_len(const struct phys_region *r, uint64_t offset, uint64_t len, int prot)
{
	int first = real_prot(r, offset, prot);
	uint64_t run = BARTER_PAGE_SIZE;

	if (r->kind != PHYS_REGISTERS)
		return len;
	while (run < len && real_prot(r, offset + run, prot) == first)
		run += BARTER_PAGE_SIZE;
	return MIN(run, len);
}

/* Calls fn for each run of pages of [offset, offset + len) of the mapping that are mapped alike; stops at an error. */
typedef int (*run_fn)(const struct mm_part *part, const struct phys_region *r, uint64_t region_offset, uaddr_t at,
		      uint64_t len);

static int for_each_run(const struct mm_part *part, uint64_t offset, uint64_t len, run_fn fn)
{
	const struct cpu_mapping *m = part->placed->m;
	uint64_t start = MAX(offset, part->offset), end = MIN(offset + len, part->offset + part->len), base = 0;
	int err = 0;

	for (size_t i = 0; i < m->nr_extents && start < end && !err; i++) {
		const struct cpu_extent *e = &m->extents[i];

		while (start < end && start < base + e->len && !err) {
			uint64_t in_region = e->region_offset + (start - base);
			uint64_t left = MIN(end, base + e->len) - start;
			uint64_t run = run_len(e->region, in_region, left, part->prot);

			err = fn(part, e->region, in_region, part->start + (start - part->offset), run);
			start += run;
		}
		base += e->len;
	}
	return err;
}

static int map_run(const struct mm_part *part, const struct phys_region *r, uint64_t region_offset, uaddr_t at,
		   uint64_t len)
{
	return map_over(at, len, real_prot(r, region_offset, part->prot), part->placed->m->private_, r->fd,
			r->fd_offset + region_offset);
}

static int protect_run(const struct mm_part *part, const struct phys_region *r, uint64_t region_offset, uaddr_t at,
		       uint64_t len)
{
	return (int)raw_syscall(SYS_mprotect, at, len, real_prot(r, region_offset, part->prot));
}

int mm_part_map_locked(struct mm *mm, const struct mm_part *part)
{
	int err;

	mutex_assert_held(&mm->lock);
	if (part->placed->m->zapped)
		err = map_over(part->start, part->len, part->prot, false, mm->empty_fd, 0);
	else
		err = for_each_run(part, part->offset, part->len, map_run);
	if (part->no_fork)
		real.madvise((void *)part->start, part->len, MADV_DONTFORK);
	return err;
}

/* Nobody can be told that the kernel is out of memory: then the memory stays away, in the one way that needs none. */
void mm_placed_show_locked(struct mm *mm, struct mm_placed *placed)
{
	struct mm_part *part;

	list_for_each (part, &placed->parts, node)
		if (mm_part_map_locked(mm, part) && placed->m->zapped &&
		    real.mprotect((void *)part->start, part->len, PROT_NONE))
			abort();
}

const struct cpu_extent *mm_extent_at(const struct cpu_mapping *m, uint64_t offset, uint64_t *in_extent)
{
	size_t i = 0;

	while (offset >= m->extents[i].len)
		offset -= m->extents[i++].len;
	*in_extent = offset;
	return &m->extents[i];
}

void mm_part_protect_locked(const struct mm_part *part, uint64_t offset, uint64_t len)
{
	if (!part->placed->m->zapped)
		for_each_run(part, offset, len, protect_run);
	else
		real.mprotect((void *)part->start, part->len, part->prot);
}
