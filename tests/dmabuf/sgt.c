/* SPDX-License-Identifier: BSD-3-Clause */
/* The scatterlist: addresses that a device really reaches memory by, and how the list is cut. */
#include "dma/rig.h"

#include <stdlib.h>
#include <string.h>

#include "dmabuf/dmabuf.h"
#include "dmabuf/type_phys.h"
#include "dmabuf/type_sgt.h"

#define GIB (1ull << 30)

static struct rig r;

/* Memory of the system's, or of a card. */
struct source {
	struct dma_buf *buf;
	struct dma_buf_phys_list list;
	struct dma_buf_sgt_exporter data;
	struct dma_buf_match offers[1];
};

static const struct dma_buf_phys_list *source_layout(struct dma_buf *b)
{
	return &((struct source *)b->priv)->list;
}

static void source_release(struct dma_buf *b)
{
}

/* One that was written before there were types. */
static const struct dma_buf_ops plain_ops = {
	.name = "plain", .sgt = &dma_buf_sgt_of_layout, .layout = source_layout, .release = source_release};
static const struct dma_buf_ops peer_ops = {
	.name = "peer", .may_revoke = true, .layout = source_layout, .release = source_release};

static void source_init(struct source *s, const struct phys_range *ranges, size_t nr, struct pci_function *provider)
{
	memset(s, 0, sizeof(*s));
	s->list = (struct dma_buf_phys_list){ranges, nr, provider};
	assert_int_equal(dma_buf_create(provider ? &peer_ops : &plain_ops, s, PAGE, 0, false, NULL, &s->buf), 0);
	if (!provider)
		return;
	s->data.provider = provider;
	s->offers[0] = (struct dma_buf_match){&dma_buf_type_sgt, &dma_buf_sgt_of_layout, &s->data};
	s->buf->offers = s->offers;
	s->buf->nr_offers = 1;
}

static void invalidate(struct dma_buf_attachment *a)
{
}

static const struct dma_buf_importer_ops dynamic = {.name = "dynamic", .invalidate = invalidate};
static const struct dma_buf_importer_ops fixed = {.name = "static"};

static struct dma_buf_attachment *import(struct source *s, const struct dma_buf_sgt **sgt)
{
	struct dma_buf_attachment *a;

	assert_int_equal(dma_buf_attach_device(s->buf, r.device, &dynamic, NULL, &a), 0);
	assert_ptr_equal(a->type, &dma_buf_type_sgt);
	dma_buf_lock(s->buf);
	assert_int_equal(dma_buf_sgt_map_locked(a, RW, sgt), 0);
	dma_buf_unlock(s->buf);
	return a;
}

static int setup(void **state)
{
	rig_init(&r, &(struct tree_options){0}, &(struct dma_limits){0});
	return 0;
}

static int setup_short_segments(void **state)
{
	rig_init(&r, &(struct tree_options){0}, &(struct dma_limits){.max_segment = 3 * PAGE + 5});
	return 0;
}

static int setup_no_routing(void **state)
{
	rig_init(&r, &(struct tree_options){.no_host_routing = true}, &(struct dma_limits){0});
	return 0;
}

static int teardown(void **state)
{
	rig_fini(&r);
	return 0;
}

static void system_memory_is_one_entry_however_scattered(void **state)
{
	struct system_memory *memory;
	const struct dma_buf_sgt *sgt;
	struct dma_buf_attachment *a;
	struct source s;
	char *host;

	assert_int_equal(system_memory_create(r.tree->space, 8 * PAGE, &memory), 0);
	host = memory->region.host;
	const struct phys_range ranges[] = {{memory->region.base + 4 * PAGE, 2 * PAGE}, {memory->region.base, PAGE}};
	source_init(&s, ranges, 2, NULL);
	a = import(&s, &sgt);
	assert_int_equal(sgt->nr_entries, 1);
	assert_int_equal(sgt->entries[0].len, 3 * PAGE);
	assert_int_equal(rig_write(&r, sgt->entries[0].addr + 2 * PAGE, "moved", 6), DMA_OK);
	assert_string_equal(host, "moved");
	dma_addr_t addr = sgt->entries[0].addr;
	dma_buf_detach(a);
	assert_int_equal(rig_write(&r, addr, "moved", 6), DMA_FAULT);
	dma_buf_destroy(s.buf);
	section_drain(phys_sections(r.tree->space));
	system_memory_destroy(memory);
}

