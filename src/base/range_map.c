/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The B+tree behind range_map.h.
 *
 * Leaves hold ranges, inner nodes hold children; both keep `start` and `last` in arrays of their own, so that a search
 * reads few cache lines. For a child, start and last are those of everything below it, and `gap` is the largest hole
 * between two neighbouring ranges below it. The hole between two children, or between two ranges of a leaf, belongs to
 * the node that holds both. So a search for a gap enters only subtrees that have one, and a change of one range touches
 * one entry per level.
 *
 * A hole of n bytes is written as n; two ranges that touch have a hole of 0. Ranges are inclusive: nothing here
 * computes last + 1 without knowing that it does not wrap.
 *
 * Insertion allocates every node it may need before it changes anything. Removal merges a sparse node with a neighbour
 * when both fit into one, and never allocates.
 */
#include "base/range_map.h"

#include <stdlib.h>
#include <string.h>

enum { FANOUT = 32, MAX_HEIGHT = 16, SPARSE = FANOUT / 4 };

struct range_map_node {
	unsigned nr;
	uint64_t start[FANOUT];
	uint64_t last[FANOUT];
	void *slot[FANOUT]; /* leaf: the value; inner: the child */
	uint64_t gap[];	    /* inner nodes only */
};

/* What a parent knows of a child. */
struct summary {
	uint64_t start, last, gap;
};

/* The way from the root to a leaf: level 0 is the leaf. */
struct path {
	struct range_map_node *node[MAX_HEIGHT];
	unsigned index[MAX_HEIGHT];
};

static struct range_map_node *node_alloc(unsigned level)
{
	size_t size = sizeof(struct range_map_node) + (level ? FANOUT * sizeof(uint64_t) : 0);
	struct range_map_node *node = malloc(size);

	if (node)
		node->nr = 0;
	return node;
}

void range_map_init(struct range_map *m)
{
	*m = (struct range_map){0};
}

static void subtree_free(struct range_map_node *node, unsigned level)
{
	for (unsigned i = 0; level && i < node->nr; i++)
		subtree_free(node->slot[i], level - 1);
	free(node);
}

void range_map_fini(struct range_map *m)
{
	if (m->root)
		subtree_free(m->root, m->height - 1);
	range_map_init(m);
}

/* The first entry whose last is at or above key; nr when there is none. */
static unsigned first_reaching(const struct range_map_node *node, uint64_t key)
{
	unsigned low = 0, n = node->nr;

	while (n) {
		unsigned half = n / 2;

		if (node->last[low + half] < key) {
			low += half + 1;
			n -= half + 1;
		} else {
			n = half;
		}
	}
	return low;
}

/* How many entries start at or before key. */
static unsigned nr_starting_by(const struct range_map_node *node, uint64_t key)
{
	unsigned low = 0, n = node->nr;

	while (n) {
		unsigned half = n / 2;

		if (node->start[low + half] <= key) {
			low += half + 1;
			n -= half + 1;
		} else {
			n = half;
		}
	}
	return low;
}

static bool entry_read(const struct range_map_node *leaf, unsigned i, struct range_map_entry *out)
{
	*out = (struct range_map_entry){leaf->start[i], leaf->last[i], leaf->slot[i]};
	return true;
}

bool range_map_find_from(const struct range_map *m, uint64_t key, struct range_map_entry *out)
{
	const struct range_map_node *node = m->root;

	if (!node)
		return false;
	for (unsigned level = m->height; level-- > 0;) {
		unsigned i = first_reaching(node, key);

		if (i == node->nr)
			return false;
		if (level == 0)
			return entry_read(node, i, out);
		node = node->slot[i];
	}
	return false;
}

bool range_map_find_before(const struct range_map *m, uint64_t key, struct range_map_entry *out)
{
	const struct range_map_node *node = m->root;

	if (!node)
		return false;
	for (unsigned level = m->height; level-- > 0;) {
		unsigned n = nr_starting_by(node, key);

		if (n == 0)
			return false;
		if (level == 0)
			return entry_read(node, n - 1, out);
		node = node->slot[n - 1];
	}
	return false;
}

