/* SPDX-License-Identifier: BSD-3-Clause */
#include "fence/dma_fence_unwrap.h"

#include <stdlib.h>

#include "fence/fence_priv.h"

/* The fence at the cursor's index of what the link holds: of an array its member, of any other fence itself, once. */
static struct dma_fence *unwrap_at(const struct dma_fence_unwrap *cursor)
{
	struct dma_fence_array *array = to_dma_fence_array(cursor->array);

	if (array)
		return cursor->index < array->num_fences ? array->fences[cursor->index] : NULL;
	return cursor->index == 0 ? cursor->array : NULL;
}

/* To the link that the cursor holds a reference to, or to the end. */
static struct dma_fence *unwrap_enter(struct dma_fence_unwrap *cursor)
{
	cursor->array = cursor->chain ? dma_fence_chain_contained(cursor->chain) : NULL;
	cursor->index = 0;
	return unwrap_at(cursor);
}

struct dma_fence *dma_fence_unwrap_first(struct dma_fence *head, struct dma_fence_unwrap *cursor)
{
	cursor->chain = dma_fence_get(head);
	return unwrap_enter(cursor);
}

struct dma_fence *dma_fence_unwrap_next(struct dma_fence_unwrap *cursor)
{
	struct dma_fence *f;

	cursor->index++;
	f = unwrap_at(cursor);
	while (!f && cursor->chain) {
		cursor->chain = dma_fence_chain_walk(cursor->chain);
		f = unwrap_enter(cursor);
	}
	return f;
}

void dma_fence_unwrap_end(struct dma_fence_unwrap *cursor)
{
	dma_fence_put(cursor->chain);
	cursor->chain = cursor->array = NULL;
}

/* What a merge has found so far. */
struct gathered {
	struct dma_fence **fences; /* one reference each */
	size_t nr, capacity;
	uint64_t latest_ns; /* when the last of those that have signalled did */
};

static bool gather(struct gathered *g, struct dma_fence *f)
{
	if (dma_fence_is_signaled(f)) {
		g->latest_ns = MAX(g->latest_ns, f->timestamp_ns);
		return true;
	}
	if (g->nr == g->capacity) {
		size_t capacity = MAX(2 * g->capacity, (size_t)8);
		struct dma_fence **more = realloc(g->fences, capacity * sizeof(struct dma_fence *));

		if (!more)
			return false;
		g->fences = more;
		g->capacity = capacity;
	}
	g->fences[g->nr++] = dma_fence_get(f);
	return true;
}

static bool gather_all(struct gathered *g, unsigned nr, struct dma_fence **fences)
{
	struct dma_fence_unwrap cursor;
	struct dma_fence *f;

	for (unsigned i = 0; i < nr; i++) {
		dma_fence_unwrap_for_each (f, &cursor, fences[i]) {
			if (gather(g, f))
				continue;
			dma_fence_unwrap_end(&cursor);
			return false;
		}
	}
	return true;
}

/* By context, the latest of each first. */
static int compare(const void *left, const void *right)
{
	const struct dma_fence *a = *(struct dma_fence *const *)left, *b = *(struct dma_fence *const *)right;

	if (a->context != b->context)
		return a->context < b->context ? -1 : 1;
	if (a->seqno != b->seqno)
		return dma_fence_is_later(a, b) ? -1 : 1;
	return 0;
}

static void keep_latest(struct gathered *g)
{
	size_t kept = 0;

	if (g->nr)
		qsort(g->fences, g->nr, sizeof(struct dma_fence *), compare);
	for (size_t i = 0; i < g->nr; i++) {
		if (kept && g->fences[kept - 1]->context == g->fences[i]->context)
			dma_fence_put(g->fences[i]);
		else
			g->fences[kept++] = g->fences[i];
	}
	g->nr = kept;
}

static void gathered_drop(struct gathered *g)
{
	for (size_t i = 0; i < g->nr; i++)
		dma_fence_put(g->fences[i]);
	free(g->fences);
}

struct dma_fence *dma_fence_unwrap_merge(unsigned nr, struct dma_fence **fences)
{
	struct gathered g = {0};
	struct dma_fence_array *array;
	struct dma_fence *result = NULL;

	if (!gather_all(&g, nr, fences))
		goto out;
	keep_latest(&g);
	if (g.nr == 0) {
		result = fence_stub_at(g.latest_ns);
	} else if (g.nr == 1) {
		result = dma_fence_get(g.fences[0]);
	} else {
		array = dma_fence_array_create((unsigned)g.nr, g.fences, dma_fence_context_alloc(1), 1, false);
		if (array)
			return &array->base;
	}
out:
	gathered_drop(&g);
	return result;
}
