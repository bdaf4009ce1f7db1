/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The address space is two things side by side.
 *
 * Windows, below PHYS_PAGES_BASE: few, placed when the rack is enumerated. One sorted array, replaced as a whole; the
 * old one is freed after a drain.
 *
 * Pages, above it, a program's or our own: up to a million objects that come and go with every IOAS map. An address is
 * a number:
 *
 *   63  62  61                    30 29                 0
 *   1   0   index                    offset               objects up to 1 GiB
 *   1   1   index          44 43     offset               objects up to 16 TiB
 *
 * Offset 0 of an object is aligned to 1 GiB, so alignment of the IOVA alone decides about the size of leaves. The index
 * finds the region in a two-level array whose slots are read without a lock. A free slot holds the next free index, so
 * placing an object is a pop and removing it a push.
 */
#include "memory/phys.h"

#include <stdlib.h>
#include <string.h>

#include "memory/section.h"
#include "memory/system_memory.h"

enum {
	SMALL_OFFSET_BITS = 30,
	LARGE_OFFSET_BITS = 44,
	CHUNK_BITS = 12,
	CHUNK_SLOTS = 1 << CHUNK_BITS,
	SMALL_CHUNKS = 1024, /* 4 Mi objects */
	LARGE_CHUNKS = 64,   /* 256 Ki objects */
};

#define LARGE_BIT (1ull << 62)
#define INDEX_BITS(pa) ((pa) & (LARGE_BIT - 1))
#define NO_INDEX UINT32_MAX

/* A slot is a region, or free: the next free index shifted up by one, and bit 0. 0 was never used. */
typedef _Atomic uintptr_t page_slot;

struct page_ids {
	_Atomic(page_slot *) *chunks;
	uint32_t nr_chunks;
	uint32_t nr_used;    /* indexes below were given out at least once */
	uint32_t first_free; /* NO_INDEX: none */
};

struct windows {
	size_t nr;
	struct phys_region *regions[]; /* by base */
};

struct phys_space {
	struct trace *trace;		 /* immutable */
	struct section_domain *sections; /* immutable */
	struct system_file *system;	 /* immutable */
	struct mutex lock;		 /* LOCK_RANK_PHYS: writers of what follows */
	_Atomic(struct windows *) windows;
	struct windows *spare; /* as long as the published array, so that a removal needs no memory */
	_Atomic(page_slot *) small_chunks[SMALL_CHUNKS];
	_Atomic(page_slot *) large_chunks[LARGE_CHUNKS];
	struct page_ids small, large;
};

static const struct lock_class phys_lock_class = {"physical space", LOCK_RANK_PHYS, false};

struct phys_space *phys_space_create(struct trace *trace)
{
	struct phys_space *s = calloc(1, sizeof(*s));
	struct windows *none = calloc(1, sizeof(*none));
	struct section_domain *sections = section_domain_create();
	struct system_file *system = system_file_create();

	if (!s || !none || !sections || !system) {
		free(s);
		free(none);
		if (sections)
			section_domain_destroy(sections);
		if (system)
			system_file_destroy(system);
		return NULL;
	}
	s->trace = trace;
	s->sections = sections;
	s->system = system;
	mutex_init(&s->lock, &phys_lock_class);
	atomic_init(&s->windows, none);
	s->small = (struct page_ids){s->small_chunks, SMALL_CHUNKS, 0, NO_INDEX};
	s->large = (struct page_ids){s->large_chunks, LARGE_CHUNKS, 0, NO_INDEX};
	return s;
}

static void page_ids_fini(struct page_ids *ids)
{
	for (uint32_t i = 0; i < ids->nr_chunks; i++)
		free(atomic_load_explicit(&ids->chunks[i], memory_order_relaxed));
}

void phys_space_destroy(struct phys_space *s)
{
	page_ids_fini(&s->small);
	page_ids_fini(&s->large);
	free(s->windows);
	free(s->spare);
	mutex_fini(&s->lock);
	section_domain_destroy(s->sections);
	system_file_destroy(s->system);
	free(s);
}

struct trace *phys_space_trace(struct phys_space *s)
{
	return s->trace;
}

struct section_domain *phys_sections(struct phys_space *s)
{
	return s->sections;
}

struct system_file *phys_system_file(struct phys_space *s)
{
	return s->system;
}

/* Look-ups */

static page_slot *page_slot_find(const struct page_ids *ids, uint64_t index)
{
	if (index >> CHUNK_BITS >= ids->nr_chunks)
		return NULL;
	page_slot *chunk = atomic_load_explicit(&ids->chunks[index >> CHUNK_BITS], memory_order_acquire);
	return chunk ? &chunk[index % CHUNK_SLOTS] : NULL;
}

static struct phys_region *pages_find(struct phys_space *s, phys_t pa)
{
	const struct page_ids *ids = pa & LARGE_BIT ? &s->large : &s->small;
	unsigned offset_bits = pa & LARGE_BIT ? LARGE_OFFSET_BITS : SMALL_OFFSET_BITS;
	page_slot *slot = page_slot_find(ids, INDEX_BITS(pa) >> offset_bits);
	uintptr_t value = slot ? atomic_load_explicit(slot, memory_order_acquire) : 0;

	if (value == 0 || value & 1)
		return NULL;
	struct phys_region *r = (struct phys_region *)value;
	return pa - r->base < r->len ? r : NULL;
}

