/* SPDX-License-Identifier: BSD-3-Clause */
/* What a program pays for jobs that it gives a gpu. */
#include <stdio.h>

#include "run.h"

static void row_one(struct bench *b, const struct results *r)
{
	const struct samples *each = results_get(r, "job_page");
	struct samples ratio = samples_ratio(each, results_get(r, "round_trip"));
	struct bench_row *row = results_row(b, r, "gpu: a job of 4 KiB, SUBMIT to poll of its fence",
					    "x two threads that wake each other", 5, false, &ratio);

	row->when_missed =
		"a processor for each of the program, the scheduler and the ring: they wake each other in turn";
	if (!r->failed)
		bench_detail(row, "%.1f us; of one byte %.1f us", samples_median(each) / 1e3,
			     samples_median(results_get(r, "job_byte")) / 1e3);
}

static void row_many(struct bench *b, const struct results *r)
{
	const struct samples *each = results_get(r, "jobs_page");
	struct samples us = samples_scale(each, 1e-3);
	struct bench_row *row = results_row(b, r, "gpu: jobs of 4 KiB, 256 at once, each", "us", 10, false, &us);

	if (!r->failed)
		bench_detail(row, "%.0f thousand a second; of one byte %.0f thousand", 1e6 / samples_median(each),
			     1e6 / samples_median(results_get(r, "jobs_byte")));
}

void rows_gpu(struct bench *b)
{
	struct results r = run_inside(b, "gpu", "jobs");

	row_one(b, &r);
	row_many(b, &r);
}
