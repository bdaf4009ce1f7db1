/* SPDX-License-Identifier: BSD-3-Clause */
/* Device memory in an IOAS: leaves, revocation, what stays, and what a revocation costs. */
#include "iommufd/world.h"

static struct world w;
static struct world_buffer *buffer; /* 4 MiB at 1 MiB of the window */
static uint32_t ioas, pt;

enum { SIZE = 4 << 20, OFFSET = 1 << 20 };

static int setup(void **state)
{
	world_create(&w);
	buffer = world_export(&w, OFFSET, SIZE, 1);
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

static long map_at(uint64_t start, uint64_t len, uint64_t iova)
{
	return world_map_file(&w, ioas, MAP_R | MAP_W | MAP_FIXED_AT, buffer->fd, start, len, &iova);
}

static char *window(uint64_t offset)
{
	return w.card.window.host + offset;
}

static void leaves_are_mmio(void **state)
{
	struct iommu_leaf leaf;

	assert_int_equal(map_at(0x3000, 0x5000, 0x10000), 0);
	assert_true(world_reaches(&w, 0, 0x10000, window(OFFSET + 0x3000), 0x5000));
	assert_true(world_walk(&w, 0, 0x10000, &leaf));
	assert_int_equal(leaf.prot, IOMMU_READ | IOMMU_WRITE | IOMMU_MMIO);
	assert_int_equal(fake_task_nr_pins(w.fake), 0);
	assert_int_equal(world_unmap(&w, ioas, 0x10000, 0x5000), 0);
	assert_false(world_walk(&w, 0, 0x10000, &leaf));
}

static void revocation_clears_every_domain(void **state)
{
	uint32_t other = world_ioas(&w), other_pt = other, unit1_pt = ioas;
	struct iommu_leaf leaf;

	world_bind(&w, 1);
	world_bind(&w, 3);
	assert_int_equal(world_attach(&w, 1, &other_pt), 0);
	assert_int_equal(world_attach(&w, 3, &unit1_pt), 0);
	assert_int_equal(map_at(0, SIZE, 0x10000000), 0);
	assert_int_equal(world_copy(&w, other, ioas, MAP_R | MAP_FIXED_AT, 0x2000, 0x30000, 0x10001000), 0);
	assert_true(world_reaches(&w, 0, 0x10000000, window(OFFSET), SIZE));
	assert_true(world_reaches(&w, 3, 0x10000000, window(OFFSET), SIZE));
	assert_true(world_reaches(&w, 1, 0x30000, window(OFFSET + 0x1000), 0x2000));

	pci_gate_shut(&w.card.gate, GATE_DECODE);
	assert_false(world_walk(&w, 0, 0x10000000, &leaf));
	assert_false(world_walk(&w, 3, 0x10000000, &leaf));
	assert_false(world_walk(&w, 1, 0x30000, &leaf));
	assert_int_equal(map_at(0, SIZE, 0x20000000), -ENODEV);
	assert_int_equal(map_at(0, SIZE + PAGE, 0x20000000), -EINVAL);

	/* The areas are there: they keep their IOVAs, can be copied, skipped by new domains, and unmapped. */
	assert_int_equal(world_map(&w, ioas, MAP_R | MAP_FIXED_AT, window(0), PAGE, &(uint64_t){0x10000000}), -EEXIST);
	assert_int_equal(world_copy(&w, other, ioas, MAP_R | MAP_FIXED_AT, 0x2000, 0x50000, 0x10001000), 0);
	world_bind(&w, 2);
	other_pt = world_ioas(&w);
	assert_int_equal(world_copy(&w, other_pt, ioas, MAP_R | MAP_FIXED_AT, 0x2000, 0x50000, 0x10001000), 0);
	assert_int_equal(world_attach(&w, 2, &other_pt), 0);
	assert_false(world_walk(&w, 2, 0x50000, &leaf));

	/* Nothing comes back by itself. */
	pci_gate_open(&w.card.gate, GATE_DECODE);
	assert_false(world_walk(&w, 0, 0x10000000, &leaf));
	assert_int_equal(world_copy(&w, ioas, ioas, MAP_R | MAP_FIXED_AT, PAGE, 0x60000000, 0x10000000), 0);
	assert_false(world_walk(&w, 0, 0x60000000, &leaf));
	assert_int_equal(world_unmap(&w, ioas, 0x10000000, SIZE), 0);
	assert_int_equal(map_at(0, SIZE, 0x10000000), 0);
	assert_true(world_reaches(&w, 0, 0x10000000, window(OFFSET), SIZE));
	assert_int_equal(world_unmap_all(&w, other), 0);
}

static void gone_for_good(void **state)
{
	struct iommu_leaf leaf;

	assert_int_equal(map_at(0, SIZE, 0x10000000), 0);
	pci_gate_close(&w.card.gate);
	assert_false(world_walk(&w, 0, 0x10000000, &leaf));
	pci_gate_open(&w.card.gate, GATE_CLOSED);
	assert_int_equal(map_at(0, SIZE, 0x20000000), -ENODEV);
	assert_int_equal(world_unmap(&w, ioas, 0x10000000, SIZE), 0);
}

/* The buffer's fd is closed: areas keep the buffer. */
static void area_keeps_the_buffer(void **state)
{
	struct world_buffer *b = world_export(&w, 0, PAGE, 1);
	uint64_t iova = 0x10000;

	assert_int_equal(world_map_file(&w, ioas, MAP_R | MAP_FIXED_AT, b->fd, 0, PAGE, &iova), 0);
	world_export_close(&w, b);
	assert_true(world_reaches(&w, 0, 0x10000, window(0), PAGE));
}

static void several_ranges(void **state)
{
	struct world_buffer *b = world_export(&w, 0, 4 * PAGE, 2);
	uint64_t iova = 0x10000;

	assert_int_equal(world_map_file(&w, ioas, MAP_R | MAP_FIXED_AT, b->fd, 0, PAGE, &iova), -EOPNOTSUPP);
	fake_task(w.fake)->next = true;
	assert_int_equal(world_map_file(&w, ioas, MAP_R | MAP_FIXED_AT, b->fd, 0, 4 * PAGE, &iova), 0);
	assert_true(world_reaches(&w, 0, 0x10000, window(2 * PAGE), 2 * PAGE));
	assert_true(world_reaches(&w, 0, 0x12000, window(0), 2 * PAGE));
	iova = 0x20000;
	assert_int_equal(world_map_file(&w, ioas, MAP_R | MAP_FIXED_AT, b->fd, PAGE, 2 * PAGE, &iova), 0);
	assert_true(world_reaches(&w, 0, 0x20000, window(3 * PAGE), PAGE));
	assert_true(world_reaches(&w, 0, 0x21000, window(0), PAGE));
	world_export_close(&w, b);
}

/* What no function provides is memory like any other: not MMIO. */
static void memory_of_another_exporter(void **state)
{
	struct world_buffer *b = world_export(&w, 0, 4 * PAGE, 2);
	struct iommu_leaf leaf;
	uint64_t iova = 0x10000;

	b->list.provider = NULL;
	assert_int_equal(world_map_file(&w, ioas, MAP_R | MAP_FIXED_AT, b->fd, 0, PAGE, &iova), -EOPNOTSUPP);
	assert_int_equal(world_map_file(&w, ioas, MAP_R | MAP_FIXED_AT, b->fd, 0, 5 * PAGE, &iova), -EINVAL);
	fake_task(w.fake)->next = true;
	assert_int_equal(world_map_file(&w, ioas, MAP_R | MAP_FIXED_AT, b->fd, 0, 4 * PAGE, &iova), 0);
	assert_true(world_reaches(&w, 0, 0x10000, window(2 * PAGE), 2 * PAGE));
	assert_true(world_walk(&w, 0, 0x10000, &leaf));
	assert_int_equal(leaf.prot, IOMMU_READ);
	world_export_close(&w, b);
}

static void one_drain_for_all(void **state)
{
	uint64_t before;

	for (uint64_t i = 0; i < 1000; i++)
		assert_int_equal(map_at((i % 1024) * PAGE, PAGE, 0x10000000 + i * PAGE), 0);
	before = section_drains(phys_sections(w.space));
	pci_gate_shut(&w.card.gate, GATE_DECODE);
	assert_int_equal(section_drains(phys_sections(w.space)) - before, 1);
	before = section_drains(phys_sections(w.space));
	assert_int_equal(world_unmap_all(&w, ioas), 0);
	assert_int_equal(section_drains(phys_sections(w.space)) - before, 1);
	pci_gate_open(&w.card.gate, GATE_DECODE);
}

static void other_buffers_are_undisturbed(void **state)
{
	struct world_buffer *b = world_export(&w, 0, PAGE, 1);
	uint64_t iova = 0x10000;
	struct iommu_leaf leaf;

	assert_int_equal(map_at(0, PAGE, 0x20000), 0);
	assert_int_equal(world_map_file(&w, ioas, MAP_R | MAP_FIXED_AT, b->fd, 0, PAGE, &iova), 0);
	dma_buf_revoke(b->buf, false);
	assert_false(world_walk(&w, 0, 0x10000, &leaf));
	assert_true(world_walk(&w, 0, 0x20000, &leaf));
	world_export_close(&w, b);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(leaves_are_mmio),   T(revocation_clears_every_domain),
		T(gone_for_good),     T(area_keeps_the_buffer),
		T(several_ranges),    T(memory_of_another_exporter),
		T(one_drain_for_all), T(other_buffers_are_undisturbed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