/* How many windows begin at or below pa. */
static size_t windows_upto(const struct windows *w, phys_t pa)
{
	size_t low = 0, high = w->nr;

	while (low < high) {
		size_t middle = (low + high) / 2;
		if (w->regions[middle]->base <= pa)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct phys_region *phys_find(struct phys_space *s, phys_t pa)
{
	if (pa >= PHYS_PAGES_BASE)
		return pages_find(s, pa);

	const struct windows *w = atomic_load_explicit(&s->windows, memory_order_acquire);
	size_t upto = windows_upto(w, pa);
	if (upto == 0)
		return NULL;
	struct phys_region *r = w->regions[upto - 1];
	return pa - r->base < r->len ? r : NULL;
}

/* Pages */

static int page_index_take(struct page_ids *ids, uint32_t *index, page_slot **slot)
{
	if (ids->first_free != NO_INDEX) {
		*index = ids->first_free;
		*slot = page_slot_find(ids, *index);
		ids->first_free = (uint32_t)(atomic_load_explicit(*slot, memory_order_relaxed) >> 1);
		return 0;
	}
	if (ids->nr_used == ids->nr_chunks * CHUNK_SLOTS)
		return -ENOMEM;
	if (ids->nr_used % CHUNK_SLOTS == 0) {
		page_slot *chunk = calloc(CHUNK_SLOTS, sizeof(*chunk));
		if (!chunk)
			return -ENOMEM;
		atomic_store_explicit(&ids->chunks[ids->nr_used >> CHUNK_BITS], chunk, memory_order_release);
	}
	*index = ids->nr_used++;
	*slot = page_slot_find(ids, *index);
	return 0;
}

int phys_add_pages(struct phys_space *s, struct phys_region *r)
{
	bool large = r->len > 1ull << SMALL_OFFSET_BITS;
	struct page_ids *ids = large ? &s->large : &s->small;
	page_slot *slot;
	uint32_t index;

	if (r->len == 0 || r->len > 1ull << LARGE_OFFSET_BITS)
		return -ENOMEM;
	mutex_lock(&s->lock);
	int err = page_index_take(ids, &index, &slot);
	if (!err) {
		r->base = large ? PHYS_PAGES_BASE | LARGE_BIT | (uint64_t)index << LARGE_OFFSET_BITS
				: PHYS_PAGES_BASE | (uint64_t)index << SMALL_OFFSET_BITS;
		atomic_store_explicit(slot, (uintptr_t)r, memory_order_release);
	}
	mutex_unlock(&s->lock);
	return err;
}

static void pages_remove(struct phys_space *s, struct phys_region *r)
{
	bool large = r->base & LARGE_BIT;
	struct page_ids *ids = large ? &s->large : &s->small;
	uint32_t index = (uint32_t)(INDEX_BITS(r->base) >> (large ? LARGE_OFFSET_BITS : SMALL_OFFSET_BITS));

	mutex_lock(&s->lock);
	atomic_store_explicit(page_slot_find(ids, index), (uintptr_t)ids->first_free << 1 | 1, memory_order_release);
	ids->first_free = index;
	mutex_unlock(&s->lock);
}

/* Windows */

static struct windows *windows_alloc(size_t nr)
{
	return malloc(sizeof(struct windows) + nr * sizeof(struct phys_region *));
}

/* Publishes the new array; when it returns nobody reads the old one, which it returns. Lock held. */
static struct windows *windows_replace(struct phys_space *s, struct windows *new)
{
	struct windows *old = atomic_exchange_explicit(&s->windows, new, memory_order_acq_rel);

	section_drain(s->sections);
	return old;
}

static bool window_overlaps(const struct windows *w, size_t at, const struct phys_region *r)
{
	if (at > 0 && r->base - w->regions[at - 1]->base < w->regions[at - 1]->len)
		return true;
	return at < w->nr && w->regions[at]->base - r->base < r->len;
}

static int window_add_locked(struct phys_space *s, struct phys_region *r)
{
	const struct windows *old = atomic_load_explicit(&s->windows, memory_order_relaxed);
	size_t at = windows_upto(old, r->base);

	if (window_overlaps(old, at, r))
		return -EEXIST;
	struct windows *new = windows_alloc(old->nr + 1), *spare = windows_alloc(old->nr + 1);
	if (!new || !spare) {
		free(new);
		free(spare);
		return -ENOMEM;
	}
	new->nr = old->nr + 1;
	memcpy(new->regions, old->regions, at * sizeof(new->regions[0]));
	new->regions[at] = r;
	memcpy(new->regions + at + 1, old->regions + at, (old->nr - at) * sizeof(new->regions[0]));
	free(windows_replace(s, new));
	free(s->spare);
	s->spare = spare;
	return 0;
}

int phys_add_window(struct phys_space *s, struct phys_region *r)
{
	if (r->len == 0 || r->base >= PHYS_PAGES_BASE || r->len > PHYS_PAGES_BASE - r->base)
		return -EINVAL;
	mutex_lock(&s->lock);
	int err = window_add_locked(s, r);
	mutex_unlock(&s->lock);
	return err;
}

static void window_remove(struct phys_space *s, struct phys_region *r)
{
	mutex_lock(&s->lock);
	const struct windows *old = atomic_load_explicit(&s->windows, memory_order_relaxed);
	size_t at = windows_upto(old, r->base) - 1;
	struct windows *new = s->spare;
	new->nr = old->nr - 1;
	memcpy(new->regions, old->regions, at * sizeof(new->regions[0]));
	memcpy(new->regions + at, old->regions + at + 1, (new->nr - at) * sizeof(new->regions[0]));
	s->spare = windows_replace(s, new);
	mutex_unlock(&s->lock);
}

void phys_remove(struct phys_space *s, struct phys_region *r)
{
	if (r->base >= PHYS_PAGES_BASE)
		pages_remove(s, r);
	else
		window_remove(s, r);
}
