/* SPDX-License-Identifier: BSD-3-Clause */
/* Page tables against a plain array that says what should be mapped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "iommu/domain.h"
#include "memory/section.h"

#define KIB4 (1ull << 12)
#define MIB2 (1ull << 21)
#define GIB1 (1ull << 30)
#define RW (IOMMU_READ | IOMMU_WRITE)
#define PA PHYS_PAGES_BASE

static const struct iommu_geometry geometry = {
	.aperture_last = (1ull << 48) - 1,
	.msi_start = 0xfee00000,
	.msi_last = 0xfeefffff,
	.page_sizes = KIB4 | MIB2 | GIB1,
};

struct world {
	struct phys_space *space;
	struct iommu_unit *unit;
	struct iommu_domain *domain;
};

static int setup(void **state)
{
	static struct world w;
	w.space = phys_space_create(NULL);
	w.unit = iommu_unit_create(w.space, "iommu0", &geometry);
	w.domain = iommu_domain_create(w.unit);
	*state = &w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	iommu_domain_destroy(w->domain);
	iommu_unit_destroy(w->unit);
	phys_space_destroy(w->space);
	return 0;
}

static void drain(struct world *w)
{
	section_drain(phys_sections(w->space));
}

static void expect_leaf(struct world *w, iova_t iova, uint64_t want, phys_t pa, uint64_t run, unsigned prot)
{
	struct iommu_leaf leaf;

	assert_true(iommu_walk(w->domain, iova, want, &leaf));
	assert_true(leaf.pa == pa);
	assert_int_equal(leaf.run_len, run);
	assert_int_equal(leaf.prot, prot);
}

static void expect_absent(struct world *w, iova_t iova)
{
	struct iommu_leaf leaf;
	assert_false(iommu_walk(w->domain, iova, 1, &leaf));
}

/* At which level the leaf stands: 3 for 4 KiB, 2, 1. */
static unsigned leaf_depth(struct world *w, iova_t iova)
{
	struct iommu_walk_levels levels;
	unsigned depth = 0;

	assert_true(iommu_walk_levels(w->domain, iova, &levels));
	for (unsigned i = 0; i < 4; i++)
		if (levels.entry[i])
			depth = i;
	return depth;
}

static void each_leaf_size_is_used(void **state)
{
	struct world *w = *state;
	iova_t start = GIB1 - MIB2 - KIB4;
	uint64_t len = KIB4 + MIB2 + GIB1 + MIB2 + KIB4;

	assert_int_equal(iommu_map(w->domain, start, PA + start, len, RW), 0);
	assert_int_equal(leaf_depth(w, start), 3);
	assert_int_equal(leaf_depth(w, start + KIB4), 2);
	assert_int_equal(leaf_depth(w, GIB1), 1);
	assert_int_equal(leaf_depth(w, 2 * GIB1), 2);
	assert_int_equal(leaf_depth(w, 2 * GIB1 + MIB2), 3);
	expect_leaf(w, start + 5, 100, PA + start + 5, 100, RW);
	expect_absent(w, start - 1);
	expect_absent(w, start + len);
	assert_int_equal(iommu_unmap(w->domain, start, len), len);
	expect_absent(w, GIB1);
}

static void the_unit_limits_leaf_sizes(void **state)
{
	struct world *w = *state;
	struct iommu_geometry small = geometry;
	small.page_sizes = KIB4;
	struct iommu_unit *unit = iommu_unit_create(w->space, "small", &small);
	struct world other = {w->space, unit, iommu_domain_create(unit)};

	assert_int_equal(iommu_map(other.domain, 0, PA, 2 * MIB2, RW), 0);
	assert_int_equal(leaf_depth(&other, 0), 3);
	iommu_domain_destroy(other.domain);
	iommu_unit_destroy(unit);
}