bool range_map_find(const struct range_map *m, uint64_t key, struct range_map_entry *out)
{
	return range_map_find_before(m, key, out) && out->last >= key;
}

/*
 * Keeping the summaries.
 */

/* The largest hole that entry i is concerned with: inside it and on either side. */
static uint64_t gap_around(const struct range_map_node *node, unsigned level, unsigned i)
{
	uint64_t gap = level ? node->gap[i] : 0;

	if (i > 0)
		gap = MAX(gap, node->start[i] - node->last[i - 1] - 1);
	if (i + 1 < node->nr)
		gap = MAX(gap, node->start[i + 1] - node->last[i] - 1);
	return gap;
}

static struct summary summarise(const struct range_map_node *node, unsigned level)
{
	struct summary s = {node->start[0], node->last[node->nr - 1], level ? node->gap[0] : 0};

	for (unsigned i = 1; i < node->nr; i++) {
		uint64_t between = node->start[i] - node->last[i - 1] - 1;

		s.gap = MAX(s.gap, between);
		if (level)
			s.gap = MAX(s.gap, node->gap[i]);
	}
	return s;
}

static void set_child(struct range_map_node *parent, unsigned i, struct summary s)
{
	parent->start[i] = s.start;
	parent->last[i] = s.last;
	parent->gap[i] = s.gap;
}

/*
 * Entry index[level] of the path's node changed; before is gap_around() it at that time. Brings the levels above up to
 * date and stops where nothing changes any more. The full scan of a node is needed only when its largest hole was the
 * one that shrank.
 */
static void path_update(const struct range_map *m, const struct path *path, unsigned level, uint64_t before)
{
	for (; level + 1 < m->height; level++) {
		const struct range_map_node *node = path->node[level];
		struct range_map_node *parent = path->node[level + 1];
		unsigned i = path->index[level + 1];
		struct summary was = {parent->start[i], parent->last[i], parent->gap[i]};
		struct summary now = {node->start[0], node->last[node->nr - 1], was.gap};
		uint64_t after = gap_around(node, level, path->index[level]);

		if (after >= was.gap)
			now.gap = after;
		else if (before == was.gap)
			now = summarise(node, level);
		if (now.start == was.start && now.last == was.last && now.gap == was.gap)
			return;
		before = gap_around(parent, level + 1, i);
		set_child(parent, i, now);
	}
}

/*
 * Insertion.
 */

static void node_open(struct range_map_node *node, unsigned level, unsigned i)
{
	size_t n = (node->nr - i) * sizeof(uint64_t);

	memmove(&node->start[i + 1], &node->start[i], n);
	memmove(&node->last[i + 1], &node->last[i], n);
	memmove(&node->slot[i + 1], &node->slot[i], n);
	if (level)
		memmove(&node->gap[i + 1], &node->gap[i], n);
	node->nr++;
}

static void node_close(struct range_map_node *node, unsigned level, unsigned i)
{
	size_t n = (node->nr - i - 1) * sizeof(uint64_t);

	memmove(&node->start[i], &node->start[i + 1], n);
	memmove(&node->last[i], &node->last[i + 1], n);
	memmove(&node->slot[i], &node->slot[i + 1], n);
	if (level)
		memmove(&node->gap[i], &node->gap[i + 1], n);
	node->nr--;
}

/* Appends n entries of `from`, beginning with its entry i, to `to`. */
static void node_copy(struct range_map_node *to, const struct range_map_node *from, unsigned level, unsigned i,
		      unsigned n)
{
	memcpy(&to->start[to->nr], &from->start[i], n * sizeof(uint64_t));
	memcpy(&to->last[to->nr], &from->last[i], n * sizeof(uint64_t));
	memcpy(&to->slot[to->nr], &from->slot[i], n * sizeof(uint64_t));
	if (level)
		memcpy(&to->gap[to->nr], &from->gap[i], n * sizeof(uint64_t));
	to->nr += n;
}

/* Down to the leaf where a range that starts at key belongs. */
static void path_descend(const struct range_map *m, uint64_t key, struct path *path)
{
	struct range_map_node *node = m->root;

	for (unsigned level = m->height - 1; level > 0; level--) {
		unsigned n = nr_starting_by(node, key);

		path->node[level] = node;
		path->index[level] = n ? n - 1 : 0;
		node = node->slot[path->index[level]];
	}
	path->node[0] = node;
	path->index[0] = nr_starting_by(node, key);
}

