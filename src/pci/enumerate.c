/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What firmware and a kernel do at boot: number the buses, place the windows, route the interrupt lines, form the IOMMU
 * groups, and leave every function decoding memory but not mastering the bus.
 */
#include <stdio.h>
#include <string.h>

#include "pci/pci_priv.h"

static int number_bus(struct pci_root *root, struct pci_port *parent, unsigned bus, unsigned *last);

static int number_function(struct pci_root *root, struct pci_function *fn, unsigned bus)
{
	if (root->nr_functions == ARRAY_SIZE(root->functions))
		return -ENOSPC;
	fn->bus = bus;
	snprintf(fn->name, sizeof(fn->name), "%04x:%02x:%02x.%u", fn->segment, bus, fn->devfn >> 3, fn->devfn & 7);
	iommu_requester_init(&fn->iommu, root->iommu, (uint16_t)(bus << 8 | fn->devfn));
	root->functions[root->nr_functions++] = fn;
	return 0;
}

static int number_bridge(struct pci_root *root, struct pci_port *port, unsigned *last)
{
	struct pci_function *fn = &port->fn;
	unsigned secondary = *last + 1;
	int err;

	if (secondary > 255)
		return -ENOSPC;
	*last = secondary;
	err = number_bus(root, port, secondary, last);
	port->secondary = secondary;
	port->subordinate = *last;
	fn->config[PCI_PRIMARY_BUS] = fn->bus;
	fn->config[PCI_SECONDARY_BUS] = secondary;
	fn->config[PCI_SUBORDINATE_BUS] = *last;
	return err;
}

/* Depth first: a bridge's subordinate number is the last bus below it. */
static int number_bus(struct pci_root *root, struct pci_port *parent, unsigned bus, unsigned *last)
{
	struct pci_function *fn;
	int err = 0;

	list_for_each (fn, pci_bus_of(root, parent), sibling) {
		err = number_function(root, fn, bus);
		for (unsigned i = 0; !err && i < pci_sriov_total(fn); i++)
			err = number_function(root, pci_sriov_vf(fn, i), bus);
		if (!err && fn->is_bridge)
			err = number_bridge(root, pci_port_of(fn), last);
		if (err)
			return err;
	}
	return 0;
}

static void sort_functions(struct pci_root *root)
{
	for (size_t i = 1; i < root->nr_functions; i++) {
		struct pci_function *fn = root->functions[i];
		size_t at = i;

		for (; at > 0 && root->functions[at - 1]->iommu.id > fn->iommu.id; at--)
			root->functions[at] = root->functions[at - 1];
		root->functions[at] = fn;
	}
}

/* The pin turns by the device number at each bridge on the way up; four lines leave the root complex. */
static void route_line(struct pci_function *fn)
{
	unsigned pin = fn->config[PCI_INTERRUPT_PIN];
	const struct pci_function *at = fn;

	if (!pin)
		return;
	for (; at->parent; at = &at->parent->fn)
		pin = (pin - 1 + (at->devfn >> 3)) % 4 + 1;
	fn->config[PCI_INTERRUPT_LINE] = 16 + (pin - 1 + (at->devfn >> 3)) % 4;
}

static uint16_t link_status(const struct pci_function *fn)
{
	return pci_config_get(fn, fn->cap_exp + PCI_EXP_LNKSTA, 2);
}

static void set_link(struct pci_function *fn, uint16_t speed_and_width)
{
	uint16_t mask = PCI_EXP_LNKSTA_CLS | PCI_EXP_LNKSTA_NLW;

	pci_config_set(fn, fn->cap_exp + PCI_EXP_LNKSTA, (link_status(fn) & ~mask) | speed_and_width, 2);
}

/* Both ends of a link run at what the lesser of them can. Without a device below, the port's link is down. */
static void train_link(struct pci_port *port)
{
	struct pci_function *below =
		list_empty(&port->children) ? NULL : list_first(&port->children, struct pci_function, sibling);
	uint16_t mine = link_status(&port->fn), theirs, common;

	if (port->type == PCI_PORT_UPSTREAM)
		return;
	if (!below) {
		pci_config_set(&port->fn, port->fn.cap_exp + PCI_EXP_LNKSTA, 0, 2);
		return;
	}
	if (!below->cap_exp)
		return;
	theirs = link_status(below);
	common = MIN(mine & PCI_EXP_LNKSTA_CLS, theirs & PCI_EXP_LNKSTA_CLS) |
		 MIN(mine & PCI_EXP_LNKSTA_NLW, theirs & PCI_EXP_LNKSTA_NLW);
	set_link(&port->fn, common);
	set_link(below, common);
}

static void leave_as_firmware_does(struct pci_function *fn)
{
	uint16_t command = PCI_COMMAND_MEMORY | (fn->is_bridge ? PCI_COMMAND_MASTER : 0);

	pci_config_set(fn, PCI_COMMAND, command & (fn->write_mask[PCI_COMMAND] | fn->write_mask[PCI_COMMAND + 1] << 8),
		       2);
	mutex_lock(&fn->gate.lock);
	mutex_lock(&fn->lock);
	function_update_locked(fn);
	mutex_unlock(&fn->lock);
	function_settle_gate(fn);
	mutex_unlock(&fn->gate.lock);
}

int pci_enumerate(struct pci_root *root)
{
	unsigned last = 0;
	int err;

	root->nr_functions = 0;
	err = number_bus(root, NULL, 0, &last);
	if (err)
		return err;
	sort_functions(root);
	err = pci_assign_windows(root);
	if (err)
		return err;
	pci_assign_groups(root);
	for (size_t i = 0; i < root->nr_functions; i++) {
		route_line(root->functions[i]);
		if (root->functions[i]->is_bridge)
			train_link(pci_port_of(root->functions[i]));
		leave_as_firmware_does(root->functions[i]);
	}
	return 0;
}
