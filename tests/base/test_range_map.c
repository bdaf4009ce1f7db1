/* SPDX-License-Identifier: BSD-3-Clause */
/* The range map against a model: a bitmap of a small space, and every answer compared with a plain scan of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/range_map.h"

enum { SPACE = 4096 };

/* owner[x]: the start of the range that covers x, plus one; 0: free. */
struct model {
	uint16_t owner[SPACE];
};

static uint64_t random_state;

static uint64_t random_below(uint64_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % n;
}

/* Positions of the model are spread over the top of the 64-bit space, so that every sum comes close to wrapping. */
static uint64_t place(unsigned x)
{
	return UINT64_MAX - (SPACE - 1) + x;
}

static void *value_of(unsigned start)
{
	return (void *)(uintptr_t)(start + 1);
}

static bool model_is_free(const struct model *model, unsigned start, unsigned last)
{
	for (unsigned x = start; x <= last; x++)
		if (model->owner[x])
			return false;
	return true;
}

static void model_fill(struct model *model, unsigned start, unsigned last, uint16_t owner)
{
	for (unsigned x = start; x <= last; x++)
		model->owner[x] = owner;
}

static unsigned model_last(const struct model *model, unsigned start)
{
	unsigned last = start;

	while (last + 1 < SPACE && model->owner[last + 1] == model->owner[start])
		last++;
	return last;
}

static void step_insert(struct range_map *map, struct model *model, unsigned max_len)
{
	unsigned start = random_below(SPACE), last = MIN(start + (unsigned)random_below(max_len), SPACE - 1u);
	int err = range_map_insert(map, place(start), place(last), value_of(start));

	assert_int_equal(err, model_is_free(model, start, last) ? 0 : -EEXIST);
	if (!err)
		model_fill(model, start, last, start + 1);
}

static void step_remove(struct range_map *map, struct model *model)
{
	unsigned start = random_below(SPACE);
	bool begins = model->owner[start] == start + 1;

	assert_ptr_equal(range_map_remove(map, place(start)), begins ? value_of(start) : NULL);
	if (begins)
		model_fill(model, start, model_last(model, start), 0);
}

static void check_entry(const struct model *model, bool found, const struct range_map_entry *e, unsigned owner)
{
	assert_int_equal(found, owner != 0);
	if (!found)
		return;
	assert_int_equal(e->start, place(owner - 1));
	assert_int_equal(e->last, place(model_last(model, owner - 1)));
	assert_ptr_equal(e->value, value_of(owner - 1));
}

static void step_look_up(struct range_map *map, const struct model *model)
{
	unsigned key = random_below(SPACE), from = key, before = key;
	struct range_map_entry e;

	check_entry(model, range_map_find(map, place(key), &e), &e, model->owner[key]);
	while (from < SPACE - 1 && !model->owner[from])
		from++;
	check_entry(model, range_map_find_from(map, place(key), &e), &e, model->owner[from]);
	while (before > 0 && !model->owner[before])
		before--;
	check_entry(model, range_map_find_before(map, place(key), &e), &e, model->owner[before]);
}

static int model_find_gap(const struct model *model, unsigned low, unsigned high, unsigned len, uint64_t align,
			  uint64_t skew, uint64_t *start)
{
	for (unsigned x = low; x <= high && high - x >= len - 1; x++) {
		if (place(x) % align != skew || !model_is_free(model, x, x + len - 1))
			continue;
		*start = place(x);
		return 0;
	}
	return -ENOSPC;
}

static void step_find_gap(struct range_map *map, const struct model *model)
{
	unsigned low = random_below(SPACE), high = low + random_below(SPACE - low), len = 1 + random_below(20);
	uint64_t align = 1ull << random_below(6), skew = random_below(align), expected = 0, start = 0;
	int err = model_find_gap(model, low, high, len, align, skew, &expected);

	assert_int_equal(range_map_find_gap(map, place(low), place(high), len, align, skew, &start), err);
	if (!err)
		assert_int_equal(start, expected);
}

static void walk_is_ordered(const struct range_map *map)
{
	struct range_map_entry e;
	uint64_t key = 0;
	size_t n = 0;

	while (range_map_find_from(map, key, &e)) {
		assert_true(e.start >= key && e.last >= e.start);
		n++;
		key = e.last + 1;
		if (!key)
			break;
	}
	assert_int_equal(n, map->nr_ranges);
}

