/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading a rack and building a machine with the n-th allocation failing, for every n: each time -ENOMEM, and not one
 * block more than before.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "fake/allocator.h"
#include "machine/machine.h"
#include "rack/parse.h"

static int parse(struct rack_desc **desc)
{
	struct rack_error error;
	int err = rack_load("demo", desc, &error);

	if (!err)
		err = rack_override(desc, "memcard,size=8K", &error);
	if (err) {
		free(*desc);
		*desc = NULL;
	}
	return err;
}

static void reading_under_pressure(void **state)
{
	struct rack_desc *desc;
	int err = -ENOMEM;
	long n;

	for (n = 0; err; n++) {
		long before = allocator.live;

		desc = NULL;
		allocator.countdown = n;
		err = parse(&desc);
		allocator.countdown = -1;
		assert_true(err == 0 || err == -ENOMEM);
		if (err)
			assert_int_equal(allocator.live, before);
	}
	assert_true(n > 20);
	free(desc);
	(void)state;
}

static void building_under_pressure(void **state)
{
	struct rack_desc *desc = NULL;
	struct machine *m;
	int err = -ENOMEM;
	long n;

	assert_int_equal(parse(&desc), 0);
	/* A machine may be built without what is only for comfort: then the sweep has come to its end early. */
	for (n = 0; n < 3000; n++) {
		long before = allocator.live;

		allocator.countdown = n;
		err = machine_create(desc, &m);
		bool failed = allocator.countdown < 0;
		allocator.countdown = -1;
		if (!err)
			machine_destroy(m);
		else
			assert_int_equal(err, -ENOMEM);
		if (allocator.live != before)
			fail_msg("allocation %ld: err %d, blocks %ld before, %ld after", n, err, before,
				 allocator.live);
		if (!failed)
			break;
	}
	assert_int_equal(err, 0);
	assert_true(n > 200);
	free(desc);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reading_under_pressure),
		cmocka_unit_test(building_under_pressure),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
