/* SPDX-License-Identifier: BSD-3-Clause */
/* Config space as a program sees it: which bits it may see and change. */
#include "fixture.h"

/* Writes all ones and then zeros; the bits that could be set, as Linux shows them. */
static uint32_t writable(struct fixture *x, unsigned offset, unsigned len)
{
	uint32_t before = config_read(x, offset, len), ones, zeros;

	config_write(x, offset, UINT32_MAX, len);
	ones = config_read(x, offset, len);
	config_write(x, offset, 0, len);
	zeros = config_read(x, offset, len);
	config_write(x, offset, before, len);
	return ones & ~zeros;
}

static unsigned find_cap(struct fixture *x, uint8_t id)
{
	unsigned at = config_read(x, PCI_CAPABILITY_LIST, 1);

	while (at && config_read(x, at, 1) != id)
		at = config_read(x, at + PCI_CAP_LIST_NEXT, 1);
	return at;
}

static void the_header_is_read_only_where_it_matters(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(config_read(x, PCI_VENDOR_ID, 4), 0x11101af4);
	assert_int_equal(writable(x, PCI_VENDOR_ID, 4), 0);
	assert_int_equal(writable(x, PCI_STATUS, 2), 0);
	assert_int_equal(writable(x, PCI_CLASS_REVISION, 4), 0);
	assert_int_equal(writable(x, PCI_CACHE_LINE_SIZE, 1), 0xff);
	assert_int_equal(writable(x, PCI_HEADER_TYPE, 1), 0);
	assert_int_equal(writable(x, PCI_CAPABILITY_LIST, 1), 0);
	assert_int_equal(writable(x, PCI_INTERRUPT_LINE, 1), 0xff);
	assert_int_equal(writable(x, PCI_INTERRUPT_PIN, 1), 0);
	assert_int_equal(writable(x, PCI_COMMAND, 2), PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY |
							      PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE);
}

static void bars_can_be_sized_and_do_not_move(void **state)
{
	struct fixture *x = *state;
	uint32_t real = pci_config_read(x->fn, PCI_BASE_ADDRESS_2, 4);

	assert_int_equal(config_read(x, PCI_BASE_ADDRESS_2, 4), real);
	config_write(x, PCI_BASE_ADDRESS_0, UINT32_MAX, 4);
	assert_int_equal(config_read(x, PCI_BASE_ADDRESS_0, 4), 0xffffc000);
	config_write(x, PCI_BASE_ADDRESS_0, 0x12345678, 4);
	assert_int_equal(config_read(x, PCI_BASE_ADDRESS_0, 4), 0x12344000);
	config_write(x, PCI_BASE_ADDRESS_1, UINT32_MAX, 4);
	assert_int_equal(config_read(x, PCI_BASE_ADDRESS_1, 4), 0);
	config_write(x, PCI_BASE_ADDRESS_2, UINT32_MAX, 4);
	assert_int_equal(config_read(x, PCI_BASE_ADDRESS_2, 4), 0xfc00000c);
	config_write(x, PCI_BASE_ADDRESS_3, UINT32_MAX, 4);
	assert_int_equal(config_read(x, PCI_BASE_ADDRESS_3, 4), UINT32_MAX);
	config_write(x, PCI_ROM_ADDRESS, UINT32_MAX, 4);
	assert_int_equal(config_read(x, PCI_ROM_ADDRESS, 4), 0);
	assert_int_equal(pci_config_read(x->fn, PCI_BASE_ADDRESS_2, 4), real);
	assert_true(pci_gate_is_open(&x->fn->gate));
}

static void a_status_bit_survives_a_write_of_command_and_status(void **state)
{
	struct fixture *x = *state;

	mutex_lock(&x->fn->lock);
	x->fn->config[PCI_STATUS + 1] |= PCI_STATUS_REC_MASTER_ABORT >> 8;
	mutex_unlock(&x->fn->lock);
	config_write(x, PCI_COMMAND, UINT32_MAX, 4);
	assert_true(config_read(x, PCI_STATUS, 2) & PCI_STATUS_REC_MASTER_ABORT);
}

static void power_management_hides_wakeup_and_sets_states(void **state)
{
	struct fixture *x = *state;
	unsigned pm = find_cap(x, PCI_CAP_ID_PM), control = pm + PCI_PM_CTRL;

	assert_int_equal(pm, x->fn->cap_pm);
	assert_int_equal(config_read(x, pm + PCI_PM_PMC, 2) & PCI_PM_CAP_PME_MASK, 0);
	config_write(x, control, 0xffff, 2);
	assert_int_equal(config_read(x, control, 2), PCI_PM_CTRL_NO_SOFT_RESET | 3);
	assert_true(x->fn->gate.reasons & GATE_POWER);
	config_write(x, control, 0, 2);
	assert_int_equal(config_read(x, control, 2), PCI_PM_CTRL_NO_SOFT_RESET);
	/* The function has neither D1 nor D2. */
	config_write(x, control, 1, 2);
	assert_int_equal(config_read(x, control, 2), PCI_PM_CTRL_NO_SOFT_RESET);
	assert_true(pci_gate_is_open(&x->fn->gate));
}

