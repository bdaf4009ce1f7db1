/* SPDX-License-Identifier: BSD-3-Clause */
/* A driver's DMA addresses: where they lead, which are given out, and when one is given out again. */
#include "dma/rig.h"

#include <string.h>

static struct rig r;

static int setup(void **state)
{
	rig_init(&r, &(struct tree_options){0}, &(struct dma_limits){0});
	return 0;
}

static int setup_redirect(void **state)
{
	rig_init(&r, &(struct tree_options){.switch_acs = PCI_ACS_RR | PCI_ACS_CR}, &(struct dma_limits){0});
	return 0;
}

static int setup_no_routing(void **state)
{
	rig_init(&r, &(struct tree_options){.no_host_routing = true}, &(struct dma_limits){0});
	return 0;
}

static int setup_20_bits(void **state)
{
	rig_init(&r, &(struct tree_options){0}, &(struct dma_limits){.mask = 0xfffff});
	return 0;
}

static int teardown(void **state)
{
	rig_fini(&r);
	return 0;
}

static int map_one(phys_t pa, uint64_t len, struct pci_function *provider, dma_addr_t *addr)
{
	return dma_map_phys(r.device, &(struct phys_range){pa, len}, 1, provider, RW, addr);
}

static void coherent_memory_is_one_memory(void **state)
{
	struct dma_coherent c;
	char got[8] = "";

	assert_int_equal(dma_alloc_coherent(r.device, 100, &c), 0);
	assert_int_equal(c.len, PAGE);
	memcpy(c.cpu, "to dev", 7);
	assert_int_equal(rig_read(&r, c.addr, got, 7), DMA_OK);
	assert_string_equal(got, "to dev");
	assert_int_equal(rig_write(&r, c.addr + 50, "to cpu", 7), DMA_OK);
	assert_string_equal((char *)c.cpu + 50, "to cpu");
	dma_addr_t addr = c.addr;
	dma_free_coherent(r.device, &c);
	assert_int_equal(rig_read(&r, addr, got, 7), DMA_FAULT);
}

static void ranges_are_one_run_of_addresses(void **state)
{
	struct system_memory *memory;
	char *host, got;
	dma_addr_t addr;

	assert_int_equal(system_memory_create(r.tree->space, 4 * PAGE, &memory), 0);
	host = memory->region.host;
	host[3 * PAGE] = 'a';
	host[PAGE] = 'b';
	struct phys_range ranges[] = {{memory->region.base + 3 * PAGE, PAGE}, {memory->region.base + PAGE, PAGE}};
	assert_int_equal(dma_map_phys(r.device, ranges, 2, NULL, IOMMU_READ, &addr), 0);
	assert_int_equal(rig_read(&r, addr, &got, 1), DMA_OK);
	assert_int_equal(got, 'a');
	assert_int_equal(rig_read(&r, addr + PAGE, &got, 1), DMA_OK);
	assert_int_equal(got, 'b');
	assert_int_equal(rig_write(&r, addr, "x", 1), DMA_FAULT);
	assert_int_equal(rig_read(&r, addr + 2 * PAGE, &got, 1), DMA_FAULT);
	dma_unmap_drain(r.device, addr, 2 * PAGE);
	assert_int_equal(rig_read(&r, addr, &got, 1), DMA_FAULT);
	system_memory_destroy(memory);
}

static void a_peer_below_the_switch_is_at_its_bus_address(void **state)
{
	uint64_t faults = iommu_nr_faults(r.tree->iommu);
	dma_addr_t addr;

	assert_int_equal(map_one(rig_bar(r.peer) + PAGE, PAGE, r.peer, &addr), 0);
	assert_int_equal(addr, rig_bar(r.peer) + PAGE);
	assert_int_equal(rig_write(&r, addr, "peer", 5), DMA_OK);
	assert_string_equal(rig_bar_host(r.peer) + PAGE, "peer");
	dma_unmap(r.device, addr, PAGE);
	assert_int_equal(iommu_nr_faults(r.tree->iommu), faults);
}

static void a_peer_behind_the_host_bridge_is_translated(void **state)
{
	dma_addr_t addr;

	assert_int_equal(map_one(rig_bar(r.far), PAGE, r.far, &addr), 0);
	assert_int_not_equal(addr, rig_bar(r.far));
	assert_int_equal(rig_write(&r, addr, "far", 4), DMA_OK);
	assert_string_equal(rig_bar_host(r.far), "far");
	dma_unmap_drain(r.device, addr, PAGE);
	assert_int_equal(rig_write(&r, addr, "far", 4), DMA_FAULT);
}

static void redirection_sends_a_neighbour_through_the_iommu(void **state)
{
	dma_addr_t addr;

	assert_int_equal(map_one(rig_bar(r.peer), PAGE, r.peer, &addr), 0);
	assert_int_not_equal(addr, rig_bar(r.peer));
	assert_int_equal(rig_write(&r, addr, "acs", 4), DMA_OK);
	assert_string_equal(rig_bar_host(r.peer), "acs");
	dma_unmap_drain(r.device, addr, PAGE);
}

static void what_the_topology_does_not_route_is_refused(void **state)
{
	dma_addr_t addr;

	assert_int_equal(map_one(rig_bar(r.far), PAGE, r.far, &addr), -EREMOTEIO);
	assert_int_equal(map_one(rig_bar(r.peer), PAGE, r.peer, &addr), 0);
}

