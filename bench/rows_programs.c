/* SPDX-License-Identifier: BSD-3-Clause */
/* What whole programs pay that do not ask for anything. */
#include <stdio.h>

#include "run.h"

static void row_read(struct bench *b)
{
	struct results r = run_inside(b, "demo", "read");
	const struct samples *with = results_get(&r, "read"), *without = results_get(&r, "read_libc");
	struct samples more = {0};

	for (unsigned i = 0; i < with->nr; i++)
		samples_add(&more, with->values[i] - without->values[i]);
	struct bench_row *row =
		results_row(b, &r, "read(2) on a plain file, more than without", "ns", 10, false, &more);
	if (!r.failed)
		bench_detail(row, "%.0f ns without, %.0f ns with", samples_median(without), samples_median(with));
}

static void row_start(struct bench *b)
{
	char barter[4200];
	const char *with[] = {barter, "run", "--", "true", NULL}, *without[] = {"true", NULL};
	struct samples more = {0};

	snprintf(barter, sizeof(barter), "%s/barter", b->directory);
	for (unsigned i = 0; i < b->repetitions * 2; i++) {
		double plain = run_time(without), under = run_time(with);
		if (plain < 0 || under < 0) {
			bench_detail(bench_row(b, "barter run -- true, more than true", "ms", 5, false, NULL),
				     "the program failed");
			return;
		}
		samples_add(&more, (under - plain) / 1e6);
	}
	bench_row(b, "barter run -- true, more than true", "ms", 5, false, &more);
}

static void row_idle(struct bench *b)
{
	struct results r = run_inside(b, "eight", "idle");
	struct bench_row *row = results_row(b, &r, "idle rack of eight functions", "% of one core", 1, false,
					    results_get(&r, "idle_percent"));

	if (!r.failed)
		bench_detail(row, "%.0f functions open", samples_median(results_get(&r, "functions")));
}

static void row_resident(struct bench *b)
{
	struct samples mib = {0};
	struct results with = {0};

	for (unsigned i = 0; i < 5; i++) {
		struct results without = run_inside(b, NULL, "resident");
		with = run_inside(b, "demo", "resident");
		if (with.failed)
			break;
		samples_add(&mib, (samples_median(results_get(&with, "resident_kib")) -
				   samples_median(results_get(&without, "resident_kib"))) /
					  1024);
	}
	results_row(b, &with, "what rack demo adds to a program, resident", "MiB", 4, false, &mib);
}

void rows_programs(struct bench *b)
{
	row_read(b);
	row_start(b);
	row_idle(b);
	row_resident(b);
}
