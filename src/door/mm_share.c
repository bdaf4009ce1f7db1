/* SPDX-License-Identifier: BSD-3-Clause */
/* The owner's side of device memory in children: slots, and who holds what. */
#include "door/mm_share.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "door/fd_table.h"
#include "door/mm_peer.h"

struct mm_holder {
	struct mm_placed *placed;
	struct mm_peer *peer;
	bool told_zapped; /* or about to be */
	struct list in_placed, in_peer;
};

struct mm_shared *mm_shared_create(void)
{
	struct mm_shared *s =
		real.mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return s == MAP_FAILED ? NULL : s;
}

void mm_shared_destroy(struct mm_shared *s)
{
	if (s)
		real.munmap(s, sizeof(*s));
}

int mm_slot_take_locked(struct mm *mm, struct mm_placed *placed)
{
	_Atomic uint8_t *slots = mm->shared->slots;
	unsigned slot = 0;

	while (slot < MM_SLOTS && atomic_load_explicit(&slots[slot], memory_order_relaxed) != MM_SLOT_FREE)
		slot++;
	if (slot == MM_SLOTS)
		return -ENOMEM;
	placed->slot = slot;
	if (slot >= mm->shared->end)
		mm->shared->end = slot + 1;
	atomic_store(&slots[slot], placed->m->zapped ? MM_SLOT_ZAPPED : MM_SLOT_SHOWN);
	list_add(&mm->placed, &placed->node);
	mm->nr_placed++;
	return 0;
}

void mm_slot_drop_locked(struct mm *mm, struct mm_placed *placed)
{
	list_del(&placed->node);
	atomic_store(&mm->shared->slots[placed->slot], MM_SLOT_FREE);
}

void mm_slot_update_locked(struct mm *mm, struct mm_placed *placed)
{
	atomic_store(&mm->shared->slots[placed->slot], placed->m->zapped ? MM_SLOT_ZAPPED : MM_SLOT_SHOWN);
	atomic_fetch_add(&mm->shared->changes, 1);
}

void mm_placed_check_gone_locked(struct mm_placed *placed, struct list *gone)
{
	if (list_empty(&placed->parts) && list_empty(&placed->holders))
		list_add_tail(gone, &placed->gone);
}

static struct mm_holder *holder_to_tell_locked(struct mm_placed *placed)
{
	struct mm_holder *h;

	list_for_each (h, &placed->holders, in_placed)
		if (h->told_zapped != placed->m->zapped)
			return h;
	return NULL;
}

/* The caller is the only one who changes the mapping's state; children come and go. */
void mm_tell_holders(struct mm *mm, struct mm_placed *placed)
{
	struct mm_holder *h;
	struct mm_peer *peer;
	bool zapped;

	for (;;) {
		mutex_lock(&mm->lock);
		h = holder_to_tell_locked(placed);
		peer = h ? h->peer : NULL;
		zapped = placed->m->zapped;
		if (h)
			h->told_zapped = zapped;
		mutex_unlock(&mm->lock);
		if (!peer)
			return;
		mm_peer_tell(peer, atomic_load(&mm->shared->changes), zapped);
	}
}

static struct mm_holder *holder_find_locked(struct mm_peer *p, unsigned slot)
{
	struct mm_holder *h;

	list_for_each (h, &p->holds, in_peer)
		if (h->placed->slot == slot)
			return h;
	return NULL;
}

int mm_peer_hold_locked(struct mm_peer *p, struct mm_placed *placed)
{
	struct mm_holder *h = malloc(sizeof(*h));

	if (!h)
		return -ENOMEM;
	*h = (struct mm_holder){.placed = placed, .peer = p, .told_zapped = placed->m->zapped};
	list_add(&placed->holders, &h->in_placed);
	list_add(&p->holds, &h->in_peer);
	return 0;
}

