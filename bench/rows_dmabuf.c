/* SPDX-License-Identifier: BSD-3-Clause */
/* Buffers of device memory: the core alone, and a program that maps, revokes and touches them. */
#include <stdio.h>
#include <stdlib.h>

#include "base/trace.h"
#include "dmabuf/dmabuf.h"
#include "dmabuf/type_phys.h"
#include "dmabuf/type_sgt.h"
#include "rig.h"
#include "run.h"

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "bench: %s failed\n", what);
	exit(1);
}

/* An exporter with a list, an importer that holds on to it until it is revoked. */
static int buffer_map(struct dma_buf_attachment *a, const struct dma_buf_phys_list **list)
{
	*list = a->buf->priv;
	return 0;
}

static void buffer_release(struct dma_buf *b)
{
}

static void invalidate(struct dma_buf_attachment *a)
{
}

static const struct dma_buf_phys_ops phys_ops = {.map = buffer_map};
static const struct dma_buf_match offers[] = {{.type = &dma_buf_type_phys, .ops = &phys_ops}};
static const struct dma_buf_match accepts[] = {{.type = &dma_buf_type_phys}};
static const struct dma_buf_ops buffer_ops = {
	.name = "bench", .offers = offers, .nr_offers = 1, .may_revoke = true, .release = buffer_release};
static const struct dma_buf_importer_ops importer = {
	.name = "bench", .accepts = accepts, .nr_accepts = 1, .pinned = true, .invalidate = invalidate};

static void use_once(struct dma_buf *b)
{
	const struct dma_buf_phys_list *list;
	struct dma_buf_attachment *a;

	must(dma_buf_attach(b, &importer, NULL, &a) == 0, "dma_buf_attach");
	dma_buf_lock(b);
	must(dma_buf_phys_map_locked(a, &list) == 0, "dma_buf_phys_map_locked");
	dma_buf_unmap_locked(a);
	dma_buf_unlock(b);
	dma_buf_detach(a);
}

/* With a registry, as every buffer of a machine has one: it counts how attachments came out. */
static double burst(struct dma_buf *b)
{
	enum { BURSTS = 10, ROUNDS = 2000 };
	double best = 1e18;

	for (int i = 0; i < BURSTS; i++) {
		double start = now_ns();
		for (int j = 0; j < ROUNDS; j++)
			use_once(b);
		double each = (now_ns() - start) / ROUNDS;
		best = each < best ? each : best;
	}
	return best;
}

static void row_core(struct bench *b)
{
	struct phys_range range = {.pa = 1ull << 40, .len = 4096};
	struct dma_buf_phys_list list = {.ranges = &range, .nr_ranges = 1};
	struct trace *trace = trace_create(false);
	struct dma_buf_registry *registry = dma_buf_registry_create(trace);
	struct samples ratio = {0}, ns = {0};
	struct dma_buf *buf;

	must(registry && dma_buf_create(&buffer_ops, &list, 4096, 0, true, registry, &buf) == 0, "dma_buf_create");
	for (unsigned i = 0; i < b->repetitions; i++) {
		double null = null_syscall_ns(), each = burst(buf);

		samples_add(&ratio, each / null);
		samples_add(&ns, each);
	}
	bench_detail(
		bench_row(b, "buffer of one range: attach, map, unmap, detach", "x null system call", 3, false, &ratio),
		"%.0f ns", samples_median(&ns));
	file_put(buf->file);
	dma_buf_registry_destroy(registry);
	trace_destroy(trace);
}

/*
 * The same for a device of a driver inside barter: a scatterlist, whose every range gets a leaf of the device's page
 * table and an address.
 */
enum { RANGES = 10000 };

static const struct dma_buf_phys_list *buffer_layout(struct dma_buf *b)
{
	return b->priv;
}

static const struct dma_buf_sgt_exporter system_memory = {.provider = NULL};
static const struct dma_buf_match sgt_offers[] = {
	{.type = &dma_buf_type_sgt, .ops = &dma_buf_sgt_of_layout, .data = &system_memory}};
static const struct dma_buf_ops sgt_buffer_ops = {.name = "bench",
						  .offers = sgt_offers,
						  .nr_offers = 1,
						  .may_revoke = true,
						  .layout = buffer_layout,
						  .release = buffer_release};

