/* SPDX-License-Identifier: BSD-3-Clause */
/* Regions on their own: birth and death, and the polled or trapped state of register pages. */
#include "memory/phys.h"

#include <stdlib.h>

static const struct lock_class watch_lock_class = {"register page", LOCK_RANK_REGISTER_PAGE, false};

enum { PAGES_PER_WORD = 64 };

void phys_region_init(struct phys_region *r, enum phys_kind kind, uint64_t len)
{
	r->kind = kind;
	r->base = 0;
	r->len = len;
	atomic_init(&r->host, NULL);
	r->fd = -1;
	r->fd_offset = 0;
	r->ops = NULL;
	r->polled_pages = NULL;
	r->owner = NULL;
	/* Pages come and go with every IOAS map, and have no registers to watch. */
	if (kind == PHYS_PAGES)
		return;
	mutex_init(&r->watch_lock, &watch_lock_class);
	list_init(&r->watchers);
	/* Without the bits every page stays trapped, which is always right. */
	if (kind == PHYS_REGISTERS)
		r->polled_pages = calloc((len / BARTER_PAGE_SIZE + PAGES_PER_WORD - 1) / PAGES_PER_WORD,
					 sizeof(*r->polled_pages));
}

void phys_region_fini(struct phys_region *r)
{
	if (r->kind == PHYS_PAGES)
		return;
	free(r->polled_pages);
	r->polled_pages = NULL;
	mutex_fini(&r->watch_lock);
}

void phys_watch_add(struct phys_region *r, struct phys_watch *w)
{
	mutex_lock(&r->watch_lock);
	list_add_tail(&r->watchers, &w->node);
	mutex_unlock(&r->watch_lock);
}

void phys_watch_remove(struct phys_region *r, struct phys_watch *w)
{
	mutex_lock(&r->watch_lock);
	list_del(&w->node);
	mutex_unlock(&r->watch_lock);
}

bool phys_is_polled(const struct phys_region *r, uint64_t offset)
{
	uint64_t page = offset / BARTER_PAGE_SIZE;

	if (!r->polled_pages)
		return false;
	uint64_t word = atomic_load_explicit(&r->polled_pages[page / PAGES_PER_WORD], memory_order_acquire);
	return word >> page % PAGES_PER_WORD & 1;
}

/* True when the bit changed. */
static bool polled_bit_set(struct phys_region *r, uint64_t page, bool polled)
{
	uint64_t bit = 1ull << page % PAGES_PER_WORD;
	_Atomic uint64_t *word = &r->polled_pages[page / PAGES_PER_WORD];
	uint64_t old = polled ? atomic_fetch_or_explicit(word, bit, memory_order_acq_rel)
			      : atomic_fetch_and_explicit(word, ~bit, memory_order_acq_rel);

	return !(old & bit) == polled;
}

void phys_set_polled(struct phys_region *r, uint64_t offset, uint64_t len, bool polled)
{
	struct phys_watch *w;
	bool changed = false;

	if (!r->polled_pages || len == 0)
		return;
	mutex_lock(&r->watch_lock);
	for (uint64_t page = offset / BARTER_PAGE_SIZE; page <= (offset + len - 1) / BARTER_PAGE_SIZE; page++)
		changed |= polled_bit_set(r, page, polled);
	if (changed)
		list_for_each (w, &r->watchers, node)
			w->retrap(w, offset, len);
	mutex_unlock(&r->watch_lock);
}