int mm_peer_hold(struct mm_peer *p, unsigned slot)
{
	struct mm *mm = mm_here();
	struct mm_placed *placed;
	int rc = -ENOENT;

	if (!mm)
		return rc;
	mutex_lock(&mm->lock);
	if (holder_find_locked(p, slot))
		rc = 0;
	else
		list_for_each (placed, &mm->placed, node)
			if (placed->slot == slot && list_empty(&placed->gone)) {
				rc = mm_peer_hold_locked(p, placed);
				break;
			}
	mutex_unlock(&mm->lock);
	return rc;
}

static void holder_drop_locked(struct mm_holder *h, struct list *gone)
{
	list_del(&h->in_placed);
	list_del(&h->in_peer);
	mm_placed_check_gone_locked(h->placed, gone);
	free(h);
}

void mm_peer_let_go(struct mm_peer *p, unsigned slot)
{
	struct mm *mm = mm_here();
	struct mm_holder *h;
	struct list gone;

	if (!mm)
		return;
	list_init(&gone);
	mutex_lock(&mm->lock);
	h = holder_find_locked(p, slot);
	if (h)
		holder_drop_locked(h, &gone);
	mutex_unlock(&mm->lock);
	mm_release_gone(&gone);
}

void mm_peer_cancel(struct mm_peer *p, struct mm_placed *placed)
{
	struct mm *mm = mm_here();
	struct list gone;

	list_init(&gone);
	mutex_lock(&mm->lock);
	holder_drop_locked(holder_find_locked(p, placed->slot), &gone);
	mm_slot_drop_locked(mm, placed);
	mutex_unlock(&mm->lock);
	free(placed);
}

void mm_peer_end(struct mm_peer *p)
{
	struct mm *mm = mm_here();
	struct list gone;

	mm_peer_disconnect(p);
	if (!mm)
		return;
	list_init(&gone);
	mutex_lock(&mm->lock);
	while (!list_empty(&p->holds))
		holder_drop_locked(list_first(&p->holds, struct mm_holder, in_peer), &gone);
	mutex_unlock(&mm->lock);
	mm_release_gone(&gone);
}

/* To a page that is polled at the moment: the model reads it again after it has changed that. */
static void store_to_page(struct phys_region *r, uint64_t offset, uint64_t value, unsigned len)
{
	char *at = atomic_load(&r->host) + offset;

	switch (len) {
	case 8:
		__atomic_store_n((uint64_t *)at, value, __ATOMIC_RELEASE);
		break;
	case 4:
		__atomic_store_n((uint32_t *)at, (uint32_t)value, __ATOMIC_RELEASE);
		break;
	case 2:
		__atomic_store_n((uint16_t *)at, (uint16_t)value, __ATOMIC_RELEASE);
		break;
	default:
		__atomic_store_n((uint8_t *)at, (uint8_t)value, __ATOMIC_RELEASE);
	}
}

static bool is_sane(const struct mm_placed *placed, uint64_t offset, unsigned len)
{
	return (len == 1 || len == 2 || len == 4 || len == 8) && is_aligned(offset, len) && offset < placed->m->len;
}

int mm_peer_store(struct mm_peer *p, unsigned slot, uint64_t offset, uint64_t value, unsigned len)
{
	struct mm *mm = mm_here();
	const struct cpu_extent *extent;
	struct phys_region *r = NULL;
	struct mm_placed *placed;
	struct mm_holder *h;
	int rc = -ENOENT;

	mutex_lock(&mm->lock);
	h = holder_find_locked(p, slot);
	placed = h ? h->placed : NULL;
	if (!placed || !is_sane(placed, offset, len))
		goto unlock;
	rc = placed->m->zapped ? -EAGAIN : 0;
	if (rc)
		goto unlock;
	extent = mm_extent_at(placed->m, offset, &offset);
	r = extent->region;
	offset += extent->region_offset;
	if (r->kind != PHYS_REGISTERS || phys_is_polled(r, offset)) {
		store_to_page(r, offset, value, len);
		r = NULL;
	} else {
		atomic_fetch_add_explicit(&placed->traps, 1, memory_order_relaxed);
	}
unlock:
	mutex_unlock(&mm->lock);
	if (r) {
		r->ops->write(r, offset, value, len);
		atomic_fetch_sub_explicit(&placed->traps, 1, memory_order_release);
	}
	return rc;
}
