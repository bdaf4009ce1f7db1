/* SPDX-License-Identifier: BSD-3-Clause */
/* Interrupts: masks, pending bits, levels. */
#include "pci/tree.h"

#include <stdlib.h>
#include <string.h>

struct fixture {
	struct tree *tree;
	struct pci_function *fn;
	unsigned counts[CARD_NR_MSIX];
};

static void count(void *arg, unsigned vector)
{
	((struct fixture *)arg)->counts[vector]++;
}

static int set_up(void **state)
{
	static const struct tree_options options;
	struct fixture *fx = calloc(1, sizeof(*fx));

	fx->tree = tree_create(&options);
	fx->fn = &fx->tree->cards[0].fn;
	tree_command(fx->fn, PCI_COMMAND_MASTER, 0);
	*state = fx;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fx = *state;

	tree_destroy(fx->tree);
	free(fx);
	return 0;
}

static void enable(struct fixture *fx, enum pci_irq_kind kind, unsigned nr)
{
	assert_int_equal(pci_irq_enable(fx->fn, kind, nr, count, fx), 0);
	assert_int_equal(pci_irq_enabled(fx->fn), kind);
}

static uint64_t pending_bits(struct fixture *fx, unsigned word)
{
	return pci_mmio_read(fx->fn, 0, CARD_MSIX + 2048 + word * 8, 8);
}

static void set_vector_mask(struct fixture *fx, unsigned vector, bool masked)
{
	pci_mmio_write(fx->fn, 0, CARD_MSIX + vector * 16 + PCI_MSIX_ENTRY_VECTOR_CTRL, masked, 4);
}

static void counts_are_the_hardwares(void **state)
{
	struct fixture *fx = *state;

	assert_int_equal(pci_irq_count(fx->fn, PCI_IRQ_INTX), 1);
	assert_int_equal(pci_irq_count(fx->fn, PCI_IRQ_MSI), 4);
	assert_int_equal(pci_irq_count(fx->fn, PCI_IRQ_MSIX), CARD_NR_MSIX);
	assert_int_equal(pci_irq_enable(fx->fn, PCI_IRQ_MSI, 5, count, fx), -EINVAL);
	assert_int_equal(pci_irq_enable(fx->fn, PCI_IRQ_MSIX, CARD_NR_MSIX + 1, count, fx), -EINVAL);
	assert_int_equal(pci_irq_enable(fx->fn, PCI_IRQ_INTX, 0, count, fx), -EINVAL);
	assert_int_equal(pci_irq_enable(fx->fn, PCI_IRQ_NONE, 1, count, fx), -EINVAL);
}

