/* SPDX-License-Identifier: BSD-3-Clause */
/* What a program under barter pays for /dev/iommu. */
#include "run.h"

static struct bench_row *ratio_row(struct bench *b, const struct results *r, const char *key, const char *reference,
				   const char *name, const char *unit, double limit, bool at_least)
{
	struct samples ratio = samples_ratio(results_get(r, key), results_get(r, reference));
	struct bench_row *row = results_row(b, r, name, unit, limit, at_least, &ratio);

	if (!r->failed)
		bench_detail(row, "%.0f ns", samples_median(results_get(r, key)));
	return row;
}

void rows_iommufd(struct bench *b)
{
	struct results null = run_inside(b, "demo", "null"), page = run_inside(b, "demo", "page");
	struct results gib = run_inside(b, "demo", "gib"), areas = run_inside(b, "demo", "areas");

	ratio_row(b, &null, "null_ioctl", "null_syscall", "emulated null ioctl", "x null system call", 0.5, false);
	struct bench_row *row = ratio_row(b, &page, "map_unmap", "null_syscall", "IOAS map + unmap of 4 KiB",
					  "x null system call", 2, false);
	row->when_missed =
		"fewer locked instructions: about 40 in eight locks and six reference counts, half of the time; "
		"one lock for pin and physical address";
	struct samples us = samples_scale(results_get(&gib, "gib_anywhere"), 1e-3);
	results_row(b, &gib, "map 1 GiB, IOVA chosen by barter", "us", 5, false, &us);
	results_row(b, &gib, "map 1 GiB, fixed IOVA for 4 KiB leaves", "ns a page", 2, false,
		    results_get(&gib, "gib_page"));
	ratio_row(b, &areas, "ascending_many", "ascending_few", "one map, 1 000 -> 1 000 000 areas, ascending",
		  "x as long", 1.5, false);
	ratio_row(b, &areas, "random_many", "random_few", "one map, 1 000 -> 1 000 000 areas, random", "x as long", 5,
		  false);
}
