/* SPDX-License-Identifier: BSD-3-Clause */
/* Programs as children of the bench. */
#ifndef BARTER_BENCH_RUN_H
#define BARTER_BENCH_RUN_H

#include "bench.h"

enum { RUN_MAX_KEYS = 16, RUN_MAX_OPTIONS = 8 };

struct results {
	struct {
		char key[40];
		struct samples samples;
	} keys[RUN_MAX_KEYS];
	unsigned nr;
	bool failed;
	char why[120]; /* when it failed: the last words on its standard error */
};

/* bench-inside PART, under `barter run --rack RACK` or, rack NULL, by itself. */
struct results run_inside(const struct bench *b, const char *rack, const char *part);
/* The same with any options of barter run, NULL last. */
struct results run_inside_on(const struct bench *b, const char *const *options, const char *part);
/* Empty when there is no such key. */
const struct samples *results_get(const struct results *r, const char *key);
/* A row for what bench-inside found, or, when it failed, a row that says why. */
struct bench_row *results_row(struct bench *b, const struct results *r, const char *name, const char *unit,
			      double limit, bool at_least, const struct samples *figure);

/* Runs argv to its end with no output; nanoseconds, or -1 when it failed. */
double run_time(const char *const *argv);

#endif
