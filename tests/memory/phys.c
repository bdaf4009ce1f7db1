/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "memory/phys.h"
#include "memory/section.h"

static struct phys_region *region(enum phys_kind kind, phys_t base, uint64_t len)
{
	struct phys_region *r = malloc(sizeof(*r));
	phys_region_init(r, kind, len);
	r->base = base;
	return r;
}

static void region_free(struct phys_region *r)
{
	phys_region_fini(r);
	free(r);
}

static void pages_are_found_by_every_offset(void **state)
{
	struct phys_space *s = phys_space_create(NULL);
	uint64_t lens[] = {4096, 1ull << 30, (1ull << 30) + 4096, 8ull << 40};

	for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
		struct phys_region *r = region(PHYS_PAGES, 0, lens[i]);
		assert_int_equal(phys_add_pages(s, r), 0);
		assert_true(r->base >= PHYS_PAGES_BASE);
		assert_true(is_aligned(r->base, 1ull << 30));
		assert_ptr_equal(phys_find(s, r->base), r);
		assert_ptr_equal(phys_find(s, r->base + lens[i] - 1), r);
		assert_null(phys_find(s, r->base + lens[i]));
		phys_remove(s, r);
		assert_null(phys_find(s, r->base));
		region_free(r);
	}
	phys_space_destroy(s);
}

static void pages_beyond_what_an_address_can_say_are_refused(void **state)
{
	struct phys_space *s = phys_space_create(NULL);
	struct phys_region *r = region(PHYS_PAGES, 0, (16ull << 40) + 4096);

	assert_int_equal(phys_add_pages(s, r), -ENOMEM);
	region_free(r);
	phys_space_destroy(s);
}

static void a_million_objects(void **state)
{
	enum { NR = 1000000 };
	struct phys_space *s = phys_space_create(NULL);
	struct phys_region *all = calloc(NR, sizeof(*all));

	for (size_t i = 0; i < NR; i++) {
		all[i].len = 4096;
		assert_int_equal(phys_add_pages(s, &all[i]), 0);
	}
	for (size_t i = 0; i < NR; i += 2)
		phys_remove(s, &all[i]);
	for (size_t i = 0; i < NR; i += 997)
		assert_ptr_equal(phys_find(s, all[i].base + 5), i % 2 ? &all[i] : NULL);
	for (size_t i = 0; i < NR; i += 2)
		assert_int_equal(phys_add_pages(s, &all[i]), 0);
	for (size_t i = 0; i < NR; i += 991)
		assert_ptr_equal(phys_find(s, all[i].base), &all[i]);
	phys_space_destroy(s);
	free(all);
}

static void windows_do_not_overlap(void **state)
{
	struct phys_space *s = phys_space_create(NULL);
	struct phys_region *a = region(PHYS_DEVICE, 0x10000, 0x4000), *b = region(PHYS_HOLE, 0x20000, 0x1000);
	struct phys_region *wide = region(PHYS_DEVICE, 0x8000, 0x20000), *tail = region(PHYS_DEVICE, 0x13000, 0x1000);
	struct phys_region *next = region(PHYS_DEVICE, 0x14000, 0x1000);
	struct phys_region *high = region(PHYS_DEVICE, PHYS_PAGES_BASE - 0x1000, 0x2000);

	assert_int_equal(phys_add_window(s, b), 0);
	assert_int_equal(phys_add_window(s, a), 0);
	assert_int_equal(phys_add_window(s, wide), -EEXIST);
	assert_int_equal(phys_add_window(s, tail), -EEXIST);
	assert_int_equal(phys_add_window(s, a), -EEXIST);
	assert_int_equal(phys_add_window(s, high), -EINVAL);
	assert_int_equal(phys_add_window(s, next), 0);

	assert_null(phys_find(s, 0xffff));
	assert_ptr_equal(phys_find(s, 0x10000), a);
	assert_ptr_equal(phys_find(s, 0x13fff), a);
	assert_ptr_equal(phys_find(s, 0x14000), next);
	assert_null(phys_find(s, 0x15000));
	assert_ptr_equal(phys_find(s, 0x20fff), b);
	assert_null(phys_find(s, 0x21000));

	uint64_t drains = section_drains(phys_sections(s));
	phys_remove(s, a);
	assert_int_equal(section_drains(phys_sections(s)), drains + 1);
	assert_null(phys_find(s, 0x10000));
	phys_remove(s, next);
	phys_remove(s, b);
	assert_int_equal(phys_add_window(s, wide), 0);
	phys_remove(s, wide);

	region_free(a), region_free(b), region_free(wide), region_free(tail), region_free(next), region_free(high);
	phys_space_destroy(s);
}

static unsigned nr_retraps;
static void retrap(struct phys_watch *w, uint64_t offset, uint64_t len)
{
	assert_int_equal(offset, 0x1000);
	assert_int_equal(len, 0x2000);
	nr_retraps++;
}

static void watchers_hear_of_changes_only(void **state)
{
	struct phys_region *r = region(PHYS_REGISTERS, 0, 0x100000);
	struct phys_watch watch = {.retrap = retrap};

	phys_watch_add(r, &watch);
	phys_set_polled(r, 0x1000, 0x2000, true);
	assert_int_equal(nr_retraps, 1);
	assert_false(phys_is_polled(r, 0xfff));
	assert_true(phys_is_polled(r, 0x1000));
	assert_true(phys_is_polled(r, 0x2fff));
	assert_false(phys_is_polled(r, 0x3000));
	phys_set_polled(r, 0x1000, 0x2000, true);
	assert_int_equal(nr_retraps, 1);
	phys_set_polled(r, 0x1000, 0x2000, false);
	assert_int_equal(nr_retraps, 2);
	assert_false(phys_is_polled(r, 0x1000));
	phys_watch_remove(r, &watch);
	phys_set_polled(r, 0x1000, 0x2000, true);
	assert_int_equal(nr_retraps, 2);
	region_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_are_found_by_every_offset),
		cmocka_unit_test(pages_beyond_what_an_address_can_say_are_refused),
		cmocka_unit_test(a_million_objects),
		cmocka_unit_test(windows_do_not_overlap),
		cmocka_unit_test(watchers_hear_of_changes_only),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
