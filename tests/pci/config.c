/* SPDX-License-Identifier: BSD-3-Clause */
/* Config space: what can be written, what a write does. */
#include "pci/tree.h"

#include <string.h>

static int set_up(void **state)
{
	static const struct tree_options options;

	*state = tree_create(&options);
	return 0;
}

static int tear_down(void **state)
{
	tree_destroy(*state);
	return 0;
}

static struct pci_function *card(void **state)
{
	return &((struct tree *)*state)->cards[0].fn;
}

static void identity_is_read_only(void **state)
{
	struct pci_function *fn = card(state);

	assert_int_equal(pci_config_read(fn, PCI_VENDOR_ID, 4), 0x11101af4);
	pci_config_write(fn, PCI_VENDOR_ID, 0, 4);
	assert_int_equal(pci_config_read(fn, PCI_VENDOR_ID, 4), 0x11101af4);
	assert_int_equal(pci_config_read(fn, PCI_CLASS_REVISION, 4), 0x05000001);
	assert_int_equal(pci_config_read(fn, PCI_SUBSYSTEM_VENDOR_ID, 4), 0x11001af4);
	assert_true(pci_config_read(fn, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST);
}

static void accesses_off_the_map_read_ones(void **state)
{
	struct tree *t = *state;

	assert_int_equal(pci_config_read(&t->cards[0].fn, 1, 2), 0xffff);
	assert_int_equal(pci_config_read(&t->cards[0].fn, 4096, 4), 0xffffffff);
	assert_int_equal(pci_config_read(&t->cards[0].fn, 0, 3), 0xffffff);
	/* A conventional function ends at 256. */
	assert_int_equal(pci_config_read(t->root.host_bridge, 256, 1), 0xff);
	assert_int_equal(pci_config_read(t->root.host_bridge, 252, 4), 0);
	pci_config_write(t->root.host_bridge, 256, 0, 4);
}

static void bars_tell_their_size(void **state)
{
	struct pci_function *fn = card(state);
	uint32_t low = pci_config_read(fn, PCI_BASE_ADDRESS_2, 4), high = pci_config_read(fn, PCI_BASE_ADDRESS_3, 4);

	assert_int_equal(low & 0xf, PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH);
	assert_true(((uint64_t)high << 32) >= 1ull << 40);
	tree_command(fn, 0, PCI_COMMAND_MEMORY);
	pci_config_write(fn, PCI_BASE_ADDRESS_2, 0xffffffff, 4);
	pci_config_write(fn, PCI_BASE_ADDRESS_3, 0xffffffff, 4);
	assert_int_equal(pci_config_read(fn, PCI_BASE_ADDRESS_2, 4), 0xfc00000c);
	assert_int_equal(pci_config_read(fn, PCI_BASE_ADDRESS_3, 4), 0xffffffff);
	pci_config_write(fn, PCI_BASE_ADDRESS_0, 0xffffffff, 4);
	assert_int_equal(pci_config_read(fn, PCI_BASE_ADDRESS_0, 4), 0xffffc000);
	/* Absent BARs are hardwired to 0. */
	pci_config_write(fn, PCI_BASE_ADDRESS_4, 0xffffffff, 4);
	assert_int_equal(pci_config_read(fn, PCI_BASE_ADDRESS_4, 4), 0);
	/* Elsewhere it does not decode: windows do not move. */
	tree_command(fn, PCI_COMMAND_MEMORY, 0);
	assert_int_equal(fn->gate.reasons & GATE_DECODE, GATE_DECODE);
	pci_config_write(fn, PCI_BASE_ADDRESS_0, (uint32_t)fn->bars[0].base, 4);
	pci_config_write(fn, PCI_BASE_ADDRESS_2, low, 4);
	pci_config_write(fn, PCI_BASE_ADDRESS_3, high, 4);
	assert_int_equal(fn->gate.reasons & GATE_DECODE, 0);
}

static void status_is_write_one_to_clear(void **state)
{
	struct pci_function *fn = card(state);

	mutex_lock(&fn->lock);
	pci_config_set(fn, fn->cap_exp + PCI_EXP_DEVSTA, PCI_EXP_DEVSTA_URD | PCI_EXP_DEVSTA_CED, 2);
	mutex_unlock(&fn->lock);
	pci_config_write(fn, fn->cap_exp + PCI_EXP_DEVSTA, 0, 2);
	assert_int_equal(pci_config_read(fn, fn->cap_exp + PCI_EXP_DEVSTA, 2), PCI_EXP_DEVSTA_URD | PCI_EXP_DEVSTA_CED);
	pci_config_write(fn, fn->cap_exp + PCI_EXP_DEVSTA, PCI_EXP_DEVSTA_URD, 2);
	assert_int_equal(pci_config_read(fn, fn->cap_exp + PCI_EXP_DEVSTA, 2), PCI_EXP_DEVSTA_CED);
}

static void capabilities_form_chains(void **state)
{
	struct pci_function *fn = card(state);
	unsigned at = pci_config_read(fn, PCI_CAPABILITY_LIST, 1), nr = 0;
	bool seen[256] = {0};

	for (; at; at = pci_config_read(fn, at + 1, 1), nr++) {
		assert_true(at >= 0x40 && at % 4 == 0 && !seen[at]);
		seen[at] = true;
	}
	assert_int_equal(nr, 4);
	assert_true(seen[fn->cap_pm] && seen[fn->cap_msi] && seen[fn->cap_msix] && seen[fn->cap_exp]);
	assert_int_equal(fn->cap_aer, 0x100);
	assert_int_equal(pci_config_read(fn, 0x100, 4), PCI_EXT_CAP_ID_ERR | 2 << 16);
}

static void memory_decode_gates_the_bars(void **state)
{
	struct pci_function *fn = card(state);

	pci_mmio_write(fn, 2, 0x1000, 0x1122334455667788, 8);
	assert_true(pci_mmio_read(fn, 2, 0x1000, 8) == 0x1122334455667788);
	assert_int_equal(pci_mmio_read(fn, 2, 0x1004, 4), 0x11223344);
	tree_command(fn, 0, PCI_COMMAND_MEMORY);
	assert_true(pci_mmio_read(fn, 2, 0x1000, 8) == UINT64_MAX);
	assert_int_equal(pci_mmio_read(fn, 2, 0x1000, 2), 0xffff);
	pci_mmio_write(fn, 2, 0x1000, 0, 8);
	tree_command(fn, PCI_COMMAND_MEMORY, 0);
	assert_true(pci_mmio_read(fn, 2, 0x1000, 8) == 0x1122334455667788);
}

static void regions_answer_by_their_kind(void **state)
{
	struct tree *t = *state;
	struct card *c = &t->cards[0];

	pci_mmio_write(&c->fn, 0, 0x10, 0x1234567, 4);
	assert_int_equal(c->nr_writes, 1);
	assert_int_equal(c->last_offset, 0x10);
	/* The model decides what a read of its page shows: it did not store. */
	assert_int_equal(pci_mmio_read(&c->fn, 0, 0x10, 4), 0);
	pci_mmio_write(&c->fn, 0, CARD_HOLE, 1, 4);
	assert_int_equal(c->nr_writes, 1);
	assert_int_equal(pci_mmio_read(&c->fn, 0, CARD_HOLE, 4), 0xffffffff);
	pci_mmio_write(&c->fn, 0, CARD_NO_MMAP + 8, 5, 2);
	assert_int_equal(c->last_offset, CARD_NO_MMAP + 8);
	assert_int_equal(pci_mmio_read(&c->fn, 0, CARD_NO_MMAP + 8, 8), 5 + CARD_NO_MMAP + 8);
	/* Off the end, misaligned, no such BAR. */
	assert_int_equal(pci_mmio_read(&c->fn, 0, 0x4000, 4), 0xffffffff);
	pci_mmio_write(&c->fn, 0, 2, 1, 4);
	pci_mmio_write(&c->fn, 4, 0, 1, 4);
	pci_mmio_write(&c->fn, 9, 0, 1, 4);
	assert_int_equal(c->nr_writes, 2);
	/* And as peers reach them: through the physical address space. */
	struct phys_region *r = phys_find(t->space, c->fn.bars[0].base + 0x20);
	assert_non_null(r);
	r->ops->write(r, 0x20, 77, 4);
	assert_int_equal(c->last_offset, 0x20);
	assert_int_equal(c->last_value, 77);
}

static void mastering_needs_the_bit_and_power(void **state)
{
	struct pci_function *fn = card(state);
	uint64_t drains = section_drains(fn->gate.sections);

	assert_false(fn->bus_master);
	tree_command(fn, PCI_COMMAND_MASTER, 0);
	assert_true(fn->bus_master);
	assert_int_equal(section_drains(fn->gate.sections), drains);
	tree_command(fn, 0, PCI_COMMAND_MASTER);
	assert_false(fn->bus_master);
	assert_int_equal(section_drains(fn->gate.sections), drains + 1);
	tree_command(fn, PCI_COMMAND_MASTER, 0);
	assert_int_equal(pci_set_power_state(fn, 3), 0);
	assert_false(fn->bus_master);
	assert_int_equal(pci_set_power_state(fn, 0), 0);
	assert_true(fn->bus_master);
}

static void flr_bit_resets_the_bare_hardware(void **state)
{
	struct tree *t = *state;
	struct card *c = &t->cards[0];
	struct pci_function *fn = &c->fn;
	unsigned control = fn->cap_exp + PCI_EXP_DEVCTL;
	uint64_t drains = section_drains(fn->gate.sections);

	pci_gate_open(&fn->gate, GATE_CLOSED);
	pci_mmio_write(fn, 2, 0, 0xabcd, 4);
	tree_command(fn, PCI_COMMAND_MASTER, 0);
	pci_config_write(fn, control, pci_config_read(fn, control, 2) | PCI_EXP_DEVCTL_BCR_FLR, 2);
	assert_int_equal(c->nr_resets, 1);
	assert_int_equal(section_drains(fn->gate.sections), drains + 1);
	assert_int_equal(pci_config_read(fn, PCI_COMMAND, 2), 0);
	assert_int_equal(pci_config_read(fn, PCI_BASE_ADDRESS_0, 4), 0);
	assert_int_equal(pci_config_read(fn, control, 2) & PCI_EXP_DEVCTL_BCR_FLR, 0);
	assert_int_equal(fn->gate.reasons, GATE_DECODE);
	assert_false(fn->bus_master);
	/* One byte wide, the upper one. */
	pci_config_write(fn, control + 1, PCI_EXP_DEVCTL_BCR_FLR >> 8, 1);
	assert_int_equal(c->nr_resets, 2);
	pci_config_write(fn, control, 0x80, 1);
	assert_int_equal(c->nr_resets, 2);
}

static void function_reset_keeps_config(void **state)
{
	struct tree *t = *state;
	struct card *c = &t->cards[0];
	struct pci_function *fn = &c->fn;
	uint8_t before[PCI_CONFIG_SIZE];
	uint64_t drains = section_drains(fn->gate.sections);

	tree_command(fn, PCI_COMMAND_MASTER, 0);
	pci_config_write(fn, PCI_INTERRUPT_LINE, 9, 1);
	pci_gate_open(&fn->gate, GATE_CLOSED);
	pci_mmio_write(fn, 2, 64, 0x5555, 4);
	memcpy(before, fn->config, sizeof(before));
	assert_int_equal(pci_reset_function(fn), 0);
	assert_int_equal(c->nr_resets, 1);
	assert_int_equal(section_drains(fn->gate.sections), drains + 1);
	assert_memory_equal(before, fn->config, sizeof(before));
	assert_true(pci_gate_is_open(&fn->gate));
	assert_true(fn->bus_master);
	assert_int_equal(pci_mmio_read(fn, 2, 64, 4), 0x5555);
}

static void open_and_close_leave_no_mastering(void **state)
{
	struct pci_function *fn = card(state);

	assert_int_equal(pci_set_power_state(fn, 3), 0);
	tree_command(fn, 0, PCI_COMMAND_MEMORY);
	assert_int_equal(pci_function_open(fn), 0);
	assert_true(pci_gate_is_open(&fn->gate));
	assert_int_equal(pci_config_read(fn, PCI_COMMAND, 2), PCI_COMMAND_MEMORY);
	tree_command(fn, PCI_COMMAND_MASTER, 0);
	pci_function_close(fn);
	assert_int_equal(fn->gate.reasons, GATE_CLOSED);
	assert_false(fn->bus_master);
}

static void impossible_hardware_is_refused(void **state)
{
	struct tree *t = *state;
	static const struct pci_ids ids = {1, 2, 3, 4, 0xff0000, 0};
	const struct pci_region odd[] = {{PCI_REGION_MEMORY, 4096}, {PCI_REGION_HOLE, 8192}};
	const struct pci_region crooked[] = {{PCI_REGION_MEMORY, 100}}, good[] = {{PCI_REGION_MEMORY, 4096}};
	const struct pci_region large[] = {{PCI_REGION_HOLE, 1ull << 32}};
	const struct pci_region table[] = {{PCI_REGION_MSIX, 4096}};
	struct pci_function fn = {0};

	assert_int_equal(pci_function_init(&fn, &t->root, &ids, NULL, NULL, "x"), 0);
	assert_int_equal(pci_build_bar(&fn, 0, 0, odd, 2), -EINVAL);
	assert_int_equal(pci_build_bar(&fn, 0, 0, crooked, 1), -EINVAL);
	assert_int_equal(pci_build_bar(&fn, 0, 0, good, 0), -EINVAL);
	assert_int_equal(pci_build_bar(&fn, 0, 0, large, 1), -EINVAL);
	assert_int_equal(pci_build_bar(&fn, 5, PCI_BAR_64BIT, good, 1), -EINVAL);
	assert_int_equal(pci_build_bar(&fn, 6, 0, good, 1), -EINVAL);
	assert_int_equal(pci_build_bar(&fn, 2, PCI_BAR_64BIT, good, 1), 0);
	assert_int_equal(pci_build_bar(&fn, 3, 0, good, 1), -EINVAL);
	assert_int_equal(pci_build_bar(&fn, 1, PCI_BAR_64BIT, good, 1), -EINVAL);
	assert_int_equal(pci_build_bar(&fn, 0, 0, table, 1), 0);
	assert_int_equal(pci_build_msix(&fn, 0, 0, 0, 2048), -EINVAL);
	assert_int_equal(pci_build_msix(&fn, 8, 0, 0, 64), -EINVAL);
	assert_int_equal(pci_build_msix(&fn, 8, 0, 4000, 0), -EINVAL);
	assert_int_equal(pci_build_msix(&fn, 8, 2, 0, 2048), -EINVAL);
	assert_int_equal(pci_build_msix(&fn, 8, 1, 0, 2048), -EINVAL);
	assert_int_equal(pci_build_msi(&fn, 3), -EINVAL);
	assert_int_equal(pci_build_msi(&fn, 64), -EINVAL);
	assert_int_equal(pci_build_config(&fn, 4090, &ids, NULL, NULL, 8), -EINVAL);
	assert_int_equal(pci_root_add_function(&t->root, t->port_b, &fn, 1), -EINVAL);
	assert_int_equal(pci_root_add_function(&t->root, t->port_b, &fn, -1), -ENOSPC);
	assert_int_equal(pci_root_add_function(&t->root, NULL, &fn, 0), -EINVAL);
	pci_function_fini(&fn);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(identity_is_read_only),
		T(accesses_off_the_map_read_ones),
		T(bars_tell_their_size),
		T(status_is_write_one_to_clear),
		T(capabilities_form_chains),
		T(memory_decode_gates_the_bars),
		T(regions_answer_by_their_kind),
		T(mastering_needs_the_bit_and_power),
		T(flr_bit_resets_the_bare_hardware),
		T(function_reset_keeps_config),
		T(open_and_close_leave_no_mastering),
		T(impossible_hardware_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