static void scattered_memory_of_a_neighbour_is_not_one_run(void **state)
{
	struct phys_range apart[] = {{rig_bar(r.peer), PAGE}, {rig_bar(r.peer) + 2 * PAGE, PAGE}};
	struct phys_range together[] = {{rig_bar(r.peer), PAGE}, {rig_bar(r.peer) + PAGE, PAGE}};
	dma_addr_t addr;

	assert_int_equal(dma_map_phys(r.device, apart, 2, r.peer, RW, &addr), -EINVAL);
	assert_int_equal(dma_map_phys(r.device, together, 2, r.peer, RW, &addr), 0);
}

static void pages_are_what_can_be_mapped(void **state)
{
	dma_addr_t addr;

	assert_int_equal(map_one(rig_bar(r.far) + 1, PAGE, r.far, &addr), -EINVAL);
	assert_int_equal(map_one(rig_bar(r.far), PAGE + 1, r.far, &addr), -EINVAL);
	assert_int_equal(dma_map_phys(r.device, NULL, 0, r.far, RW, &addr), -EINVAL);
}

static void a_function_has_one_driver(void **state)
{
	struct dma_device *second;

	assert_int_equal(dma_device_create(r.engine, &(struct dma_limits){0}, &second), -EBUSY);
}

static void large_memory_gets_addresses_aligned_like_it(void **state)
{
	uint64_t large = 2ull << 20;
	dma_addr_t addr;

	assert_int_equal(map_one(rig_bar(r.far) + large + PAGE, 2 * large, r.far, &addr), 0);
	assert_int_equal(addr % large, (rig_bar(r.far) + PAGE) % large);
	dma_unmap_drain(r.device, addr, 2 * large);
}

/* 20 bits less the first 64 KiB: 240 pages. */
static void the_mask_bounds_addresses_and_the_last_one_comes_back(void **state)
{
	dma_addr_t addrs[240], more;

	for (int i = 0; i < 240; i++) {
		assert_int_equal(map_one(rig_bar(r.far), PAGE, r.far, &addrs[i]), 0);
		assert_true(addrs[i] <= 0xfffff);
	}
	assert_int_equal(map_one(rig_bar(r.far), PAGE, r.far, &more), -ENOSPC);
	dma_unmap(r.device, addrs[7], PAGE);
	/* It rests until a drain, which the next one to need it does. */
	assert_int_equal(map_one(rig_bar(r.far), PAGE, r.far, &more), 0);
	assert_int_equal(more, addrs[7]);
	for (int i = 0; i < 240; i++)
		dma_unmap(r.device, addrs[i], PAGE);
	/* What the device cannot put on the bus it does not reach. */
	assert_int_equal(map_one(rig_bar(r.peer), PAGE, r.peer, &more), -EREMOTEIO);
}

static void an_address_rests_until_a_drain(void **state)
{
	dma_addr_t first, second, third;

	assert_int_equal(map_one(rig_bar(r.far), PAGE, r.far, &first), 0);
	dma_unmap(r.device, first, PAGE);
	assert_int_equal(map_one(rig_bar(r.far), PAGE, r.far, &second), 0);
	assert_int_not_equal(first, second);
	dma_unmap_drain(r.device, second, PAGE);
	assert_int_equal(map_one(rig_bar(r.far), PAGE, r.far, &third), 0);
	assert_int_equal(first, third);
	dma_unmap_drain(r.device, third, PAGE);
}

static void addresses_that_rest_are_bounded(void **state)
{
	uint64_t drains = section_drains(phys_sections(r.tree->space));
	dma_addr_t addr = 0;

	for (int i = 0; i < 1000; i++) {
		assert_int_equal(map_one(rig_bar(r.far), PAGE, r.far, &addr), 0);
		dma_unmap(r.device, addr, PAGE);
	}
	assert_true(addr < 0x10000 + 300 * PAGE);
	assert_in_range(section_drains(phys_sections(r.tree->space)) - drains, 1, 4);
}

/* The first 3 GiB end where the windows of bridges begin; what a switch would take for itself is never given out. */
static void addresses_of_windows_are_not_given_out(void **state)
{
	struct phys_range gigabyte[40];
	struct system_memory *memory;
	dma_addr_t addr;

	assert_int_equal(system_memory_create(r.tree->space, 1ull << 30, &memory), 0);
	for (int i = 0; i < 40; i++)
		gigabyte[i] = (struct phys_range){memory->region.base, 1ull << 30};
	assert_int_equal(dma_map_phys(r.device, gigabyte, 40, NULL, RW, &addr), 0);
	for (int i = 0; i < 4; i++)
		for (int bar = 0; bar < PCI_NR_BARS; bar++) {
			const struct pci_bar *b = &r.tree->cards[i].fn.bars[bar];

			assert_true(!b->size || addr + (40ull << 30) <= b->base || addr >= b->base + b->size);
		}
	dma_unmap_drain(r.device, addr, 40ull << 30);
	system_memory_destroy(memory);
}

#define TEST(name, setup) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(coherent_memory_is_one_memory, setup),
		TEST(ranges_are_one_run_of_addresses, setup),
		TEST(a_peer_below_the_switch_is_at_its_bus_address, setup),
		TEST(a_peer_behind_the_host_bridge_is_translated, setup),
		TEST(redirection_sends_a_neighbour_through_the_iommu, setup_redirect),
		TEST(what_the_topology_does_not_route_is_refused, setup_no_routing),
		TEST(scattered_memory_of_a_neighbour_is_not_one_run, setup),
		TEST(pages_are_what_can_be_mapped, setup),
		TEST(a_function_has_one_driver, setup),
		TEST(large_memory_gets_addresses_aligned_like_it, setup),
		TEST(the_mask_bounds_addresses_and_the_last_one_comes_back, setup_20_bits),
		TEST(an_address_rests_until_a_drain, setup),
		TEST(addresses_that_rest_are_bounded, setup),
		TEST(addresses_of_windows_are_not_given_out, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