static void msix_vectors_arrive(void **state)
{
	struct fixture *fx = *state;

	enable(fx, PCI_IRQ_MSIX, 66);
	assert_true(pci_config_read(fx->fn, fx->fn->cap_msix + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_ENABLE);
	assert_true(pci_config_read(fx->fn, PCI_COMMAND, 2) & PCI_COMMAND_INTX_DISABLE);
	pci_irq_raise(fx->fn, 0);
	pci_irq_raise(fx->fn, 65);
	pci_irq_raise(fx->fn, 65);
	pci_irq_raise(fx->fn, 66);  /* masked: not enabled */
	pci_irq_raise(fx->fn, 500); /* no such vector */
	assert_int_equal(fx->counts[0], 1);
	assert_int_equal(fx->counts[65], 2);
	assert_int_equal(fx->counts[66], 0);
	pci_irq_disable(fx->fn);
	pci_irq_raise(fx->fn, 0);
	assert_int_equal(fx->counts[0], 1);
	assert_int_equal(pci_config_read(fx->fn, PCI_COMMAND, 2) & PCI_COMMAND_INTX_DISABLE, 0);
}

static void masked_vector_waits_in_the_pending_bits(void **state)
{
	struct fixture *fx = *state;

	enable(fx, PCI_IRQ_MSIX, 66);
	set_vector_mask(fx, 65, true);
	pci_irq_raise(fx->fn, 65);
	pci_irq_raise(fx->fn, 65);
	assert_int_equal(fx->counts[65], 0);
	assert_int_equal(pending_bits(fx, 1), 1 << 1);
	/* Software cannot touch pending bits. */
	pci_mmio_write(fx->fn, 0, CARD_MSIX + 2048 + 8, 0, 8);
	assert_int_equal(pending_bits(fx, 1), 1 << 1);
	set_vector_mask(fx, 65, false);
	assert_int_equal(fx->counts[65], 1);
	assert_int_equal(pending_bits(fx, 1), 0);
}

static void function_mask_holds_all_vectors(void **state)
{
	struct fixture *fx = *state;
	unsigned flags = fx->fn->cap_msix + PCI_MSIX_FLAGS;

	enable(fx, PCI_IRQ_MSIX, 2);
	pci_config_write(fx->fn, flags, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL, 2);
	pci_irq_raise(fx->fn, 0);
	pci_irq_raise(fx->fn, 1);
	set_vector_mask(fx, 1, true);
	assert_int_equal(pending_bits(fx, 0), 3);
	pci_config_write(fx->fn, flags, PCI_MSIX_FLAGS_ENABLE, 2);
	assert_int_equal(fx->counts[0], 1);
	assert_int_equal(fx->counts[1], 0);
	assert_int_equal(pending_bits(fx, 0), 2);
}

static void msi_masks_and_pends(void **state)
{
	struct fixture *fx = *state;
	unsigned cap = fx->fn->cap_msi;

	enable(fx, PCI_IRQ_MSI, 4);
	pci_irq_raise(fx->fn, 3);
	assert_int_equal(fx->counts[3], 1);
	pci_config_write(fx->fn, cap + PCI_MSI_MASK_64, 1 << 3, 4);
	pci_irq_raise(fx->fn, 3);
	pci_irq_raise(fx->fn, 2);
	assert_int_equal(fx->counts[3], 1);
	assert_int_equal(fx->counts[2], 1);
	assert_int_equal(pci_config_read(fx->fn, cap + PCI_MSI_PENDING_64, 4), 1 << 3);
	assert_int_equal(pci_config_read(fx->fn, cap + PCI_MSI_PENDING_64, 1), 1 << 3);
	pci_config_write(fx->fn, cap + PCI_MSI_MASK_64, 0, 4);
	assert_int_equal(fx->counts[3], 2);
	assert_int_equal(pci_config_read(fx->fn, cap + PCI_MSI_PENDING_64, 4), 0);
}

static void a_message_needs_bus_mastering(void **state)
{
	struct fixture *fx = *state;

	enable(fx, PCI_IRQ_MSI, 1);
	tree_command(fx->fn, 0, PCI_COMMAND_MASTER);
	pci_irq_raise(fx->fn, 0);
	assert_int_equal(fx->counts[0], 0);
	tree_command(fx->fn, PCI_COMMAND_MASTER, 0);
	pci_irq_raise(fx->fn, 0);
	assert_int_equal(fx->counts[0], 1);
}

static void the_line_is_a_level(void **state)
{
	struct fixture *fx = *state;

	enable(fx, PCI_IRQ_INTX, 1);
	pci_intx_set(fx->fn, true);
	pci_intx_set(fx->fn, true);
	assert_int_equal(fx->counts[0], 1);
	assert_true(pci_config_read(fx->fn, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
	/* Still asserted when it is unmasked: again. */
	pci_intx_mask(fx->fn, true);
	assert_true(pci_config_read(fx->fn, PCI_COMMAND, 2) & PCI_COMMAND_INTX_DISABLE);
	assert_true(pci_intx_pending(fx->fn));
	pci_intx_mask(fx->fn, false);
	assert_int_equal(fx->counts[0], 2);
	pci_intx_set(fx->fn, false);
	pci_intx_mask(fx->fn, true);
	pci_intx_set(fx->fn, true);
	assert_int_equal(fx->counts[0], 2);
	tree_command(fx->fn, 0, PCI_COMMAND_INTX_DISABLE);
	assert_int_equal(fx->counts[0], 3);
	assert_int_equal(pci_config_read(fx->fn, PCI_STATUS, 1) & PCI_STATUS_INTERRUPT, PCI_STATUS_INTERRUPT);
	pci_intx_set(fx->fn, false);
	assert_int_equal(pci_config_read(fx->fn, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT, 0);
}

static void an_asserted_line_meets_a_new_handler(void **state)
{
	struct fixture *fx = *state;

	pci_intx_set(fx->fn, true);
	enable(fx, PCI_IRQ_INTX, 1);
	assert_int_equal(fx->counts[0], 1);
}

static void reset_keeps_the_drivers_vectors(void **state)
{
	struct fixture *fx = *state;

	enable(fx, PCI_IRQ_MSIX, 3);
	set_vector_mask(fx, 1, true);
	pci_irq_raise(fx->fn, 1);
	assert_int_equal(pci_reset_function(fx->fn), 0);
	assert_int_equal(pending_bits(fx, 0), 0);
	set_vector_mask(fx, 1, false);
	assert_int_equal(fx->counts[1], 0);
	pci_irq_raise(fx->fn, 2);
	assert_int_equal(fx->counts[2], 1);
	/* The bare hardware forgets. */
	pci_config_write(fx->fn, fx->fn->cap_exp + PCI_EXP_DEVCTL, PCI_EXP_DEVCTL_BCR_FLR, 2);
	pci_irq_raise(fx->fn, 2);
	assert_int_equal(fx->counts[2], 1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(counts_are_the_hardwares),
		T(msix_vectors_arrive),
		T(masked_vector_waits_in_the_pending_bits),
		T(function_mask_holds_all_vectors),
		T(msi_masks_and_pends),
		T(a_message_needs_bus_mastering),
		T(the_line_is_a_level),
		T(an_asserted_line_meets_a_new_handler),
		T(reset_keeps_the_drivers_vectors),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
