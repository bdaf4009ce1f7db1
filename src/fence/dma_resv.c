/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The fences of a reservation object.
 *
 * Writers hold the object's lock and, for the moment in which the list changes, the spinlock. So a writer reads the
 * list with the lock alone, and readers take the spinlock, a reference to what they want, and let go before they ask a
 * driver anything: its answer may signal the fence, and that runs callbacks.
 */
#include "fence/dma_resv.h"

#include <stdlib.h>

#include "fence/dma_fence_array.h"
#include "fence/fence_priv.h"

struct dma_resv_entry {
	struct dma_fence *fence; /* one reference */
	enum dma_resv_usage usage;
};

struct dma_resv_list {
	unsigned nr, capacity;
	struct dma_resv_entry entries[];
};

static const struct lock_class fences_lock_class = {.name = "fences of a reservation", .rank = LOCK_RANK_LEAF};

void dma_resv_init(struct dma_resv *r)
{
	ww_lock_init(r);
	spin_lock_init(&r->fences_lock, &fences_lock_class);
	r->room = 0;
	r->fences = NULL;
	r->generation = 0;
	r->changed = NULL;
	r->changed_arg = NULL;
}

void dma_resv_fini(struct dma_resv *r)
{
	for (unsigned i = 0; r->fences && i < r->fences->nr; i++)
		dma_fence_put(r->fences->entries[i].fence);
	free(r->fences);
	spin_lock_fini(&r->fences_lock);
	mutex_fini(&r->lock);
}

/* Lock held. What has signalled moves to the end and is dropped. */
static void fences_prune(struct dma_resv *r)
{
	struct dma_resv_list *list = r->fences;
	unsigned live = 0, nr = list->nr;

	for (unsigned i = 0; i < nr; i++)
		dma_fence_is_signaled(list->entries[i].fence);
	spin_lock_irq(&r->fences_lock);
	for (unsigned i = 0; i < nr; i++) {
		struct dma_resv_entry e = list->entries[i];

		if (fence_flag_signaled(e.fence))
			continue;
		list->entries[i] = list->entries[live];
		list->entries[live++] = e;
	}
	list->nr = live;
	r->generation++;
	spin_unlock_irq(&r->fences_lock);
	/* Nobody looks beyond nr but who adds, under the lock that is held. */
	for (unsigned i = live; i < nr; i++)
		dma_fence_put(list->entries[i].fence);
}

static int fences_grow(struct dma_resv *r, unsigned nr)
{
	struct dma_resv_list *old = r->fences, *list;
	unsigned used = old ? old->nr : 0;
	unsigned capacity = MAX(MAX(used + nr, 2 * used), 4u);

	list = malloc(sizeof(*list) + capacity * sizeof(list->entries[0]));
	if (!list)
		return -ENOMEM;
	list->nr = used;
	list->capacity = capacity;
	for (unsigned i = 0; i < used; i++)
		list->entries[i] = old->entries[i];
	spin_lock_irq(&r->fences_lock);
	r->fences = list;
	r->generation++;
	spin_unlock_irq(&r->fences_lock);
	free(old);
	return 0;
}

int dma_resv_reserve_fences(struct dma_resv *r, unsigned nr)
{
	int rc = 0;

	dma_resv_assert_held(r);
	if (r->fences && r->fences->capacity - r->fences->nr < nr)
		fences_prune(r);
	if (!r->fences || r->fences->capacity - r->fences->nr < nr)
		rc = fences_grow(r, nr);
	if (!rc)
		r->room = MAX(r->room, nr);
	return rc;
}

/* The one that f makes superfluous: older of its context with no less usage, or signalled. Its index, or nr. */
static unsigned entry_superseded(const struct dma_resv_list *list, struct dma_fence *f, enum dma_resv_usage usage)
{
	unsigned i;

	for (i = 0; i < list->nr; i++) {
		const struct dma_resv_entry *e = &list->entries[i];

		if (fence_flag_signaled(e->fence) || (e->fence->context == f->context && e->usage >= usage &&
						      (int64_t)(f->seqno - e->fence->seqno) >= 0))
			break;
	}
	return i;
}

void dma_resv_add_fence(struct dma_resv *r, struct dma_fence *f, enum dma_resv_usage usage)
{
	struct dma_resv_list *list = r->fences;
	struct dma_fence *old = NULL;
	unsigned i;

	dma_resv_assert_held(r);
	if (!r->room)
		lock_assert_failed("a fence is added without room reserved for it", __FILE__, __LINE__);
	if (dma_fence_is_container(f))
		lock_assert_failed("an array or a chain is added to a reservation", __FILE__, __LINE__);
	r->room--;
	dma_fence_get(f);
	i = entry_superseded(list, f, usage);
	spin_lock_irq(&r->fences_lock);
	if (i < list->nr)
		old = list->entries[i].fence;
	else
		list->nr++;
	list->entries[i] = (struct dma_resv_entry){.fence = f, .usage = usage};
	r->generation++;
	spin_unlock_irq(&r->fences_lock);
	dma_fence_put(old);
	if (r->changed)
		r->changed(r, r->changed_arg);
}

/* The first from *i on that counts and is not known to have signalled, with a reference; moves *i behind it. */
static struct dma_fence *pending_next(struct dma_resv *r, enum dma_resv_usage usage, unsigned *i, uint64_t *generation)
{
	struct dma_fence *found = NULL;

	spin_lock_irq(&r->fences_lock);
	if (*generation != r->generation)
		*i = 0;
	*generation = r->generation;
	for (; r->fences && *i < r->fences->nr && !found; ++*i) {
		const struct dma_resv_entry *e = &r->fences->entries[*i];

		if (e->usage <= usage && !fence_flag_signaled(e->fence))
			found = dma_fence_get(e->fence);
	}
	spin_unlock_irq(&r->fences_lock);
	return found;
}