static void small_leaves_on_request(void **state)
{
	struct world *w = *state;

	assert_int_equal(iommu_map(w->domain, GIB1, PA + GIB1, 2 * MIB2, RW | IOMMU_SMALL_LEAVES), 0);
	assert_int_equal(leaf_depth(w, GIB1), 3);
	assert_int_equal(leaf_depth(w, GIB1 + 2 * MIB2 - 1), 3);
	expect_leaf(w, GIB1, 2 * MIB2, PA + GIB1, 2 * MIB2, RW);
}

/* A slice of a list that begins and ends within ranges; one of them takes a large leaf. */
static void ranges_lie_one_behind_the_other(void **state)
{
	struct world *w = *state;
	const struct phys_range list[] = {
		{PA, 3 * KIB4}, {PA + 8 * KIB4, KIB4}, {PA + GIB1, 2 * MIB2}, {PA + 16 * KIB4, 2 * KIB4}};
	iova_t at = GIB1 - 2 * KIB4;

	assert_int_equal(iommu_map_ranges(w->domain, at, list, 2 * KIB4, 3 * KIB4 + 2 * MIB2, RW | IOMMU_MMIO), 0);
	expect_absent(w, at - 1);
	expect_leaf(w, at, KIB4, PA + 2 * KIB4, KIB4, RW | IOMMU_MMIO);
	expect_leaf(w, at + KIB4, KIB4, PA + 8 * KIB4, KIB4, RW | IOMMU_MMIO);
	expect_leaf(w, GIB1, 2 * MIB2, PA + GIB1, 2 * MIB2, RW | IOMMU_MMIO);
	assert_int_equal(leaf_depth(w, GIB1), 2);
	expect_leaf(w, GIB1 + 2 * MIB2, KIB4, PA + 16 * KIB4, KIB4, RW | IOMMU_MMIO);
	expect_absent(w, GIB1 + 2 * MIB2 + KIB4);
}

static void all_ranges_or_none(void **state)
{
	struct world *w = *state;
	const struct phys_range list[] = {{PA, KIB4}, {PA + 8 * KIB4, KIB4}, {PA + 16 * KIB4, KIB4}};
	const struct phys_range odd[] = {{PA, KIB4}, {PA + 8 * KIB4 + 1, KIB4}};

	assert_int_equal(iommu_map(w->domain, GIB1 + 2 * KIB4, PA, KIB4, RW), 0);
	assert_int_equal(iommu_map_ranges(w->domain, GIB1, list, 0, 3 * KIB4, RW), -EEXIST);
	expect_absent(w, GIB1);
	expect_absent(w, GIB1 + KIB4);
	expect_leaf(w, GIB1 + 2 * KIB4, KIB4, PA, KIB4, RW);
	assert_int_equal(iommu_map_ranges(w->domain, GIB1, odd, 0, 2 * KIB4, RW), -EINVAL);
	expect_absent(w, GIB1);
	assert_int_equal(iommu_map_ranges(w->domain, GIB1, list, 0, 0, RW), -EINVAL);
	assert_int_equal(iommu_map_ranges(w->domain, (1ull << 48) - KIB4, list, 0, 2 * KIB4, RW), -EINVAL);
}

static void skew_forces_small_leaves(void **state)
{
	struct world *w = *state;

	assert_int_equal(iommu_map(w->domain, GIB1 + KIB4, PA, GIB1, RW), 0);
	assert_int_equal(leaf_depth(w, GIB1 + MIB2), 3);
	/* A chunk of many leaves is one run, across tables too. */
	expect_leaf(w, GIB1 + KIB4 + 17, 65536, PA + 17, 65536, RW);
	expect_leaf(w, GIB1 + MIB2 - KIB4, 65536, PA + MIB2 - 2 * KIB4, 65536, RW);
	expect_leaf(w, 2 * GIB1, 65536, PA + GIB1 - KIB4, KIB4, RW);
	assert_int_equal(iommu_unmap(w->domain, 0, 1ull << 48), GIB1);
}

