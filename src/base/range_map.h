/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An ordered map of disjoint inclusive ranges [start, last] of 64-bit numbers to pointers: the areas of an IOAS, the
 * windows of the physical address space. A B+tree: look-up, insertion, removal and the search for a gap are O(log n)
 * with few cache misses; a million random insertions stay within a small factor of a thousand ascending ones.
 *
 * Anyone may include this. Not synchronised: the owner's lock guards it.
 */
#ifndef BARTER_BASE_RANGE_MAP_H
#define BARTER_BASE_RANGE_MAP_H

#include "base/types.h"

struct range_map_node;

struct range_map {
	struct range_map_node *root;
	size_t nr_ranges;
	unsigned height;
};

struct range_map_entry {
	uint64_t start, last;
	void *value;
};

void range_map_init(struct range_map *m);
/* Frees the nodes; the values are the caller's. */
void range_map_fini(struct range_map *m);

/* -EEXIST when it would overlap, -ENOMEM. value must not be NULL. */
int range_map_insert(struct range_map *m, uint64_t start, uint64_t last, void *value);
/* Removes the range that begins at start and returns its value; NULL when there is none. Never fails for memory. */
void *range_map_remove(struct range_map *m, uint64_t start);

/* The range that holds key. */
bool range_map_find(const struct range_map *m, uint64_t key, struct range_map_entry *out);
/* The first range that reaches key or beyond it (last >= key); walk on with out->last + 1 until it wraps to 0. */
bool range_map_find_from(const struct range_map *m, uint64_t key, struct range_map_entry *out);
/* The last range that starts at or before key. */
bool range_map_find_before(const struct range_map *m, uint64_t key, struct range_map_entry *out);

/*
 * The lowest start in [low, high] such that [start, start + len - 1] touches no range, ends at or before high, and
 * start % align == skew (align a power of two, skew < align). -ENOSPC when there is none.
 */
int range_map_find_gap(const struct range_map *m, uint64_t low, uint64_t high, uint64_t len, uint64_t align,
		       uint64_t skew, uint64_t *start);

#endif