/* Grows, shrinks and grows again, so that nodes split, thin out, merge and vanish at every height. */
static void agrees_with_model(void **state)
{
	struct range_map map;

	for (unsigned round = 0; round < 6; round++) {
		struct model model = {0};
		unsigned max_len = 1 + round * 2;

		random_state = 0x9e3779b97f4a7c15ull + round;
		range_map_init(&map);
		for (unsigned i = 0; i < 40000; i++) {
			bool growing = i / 8000 % 2 == 0;

			if (random_below(10) < (growing ? 8 : 1))
				step_insert(&map, &model, max_len);
			else
				step_remove(&map, &model);
			step_look_up(&map, &model);
			if (i % 4 == 0)
				step_find_gap(&map, &model);
			if (i % 4000 == 0)
				walk_is_ordered(&map);
		}
		range_map_fini(&map);
	}
	(void)state;
}

static void empties_completely(void **state)
{
	struct range_map map;
	enum { N = 20000 };

	range_map_init(&map);
	for (uint64_t i = 0; i < N; i++)
		assert_int_equal(range_map_insert(&map, i * 10, i * 10 + 4, value_of(i)), 0);
	for (uint64_t i = 0; i < N; i++)
		assert_ptr_equal(range_map_remove(&map, (i * 7919 % N) * 10), value_of(i * 7919 % N));
	assert_int_equal(map.nr_ranges, 0);
	range_map_fini(&map);
	(void)state;
}

static void holds_the_ends_of_the_space(void **state)
{
	struct range_map map;
	struct range_map_entry e;
	uint64_t start;

	range_map_init(&map);
	assert_int_equal(range_map_find_gap(&map, 0, UINT64_MAX, 4096, 4096, 0, &start), 0);
	assert_int_equal(start, 0);
	assert_int_equal(range_map_insert(&map, 0, UINT64_MAX, &map), 0);
	assert_int_equal(range_map_insert(&map, 5, 5, &map), -EEXIST);
	assert_int_equal(range_map_find_gap(&map, 0, UINT64_MAX, 1, 1, 0, &start), -ENOSPC);
	assert_true(range_map_find_from(&map, UINT64_MAX, &e) && e.start == 0);
	assert_ptr_equal(range_map_remove(&map, 0), &map);
	assert_int_equal(range_map_insert(&map, 0, 4095, &map), 0);
	assert_int_equal(range_map_insert(&map, UINT64_MAX - 4095, UINT64_MAX, &map), 0);
	assert_int_equal(range_map_find_gap(&map, 0, UINT64_MAX, UINT64_MAX - 8191, 1, 0, &start), 0);
	assert_int_equal(start, 4096);
	assert_int_equal(range_map_find_gap(&map, 0, UINT64_MAX, UINT64_MAX - 8190, 1, 0, &start), -ENOSPC);
	range_map_fini(&map);
	(void)state;
}

/* A full map but for one hole: the search must go straight to it. */
static void finds_the_only_hole_in_many(void **state)
{
	struct range_map map;
	uint64_t start;
	enum { N = 300000 };

	range_map_init(&map);
	for (uint64_t i = 0; i < N; i++)
		assert_int_equal(range_map_insert(&map, i * 4096, i * 4096 + 4095, &map), 0);
	assert_int_equal(range_map_find_gap(&map, 0, N * 4096ull - 1, 4096, 4096, 0, &start), -ENOSPC);
	for (uint64_t i = 0; i < 20000; i++) {
		uint64_t hole = i * 13 % N * 4096;

		range_map_remove(&map, hole);
		assert_int_equal(range_map_find_gap(&map, 0, UINT64_MAX, 4096, 4096, 0, &start), 0);
		assert_int_equal(start, hole);
		assert_int_equal(range_map_insert(&map, hole, hole + 4095, &map), 0);
	}
	range_map_fini(&map);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_model),
		cmocka_unit_test(empties_completely),
		cmocka_unit_test(holds_the_ends_of_the_space),
		cmocka_unit_test(finds_the_only_hole_in_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
