/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Buffers of many ranges in an IOAS (--kernel next): every slice of one, copies and parts of it, and what revocation
 * and detaching leave behind: nothing.
 */
#include "iommufd/world.h"

enum { NR_RUNS = 6, NR_PAGES = 12, IOVA = 0x100000 };

/* Neither in order nor disjoint: page 7 is there twice. */
static const struct {
	unsigned first, nr;
} runs[NR_RUNS] = {{7, 1}, {0, 3}, {20, 2}, {3, 1}, {10, 4}, {7, 1}};

static struct world w;
static struct world_buffer *buffer;
static unsigned window_page[NR_PAGES];
static uint32_t ioas, pt;

static struct world_buffer *export_runs(void)
{
	struct world_buffer *b = world_export(&w, 0, NR_PAGES * PAGE, 1);
	unsigned n = 0;

	for (unsigned i = 0; i < NR_RUNS; i++) {
		b->ranges[i] = (struct phys_range){w.card.window.base + runs[i].first * PAGE, runs[i].nr * PAGE};
		for (unsigned j = 0; j < runs[i].nr; j++)
			window_page[n++] = runs[i].first + j;
	}
	b->list.nr_ranges = NR_RUNS;
	return b;
}

static int setup(void **state)
{
	world_create(&w);
	fake_task(w.fake)->next = true;
	buffer = export_runs();
	ioas = pt = world_ioas(&w);
	world_bind(&w, 0);
	assert_int_equal(world_attach(&w, 0, &pt), 0);
	return 0;
}

static int teardown(void **state)
{
	world_export_close(&w, buffer);
	world_destroy(&w);
	return 0;
}

static long map_slice(uint64_t start, uint64_t len, uint64_t iova)
{
	return world_map_file(&w, ioas, MAP_R | MAP_W | MAP_FIXED_AT, buffer->fd, start, len, &iova);
}

/* Does the device find pages [first, first + nr) of the buffer there, and nothing behind them? */
static bool shows(int device, uint64_t iova, unsigned first, unsigned nr)
{
	struct iommu_leaf leaf;

	for (unsigned i = 0; i < nr; i++)
		if (!world_reaches(&w, device, iova + i * PAGE, w.card.window.host + window_page[first + i] * PAGE,
				   PAGE))
			return false;
	return !world_walk(&w, device, iova + nr * PAGE, &leaf);
}

static bool shows_nothing(int device, uint64_t iova, unsigned nr)
{
	struct iommu_leaf leaf;

	for (unsigned i = 0; i < nr; i++)
		if (world_walk(&w, device, iova + i * PAGE, &leaf))
			return false;
	return true;
}

static void every_slice(void **state)
{
	for (unsigned first = 0; first < NR_PAGES; first++)
		for (unsigned nr = 1; nr <= NR_PAGES - first; nr++) {
			assert_int_equal(map_slice(first * PAGE, nr * PAGE, IOVA), 0);
			if (!shows(0, IOVA, first, nr))
				fail_msg("%u pages from %u on are not what the device finds", nr, first);
			assert_int_equal(world_unmap(&w, ioas, IOVA, nr * PAGE), 0);
			assert_true(shows_nothing(0, IOVA, NR_PAGES));
			assert_true(list_empty(&buffer->buf->attachments));
		}
}

static void refusals(void **state)
{
	assert_int_equal(map_slice(5, PAGE, IOVA), -EINVAL);
	assert_int_equal(map_slice(PAGE, 100, IOVA), -EINVAL);
	assert_int_equal(map_slice(PAGE, PAGE, IOVA + 8), -EINVAL);
	assert_int_equal(map_slice(0, NR_PAGES * PAGE + PAGE, IOVA), -EINVAL);
	assert_int_equal(map_slice(NR_PAGES * PAGE, PAGE, IOVA), -EINVAL);
	assert_int_equal(map_slice(UINT64_MAX - PAGE + 1, PAGE, IOVA), -EINVAL);
	assert_int_equal(map_slice(UINT64_MAX - PAGE + 1, 2 * PAGE, IOVA), -EOVERFLOW);
	assert_true(list_empty(&buffer->buf->attachments));
	assert_true(shows_nothing(0, IOVA, NR_PAGES));
}

