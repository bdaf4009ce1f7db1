/* SPDX-License-Identifier: BSD-3-Clause */
/* IO page tables alone: what of the IOAS rows they take, and their memory. */
#include <stdlib.h>

#include "bench.h"
#include "rig.h"

#define GIB (1ull << 30)
#define MIB (1ull << 20)
#define RW (IOMMU_READ | IOMMU_WRITE)

static void map(struct rig *r, iova_t iova, uint64_t len)
{
	if (iommu_map(r->domain, iova, PHYS_PAGES_BASE, len, RW))
		abort();
}

static void unmap(struct rig *r, iova_t iova, uint64_t len)
{
	iommu_unmap(r->domain, iova, len);
	section_drain(phys_sections(r->space));
}

enum { BURSTS = 10, ROUNDS = 2000 };

/* Nanoseconds of one round in the best of some short bursts. */
static double best_burst(void (*round)(struct rig *r), struct rig *r)
{
	double best = 1e18;

	for (int i = 0; i < BURSTS; i++) {
		double start = now_ns();
		for (int j = 0; j < ROUNDS; j++)
			round(r);
		double each = (now_ns() - start) / ROUNDS;
		best = each < best ? each : best;
	}
	return best;
}

static void round_page(struct rig *r)
{
	static char page[4096];
	struct pinned *p = rig_pin(r, page, sizeof(page));

	if (iommu_map(r->domain, GIB, p->region.base, sizeof(page), RW))
		abort();
	unmap(r, GIB, sizeof(page));
	pinned_destroy(p);
}

static void round_drain(struct rig *r)
{
	section_drain(phys_sections(r->space));
}

static void row_page(struct bench *b, struct rig *r)
{
	struct samples ratio = {0}, ns = {0};

	for (unsigned i = 0; i < b->repetitions; i++) {
		double null = null_syscall_ns(), each = best_burst(round_page, r);
		samples_add(&ratio, each / null);
		samples_add(&ns, each);
	}
	bench_detail(bench_row(b, "  of that: place, domain map, unmap, drain, remove", "x null system call", 1, false,
			       &ratio),
		     "%.0f ns", samples_median(&ns));
}

static void row_small_leaves(struct bench *b, struct rig *r)
{
	struct samples each = {0};

	map(r, GIB + 4096, GIB); /* the tables come into being */
	unmap(r, GIB + 4096, GIB);
	for (unsigned i = 0; i < b->repetitions; i++) {
		double start = now_ns();
		map(r, GIB + 4096, GIB);
		samples_add(&each, (now_ns() - start) / (GIB / 4096));
		unmap(r, GIB + 4096, GIB);
	}
	bench_row(b, "  of that: 1 GiB in 4 KiB leaves, page tables alone", "ns a page", 2, false, &each);
}

static void row_tebibyte(struct bench *b)
{
	struct samples mib = {0};
	struct rig r;

	rig_create(&r);
	/* Aligned to 2 MiB and not to 1 GiB. */
	map(&r, 2 * MIB, 1ull << 40);
	samples_add(&mib, (double)iommu_domain_table_bytes(r.domain) / MIB);
	rig_destroy(&r);
	bench_row(b, "IO page tables of 1 TiB in 2 MiB leaves", "MiB", 4.2, false, &mib);
}

static void row_drain(struct bench *b, struct rig *r)
{
	enum { PORTS = 8 };
	struct section_port ports[PORTS];
	struct samples ratio = {0}, ns = {0};

	for (int i = 0; i < PORTS; i++)
		section_port_init(&ports[i], phys_sections(r->space));
	for (unsigned i = 0; i < b->repetitions; i++) {
		double null = null_syscall_ns(), each = best_burst(round_drain, r);
		samples_add(&ratio, each / null);
		samples_add(&ns, each);
	}
	for (int i = 0; i < PORTS; i++)
		section_port_fini(&ports[i]);
	bench_detail(bench_row(b, "  of that: a drain, nine ports at rest", "x null system call", 0.5, false, &ratio),
		     "%.0f ns", samples_median(&ns));
}

void rows_tables(struct bench *b)
{
	struct rig r;

	rig_create(&r);
	row_page(b, &r);
	row_drain(b, &r);
	row_small_leaves(b, &r);
	rig_destroy(&r);
	row_tebibyte(b);
}
