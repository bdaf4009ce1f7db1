/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>

#include "bench.h"

void samples_add(struct samples *s, double value)
{
	if (s->nr < BENCH_MAX_SAMPLES)
		s->values[s->nr++] = value;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

static struct samples sorted(const struct samples *s)
{
	struct samples copy = *s;

	qsort(copy.values, copy.nr, sizeof(copy.values[0]), ascending);
	return copy;
}

double samples_median(const struct samples *s)
{
	struct samples ordered = sorted(s);

	if (s->nr == 0)
		return 0;
	return (ordered.values[(s->nr - 1) / 2] + ordered.values[s->nr / 2]) / 2;
}

double samples_min(const struct samples *s)
{
	return s->nr ? sorted(s).values[0] : 0;
}

double samples_max(const struct samples *s)
{
	return s->nr ? sorted(s).values[s->nr - 1] : 0;
}

struct samples samples_ratio(const struct samples *a, const struct samples *b)
{
	struct samples out = {.nr = a->nr < b->nr ? a->nr : b->nr};

	for (unsigned i = 0; i < out.nr; i++)
		out.values[i] = a->values[i] / b->values[i];
	return out;
}

struct samples samples_scale(const struct samples *s, double factor)
{
	struct samples out = *s;

	for (unsigned i = 0; i < out.nr; i++)
		out.values[i] *= factor;
	return out;
}
