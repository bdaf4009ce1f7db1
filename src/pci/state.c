/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From config space to what a function does: whether it answers, whether it may master the bus, and for a port what it
 * forwards. A function depends on every bridge above it: each publishes what it does as atomics, and when that changes
 * those below work out their own state anew, each under its own locks. Two writers may do so at once; whoever comes
 * last sees the newest state of all bridges.
 */
#include "pci/pci_priv.h"

unsigned function_power_state(const struct pci_function *fn)
{
	return fn->cap_pm ? fn->config[fn->cap_pm + PCI_PM_CTRL] & PCI_PM_CTRL_STATE_MASK : 0;
}

static uint64_t bar_register(const struct pci_function *fn, const struct pci_bar *bar)
{
	unsigned offset = PCI_BASE_ADDRESS_0 + bar->index * 4;
	uint64_t value = pci_config_get(fn, offset, 4) & ~0xfull;

	if (bar->is_64bit)
		value |= (uint64_t)pci_config_get(fn, offset + 4, 4) << 32;
	return value;
}

/* Windows do not move: a BAR that software points elsewhere does not decode at all. A VF's are in its PF. */
static bool bars_are_in_place(const struct pci_function *fn)
{
	if (fn->physfn)
		return true;
	for (unsigned i = 0; i < PCI_NR_BARS; i++)
		if (fn->bars[i].size && bar_register(fn, &fn->bars[i]) != fn->bars[i].base)
			return false;
	return true;
}

struct path {
	bool down, up, reset;
};

static struct path path_above(const struct pci_function *fn)
{
	struct path path = {.down = true, .up = true};

	for (const struct pci_port *p = fn->parent; p; p = p->fn.parent) {
		path.down &= p->forwards_down;
		path.up &= p->forwards_up;
		path.reset |= p->holds_in_reset;
	}
	return path;
}

static void port_update_locked(struct pci_port *port, uint16_t command, bool powered)
{
	struct pci_function *fn = &port->fn;

	port->forwards_down = (command & PCI_COMMAND_MEMORY) && powered;
	port->forwards_up = (command & PCI_COMMAND_MASTER) && powered;
	port->holds_in_reset = pci_config_get(fn, PCI_BRIDGE_CONTROL, 2) & PCI_BRIDGE_CTL_BUS_RESET;
	if (fn->cap_acs)
		port->acs = pci_config_get(fn, fn->cap_acs + PCI_ACS_CTRL, 2);
}

void function_update_locked(struct pci_function *fn)
{
	uint16_t command = pci_config_get(fn, PCI_COMMAND, 2);
	const struct pci_sriov *sriov = fn->physfn ? fn->physfn->sriov : NULL;
	bool decodes = sriov ? sriov->decodes : command & PCI_COMMAND_MEMORY;
	bool powered = function_power_state(fn) == 0 && (!sriov || sriov->powered);
	struct path path = path_above(fn);
	unsigned reasons = 0;

	mutex_assert_held(&fn->lock);
	fn->present = !sriov || fn->vf_index < sriov->nr_present;
	if (!fn->present)
		reasons |= GATE_ABSENT;
	if (!decodes || !bars_are_in_place(fn))
		reasons |= GATE_DECODE;
	if (!powered)
		reasons |= GATE_POWER;
	if (!path.down || path.reset)
		reasons |= GATE_BRIDGE;
	fn->gate_reasons = reasons;
	fn->decoding = !reasons;
	fn->bus_master = fn->present && (command & PCI_COMMAND_MASTER) && powered && path.up && !path.reset;
	if (fn->is_bridge)
		port_update_locked(pci_port_of(fn), command, powered);
	if (fn->sriov)
		sriov_update_locked(fn, powered);
	irq_config_changed_locked(fn);
}

bool function_settle_gate(struct pci_function *fn)
{
	const unsigned all = GATE_DECODE | GATE_POWER | GATE_BRIDGE | GATE_ABSENT;
	bool drain;

	mutex_assert_held(&fn->gate.lock);
	drain = gate_set_locked(&fn->gate, fn->gate_reasons);
	gate_clear_locked(&fn->gate, all & ~fn->gate_reasons);
	return drain;
}

unsigned function_shows_locked(const struct pci_function *fn)
{
	const struct pci_port *port = fn->is_bridge ? container_of(fn, const struct pci_port, fn) : NULL;
	const struct pci_sriov *sriov = fn->sriov;

	if (port)
		return port->forwards_down | port->forwards_up << 1 | port->holds_in_reset << 2;
	return sriov ? sriov->decodes | sriov->powered << 1 | sriov->nr_present << 2 | sriov->nr_resets << 6 : 0;
}

/* VF Enable was cleared, and perhaps set again, since this VF last looked. */
static bool pf_was_reset_locked(struct pci_function *fn)
{
	unsigned before = fn->pf_resets;

	if (!fn->physfn)
		return false;
	fn->pf_resets = fn->physfn->sriov->nr_resets;
	return fn->pf_resets != before;
}

/* A bus reset is one at its beginning; the functions are held in it until it ends. */
static bool follow_locked(struct pci_function *fn)
{
	bool was_master = fn->bus_master, reset = path_above(fn).reset;
	bool begins = pf_was_reset_locked(fn) || (reset && !fn->held_in_reset);

	fn->held_in_reset = reset;
	if (begins)
		function_reset_locked(fn);
	function_update_locked(fn);
	return begins || (was_master && !fn->bus_master);
}

static void function_follow(struct pci_function *fn)
{
	bool drain;

	mutex_lock(&fn->gate.lock);
	mutex_lock(&fn->lock);
	drain = follow_locked(fn);
	mutex_unlock(&fn->lock);
	drain |= function_settle_gate(fn);
	if (drain)
		section_drain(fn->gate.sections);
	mutex_unlock(&fn->gate.lock);
	function_unlocked(fn);
	function_changed(fn);
}

void function_changed(struct pci_function *fn)
{
	struct pci_function *below;

	if (fn->is_bridge)
		list_for_each (below, &pci_port_of(fn)->children, sibling)
			function_follow(below);
	for (unsigned i = 0; (below = pci_sriov_vf(fn, i)); i++)
		function_follow(below);
}