static void a_neighbours_memory_is_told_in_bus_addresses(void **state)
{
	const struct phys_range ranges[] = {
		{rig_bar(r.peer) + 8 * PAGE, PAGE}, {rig_bar(r.peer) + 9 * PAGE, PAGE}, {rig_bar(r.peer), PAGE}};
	const struct dma_buf_sgt *sgt;
	struct dma_buf_attachment *a;
	struct source s;

	source_init(&s, ranges, 3, r.peer);
	a = import(&s, &sgt);
	/* Ranges that touch are one. */
	assert_int_equal(sgt->nr_entries, 2);
	assert_int_equal(sgt->entries[0].addr, rig_bar(r.peer) + 8 * PAGE);
	assert_int_equal(sgt->entries[0].len, 2 * PAGE);
	assert_int_equal(sgt->entries[1].addr, rig_bar(r.peer));
	assert_int_equal(rig_write(&r, sgt->entries[1].addr, "peer", 5), DMA_OK);
	assert_string_equal(rig_bar_host(r.peer), "peer");
	dma_buf_detach(a);
	dma_buf_destroy(s.buf);
}

static void a_peer_far_away_is_translated(void **state)
{
	const struct phys_range ranges[] = {{rig_bar(r.far) + 8 * PAGE, PAGE}, {rig_bar(r.far), PAGE}};
	const struct dma_buf_sgt *sgt;
	struct dma_buf_attachment *a;
	struct source s;

	source_init(&s, ranges, 2, r.far);
	a = import(&s, &sgt);
	assert_int_equal(sgt->nr_entries, 1);
	assert_int_equal(rig_write(&r, sgt->entries[0].addr + PAGE, "far", 4), DMA_OK);
	assert_string_equal(rig_bar_host(r.far), "far");
	/* Revoking it takes the addresses away. */
	dma_addr_t addr = sgt->entries[0].addr;
	dma_buf_revoke(s.buf, false);
	assert_int_equal(rig_write(&r, addr, "far", 4), DMA_FAULT);
	dma_buf_detach(a);
	dma_buf_destroy(s.buf);
}

static int attach_error(struct source *s, const struct dma_buf_importer_ops *ops, struct dma_device *device)
{
	struct dma_buf_attachment *a;
	int err = dma_buf_attach_device(s->buf, device, ops, NULL, &a);

	if (!err)
		dma_buf_detach(a);
	return err;
}

static void a_static_importer_takes_system_memory_only(void **state)
{
	const struct phys_range ranges[] = {{rig_bar(r.peer), PAGE}};
	struct source peer, plain;

	source_init(&peer, ranges, 1, r.peer);
	source_init(&plain, ranges, 1, NULL);
	assert_int_equal(attach_error(&plain, &fixed, r.device), 0);
	assert_int_equal(attach_error(&plain, &fixed, NULL), -EOPNOTSUPP);
	assert_int_equal(attach_error(&peer, &fixed, r.device), -EOPNOTSUPP);
	assert_int_equal(attach_error(&peer, &dynamic, r.device), 0);
	dma_buf_destroy(peer.buf);
	dma_buf_destroy(plain.buf);
}

static void what_the_topology_does_not_route_is_refused_at_attach(void **state)
{
	const struct phys_range near[] = {{rig_bar(r.peer), PAGE}}, away[] = {{rig_bar(r.far), PAGE}};
	struct source s;

	source_init(&s, near, 1, r.peer);
	assert_int_equal(attach_error(&s, &dynamic, r.device), 0);
	dma_buf_destroy(s.buf);
	source_init(&s, away, 1, r.far);
	assert_int_equal(attach_error(&s, &dynamic, r.device), -EOPNOTSUPP);
	dma_buf_destroy(s.buf);
}

