/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Resets and power states.
 *
 * A reset brings back what config space was when the function was built: decoding and bus mastering are off, the BARs
 * are empty. A kernel's reset saves the registers that it knows before and restores them after, so that a driver finds
 * its device where it was; whoever writes the reset bit itself (FLR through config space, or waking a function that
 * forgets in D3hot) gets the bare hardware.
 */
#include <stdlib.h>
#include <string.h>

#include "pci/pci_priv.h"

/* What the specification calls sticky: errors that were logged, and how to log them, outlive the reset they may cause.
 */
static bool is_sticky(const struct pci_function *fn, unsigned offset)
{
	unsigned aer = fn->cap_aer;

	return aer && offset >= aer + PCI_ERR_UNCOR_STATUS && offset < aer + PCI_ERR_ROOT_COMMAND;
}

void function_reset_locked(struct pci_function *fn)
{
	mutex_assert_held(&fn->lock);
	for (unsigned i = 0; i < fn->config_size; i++) {
		if (is_sticky(fn, i))
			continue;
		uint8_t volatile_bits = fn->write_mask[i] | fn->clear_mask[i];

		fn->config[i] = (fn->config[i] & ~volatile_bits) | (fn->reset_image[i] & volatile_bits);
	}
	irq_reset_locked(fn);
	if (fn->ops && fn->ops->reset)
		fn->ops->reset(fn->model);
	function_update_locked(fn);
}

struct saved_config {
	uint8_t bytes[PCIE_CONFIG_SIZE];
	uint32_t *msix_table; /* nr_msix entries, or NULL */
};

/* Both look at bits that never change, in the image that never changes: no lock is needed. */
static bool has_flr(const struct pci_function *fn)
{
	return fn->cap_exp && (fn->reset_image[fn->cap_exp + PCI_EXP_DEVCAP + 3] & PCI_EXP_DEVCAP_FLR >> 24);
}

static bool has_pm_reset(const struct pci_function *fn)
{
	return fn->cap_pm && !(fn->reset_image[fn->cap_pm + PCI_PM_CTRL] & PCI_PM_CTRL_NO_SOFT_RESET);
}

/* The port's secondary bus reset touches nobody else. */
static bool has_bus_reset(const struct pci_function *fn)
{
	return fn->parent && !fn->is_bridge && fn->parent->children.next == &fn->sibling &&
	       fn->parent->children.prev == &fn->sibling;
}

enum pci_reset_method pci_reset_method(const struct pci_function *fn, unsigned idx)
{
	if (has_flr(fn) && idx-- == 0)
		return PCI_RESET_FLR;
	if (has_pm_reset(fn) && idx-- == 0)
		return PCI_RESET_PM;
	if (has_bus_reset(fn) && idx-- == 0)
		return PCI_RESET_BUS;
	return PCI_RESET_NONE;
}

bool pci_can_reset_function(const struct pci_function *fn)
{
	return pci_reset_method(fn, 0) != PCI_RESET_NONE;
}

static void save_locked(struct pci_function *fn, struct saved_config *saved)
{
	memcpy(saved->bytes, fn->config, fn->config_size);
	if (saved->msix_table)
		irq_msix_table_save(fn, saved->msix_table);
}

static void restore_bytes(struct pci_function *fn, const struct saved_config *saved, unsigned offset, unsigned len)
{
	for (unsigned i = offset; i < offset + len; i++)
		fn->config[i] = (fn->config[i] & ~fn->write_mask[i]) | (saved->bytes[i] & fn->write_mask[i]);
}

/* What a kernel knows and restores; bytes of the model's own stay as the reset left them. */
static void restore_locked(struct pci_function *fn, const struct saved_config *saved)
{
	const struct {
		unsigned offset, len;
	} known[] = {
		{fn->cap_exp, PCI_EXP_SLTSTA2},	     {fn->cap_msi, PCI_MSI_PENDING_64},
		{fn->cap_msix, PCI_CAP_MSIX_SIZEOF}, {fn->cap_aer, PCI_ERR_ROOT_COMMAND},
		{fn->cap_acs, PCI_ACS_CTRL + 2},     {fn->cap_sriov, PCI_SRIOV_VFM},
	};

	restore_bytes(fn, saved, 0, PCI_STD_HEADER_SIZEOF);
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (known[i].offset)
			restore_bytes(fn, saved, known[i].offset, known[i].len);
	if (saved->msix_table)
		irq_msix_table_restore(fn, saved->msix_table);
	function_update_locked(fn);
}

static struct saved_config *saved_config_create(const struct pci_function *fn)
{
	struct saved_config *saved = calloc(1, sizeof(*saved) + fn->irq->nr_msix * PCI_MSIX_ENTRY_SIZE);

	if (saved && fn->irq->nr_msix)
		saved->msix_table = (uint32_t *)(saved + 1);
	return saved;
}

int pci_reset_function(struct pci_function *fn)
{
	struct saved_config *saved;

	if (!pci_can_reset_function(fn))
		return -ENOTTY;
	saved = saved_config_create(fn);
	if (!saved)
		return -ENOMEM;
	sriov_gates_shut(fn);
	mutex_lock(&fn->gate.lock);
	gate_set_locked(&fn->gate, GATE_RESET);
	mutex_lock(&fn->lock);
	save_locked(fn, saved);
	function_reset_locked(fn);
	mutex_unlock(&fn->lock);
	/* Runs of the old life have been cancelled: after this nothing of them moves, in or out. */
	section_drain(fn->gate.sections);
	mutex_lock(&fn->lock);
	restore_locked(fn, saved);
	mutex_unlock(&fn->lock);
	function_settle_gate(fn);
	gate_clear_locked(&fn->gate, GATE_RESET);
	mutex_unlock(&fn->gate.lock);
	free(saved);
	function_unlocked(fn);
	function_changed(fn);
	sriov_gates_open(fn);
	return 0;
}

int pci_set_power_state(struct pci_function *fn, unsigned state)
{
	struct saved_config *saved;
	uint16_t control;

	if (!fn->cap_pm)
		return state ? -EINVAL : 0;
	if (state != 0 && state != 3)
		return -EINVAL;
	control = pci_config_read(fn, fn->cap_pm + PCI_PM_CTRL, 2);
	if ((control & PCI_PM_CTRL_STATE_MASK) == state)
		return 0;
	saved = saved_config_create(fn);
	if (!saved)
		return -ENOMEM;
	mutex_lock(&fn->lock);
	save_locked(fn, saved);
	mutex_unlock(&fn->lock);
	control &= ~(PCI_PM_CTRL_STATE_MASK | PCI_PM_CTRL_PME_STATUS);
	pci_config_write(fn, fn->cap_pm + PCI_PM_CTRL, control | state, 2);
	if (state == 0) {
		mutex_lock(&fn->gate.lock);
		mutex_lock(&fn->lock);
		restore_locked(fn, saved);
		mutex_unlock(&fn->lock);
		if (function_settle_gate(fn))
			section_drain(fn->gate.sections);
		mutex_unlock(&fn->gate.lock);
		function_changed(fn);
	}
	free(saved);
	return 0;
}
