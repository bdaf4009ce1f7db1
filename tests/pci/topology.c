/* SPDX-License-Identifier: BSD-3-Clause */
/* Enumeration, groups and routes. */
#include "pci/tree.h"

#include <string.h>

#define ISOLATE (PCI_ACS_SV | PCI_ACS_RR | PCI_ACS_CR | PCI_ACS_UF)

static void addresses_are_those_of_a_boot(void **state)
{
	static const struct tree_options options;
	struct tree *t = tree_create(&options);
	static const char *const names[] = {"0000:00:00.0", "0000:00:01.0", "0000:00:02.0", "0000:01:00.0",
					    "0000:02:00.0", "0000:02:01.0", "0000:02:02.0", "0000:03:00.0",
					    "0000:04:00.0", "0000:05:00.0", "0000:06:00.0"};

	assert_int_equal(t->root.nr_functions, ARRAY_SIZE(names));
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_string_equal(t->root.functions[i]->name, names[i]);
		assert_ptr_equal(pci_find(&t->root, names[i]), t->root.functions[i]);
	}
	assert_null(pci_find(&t->root, "0000:07:00.0"));
	assert_int_equal(t->port_a->secondary, 1);
	assert_int_equal(t->port_a->subordinate, 5);
	assert_int_equal(t->port_b->secondary, 6);
	assert_int_equal(pci_config_read(&t->port_a->fn, PCI_PRIMARY_BUS, 4) & 0xffffff, 0x050100);
	tree_destroy(t);
	(void)state;
}

static uint64_t window_start(struct pci_function *fn)
{
	return (uint64_t)pci_config_read(fn, PCI_PREF_BASE_UPPER32, 4) << 32 |
	       (pci_config_read(fn, PCI_PREF_MEMORY_BASE, 2) & 0xfff0u) << 16;
}

static uint64_t window_last(struct pci_function *fn)
{
	return (uint64_t)pci_config_read(fn, PCI_PREF_LIMIT_UPPER32, 4) << 32 |
	       (pci_config_read(fn, PCI_PREF_MEMORY_LIMIT, 2) & 0xfff0u) << 16 | 0xfffff;
}

/* Each BAR lies in the windows of every bridge above it, aligned to its size, and the physical space finds it there. */
static void windows_nest(void **state)
{
	static const struct tree_options options;
	struct tree *t = tree_create(&options);

	for (int i = 0; i < 4; i++) {
		struct pci_function *fn = &t->cards[i].fn;

		for (struct pci_port *p = fn->parent; p; p = p->fn.parent) {
			uint64_t low = (uint64_t)pci_config_read(&p->fn, PCI_MEMORY_BASE, 2) << 16;
			uint64_t low_last = (uint64_t)pci_config_read(&p->fn, PCI_MEMORY_LIMIT, 2) << 16 | 0xfffff;

			assert_true(fn->bars[2].base >= window_start(&p->fn));
			assert_true(fn->bars[2].base + fn->bars[2].size - 1 <= window_last(&p->fn));
			assert_true(fn->bars[0].base >= low && fn->bars[0].base + fn->bars[0].size - 1 <= low_last);
		}
		assert_true(fn->bars[2].base >= 1ull << 40);
		assert_true(is_aligned(fn->bars[2].base, fn->bars[2].size));
		assert_ptr_equal(phys_find(t->space, fn->bars[2].base + 5), &fn->bars[2].regions[0]);
		assert_ptr_equal(phys_find(t->space, fn->bars[0].base + 4096), &fn->bars[0].regions[1]);
	}
	tree_destroy(t);
	(void)state;
}

static void lines_swizzle(void **state)
{
	static const struct tree_options options;
	struct tree *t = tree_create(&options);

	/* INTA of device 0 behind downstream port N turns by N there and by 1 at root port A (device 1). */
	assert_int_equal(pci_config_read(&t->cards[0].fn, PCI_INTERRUPT_LINE, 1), 17);
	assert_int_equal(pci_config_read(&t->cards[1].fn, PCI_INTERRUPT_LINE, 1), 18);
	assert_int_equal(pci_config_read(&t->cards[2].fn, PCI_INTERRUPT_LINE, 1), 19);
	assert_int_equal(pci_config_read(&t->cards[3].fn, PCI_INTERRUPT_LINE, 1), 18);
	tree_destroy(t);
	(void)state;
}

