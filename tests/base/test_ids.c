/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/ids.h"

static void hands_out_the_lowest_free(void **state)
{
	struct ids ids;
	uint32_t id;

	ids_init(&ids, 1);
	for (uint32_t i = 1; i <= 100; i++) {
		assert_int_equal(ids_reserve(&ids, &id), 0);
		assert_int_equal(id, i);
		ids_set(&ids, id, &ids);
	}
	assert_ptr_equal(ids_remove(&ids, 40), &ids);
	assert_ptr_equal(ids_remove(&ids, 7), &ids);
	assert_int_equal(ids_reserve(&ids, &id), 0);
	assert_int_equal(id, 7);
	assert_int_equal(ids_reserve(&ids, &id), 0);
	assert_int_equal(id, 40);
	assert_int_equal(ids_reserve(&ids, &id), 0);
	assert_int_equal(id, 101);
	ids_fini(&ids);
	(void)state;
}

static void a_reserved_id_answers_null(void **state)
{
	struct ids ids;
	uint32_t id, other;

	ids_init(&ids, 0);
	assert_int_equal(ids_reserve(&ids, &id), 0);
	assert_null(ids_get(&ids, id));
	assert_int_equal(ids_reserve(&ids, &other), 0);
	assert_int_not_equal(id, other);
	ids_set(&ids, id, &id);
	assert_ptr_equal(ids_get(&ids, id), &id);
	assert_null(ids_remove(&ids, other));
	assert_null(ids_remove(&ids, other));
	ids_fini(&ids);
	(void)state;
}

static void unknown_ids_are_harmless(void **state)
{
	struct ids ids;

	ids_init(&ids, 1);
	assert_null(ids_get(&ids, 0));
	assert_null(ids_get(&ids, 1));
	assert_null(ids_get(&ids, UINT32_MAX));
	assert_null(ids_remove(&ids, 0));
	ids_set(&ids, 5, &ids);
	assert_null(ids_get(&ids, 5));
	ids_fini(&ids);
	(void)state;
}

static void walks_values_in_order(void **state)
{
	struct ids ids;
	uint32_t id, walk = 0, seen = 0;

	ids_init(&ids, 1);
	for (unsigned i = 0; i < 50; i++) {
		assert_int_equal(ids_reserve(&ids, &id), 0);
		if (i % 3)
			ids_set(&ids, id, (void *)(uintptr_t)id);
	}
	for (void *value; (value = ids_next(&ids, &walk)); walk++) {
		assert_int_equal((uintptr_t)value, walk);
		seen++;
	}
	assert_int_equal(seen, 33);
	ids_fini(&ids);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hands_out_the_lowest_free),
		cmocka_unit_test(a_reserved_id_answers_null),
		cmocka_unit_test(unknown_ids_are_harmless),
		cmocka_unit_test(walks_values_in_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