/* A driver waits for its device in the end. */
static void use_for_device(struct dma_buf *b, struct dma_device *device, struct phys_space *space)
{
	const struct dma_buf_sgt *sgt;
	struct dma_buf_attachment *a;

	must(dma_buf_attach_device(b, device, &importer, NULL, &a) == 0, "dma_buf_attach_device");
	dma_buf_lock(b);
	must(dma_buf_sgt_map_locked(a, IOMMU_READ | IOMMU_WRITE, &sgt) == 0, "dma_buf_sgt_map_locked");
	dma_buf_unmap_locked(a);
	dma_buf_unlock(b);
	dma_buf_detach(a);
	section_drain(phys_sections(space));
}

static void row_scatterlist(struct bench *b)
{
	enum { BURSTS = 5 };
	static struct phys_range ranges[RANGES];
	struct dma_buf_phys_list list = {.ranges = ranges, .nr_ranges = RANGES};
	struct samples each = {0};
	struct dma_device *device;
	struct dma_buf *buf;
	struct rig r;

	for (size_t i = 0; i < RANGES; i++)
		ranges[i] = (struct phys_range){.pa = PHYS_PAGES_BASE + i * 8192, .len = 4096};
	rig_create(&r);
	iommu_attach(&r.engine.iommu, NULL);
	must(dma_device_create(&r.engine, &(struct dma_limits){0}, &device) == 0, "dma_device_create");
	must(dma_buf_create(&sgt_buffer_ops, &list, RANGES * 4096ull, 0, true, NULL, &buf) == 0, "dma_buf_create");
	use_for_device(buf, device, r.space); /* the tables come into being */
	for (unsigned i = 0; i < b->repetitions; i++) {
		double best = 1e18;

		for (int j = 0; j < BURSTS; j++) {
			double start = now_ns();
			use_for_device(buf, device, r.space);
			double ns = (now_ns() - start) / RANGES;
			best = ns < best ? ns : best;
		}
		samples_add(&each, best);
	}
	bench_row(b, "  of 10 000 ranges, as a scatterlist", "ns a range", 30, false, &each);
	file_put(buf->file);
	dma_device_destroy(device);
	rig_destroy(&r);
}

static void rows_map(struct bench *b)
{
	struct results r = run_inside_on(b, (const char *[]){"--rack", "demo", "--kernel", "next", NULL}, "buffer");
	struct samples one = samples_ratio(results_get(&r, "buffer_one"), results_get(&r, "null_syscall"));
	struct bench_row *row = results_row(b, &r, "  the same by IOAS_MAP_FILE + UNMAP, and a page table",
					    "x null system call", 3, false, &one);

	if (!r.failed)
		bench_detail(row, "%.0f ns", samples_median(results_get(&r, "buffer_one")));
	results_row(b, &r, "  of 10 000 ranges, by IOAS_MAP_FILE", "ns a range", 30, false,
		    results_get(&r, "buffer_range"));
}

static void row_revoke(struct bench *b)
{
	struct results r = run_inside_on(
		b, (const char *[]){"--rack", "demo", "--kernel", "next", "-d", "memcard,size=1T", NULL}, "revoke_one");
	struct samples ratio = samples_ratio(results_get(&r, "revoke_among"), results_get(&r, "revoke_alone"));
	struct bench_row *row =
		results_row(b, &r, "revoke 4 KiB beside 1 TiB mapped and 10 000 buffers", "x alone", 2, false, &ratio);

	if (!r.failed)
		bench_detail(row, "%.1f us; alone %.1f us", samples_median(results_get(&r, "revoke_among")) / 1e3,
			     samples_median(results_get(&r, "revoke_alone")) / 1e3);
}

static void row_faults(struct bench *b)
{
	struct results r = run_inside_on(b, (const char *[]){"--rack", "demo", "--kernel", "next", NULL}, "faults");
	struct samples ratio = samples_ratio(results_get(&r, "faults_buffer"), results_get(&r, "faults_memfd"));
	struct bench_row *row = results_row(b, &r, "page faults in a mapped buffer", "x a memfd's", 1, false, &ratio);

	if (!r.failed)
		bench_detail(row, "%.0f faults in 512 pages, first written, then read through a second mapping",
			     samples_median(results_get(&r, "faults_buffer")));
}

void rows_dmabuf(struct bench *b)
{
	row_core(b);
	row_scatterlist(b);
	rows_map(b);
	row_revoke(b);
	row_faults(b);
}
