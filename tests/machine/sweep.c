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

#include "machine/machine.h"
#include "rack/parse.h"

void *__real_malloc(size_t n);
void *__real_calloc(size_t nr, size_t n);
void *__real_realloc(void *p, size_t n);
void *__real_aligned_alloc(size_t align, size_t n);
void __real_free(void *p);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t nr, size_t n);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_aligned_alloc(size_t align, size_t n);
void __wrap_free(void *p);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t n);

static long countdown = -1; /* allocations until one fails; -1: none does */
static long nr_blocks;

static bool fails(void)
{
	return countdown >= 0 && countdown-- == 0;
}

void *__wrap_malloc(size_t n)
{
	void *p = fails() ? NULL : __real_malloc(n);

	nr_blocks += p != NULL;
	return p;
}

void *__wrap_calloc(size_t nr, size_t n)
{
	void *p = fails() ? NULL : __real_calloc(nr, n);

	nr_blocks += p != NULL;
	return p;
}

void *__wrap_aligned_alloc(size_t align, size_t n)
{
	void *p = fails() ? NULL : __real_aligned_alloc(align, n);

	nr_blocks += p != NULL;
	return p;
}

void *__wrap_realloc(void *p, size_t n)
{
	void *q = fails() ? NULL : __real_realloc(p, n);

	nr_blocks += q && !p;
	return q;
}

void __wrap_free(void *p)
{
	nr_blocks -= p != NULL;
	__real_free(p);
}

char *__wrap_strdup(const char *s)
{
	char *copy = __wrap_malloc(strlen(s) + 1);

	return copy ? strcpy(copy, s) : NULL;
}

char *__wrap_strndup(const char *s, size_t n)
{
	size_t len = strnlen(s, n);
	char *copy = __wrap_calloc(1, len + 1);

	return copy ? memcpy(copy, s, len) : NULL;
}

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
		long before = nr_blocks;

		desc = NULL;
		countdown = n;
		err = parse(&desc);
		countdown = -1;
		assert_true(err == 0 || err == -ENOMEM);
		if (err)
			assert_int_equal(nr_blocks, before);
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
		long before = nr_blocks;

		countdown = n;
		err = machine_create(desc, &m);
		bool failed = countdown < 0;
		countdown = -1;
		if (!err)
			machine_destroy(m);
		else
			assert_int_equal(err, -ENOMEM);
		if (nr_blocks != before)
			fail_msg("allocation %ld: err %d, blocks %ld before, %ld after", n, err, before, nr_blocks);
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
