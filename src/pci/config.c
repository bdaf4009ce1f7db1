/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Config space as the bus sees it, and the effects that writes have.
 *
 * A write holds the gate's lock from before the bytes change until all effects are there, so that two writers cannot
 * leave the gate in a state that config space does not show. Inside, the bytes change under the function lock; what a
 * DMA section reads without a lock (fn->bus_master, the gate's reasons) is stored, and one drain ends the write.
 */
#include <string.h>

#include "pci/pci_priv.h"

uint32_t pci_config_get(const struct pci_function *fn, unsigned offset, unsigned len)
{
	uint32_t value = 0;

	memcpy(&value, fn->config + offset, len);
	return value;
}

void pci_config_set(struct pci_function *fn, unsigned offset, uint32_t value, unsigned len)
{
	memcpy(fn->config + offset, &value, len);
}

static bool access_is_valid(const struct pci_function *fn, unsigned offset, unsigned len)
{
	return (len == 1 || len == 2 || len == 4) && is_aligned(offset, len) && offset + len <= fn->config_size;
}

static bool touches(unsigned offset, unsigned len, unsigned reg, unsigned reg_len)
{
	return offset < reg + reg_len && reg < offset + len;
}

/* Bits that hardware computes when they are read. */
static void overlay_read_locked(struct pci_function *fn, unsigned offset, unsigned len, uint8_t *bytes)
{
	if (touches(offset, len, PCI_STATUS, 1) && pci_intx_pending(fn))
		bytes[PCI_STATUS - offset] |= PCI_STATUS_INTERRUPT;
	if (fn->cap_msi && touches(offset, len, fn->cap_msi + PCI_MSI_PENDING_64, 4)) {
		uint32_t pending = irq_msi_pending(fn);

		for (unsigned i = 0; i < len; i++) {
			unsigned at = offset + i - (fn->cap_msi + PCI_MSI_PENDING_64);

			if (at < 4)
				bytes[i] = (uint8_t)(pending >> (at * 8));
		}
	}
}

uint32_t pci_config_read(struct pci_function *fn, unsigned offset, unsigned len)
{
	uint8_t bytes[4] = {0};
	uint32_t value;

	if (!access_is_valid(fn, offset, len))
		return UINT32_MAX >> (len < 4 ? 32 - 8 * len : 0);
	mutex_lock(&fn->lock);
	memcpy(bytes, fn->config + offset, len);
	overlay_read_locked(fn, offset, len, bytes);
	if (!fn->present)
		memset(bytes, 0xff, len);
	mutex_unlock(&fn->lock);
	memcpy(&value, bytes, sizeof(value));
	return value;
}

static void bytes_write_locked(struct pci_function *fn, unsigned offset, uint32_t value, unsigned len)
{
	for (unsigned i = 0; i < len; i++, value >>= 8) {
		uint8_t *byte = &fn->config[offset + i], mask = fn->write_mask[offset + i];

		*byte = (*byte & ~mask) | (value & mask);
		*byte &= ~(value & fn->clear_mask[offset + i]);
	}
}

/* Writing this bit is a function-level reset; it reads as 0. */
static bool write_is_flr(const struct pci_function *fn, unsigned offset, uint32_t value, unsigned len)
{
	unsigned control = fn->cap_exp + PCI_EXP_DEVCTL + 1;

	if (!fn->cap_exp || !touches(offset, len, control, 1))
		return false;
	return (pci_config_get(fn, fn->cap_exp + PCI_EXP_DEVCAP, 4) & PCI_EXP_DEVCAP_FLR) &&
	       (value >> ((control - offset) * 8) & PCI_EXP_DEVCTL_BCR_FLR >> 8);
}

static bool forgets_in_d3(const struct pci_function *fn)
{
	return fn->cap_pm && !(fn->config[fn->cap_pm + PCI_PM_CTRL] & PCI_PM_CTRL_NO_SOFT_RESET);
}

/* True: DMA that began before must be waited for. */
static bool write_locked(struct pci_function *fn, unsigned offset, uint32_t value, unsigned len)
{
	bool was_master = fn->bus_master, was_asleep = function_power_state(fn) != 0;
	uint16_t acs = fn->is_bridge ? pci_port_of(fn)->acs : 0;
	bool reset = write_is_flr(fn, offset, value, len);

	bytes_write_locked(fn, offset, value, len);
	if (was_asleep && function_power_state(fn) == 0 && forgets_in_d3(fn))
		reset = true;
	if (reset)
		function_reset_locked(fn);
	function_update_locked(fn);
	if (fn->ops && fn->ops->config_written && offset >= PCI_STD_HEADER_SIZEOF && !reset)
		fn->ops->config_written(fn->model, offset, len);
	return reset || (was_master && !fn->bus_master) || (fn->is_bridge && pci_port_of(fn)->acs != acs);
}

void pci_config_write(struct pci_function *fn, unsigned offset, uint32_t value, unsigned len)
{
	unsigned before;
	bool drain, changed;

	if (!access_is_valid(fn, offset, len))
		return;
	mutex_lock(&fn->gate.lock);
	mutex_lock(&fn->lock);
	before = function_shows_locked(fn);
	drain = fn->present && write_locked(fn, offset, value, len);
	changed = function_shows_locked(fn) != before;
	mutex_unlock(&fn->lock);
	drain |= function_settle_gate(fn);
	if (drain)
		section_drain(fn->gate.sections);
	mutex_unlock(&fn->gate.lock);
	function_unlocked(fn);
	if (changed)
		function_changed(fn);
}