static void express_lets_sizes_be_written_and_resets(void **state)
{
	struct fixture *x = *state;
	unsigned control = find_cap(x, PCI_CAP_ID_EXP) + PCI_EXP_DEVCTL, before;

	config_write(x, control, 0x2810, 2);
	assert_int_equal(config_read(x, control, 2) & 0x7000, 0x2000);
	set_command(x, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE);
	before = x->card->nr_resets;
	config_write(x, control, PCI_EXP_DEVCTL_BCR_FLR, 2);
	assert_int_equal(x->card->nr_resets, before + 1);
	assert_int_equal(config_read(x, control, 2) & PCI_EXP_DEVCTL_BCR_FLR, 0);
	/* The kernel's reset, not the bare one: what was set before is there after. */
	assert_int_equal(config_read(x, PCI_COMMAND, 2),
			 PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE);
	assert_true(pci_gate_is_open(&x->fn->gate));
}

static void message_interrupts_are_not_turned_on_by_hand(void **state)
{
	struct fixture *x = *state;
	unsigned msi = find_cap(x, PCI_CAP_ID_MSI), msix = find_cap(x, PCI_CAP_ID_MSIX);

	config_write(x, msi + PCI_MSI_FLAGS, PCI_MSI_FLAGS_ENABLE, 2);
	assert_int_equal(config_read(x, msi + PCI_MSI_FLAGS, 2) & PCI_MSI_FLAGS_ENABLE, 0);
	config_write(x, msi + PCI_MSI_ADDRESS_LO, 0xfee01000, 4);
	assert_int_equal(config_read(x, msi + PCI_MSI_ADDRESS_LO, 4), 0xfee01000);
	assert_int_equal(pci_config_read(x->fn, msi + PCI_MSI_ADDRESS_LO, 4), 0);
	assert_int_equal(writable(x, msix + PCI_MSIX_FLAGS, 2), 0);
	assert_int_equal(writable(x, msix + PCI_MSIX_TABLE, 4), 0);
}

static void msi_is_limited_to_what_was_set_up(void **state)
{
	struct fixture *x = *state;
	unsigned flags = find_cap(x, PCI_CAP_ID_MSI) + PCI_MSI_FLAGS;
	int32_t fds[2] = {-1, -1};

	assert_int_equal(set_irqs(x, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, VFIO_PCI_MSI_IRQ_INDEX, 0,
				  2, fds, sizeof(fds)),
			 0);
	config_write(x, flags, PCI_MSI_FLAGS_ENABLE | 2 << 4, 2);
	assert_int_equal(config_read(x, flags, 2) & (PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE),
			 PCI_MSI_FLAGS_ENABLE | 1 << 4);
	assert_true(pci_config_read(x->fn, flags, 2) & PCI_MSI_FLAGS_ENABLE);
	config_write(x, flags, 0, 2);
	assert_false(pci_config_read(x->fn, flags, 2) & PCI_MSI_FLAGS_ENABLE);
}

static void what_no_capability_claims_is_the_hardwares(void **state)
{
	struct fixture *x = *state;
	unsigned offset = 0xf0;

	assert_int_equal(writable(x, offset, 4), 0);
	x->fn->write_mask[offset] = 0xff;
	assert_int_equal(writable(x, offset, 4), 0xff);
	x->fn->write_mask[offset] = 0;
}

static void errors_can_be_masked_and_cleared(void **state)
{
	struct fixture *x = *state;
	unsigned aer = x->fn->cap_aer;

	assert_int_equal(config_read(x, aer, 2), PCI_EXT_CAP_ID_ERR);
	assert_int_equal(writable(x, aer, 4), 0);
	assert_true(writable(x, aer + PCI_ERR_UNCOR_MASK, 4) & PCI_ERR_UNC_COMP_TIME);
	mutex_lock(&x->fn->lock);
	x->fn->config[aer + PCI_ERR_COR_STATUS] |= PCI_ERR_COR_RCVR;
	mutex_unlock(&x->fn->lock);
	config_write(x, aer + PCI_ERR_COR_STATUS, PCI_ERR_COR_RCVR, 4);
	assert_int_equal(config_read(x, aer + PCI_ERR_COR_STATUS, 4) & PCI_ERR_COR_RCVR, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_header_is_read_only_where_it_matters, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(bars_can_be_sized_and_do_not_move, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(a_status_bit_survives_a_write_of_command_and_status, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(power_management_hides_wakeup_and_sets_states, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(express_lets_sizes_be_written_and_resets, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(message_interrupts_are_not_turned_on_by_hand, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(msi_is_limited_to_what_was_set_up, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(what_no_capability_claims_is_the_hardwares, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(errors_can_be_masked_and_cleared, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
