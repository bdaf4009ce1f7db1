/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random writes to config space, BARs and bridges of a small tree, from several threads in the second test. Whatever is
 * written: nothing crashes, and config space, gate and mastering agree afterwards.
 */
#include "pci/tree.h"

#include <pthread.h>
#include <stdlib.h>

static void ignore(void *arg, unsigned vector)
{
	(void)arg;
	(void)vector;
}

static bool parents_forward(const struct pci_function *fn, uint16_t bit)
{
	for (const struct pci_port *p = fn->parent; p; p = p->fn.parent) {
		uint16_t control = pci_config_get(&p->fn, PCI_BRIDGE_CONTROL, 2);

		if (!(pci_config_get(&p->fn, PCI_COMMAND, 2) & bit) || (control & PCI_BRIDGE_CTL_BUS_RESET) ||
		    (pci_config_get(&p->fn, p->fn.cap_pm + PCI_PM_CTRL, 2) & PCI_PM_CTRL_STATE_MASK))
			return false;
	}
	return true;
}

static bool bars_in_place(const struct pci_function *fn)
{
	uint64_t bar2 = (uint64_t)pci_config_get(fn, PCI_BASE_ADDRESS_3, 4) << 32 |
			(pci_config_get(fn, PCI_BASE_ADDRESS_2, 4) & ~0xfu);

	return (pci_config_get(fn, PCI_BASE_ADDRESS_0, 4) & ~0xfu) == fn->bars[0].base && bar2 == fn->bars[2].base;
}

static void check_card(struct pci_function *fn)
{
	uint16_t command = pci_config_get(fn, PCI_COMMAND, 2);
	bool powered = !(pci_config_get(fn, fn->cap_pm + PCI_PM_CTRL, 2) & PCI_PM_CTRL_STATE_MASK);
	bool answers = (command & PCI_COMMAND_MEMORY) && powered && bars_in_place(fn) &&
		       parents_forward(fn, PCI_COMMAND_MEMORY);

	assert_int_equal((fn->gate.reasons & ~GATE_CLOSED) == 0, answers);
	assert_int_equal(fn->decoding, answers);
	/* In a bus reset neither bit counts, so parents_forward() says the same for both. */
	assert_int_equal(fn->bus_master,
			 (command & PCI_COMMAND_MASTER) && powered && parents_forward(fn, PCI_COMMAND_MASTER));
	assert_int_equal(pci_config_read(fn, PCI_VENDOR_ID, 4), 0x11101af4);
	assert_int_equal(pci_config_read(fn, PCI_CAPABILITY_LIST, 1), fn->cap_pm);
}

static struct pci_function *any_function(struct tree *t, unsigned *seed)
{
	return t->root.functions[(unsigned)rand_r(seed) % t->root.nr_functions];
}

/* Half of the writes go where something happens. */
static unsigned any_offset(const struct pci_function *fn, unsigned *seed)
{
	const unsigned hot[] = {PCI_COMMAND,
				PCI_BASE_ADDRESS_0,
				PCI_BASE_ADDRESS_2,
				PCI_BASE_ADDRESS_3,
				PCI_BRIDGE_CONTROL,
				fn->cap_pm + PCI_PM_CTRL,
				fn->cap_msi + 2u,
				fn->cap_msix + 2u,
				fn->cap_exp + PCI_EXP_DEVCTL,
				fn->cap_acs + PCI_ACS_CTRL};

	return rand_r(seed) % 2 ? hot[(unsigned)rand_r(seed) % ARRAY_SIZE(hot)] : (unsigned)rand_r(seed) % 4200;
}

static void step(struct tree *t, unsigned *seed)
{
	struct pci_function *fn = any_function(t, seed);
	unsigned offset = any_offset(fn, seed), len = 1u << (unsigned)rand_r(seed) % 3;
	uint32_t value = (uint32_t)rand_r(seed) * 2654435761u;

	switch (rand_r(seed) % 8) {
	case 0:
		pci_mmio_write(fn, (unsigned)rand_r(seed) % 7, (unsigned)rand_r(seed) % 0x5000, value, len * 2);
		break;
	case 1:
		pci_mmio_read(fn, (unsigned)rand_r(seed) % 7, (unsigned)rand_r(seed) % 0x5000, len);
		break;
	case 2:
		pci_irq_raise(fn, (unsigned)rand_r(seed) % 80);
		pci_intx_set(fn, value & 1);
		break;
	case 3:
		if (value % 16 == 0)
			pci_irq_enable(fn, 1 + value / 16 % 3, 1 + value / 64 % 4, ignore, NULL);
		else if (value % 16 == 1)
			pci_reset_function(fn);
		else if (value % 16 == 2)
			pci_set_power_state(fn, value / 16 % 2 * 3);
		break;
	default:
		/* Now and then everything is as the boot left it, or nothing would be open for long. */
		if (value % 32 == 0)
			value = fn->is_bridge ? 0x6 : (uint32_t)fn->bars[0].base;
		pci_config_write(fn, value == 6 ? PCI_COMMAND : offset, value, len);
	}
	pci_config_read(fn, offset, len);
}

static void config_and_gates_agree(void **state)
{
	static const struct tree_options options = {.forgets_in_d3 = true};
	struct tree *t = tree_create(&options);
	unsigned seed = 4711;

	for (int i = 0; i < 100000; i++) {
		step(t, &seed);
		if (i % 7 == 0)
			for (int c = 0; c < 4; c++)
				check_card(&t->cards[c].fn);
	}
	tree_destroy(t);
	(void)state;
}

struct writer {
	struct tree *tree;
	unsigned seed;
};

static void *write_along(void *arg)
{
	struct writer *w = arg;

	for (int i = 0; i < 20000; i++)
		step(w->tree, &w->seed);
	return NULL;
}

static void and_with_several_writers(void **state)
{
	static const struct tree_options options;
	struct tree *t = tree_create(&options);
	struct writer writers[] = {{t, 1}, {t, 2}, {t, 3}};
	pthread_t threads[ARRAY_SIZE(writers)];

	for (size_t i = 0; i < ARRAY_SIZE(writers); i++)
		pthread_create(&threads[i], NULL, write_along, &writers[i]);
	for (size_t i = 0; i < ARRAY_SIZE(writers); i++)
		pthread_join(threads[i], NULL);
	for (int c = 0; c < 4; c++)
		check_card(&t->cards[c].fn);
	tree_destroy(t);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(config_and_gates_agree),
		cmocka_unit_test(and_with_several_writers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