static void runs_end_where_memory_or_permission_changes(void **state)
{
	struct world *w = *state;

	assert_int_equal(iommu_map(w->domain, 0, PA, 4 * KIB4, RW), 0);
	assert_int_equal(iommu_map(w->domain, 4 * KIB4, PA + 4 * KIB4, KIB4, IOMMU_READ), 0);
	assert_int_equal(iommu_map(w->domain, 5 * KIB4, PA + 9 * KIB4, KIB4, IOMMU_READ), 0);
	assert_int_equal(iommu_map(w->domain, 6 * KIB4, 0x10000000000, KIB4, RW | IOMMU_MMIO), 0);
	expect_leaf(w, KIB4, 65536, PA + KIB4, 3 * KIB4, RW);
	expect_leaf(w, 4 * KIB4, 65536, PA + 4 * KIB4, KIB4, IOMMU_READ);
	expect_leaf(w, 5 * KIB4, 65536, PA + 9 * KIB4, KIB4, IOMMU_READ);
	expect_leaf(w, 6 * KIB4, 65536, 0x10000000000, KIB4, RW | IOMMU_MMIO);
}

static void overlaps_change_nothing(void **state)
{
	struct world *w = *state;

	assert_int_equal(iommu_map(w->domain, MIB2 + 3 * KIB4, PA, KIB4, RW), 0);
	assert_int_equal(iommu_map(w->domain, 0, PA + GIB1, 2 * MIB2, RW), -EEXIST);
	assert_int_equal(iommu_map(w->domain, 0, PA + GIB1, GIB1, RW), -EEXIST);
	assert_int_equal(iommu_map(w->domain, MIB2, PA + GIB1, 5 * KIB4, RW), -EEXIST);
	expect_absent(w, 0);
	expect_absent(w, MIB2 + 2 * KIB4);
	expect_leaf(w, MIB2 + 3 * KIB4, KIB4, PA, KIB4, RW);
	assert_int_equal(iommu_map(w->domain, 4 * MIB2, PA, MIB2, RW), 0);
	assert_int_equal(iommu_map(w->domain, 4 * MIB2 + KIB4, PA, KIB4, RW), -EEXIST);
	assert_int_equal(iommu_unmap(w->domain, 0, 1ull << 48), KIB4 + MIB2);
}

static void bad_ranges_are_refused(void **state)
{
	struct world *w = *state;

	assert_int_equal(iommu_map(w->domain, 0, PA, 0, RW), -EINVAL);
	assert_int_equal(iommu_map(w->domain, 1, PA, KIB4, RW), -EINVAL);
	assert_int_equal(iommu_map(w->domain, 0, PA + 1, KIB4, RW), -EINVAL);
	assert_int_equal(iommu_map(w->domain, 0, PA, KIB4 + 1, RW), -EINVAL);
	assert_int_equal(iommu_map(w->domain, (1ull << 48) - KIB4, PA, 2 * KIB4, RW), -EINVAL);
	assert_int_equal(iommu_map(w->domain, 1ull << 48, PA, KIB4, RW), -EINVAL);
	assert_int_equal(iommu_map(w->domain, UINT64_MAX - KIB4 + 1, PA, 2 * KIB4, RW), -EINVAL);
	assert_int_equal(iommu_map(w->domain, (1ull << 48) - KIB4, PA, KIB4, RW), 0);
	assert_int_equal(iommu_unmap(w->domain, 1ull << 48, KIB4), 0);
	assert_int_equal(iommu_unmap(w->domain, 0, UINT64_MAX), KIB4);
	expect_absent(w, UINT64_MAX);
}