static void entries_are_no_longer_than_the_device_takes(void **state)
{
	const struct phys_range ranges[] = {{rig_bar(r.peer), 2 * PAGE}, {rig_bar(r.peer) + 2 * PAGE, 6 * PAGE}};
	const uint32_t lens[] = {3 * PAGE, 3 * PAGE, 2 * PAGE};
	const struct dma_buf_sgt *sgt;
	struct dma_buf_attachment *a;
	struct source s;

	for (int through_iommu = 0; through_iommu < 2; through_iommu++) {
		source_init(&s, ranges, 2, through_iommu ? NULL : r.peer);
		a = import(&s, &sgt);
		assert_int_equal(sgt->nr_entries, 3);
		for (int i = 0; i < 3; i++) {
			assert_int_equal(sgt->entries[i].len, lens[i]);
			assert_int_equal(sgt->entries[i].addr, sgt->entries[0].addr + i * 3 * PAGE);
		}
		dma_buf_detach(a);
		dma_buf_destroy(s.buf);
	}
}

/* Lengths have 32 bits: 5 GiB are two entries, of which the first is as long as whole pages allow. */
static void more_than_4_gib_is_cut_on_a_page(void **state)
{
	struct phys_range ranges[5];
	struct system_memory *memory;
	const struct dma_buf_sgt *sgt;
	struct dma_buf_attachment *a;
	struct source s;
	char *host, got;

	assert_int_equal(system_memory_create(r.tree->space, 5 * GIB, &memory), 0);
	host = memory->region.host;
	for (int i = 0; i < 5; i++)
		ranges[i] = (struct phys_range){memory->region.base + i * GIB, GIB};
	source_init(&s, ranges, 5, NULL);
	a = import(&s, &sgt);
	assert_int_equal(sgt->nr_entries, 2);
	assert_int_equal(sgt->entries[0].len, 4 * GIB - PAGE);
	assert_int_equal(sgt->entries[1].len, GIB + PAGE);
	assert_int_equal(sgt->entries[1].addr, sgt->entries[0].addr + 4 * GIB - PAGE);
	host[5 * GIB - 1] = 'z';
	assert_int_equal(rig_read(&r, sgt->entries[1].addr + GIB + PAGE - 1, &got, 1), DMA_OK);
	assert_int_equal(got, 'z');
	dma_buf_detach(a);
	dma_buf_destroy(s.buf);
	section_drain(phys_sections(r.tree->space));
	system_memory_destroy(memory);
}

static void ten_thousand_ranges_are_reached_each(void **state)
{
	enum { NR = 10000 };
	struct phys_range *ranges = calloc(NR, sizeof(*ranges));
	const struct dma_buf_sgt *sgt;
	struct dma_buf_attachment *a;
	struct source s;
	uint32_t got;

	/* Of 16 384 pages of the far card, in an order that joins none. */
	for (uint32_t i = 0; i < NR; i++) {
		uint64_t page = i * 7919u % 16384;

		ranges[i] = (struct phys_range){rig_bar(r.far) + page * PAGE, PAGE};
		*(uint32_t *)(rig_bar_host(r.far) + page * PAGE) = i;
	}
	source_init(&s, ranges, NR, r.far);
	a = import(&s, &sgt);
	assert_int_equal(sgt->nr_entries, 1);
	for (uint32_t i = 0; i < NR; i += 13) {
		assert_int_equal(rig_read(&r, sgt->entries[0].addr + i * PAGE, &got, 4), DMA_OK);
		assert_int_equal(got, i);
	}
	dma_buf_detach(a);
	dma_buf_destroy(s.buf);
	free(ranges);
}

#define TEST(name, setup) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(system_memory_is_one_entry_however_scattered, setup),
		TEST(a_neighbours_memory_is_told_in_bus_addresses, setup),
		TEST(a_peer_far_away_is_translated, setup),
		TEST(a_static_importer_takes_system_memory_only, setup),
		TEST(what_the_topology_does_not_route_is_refused_at_attach, setup_no_routing),
		TEST(entries_are_no_longer_than_the_device_takes, setup_short_segments),
		TEST(more_than_4_gib_is_cut_on_a_page, setup),
		TEST(ten_thousand_ranges_are_reached_each, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
