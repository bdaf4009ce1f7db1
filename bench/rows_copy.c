/* SPDX-License-Identifier: BSD-3-Clause */
/* DMA copies against memcpy() of the same memory. */
#include <string.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "bench.h"
#include "rig.h"

#define BUFFER_BYTES (256ull << 20)
#define DESCRIPTOR_BYTES (1ull << 20)
#define SOURCE_IOVA (1ull << 32)
#define TARGET_IOVA (2ull << 32)
#define RW (IOMMU_READ | IOMMU_WRITE)

struct buffers {
	char *source, *target;
	struct pinned *source_pin, *target_pin;
};

static char *buffer(int byte, uint64_t len)
{
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		perror("bench: mmap");
		exit(1);
	}
	memset(p, byte, len);
	return p;
}

static double memcpy_ns(const struct buffers *m)
{
	double start = now_ns();

	memcpy(m->target, m->source, BUFFER_BYTES);
	__asm__ volatile("" ::"r"(m->target) : "memory");
	return now_ns() - start;
}

static double dma_ns(struct rig *r, iova_t skew)
{
	double start = now_ns();

	for (uint64_t at = 0; at < BUFFER_BYTES; at += DESCRIPTOR_BYTES)
		if (dma_copy(&r->port, 0, TARGET_IOVA + skew + at, SOURCE_IOVA + skew + at, DESCRIPTOR_BYTES, NULL))
			abort();
	return now_ns() - start;
}

/* skew: IOVAs that allow only leaves of that size. */
static void copy_row(struct bench *b, struct rig *r, const struct buffers *m, iova_t skew, const char *name,
		     double floor)
{
	struct samples ratio = {0}, gbps = {0};

	if (iommu_map(r->domain, SOURCE_IOVA + skew, m->source_pin->region.base, BUFFER_BYTES, RW) ||
	    iommu_map(r->domain, TARGET_IOVA + skew, m->target_pin->region.base, BUFFER_BYTES, RW))
		abort();
	for (unsigned i = 0; i < b->repetitions; i++) {
		/* The reference on both sides of the figure, against drift. */
		double before = memcpy_ns(m), dma = dma_ns(r, skew), after = memcpy_ns(m);
		samples_add(&ratio, (before + after) / 2 / dma);
		samples_add(&gbps, BUFFER_BYTES / dma);
	}
	iommu_unmap(r->domain, SOURCE_IOVA + skew, BUFFER_BYTES);
	iommu_unmap(r->domain, TARGET_IOVA + skew, BUFFER_BYTES);
	section_drain(phys_sections(r->space));
	bench_detail(bench_row(b, name, "of memcpy", floor, true, &ratio), "%.1f GB/s", samples_median(&gbps));
}

static void cached_row(struct bench *b, struct rig *r, const struct buffers *m)
{
	enum { ROUNDS = 500 };
	struct samples ratio = {0}, gbps = {0};

	if (iommu_map(r->domain, SOURCE_IOVA, m->source_pin->region.base, DESCRIPTOR_BYTES, RW) ||
	    iommu_map(r->domain, TARGET_IOVA, m->target_pin->region.base, DESCRIPTOR_BYTES, RW))
		abort();
	for (unsigned i = 0; i < b->repetitions; i++) {
		double start = now_ns();
		for (int j = 0; j < ROUNDS; j++) {
			memcpy(m->target, m->source, DESCRIPTOR_BYTES);
			__asm__ volatile("" ::"r"(m->target) : "memory");
		}
		double reference = now_ns() - start;
		start = now_ns();
		for (int j = 0; j < ROUNDS; j++)
			if (dma_copy(&r->port, 0, TARGET_IOVA, SOURCE_IOVA, DESCRIPTOR_BYTES, NULL))
				abort();
		double dma = now_ns() - start;
		samples_add(&ratio, reference / dma);
		samples_add(&gbps, ROUNDS * DESCRIPTOR_BYTES / dma);
	}
	iommu_unmap(r->domain, SOURCE_IOVA, DESCRIPTOR_BYTES);
	iommu_unmap(r->domain, TARGET_IOVA, DESCRIPTOR_BYTES);
	bench_detail(bench_row(b, "the same 1 MiB again and again", "of memcpy", 0.85, true, &ratio), "%.1f GB/s",
		     samples_median(&gbps));
}

void rows_copy(struct bench *b)
{
	struct buffers m = {buffer(1, BUFFER_BYTES), buffer(2, BUFFER_BYTES), NULL, NULL};
	struct rig r;

	rig_create(&r);
	m.source_pin = rig_pin(&r, m.source, BUFFER_BYTES);
	m.target_pin = rig_pin(&r, m.target, BUFFER_BYTES);
	copy_row(b, &r, &m, BARTER_PAGE_SIZE, "DMA copy, 256 MiB cold, 1 MiB descriptors, 4 KiB leaves", 0.85);
	copy_row(b, &r, &m, 2ull << 20, "DMA copy, 256 MiB cold, 1 MiB descriptors, 2 MiB leaves", 0.97);
	cached_row(b, &r, &m);
	pinned_destroy(m.source_pin);
	pinned_destroy(m.target_pin);
	rig_destroy(&r);
	munmap(m.source, BUFFER_BYTES);
	munmap(m.target, BUFFER_BYTES);
}