static void unmap_splits_large_leaves(void **state)
{
	struct world *w = *state;

	assert_int_equal(iommu_map(w->domain, GIB1, PA, 2 * GIB1, RW), 0);
	/* A hole of one page in a 1 GiB leaf: two splits. */
	iova_t hole = GIB1 + 5 * MIB2 + 7 * KIB4;
	assert_int_equal(iommu_unmap(w->domain, hole, KIB4), KIB4);
	expect_absent(w, hole);
	expect_leaf(w, hole - KIB4, 65536, PA + 5 * MIB2 + 6 * KIB4, KIB4, RW);
	expect_leaf(w, hole + KIB4, 4096, PA + 5 * MIB2 + 8 * KIB4, 4096, RW);
	expect_leaf(w, GIB1, MIB2, PA, MIB2, RW);
	assert_int_equal(leaf_depth(w, GIB1), 2);
	/* From inside one leaf to inside the next. */
	assert_int_equal(iommu_unmap(w->domain, 2 * GIB1 - MIB2 - KIB4, 2 * MIB2 + 2 * KIB4), 2 * MIB2 + 2 * KIB4);
	expect_leaf(w, 2 * GIB1 + MIB2 + KIB4, 1, PA + GIB1 + MIB2 + KIB4, 1, RW);
	expect_absent(w, 2 * GIB1 + MIB2);
	assert_int_equal(iommu_unmap(w->domain, 0, 1ull << 48), 2 * GIB1 - 2 * MIB2 - 3 * KIB4);
}

static void unmap_skips_gaps(void **state)
{
	struct world *w = *state;

	for (iova_t iova = 0; iova < 64 * MIB2; iova += 3 * MIB2)
		assert_int_equal(iommu_map(w->domain, iova + KIB4, PA + iova, KIB4, RW), 0);
	assert_int_equal(iommu_unmap(w->domain, 0, 64 * MIB2), 22 * KIB4);
	assert_int_equal(iommu_unmap(w->domain, 0, 64 * MIB2), 0);
}

static void an_idle_table_gives_way_to_large_leaves(void **state)
{
	struct world *w = *state;

	assert_int_equal(iommu_map(w->domain, GIB1 + KIB4, PA, KIB4, RW), 0);
	assert_int_equal(iommu_unmap(w->domain, GIB1 + KIB4, KIB4), KIB4);
	assert_int_equal(iommu_map(w->domain, GIB1, PA, MIB2, RW), 0);
	assert_int_equal(iommu_unmap(w->domain, GIB1, MIB2), MIB2);
	assert_int_equal(iommu_map(w->domain, GIB1, PA, GIB1, RW), 0);
	assert_int_equal(leaf_depth(w, GIB1), 1);
}

static void tables_are_recycled(void **state)
{
	struct world *w = *state;
	uint64_t bytes = 0;

	for (int i = 0; i < 20; i++) {
		assert_int_equal(iommu_map(w->domain, KIB4, PA, 64 * MIB2, RW), 0);
		assert_int_equal(iommu_unmap(w->domain, KIB4, 64 * MIB2), 64 * MIB2);
		drain(w);
		if (i == 1)
			bytes = iommu_domain_table_bytes(w->domain);
	}
	assert_int_equal(iommu_domain_table_bytes(w->domain), bytes);
	/* Emptied page by page, all over the address space: at most one stays behind. */
	for (uint64_t i = 0; i < 4000; i++) {
		assert_int_equal(iommu_map(w->domain, i * GIB1, PA, KIB4, RW), 0);
		assert_int_equal(iommu_unmap(w->domain, i * GIB1, KIB4), KIB4);
		drain(w);
	}
	assert_true(iommu_domain_table_bytes(w->domain) <= bytes + 16 * 4096);
}

static void a_tebibyte_takes_little(void **state)
{
	struct world *w = *state;
	uint64_t len = 1ull << 40;

	assert_int_equal(iommu_map(w->domain, MIB2, PA, len, RW), 0);
	assert_true(iommu_domain_table_bytes(w->domain) <= (42ull << 20) / 10);
	assert_int_equal(iommu_unmap(w->domain, MIB2, len), len);
}

/* Random maps and unmaps in 4 GiB, every page checked through what a leaf of its own would be. */
enum { NR_UNITS = 2048 }; /* of 2 MiB; each unit is mapped whole, or its first page, or not at all */

