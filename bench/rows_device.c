/* SPDX-License-Identifier: BSD-3-Clause */
/* What a program under barter pays that drives devices. */
#include <stdio.h>

#include "run.h"

static void row_copy(struct bench *b, const struct results *r, const char *key, const char *leaves, double floor)
{
	char name[96], reference[64];

	snprintf(name, sizeof(name), "DMA engine, 256 MiB cold, 1 MiB descriptors, %s", leaves);
	snprintf(reference, sizeof(reference), "%s_memcpy", key);
	struct samples ratio = samples_ratio(results_get(r, reference), results_get(r, key));
	struct bench_row *row = results_row(b, r, name, "of memcpy", floor, true, &ratio);
	if (!r->failed)
		bench_detail(row, "%.1f GB/s", (256 << 20) / samples_median(results_get(r, key)));
}

static void rows_store(struct bench *b)
{
	struct results r = run_inside(b, "demo", "store");
	struct samples polled = samples_scale(results_get(&r, "store_polled"), 1e-3);
	struct samples trapped = samples_scale(results_get(&r, "store_trapped"), 1 / samples_median(&b->segv));

	struct bench_row *row =
		results_row(b, &r, "register store to completed action, polled page", "us", 1, false, &polled);
	row->when_missed =
		"two processors without other work: the engine polls on one while the program stores on the other";
	row = results_row(b, &r, "register store to completed action, trapped page", "x SIGSEGV round trip", 1.5, false,
			  &trapped);
	if (!r.failed)
		bench_detail(row, "%.0f ns", samples_median(results_get(&r, "store_trapped")));
}

static void row_doorbell(struct bench *b)
{
	struct results r = run_inside(b, "demo", "doorbell");
	double wake = samples_median(results_get(&r, "wake_after_rest"));
	struct samples ratio = samples_scale(results_get(&r, "doorbell"), 1 / (samples_median(&b->segv) + 2 * wake));
	struct bench_row *row = results_row(b, &r, "doorbell after idle to first byte moved",
					    "x (a trap + 2 wakes after sleep)", 1, false, &ratio);

	row->when_missed =
		"a processor for the engine: when the others are busy it shares the program's and spins on it";
	if (!r.failed)
		bench_detail(row, "%.1f us; a futex wake after the same rest %.1f us",
			     samples_median(results_get(&r, "doorbell")) / 1e3, wake / 1e3);
}

/* Each further area: what nr cost beyond one, for each of them. */
static void row_revoke(struct bench *b, const struct results *r, const char *key, unsigned nr)
{
	const struct samples *one = results_get(r, "revoke_1"), *many = results_get(r, key);
	double null = samples_median(results_get(r, "null_syscall"));
	struct samples ratio = {0};
	char name[96];

	for (unsigned i = 0; i < many->nr; i++)
		samples_add(&ratio, (many->values[i] - samples_median(one)) / (nr - 1) / null);
	snprintf(name, sizeof(name), "revoke a buffer mapped in %u areas, each further one", nr);
	struct bench_row *row = results_row(b, r, name, "x null system call", 2, false, &ratio);
	if (!r->failed)
		bench_detail(row, "all of it %.1f us, of one area %.1f us", samples_median(many) / 1e3,
			     samples_median(one) / 1e3);
}

void rows_device(struct bench *b)
{
	struct results copy = run_inside(b, "demo", "copy");

	row_copy(b, &copy, "copy_4k", "4 KiB leaves", 0.85);
	row_copy(b, &copy, "copy_2m", "2 MiB leaves", 0.97);
	rows_store(b);
	row_doorbell(b);
	struct results revoke = run_inside(b, "demo", "revoke");
	row_revoke(b, &revoke, "revoke_100", 100);
	row_revoke(b, &revoke, "revoke_10000", 10000);
}