static void groups_follow_isolation(void **state)
{
	struct tree *t = tree_create(&(struct tree_options){.switch_acs = ISOLATE, .root_acs = ISOLATE});

	/* Everybody alone. */
	assert_int_equal(t->root.nr_groups, t->root.nr_functions);
	tree_destroy(t);

	/* The switch does not isolate: a device shares with its port. */
	t = tree_create(&(struct tree_options){.root_acs = ISOLATE});
	for (int i = 0; i < 3; i++)
		assert_int_equal(t->cards[i].fn.iommu_group, t->down[i]->fn.iommu_group);
	assert_int_not_equal(t->cards[0].fn.iommu_group, t->cards[1].fn.iommu_group);
	assert_int_not_equal(t->cards[3].fn.iommu_group, t->port_b->fn.iommu_group);
	tree_destroy(t);

	/* Nor does the root port: all below it is one group, its own. */
	t = tree_create(&(struct tree_options){.switch_acs = ISOLATE});
	for (int i = 0; i < 3; i++)
		assert_int_equal(t->cards[i].fn.iommu_group, t->port_a->fn.iommu_group);
	assert_int_equal(t->cards[3].fn.iommu_group, t->port_b->fn.iommu_group);
	tree_destroy(t);
	(void)state;
}

static void expect_route(const struct card *a, const struct card *b, enum pci_route_kind kind, const char *rule,
			 const struct pci_function *via)
{
	struct pci_route there = pci_route(&a->fn, &b->fn), back = pci_route(&b->fn, &a->fn);

	assert_int_equal(there.kind, kind);
	assert_int_equal(back.kind, kind);
	assert_non_null(strstr(there.rule, rule));
	assert_ptr_equal(there.via, via);
}

static void routes_follow_the_rules(void **state)
{
	struct tree *t = tree_create(&(struct tree_options){0});

	expect_route(&t->cards[0], &t->cards[2], PCI_ROUTE_BUS_ADDRESS, "common switch", &t->up->fn);
	expect_route(&t->cards[0], &t->cards[3], PCI_ROUTE_HOST_BRIDGE, "routes between", NULL);
	expect_route(&t->cards[0], &t->cards[0], PCI_ROUTE_BUS_ADDRESS, "same function", NULL);
	tree_destroy(t);

	t = tree_create(&(struct tree_options){.no_host_routing = true});
	expect_route(&t->cards[0], &t->cards[2], PCI_ROUTE_BUS_ADDRESS, "common switch", &t->up->fn);
	expect_route(&t->cards[0], &t->cards[3], PCI_ROUTE_NONE, "does not route", NULL);
	tree_destroy(t);

	t = tree_create(&(struct tree_options){.switch_acs = ISOLATE});
	expect_route(&t->cards[0], &t->cards[2], PCI_ROUTE_HOST_BRIDGE, "ACS redirect", &t->down[0]->fn);
	tree_destroy(t);

	t = tree_create(&(struct tree_options){.switch_acs = ISOLATE, .no_host_routing = true});
	expect_route(&t->cards[0], &t->cards[2], PCI_ROUTE_NONE, "ACS redirects to a host bridge", &t->down[0]->fn);
	tree_destroy(t);
	(void)state;
}

/* setpci changes ACS: the route changes with it, after a drain; one port on the way is enough. */
static void routes_follow_acs_writes(void **state)
{
	struct tree *t = tree_create(&(struct tree_options){0});
	struct pci_function *port = &t->down[2]->fn;
	uint64_t drains = section_drains(port->gate.sections);

	pci_config_write(port, port->cap_acs + PCI_ACS_CTRL, PCI_ACS_CR, 2);
	assert_int_equal(section_drains(port->gate.sections), drains + 1);
	expect_route(&t->cards[0], &t->cards[2], PCI_ROUTE_HOST_BRIDGE, "ACS redirect", port);
	expect_route(&t->cards[0], &t->cards[1], PCI_ROUTE_BUS_ADDRESS, "common switch", &t->up->fn);
	pci_config_write(port, port->cap_acs + PCI_ACS_CTRL, PCI_ACS_SV | PCI_ACS_UF, 2);
	expect_route(&t->cards[0], &t->cards[2], PCI_ROUTE_BUS_ADDRESS, "common switch", &t->up->fn);
	/* Bits that it is not capable of stay clear. */
	pci_config_write(port, port->cap_acs + PCI_ACS_CTRL, 0xffff, 2);
	assert_int_equal(pci_config_read(port, port->cap_acs + PCI_ACS_CTRL, 2), ISOLATE);
	tree_destroy(t);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_those_of_a_boot),
		cmocka_unit_test(windows_nest),
		cmocka_unit_test(lines_swizzle),
		cmocka_unit_test(groups_follow_isolation),
		cmocka_unit_test(routes_follow_the_rules),
		cmocka_unit_test(routes_follow_acs_writes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