static void random_operations_match_a_model(void **state)
{
	struct world *w = *state;
	static phys_t model[NR_UNITS];
	unsigned seed = 1;

	memset(model, 0, sizeof(model));
	for (int round = 0; round < 3000; round++) {
		unsigned first = rand_r(&seed) % NR_UNITS, nr = 1 + rand_r(&seed) % (round % 7 ? 20 : 700);
		nr = MIN(nr, NR_UNITS - first);
		phys_t pa = PA + (rand_r(&seed) % 2 ? first * MIB2 : (uint64_t)(rand_r(&seed) % 100000) * KIB4);
		unsigned present = 0;
		for (unsigned i = 0; i < nr; i++)
			present += model[first + i] != 0;
		if (rand_r(&seed) % 2) {
			int err = iommu_map(w->domain, first * MIB2, pa, nr * MIB2, RW);
			assert_int_equal(err, present ? -EEXIST : 0);
			for (unsigned i = 0; !err && i < nr; i++)
				model[first + i] = pa + i * MIB2;
		} else {
			assert_int_equal(iommu_unmap(w->domain, first * MIB2, nr * MIB2), present * MIB2);
			memset(model + first, 0, nr * sizeof(model[0]));
		}
		drain(w);
		for (int check = 0; check < 50; check++) {
			unsigned i = rand_r(&seed) % NR_UNITS;
			uint64_t offset = rand_r(&seed) % MIB2;
			if (model[i])
				expect_leaf(w, i * MIB2 + offset, 1, model[i] + offset, 1, RW);
			else
				expect_absent(w, i * MIB2 + offset);
		}
	}
}

/* Engines walk while a writer maps and unmaps: what they find always belongs to a mapping that still owns it. */
enum { NR_OWNERS = 64 };
struct race {
	struct world *w;
	atomic_bool owned[NR_OWNERS];
	atomic_bool stop;
	atomic_ulong found, foreign;
};

static void *walk_thread(void *arg)
{
	struct race *race = arg;
	struct section_port port;
	unsigned seed = (unsigned)(uintptr_t)&port;
	struct iommu_leaf leaf;

	section_port_init(&port, phys_sections(race->w->space));
	while (!race->stop) {
		iova_t iova = (rand_r(&seed) % 4) * MIB2 + (rand_r(&seed) % 8) * KIB4;
		section_enter(&port);
		if (iommu_walk(race->w->domain, iova, 65536, &leaf)) {
			race->found++;
			if (!race->owned[(leaf.pa - PA) / GIB1])
				race->foreign++;
		}
		section_leave(&port);
	}
	section_port_fini(&port);
	return NULL;
}

static void walks_never_see_foreign_memory(void **state)
{
	struct race race = {.w = *state};
	pthread_t threads[2];
	unsigned seed = 3;

	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, walk_thread, &race);
	for (unsigned n = 0; n < 4000; n++) {
		unsigned owner = n % NR_OWNERS;
		uint64_t len = rand_r(&seed) % 2 ? 4 * MIB2 : 8 * KIB4;
		iova_t iova = rand_r(&seed) % 2 ? KIB4 : 0;
		race.owned[owner] = true;
		assert_int_equal(iommu_map(race.w->domain, iova, PA + owner * GIB1, len, RW), 0);
		if (rand_r(&seed) % 2) /* split and empty it bit by bit first */
			for (uint64_t offset = 0; offset < 4 * KIB4; offset += KIB4)
				iommu_unmap(race.w->domain, iova + offset, KIB4);
		iommu_unmap(race.w->domain, iova, len);
		drain(race.w);
		race.owned[owner] = false;
	}
	race.stop = true;
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(race.foreign, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_leaf_size_is_used),
		TEST(the_unit_limits_leaf_sizes),
		TEST(small_leaves_on_request),
		TEST(ranges_lie_one_behind_the_other),
		TEST(all_ranges_or_none),
		TEST(skew_forces_small_leaves),
		TEST(runs_end_where_memory_or_permission_changes),
		TEST(overlaps_change_nothing),
		TEST(bad_ranges_are_refused),
		TEST(unmap_splits_large_leaves),
		TEST(unmap_skips_gaps),
		TEST(an_idle_table_gives_way_to_large_leaves),
		TEST(tables_are_recycled),
		TEST(a_tebibyte_takes_little),
		TEST(random_operations_match_a_model),
		TEST(walks_never_see_foreign_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