/* NULL means that at one moment none was pending: a walk during which the list changed begins anew. */
struct dma_fence *dma_resv_get_pending(struct dma_resv *r, enum dma_resv_usage usage)
{
	uint64_t generation = 0;
	struct dma_fence *f;
	unsigned i = 0;

	while ((f = pending_next(r, usage, &i, &generation)) && dma_fence_is_signaled(f))
		dma_fence_put(f);
	return f;
}

static unsigned fences_count(struct dma_resv *r)
{
	unsigned nr;

	spin_lock_irq(&r->fences_lock);
	nr = r->fences ? r->fences->nr : 0;
	spin_unlock_irq(&r->fences_lock);
	return nr;
}

/* Copies references to at most `capacity`, of all or those not known to have signalled; how many there are. */
static unsigned fences_copy(struct dma_resv *r, enum dma_resv_usage usage, bool all, struct dma_resv_entry *to,
			    unsigned capacity)
{
	unsigned nr = 0;

	spin_lock_irq(&r->fences_lock);
	for (unsigned i = 0; r->fences && i < r->fences->nr; i++) {
		const struct dma_resv_entry *e = &r->fences->entries[i];

		if (e->usage > usage || (!all && fence_flag_signaled(e->fence)))
			continue;
		if (nr < capacity)
			to[nr] = (struct dma_resv_entry){dma_fence_get(e->fence), e->usage};
		nr++;
	}
	spin_unlock_irq(&r->fences_lock);
	return nr;
}

/* A snapshot: grows until all fit. The entries and their references are the caller's. */
static int fences_snapshot(struct dma_resv *r, enum dma_resv_usage usage, bool all, unsigned *nr,
			   struct dma_resv_entry **out)
{
	unsigned capacity = fences_count(r);

	for (;;) {
		struct dma_resv_entry *to = malloc(MAX(capacity, 1u) * sizeof(*to));

		if (!to)
			return -ENOMEM;
		*nr = fences_copy(r, usage, all, to, capacity);
		*out = to;
		if (*nr <= capacity)
			return 0;
		for (unsigned i = 0; i < capacity; i++)
			dma_fence_put(to[i].fence);
		free(to);
		capacity = *nr;
	}
}

int dma_resv_get_fences(struct dma_resv *r, enum dma_resv_usage usage, unsigned *nr, struct dma_fence ***fences)
{
	struct dma_resv_entry *entries;
	struct dma_fence **to;
	int rc = fences_snapshot(r, usage, false, nr, &entries);

	if (rc)
		return rc;
	/* In place: each pointer lands at or before the entry it comes from. */
	to = (struct dma_fence **)entries;
	for (unsigned i = 0; i < *nr; i++) {
		struct dma_fence *f = entries[i].fence;

		to[i] = f;
	}
	*fences = to;
	return 0;
}

int dma_resv_get_singleton(struct dma_resv *r, enum dma_resv_usage usage, struct dma_fence **out)
{
	struct dma_fence_array *array;
	struct dma_fence **fences;
	unsigned nr;
	int rc = dma_resv_get_fences(r, usage, &nr, &fences);

	if (rc)
		return rc;
	if (nr <= 1) {
		*out = nr ? fences[0] : NULL;
		free(fences);
		return 0;
	}
	array = dma_fence_array_create(nr, fences, dma_fence_context_alloc(1), 1, false);
	if (!array) {
		for (unsigned i = 0; i < nr; i++)
			dma_fence_put(fences[i]);
		free(fences);
		return -ENOMEM;
	}
	*out = &array->base;
	return 0;
}

bool dma_resv_test_signaled(struct dma_resv *r, enum dma_resv_usage usage)
{
	struct dma_fence *f = dma_resv_get_pending(r, usage);

	dma_fence_put(f);
	return !f;
}

uint64_t dma_resv_wait_timeout(struct dma_resv *r, enum dma_resv_usage usage, uint64_t timeout_ns)
{
	struct dma_fence *f;

	while ((f = dma_resv_get_pending(r, usage))) {
		timeout_ns = dma_fence_wait_timeout(f, timeout_ns);
		dma_fence_put(f);
		if (!timeout_ns)
			return 0;
	}
	return MAX(timeout_ns, 1u);
}

int dma_resv_wait_interruptible(struct dma_resv *r, enum dma_resv_usage usage)
{
	struct dma_fence *f;

	while ((f = dma_resv_get_pending(r, usage))) {
		int rc = dma_fence_wait_interruptible(f);

		dma_fence_put(f);
		if (rc)
			return rc;
	}
	return 0;
}

/* Of a fence that has signalled nobody tells whose it was. */
static void entry_describe(const struct dma_resv_entry *e, FILE *out)
{
	static const char *const names[] = {"kernel", "write", "read", "bookkeep"};
	struct dma_fence *f = e->fence;
	bool signaled = dma_fence_is_signaled(f);

	fprintf(out, "\t%s fence:%llu:%llu %s %s %ssignalled\n", names[e->usage], (unsigned long long)f->context,
		(unsigned long long)f->seqno, signaled ? "" : dma_fence_timeline_name(f),
		signaled ? "" : dma_fence_driver_name(f), signaled ? "" : "un");
}

int dma_resv_describe(struct dma_resv *r, FILE *out)
{
	struct dma_resv_entry *entries;
	unsigned nr;
	int rc = fences_snapshot(r, DMA_RESV_USAGE_BOOKKEEP, true, &nr, &entries);

	if (rc)
		return rc;
	for (unsigned i = 0; i < nr; i++) {
		entry_describe(&entries[i], out);
		dma_fence_put(entries[i].fence);
	}
	free(entries);
	return 0;
}