/* A copy takes any part; an unmap takes whole areas. */
static void copies_and_parts(void **state)
{
	uint32_t other = world_ioas(&w), other_pt = other;

	world_bind(&w, 1);
	assert_int_equal(world_attach(&w, 1, &other_pt), 0);
	assert_int_equal(map_slice(PAGE, 10 * PAGE, IOVA), 0);
	assert_int_equal(world_copy(&w, other, ioas, MAP_R | MAP_FIXED_AT, 7 * PAGE, 0x500000, IOVA + 2 * PAGE), 0);
	assert_true(shows(1, 0x500000, 3, 7));
	assert_int_equal(world_unmap(&w, ioas, IOVA, 4 * PAGE), -ENOENT);
	assert_true(shows(0, IOVA, 1, 10));
	assert_int_equal(world_unmap(&w, ioas, IOVA, 10 * PAGE), 0);
	assert_true(shows_nothing(0, IOVA, NR_PAGES));
	/* The copy keeps the buffer. */
	assert_true(shows(1, 0x500000, 3, 7));
	assert_int_equal(world_unmap(&w, other, 0x500000, 7 * PAGE), 0);
	assert_true(list_empty(&buffer->buf->attachments));
}

static void revocation_takes_every_range(void **state)
{
	uint32_t other = world_ioas(&w), other_pt = other;

	world_bind(&w, 1);
	assert_int_equal(world_attach(&w, 1, &other_pt), 0);
	assert_int_equal(map_slice(0, NR_PAGES * PAGE, IOVA), 0);
	assert_int_equal(world_copy(&w, other, ioas, MAP_R | MAP_FIXED_AT, 5 * PAGE, 0x500000, IOVA + PAGE), 0);
	pci_gate_shut(&w.card.gate, GATE_DECODE);
	assert_true(shows_nothing(0, IOVA, NR_PAGES));
	assert_true(shows_nothing(1, 0x500000, NR_PAGES));
	assert_int_equal(map_slice(0, PAGE, 0x900000), -ENODEV);
	pci_gate_open(&w.card.gate, GATE_DECODE);
	assert_true(shows_nothing(0, IOVA, NR_PAGES));
	assert_int_equal(map_slice(2 * PAGE, 4 * PAGE, 0x900000), 0);
	assert_true(shows(0, 0x900000, 2, 4));
	assert_int_equal(world_unmap_all(&w, ioas), 0);
	assert_int_equal(world_unmap_all(&w, other), 0);
	assert_true(list_empty(&buffer->buf->attachments));
}

/* Domains come and go: before the revocation, during it, after it. */
static void attaching_and_detaching(void **state)
{
	world_bind(&w, 3);
	assert_int_equal(map_slice(PAGE, 8 * PAGE, IOVA), 0);
	for (int i = 0; i < 3; i++) {
		uint32_t again = ioas;

		assert_int_equal(world_attach(&w, 3, &again), 0);
		assert_true(i == 1 ? shows_nothing(3, IOVA, NR_PAGES) : shows(3, IOVA, 1, 8));
		iommufd_device_detach(w.devices[3].idev);
		assert_true(shows_nothing(3, IOVA, NR_PAGES));
		if (i == 0) {
			pci_gate_shut(&w.card.gate, GATE_DECODE);
		} else if (i == 1) {
			pci_gate_open(&w.card.gate, GATE_DECODE);
			assert_int_equal(world_unmap(&w, ioas, IOVA, 8 * PAGE), 0);
			assert_int_equal(map_slice(PAGE, 8 * PAGE, IOVA), 0);
		}
	}
	assert_int_equal(world_unmap(&w, ioas, IOVA, 8 * PAGE), 0);
	assert_true(list_empty(&buffer->buf->attachments));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(every_slice),
		T(refusals),
		T(copies_and_parts),
		T(revocation_takes_every_range),
		T(attaching_and_detaching),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