/* One node for each full one on the way up, and a new root when all are full. */
static int spares_alloc(const struct range_map *m, const struct path *path, struct range_map_node **spares)
{
	unsigned nr = 0;

	while (nr < m->height && path->node[nr]->nr == FANOUT)
		nr++;
	if (nr == m->height)
		nr++;
	else if (nr == 0)
		return 0;
	for (unsigned level = 0; level < nr; level++) {
		spares[level] = node_alloc(level);
		if (spares[level])
			continue;
		while (level-- > 0)
			free(spares[level]);
		return -ENOMEM;
	}
	return 0;
}

/*
 * Moves the upper part of the full node at `level` into `right` and gives it a place in the parent, which has room. An
 * append leaves the left one full: ascending insertion fills nodes to the brim. The path follows index[level].
 */
static void node_split(struct path *path, unsigned level, struct range_map_node *right)
{
	struct range_map_node *left = path->node[level], *parent = path->node[level + 1];
	unsigned at = path->index[level] >= FANOUT - 1 ? FANOUT - 1 : FANOUT / 2, i = path->index[level + 1];

	node_copy(right, left, level, at, FANOUT - at);
	left->nr = at;
	node_open(parent, level + 1, i + 1);
	parent->slot[i + 1] = right;
	set_child(parent, i, summarise(left, level));
	set_child(parent, i + 1, summarise(right, level));
	if (path->index[level] >= at) {
		path->node[level] = right;
		path->index[level] -= at;
		path->index[level + 1]++;
	}
}

static void root_grow(struct range_map *m, struct path *path, struct range_map_node *root)
{
	unsigned level = m->height;

	root->nr = 1;
	root->slot[0] = m->root;
	set_child(root, 0, summarise(m->root, level - 1));
	path->node[level] = root;
	path->index[level] = 0;
	m->root = root;
	m->height++;
}

/*
 * Splits from the top down, so that each parent has room for its child's new half. No summary above a split changes:
 * the hole between the halves only moves up into the parent.
 */
static void path_make_room(struct range_map *m, struct path *path, struct range_map_node **spares)
{
	unsigned full = 0;

	while (full < m->height && path->node[full]->nr == FANOUT)
		full++;
	if (full == m->height)
		root_grow(m, path, spares[full]);
	while (full-- > 0)
		node_split(path, full, spares[full]);
}

static int first_insert(struct range_map *m, uint64_t start, uint64_t last, void *value)
{
	struct range_map_node *leaf = node_alloc(0);

	if (!leaf)
		return -ENOMEM;
	leaf->nr = 1;
	leaf->start[0] = start;
	leaf->last[0] = last;
	leaf->slot[0] = value;
	*m = (struct range_map){.root = leaf, .nr_ranges = 1, .height = 1};
	return 0;
}

int range_map_insert(struct range_map *m, uint64_t start, uint64_t last, void *value)
{
	struct range_map_node *spares[MAX_HEIGHT], *leaf;
	struct range_map_entry there;
	struct path path;
	uint64_t before = 0;
	unsigned i;

	if (!m->root)
		return first_insert(m, start, last, value);
	if (range_map_find_before(m, last, &there) && there.last >= start)
		return -EEXIST;
	path_descend(m, start, &path);
	if (path.node[0]->nr == FANOUT) {
		if (spares_alloc(m, &path, spares))
			return -ENOMEM;
		path_make_room(m, &path, spares);
	}
	leaf = path.node[0];
	i = path.index[0];
	if (i > 0 && i < leaf->nr)
		before = leaf->start[i] - leaf->last[i - 1] - 1;
	node_open(leaf, 0, i);
	leaf->start[i] = start;
	leaf->last[i] = last;
	leaf->slot[i] = value;
	path_update(m, &path, 0, before);
	m->nr_ranges++;
	return 0;
}

/*
 * Removal.
 */

