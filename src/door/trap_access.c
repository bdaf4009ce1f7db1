/* SPDX-License-Identifier: BSD-3-Clause */
#include "door/trap_access.h"

#include <string.h>
#include <sys/mman.h>

#include "door/forward.h"
#include "door/mm.h"
#include "door/trap.h"
#include "door/uaccess.h"

/* What an address of the program leads to, held in place. */
struct trap_target {
	struct mm_placed *placed;
	struct phys_region *region;
	uint64_t offset; /* in the region */
	uint64_t in_mapping;
};

/* Does the page itself take the access, as it is mapped now? */
static bool is_direct(const struct phys_region *r, uint64_t offset, bool write)
{
	if (r->fd < 0)
		return false;
	return !write || r->kind != PHYS_REGISTERS || mm_is_polled(r, offset);
}

static enum trap_result target_find_locked(struct mm *mm, uaddr_t addr, bool write, struct trap_target *target)
{
	const struct mm_part *part = mm_part_at_locked(mm, addr);
	const struct cpu_extent *extent;
	uint64_t in_extent;

	if (!part || !(part->prot & (write ? PROT_WRITE : PROT_READ | PROT_WRITE | PROT_EXEC)))
		return TRAP_FOREIGN;
	if (part->placed->m->zapped)
		return TRAP_AGAIN;
	target->in_mapping = part->offset + (addr - part->start);
	extent = mm_extent_at(part->placed->m, target->in_mapping, &in_extent);
	target->region = extent->region;
	target->offset = extent->region_offset + in_extent;
	if (is_direct(target->region, target->offset, write))
		return TRAP_AGAIN;
	target->placed = part->placed;
	atomic_fetch_add_explicit(&part->placed->traps, 1, memory_order_relaxed);
	return TRAP_DONE;
}

static enum trap_result target_begin(uaddr_t addr, bool write, struct trap_target *target)
{
	struct mm *mm = mm_here();
	enum trap_result result;

	mutex_lock(&mm->lock);
	result = target_find_locked(mm, addr, write, target);
	mutex_unlock(&mm->lock);
	return result;
}

static void target_end(const struct trap_target *target)
{
	atomic_fetch_sub_explicit(&target->placed->traps, 1, memory_order_release);
}

enum trap_result trap_probe(uaddr_t addr, bool write)
{
	struct trap_target target;
	enum trap_result result = target_begin(addr, write, &target);

	if (result == TRAP_DONE)
		target_end(&target);
	return result;
}

/* The widest aligned access at addr that fits into len. */
static unsigned piece_len(uaddr_t addr, size_t len)
{
	unsigned piece = 8;

	while (piece > len || !is_aligned(addr, piece))
		piece /= 2;
	return piece;
}

static enum trap_result store_piece(const struct trap_target *target, uint64_t in_page, const void *bytes, unsigned len)
{
	struct phys_region *r = target->region;
	uint64_t value = 0;
	int err;

	memcpy(&value, bytes, len);
	/* In a child the device is the owner's. */
	if (unlikely(door_is_forked())) {
		err = forward_store(target->placed->slot, target->in_mapping + in_page, value, len);
		return err == -EAGAIN ? TRAP_AGAIN : err ? TRAP_FOREIGN : TRAP_DONE;
	}
	if (r->ops && r->ops->write)
		r->ops->write(r, target->offset + in_page, value, len);
	return TRAP_DONE;
}

static void load_piece(const struct trap_target *target, uint64_t in_page, void *bytes, unsigned len)
{
	struct phys_region *r = target->region;
	uint64_t value = UINT64_MAX;

	if (r->ops && r->ops->read)
		value = r->ops->read(r, target->offset + in_page, len);
	memcpy(bytes, &value, len);
}

/* [addr, addr + len) lies in one page. */
static enum trap_result access_page(uaddr_t addr, void *bytes, size_t len, bool write)
{
	struct trap_target target;
	enum trap_result result = target_begin(addr, write, &target);

	if (result != TRAP_DONE)
		return result;
	for (size_t done = 0; done < len && result == TRAP_DONE;) {
		unsigned piece = piece_len(addr + done, len - done);

		if (write)
			result = store_piece(&target, done, (char *)bytes + done, piece);
		else
			load_piece(&target, done, (char *)bytes + done, piece);
		done += piece;
	}
	target_end(&target);
	return result;
}

static enum trap_result access_pages(uaddr_t addr, void *bytes, size_t len, bool write)
{
	for (size_t done = 0; done < len;) {
		size_t in_page = BARTER_PAGE_SIZE - ((addr + done) & BARTER_PAGE_MASK);
		size_t run = MIN(in_page, len - done);
		enum trap_result result = access_page(addr + done, (char *)bytes + done, run, write);

		if (result != TRAP_DONE)
			return result;
		done += run;
	}
	return TRAP_DONE;
}

enum trap_result trap_store(uaddr_t addr, const void *bytes, size_t len)
{
	return access_pages(addr, (void *)bytes, len, true);
}

enum trap_result trap_load(uaddr_t addr, void *bytes, size_t len)
{
	return access_pages(addr, bytes, len, false);
}

static int copy_page(uaddr_t program, void *ours, size_t len, bool write)
{
	enum trap_result result = TRAP_AGAIN;

	/* A page that changes between trapped and polled is tried once more. */
	for (unsigned tries = 0; tries < 3 && result == TRAP_AGAIN; tries++) {
		int err = write ? uaccess_copy((void *)program, ours, len) : uaccess_copy(ours, (void *)program, len);

		if (!err)
			return 0;
		result = access_page(program, ours, len, write);
	}
	return result == TRAP_DONE ? 0 : -EFAULT;
}

static int copy_pages(uaddr_t program, void *ours, size_t len, bool write)
{
	int err = 0;

	for (size_t done = 0; done < len && !err;) {
		size_t in_page = BARTER_PAGE_SIZE - ((program + done) & BARTER_PAGE_MASK);
		size_t run = MIN(in_page, len - done);

		err = copy_page(program + done, (char *)ours + done, run, write);
		done += run;
	}
	return err;
}

int trap_copy_to(uaddr_t dst, const void *src, size_t len)
{
	return copy_pages(dst, (void *)src, len, true);
}

int trap_copy_from(void *dst, uaddr_t src, size_t len)
{
	return copy_pages(src, dst, len, false);
}
