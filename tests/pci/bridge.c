/* SPDX-License-Identifier: BSD-3-Clause */
/* What a bridge's own registers do to everything below it. */
#include "pci/tree.h"

#include <pthread.h>

static int set_up(void **state)
{
	static const struct tree_options options;
	struct tree *t = tree_create(&options);

	for (int i = 0; i < 4; i++) {
		assert_int_equal(pci_function_open(&t->cards[i].fn), 0);
		tree_command(&t->cards[i].fn, PCI_COMMAND_MASTER, 0);
	}
	*state = t;
	return 0;
}

static int tear_down(void **state)
{
	tree_destroy(*state);
	return 0;
}

static void decoding_off_shuts_all_below(void **state)
{
	struct tree *t = *state;

	pci_mmio_write(&t->cards[1].fn, 2, 0, 0x55, 4);
	tree_command(&t->port_a->fn, 0, PCI_COMMAND_MEMORY);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(t->cards[i].fn.gate.reasons, GATE_BRIDGE);
		assert_int_equal(pci_mmio_read(&t->cards[i].fn, 2, 0, 4), 0xffffffff);
		assert_true(t->cards[i].fn.bus_master);
	}
	assert_true(pci_gate_is_open(&t->cards[3].fn.gate));
	tree_command(&t->down[1]->fn, 0, PCI_COMMAND_MEMORY);
	tree_command(&t->port_a->fn, PCI_COMMAND_MEMORY, 0);
	assert_true(pci_gate_is_open(&t->cards[0].fn.gate));
	assert_int_equal(t->cards[1].fn.gate.reasons, GATE_BRIDGE);
	tree_command(&t->down[1]->fn, PCI_COMMAND_MEMORY, 0);
	assert_int_equal(pci_mmio_read(&t->cards[1].fn, 2, 0, 4), 0x55);
}

static void mastering_needs_every_bridge(void **state)
{
	struct tree *t = *state;

	tree_command(&t->up->fn, 0, PCI_COMMAND_MASTER);
	assert_false(t->cards[0].fn.bus_master);
	assert_false(t->cards[2].fn.bus_master);
	assert_true(t->cards[3].fn.bus_master);
	assert_true(pci_gate_is_open(&t->cards[0].fn.gate));
	/* The function's own bit does not help. */
	tree_command(&t->cards[0].fn, PCI_COMMAND_MASTER, 0);
	assert_false(t->cards[0].fn.bus_master);
	tree_command(&t->up->fn, PCI_COMMAND_MASTER, 0);
	assert_true(t->cards[0].fn.bus_master);
}

static void sleeping_bridge_forwards_nothing(void **state)
{
	struct tree *t = *state;

	assert_int_equal(pci_set_power_state(&t->port_b->fn, 3), 0);
	assert_int_equal(t->cards[3].fn.gate.reasons, GATE_BRIDGE);
	assert_false(t->cards[3].fn.bus_master);
	assert_int_equal(pci_set_power_state(&t->port_b->fn, 0), 0);
	assert_true(pci_gate_is_open(&t->cards[3].fn.gate));
	assert_true(t->cards[3].fn.bus_master);
}

static void bus_reset_resets_all_below_once(void **state)
{
	struct tree *t = *state;
	struct pci_function *port = &t->port_a->fn;
	unsigned resets = t->cards[0].nr_resets, others = t->cards[3].nr_resets;

	pci_config_write(port, PCI_BRIDGE_CONTROL, PCI_BRIDGE_CTL_BUS_RESET, 2);
	assert_int_equal(t->cards[0].nr_resets, resets + 1);
	assert_int_equal(t->cards[0].fn.gate.reasons, GATE_BRIDGE | GATE_DECODE);
	/* Held: nothing that is done to it now wakes it. */
	tree_command(&t->cards[0].fn, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 0);
	assert_false(t->cards[0].fn.bus_master);
	pci_config_write(port, PCI_BRIDGE_CONTROL, PCI_BRIDGE_CTL_BUS_RESET, 2);
	assert_int_equal(t->cards[0].nr_resets, resets + 1);
	pci_config_write(port, PCI_BRIDGE_CONTROL, 0, 2);
	assert_int_equal(t->cards[0].nr_resets, resets + 1);
	assert_int_equal(t->cards[3].nr_resets, others);
	/* The switch was reset too, but keeps its place: bus numbers and windows are the enumeration's. */
	assert_int_equal(pci_config_read(&t->up->fn, PCI_COMMAND, 2), 0);
	assert_int_equal(pci_config_read(&t->up->fn, PCI_SECONDARY_BUS, 1), 2);
	assert_true(t->cards[0].fn.gate.reasons & GATE_BRIDGE);
	tree_command(&t->up->fn, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 0);
	tree_command(&t->down[0]->fn, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 0);
	assert_int_equal(t->cards[0].fn.gate.reasons, GATE_DECODE);
}

struct toggle {
	struct pci_function *fn;
	uint16_t bits;
};

static void *toggle(void *arg)
{
	struct toggle *g = arg;

	for (int i = 0; i < 2000; i++) {
		tree_command(g->fn, 0, g->bits);
		tree_command(g->fn, g->bits, 0);
	}
	return NULL;
}

/* Bridges at two levels and the function itself, at once: in the end all is on, and everybody knows. */
static void writers_at_every_level(void **state)
{
	struct tree *t = *state;
	struct toggle toggles[] = {{&t->port_a->fn, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER},
				   {&t->down[0]->fn, PCI_COMMAND_MEMORY},
				   {&t->cards[0].fn, PCI_COMMAND_MASTER}};
	pthread_t threads[ARRAY_SIZE(toggles)];

	for (size_t i = 0; i < ARRAY_SIZE(toggles); i++)
		pthread_create(&threads[i], NULL, toggle, &toggles[i]);
	for (size_t i = 0; i < ARRAY_SIZE(toggles); i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(t->cards[i].fn.gate.reasons, 0);
		assert_true(t->cards[i].fn.bus_master);
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(decoding_off_shuts_all_below),     T(mastering_needs_every_bridge),
		T(sleeping_bridge_forwards_nothing), T(bus_reset_resets_all_below_once),
		T(writers_at_every_level),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