/* Merges entry i + 1 of the path's node at `level` into entry i when one node can hold both. */
static bool children_merge(struct path *path, unsigned level, unsigned i)
{
	struct range_map_node *parent = path->node[level], *left, *right;

	if (i + 1 >= parent->nr)
		return false;
	left = parent->slot[i];
	right = parent->slot[i + 1];
	if (left->nr + right->nr > FANOUT - SPARSE)
		return false;
	node_copy(left, right, level - 1, 0, right->nr);
	free(right);
	node_close(parent, level, i + 1);
	set_child(parent, i, summarise(left, level - 1));
	path->index[level] = i;
	return true;
}

/* Entry index[0] of the leaf is gone. Frees what became empty, merges what became sparse, mends what is above. */
static void path_shrink(struct range_map *m, struct path *path)
{
	for (unsigned level = 1; level < m->height; level++) {
		struct range_map_node *parent = path->node[level], *child = path->node[level - 1];
		unsigned i = path->index[level];

		if (child->nr == 0) {
			free(child);
			node_close(parent, level, i);
			continue;
		}
		set_child(parent, i, summarise(child, level - 1));
		if (child->nr < SPARSE && !children_merge(path, level, i) && i > 0)
			children_merge(path, level, i - 1);
	}
	while (m->height > 1 && m->root->nr == 1) {
		struct range_map_node *root = m->root;

		m->root = root->slot[0];
		m->height--;
		free(root);
	}
	/* The last node stays: a map that fills and empties again and again allocates nothing. */
}

void *range_map_remove(struct range_map *m, uint64_t start)
{
	struct range_map_node *leaf;
	struct path path;
	void *value;
	unsigned i;

	if (!m->root)
		return NULL;
	path_descend(m, start, &path);
	leaf = path.node[0];
	if (path.index[0] == 0 || leaf->start[path.index[0] - 1] != start)
		return NULL;
	i = path.index[0] - 1;
	value = leaf->slot[i];
	node_close(leaf, 0, i);
	m->nr_ranges--;
	path_shrink(m, &path);
	return value;
}

/*
 * The search for a gap.
 */

struct gap_search {
	uint64_t low, high, len, align, skew;
	uint64_t cursor; /* all ranges so far end before it */
	bool done;	 /* nothing can follow: the cursor wrapped or passed high */
	uint64_t found;
};

/* Tries the hole from the cursor to `last`. */
static bool hole_fits(struct gap_search *s, uint64_t last)
{
	uint64_t start = MAX(s->cursor, s->low), aligned = align_down(start, s->align) + s->skew;

	if (aligned < start && __builtin_add_overflow(aligned, s->align, &aligned))
		return false;
	if (aligned > last || last - aligned < s->len - 1)
		return false;
	s->found = aligned;
	return true;
}

static void cursor_pass(struct gap_search *s, uint64_t last)
{
	if (__builtin_add_overflow(last, 1, &s->cursor) || s->cursor > s->high)
		s->done = true;
}

static bool subtree_find_gap(const struct range_map_node *node, unsigned level, struct gap_search *s)
{
	unsigned i = first_reaching(node, s->low);

	if (i > 0)
		cursor_pass(s, node->last[i - 1]);
	for (; i < node->nr && !s->done; i++) {
		uint64_t start = node->start[i];

		if (start > s->cursor && start > s->low && hole_fits(s, MIN(start - 1, s->high)))
			return true;
		if (level && node->gap[i] >= s->len && start <= s->high &&
		    subtree_find_gap(node->slot[i], level - 1, s))
			return true;
		cursor_pass(s, node->last[i]);
	}
	return false;
}

int range_map_find_gap(const struct range_map *m, uint64_t low, uint64_t high, uint64_t len, uint64_t align,
		       uint64_t skew, uint64_t *start)
{
	struct gap_search s = {.low = low, .high = high, .len = len, .align = align, .skew = skew};

	if (len == 0 || low > high || high - low < len - 1)
		return -ENOSPC;
	if (m->root && subtree_find_gap(m->root, m->height - 1, &s)) {
		*start = s.found;
		return 0;
	}
	if (s.done || !hole_fits(&s, high))
		return -ENOSPC;
	*start = s.found;
	return 0;
}
