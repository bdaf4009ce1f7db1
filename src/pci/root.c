/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The tree: its root complex, and where functions go in it.
 *
 * The host bridge is what Linux looks at to know whether it may route between root ports: one that does has the ids of
 * a Skylake server, one that does not those of QEMU's, which Linux does not know.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pci/pci_priv.h"

int pci_root_init(struct pci_root *root, struct phys_space *space, struct iommu_unit *iommu, bool routes_peers,
		  struct trace *trace)
{
	static const struct pci_ids routes = {0x8086, 0x2020, 0x8086, 0x0000, 0x060000, 4};
	static const struct pci_ids does_not = {0x1b36, 0x0008, 0x1af4, 0x1100, 0x060000, 0};
	int err;

	memset(root, 0, sizeof(*root));
	root->space = space;
	root->iommu = iommu;
	root->trace = trace;
	root->routes_peers = routes_peers;
	list_init(&root->bus0);
	err = pci_memory_create(&root->memory);
	if (err)
		return err;
	root->host_bridge = calloc(1, sizeof(*root->host_bridge));
	if (!root->host_bridge) {
		err = -ENOMEM;
		goto undo_memory;
	}
	err = pci_function_init(root->host_bridge, root, routes_peers ? &routes : &does_not, NULL, NULL, NULL);
	if (err)
		goto undo_alloc;
	err = pci_root_add_function(root, NULL, root->host_bridge, 0);
	if (err)
		goto undo_bridge;
	return 0;

undo_bridge:
	pci_function_fini(root->host_bridge);
undo_alloc:
	free(root->host_bridge);
undo_memory:
	pci_memory_destroy(root->memory);
	return err;
}

void pci_root_fini(struct pci_root *root)
{
	pci_function_fini(root->host_bridge);
	free(root->host_bridge);
	pci_memory_destroy(root->memory);
}

static bool slot_is_taken(const struct list *bus, unsigned slot)
{
	const struct pci_function *fn;

	list_for_each (fn, bus, sibling)
		if (fn->devfn >> 3 == slot)
			return true;
	return false;
}

/* Kept in order of device number, so that a walk meets functions in the order of their addresses. */
static void insert_by_slot(struct list *bus, struct pci_function *fn)
{
	struct list *before = bus->next;

	while (before != bus && list_entry(before, struct pci_function, sibling)->devfn < fn->devfn)
		before = before->next;
	list_add_tail(before, &fn->sibling);
}

int pci_root_add_function(struct pci_root *root, struct pci_port *parent, struct pci_function *fn, int slot)
{
	/* A link has one device at its other end; only the inside of a switch and bus 0 have more. */
	int nr_slots = parent && parent->type != PCI_PORT_UPSTREAM ? 1 : 32;
	struct list *bus = pci_bus_of(root, parent);
	int err;

	if (slot >= nr_slots)
		return -EINVAL;
	if (slot < 0) {
		for (slot = 0; slot < nr_slots && slot_is_taken(bus, slot);)
			slot++;
		if (slot == nr_slots)
			return -ENOSPC;
	} else if (slot_is_taken(bus, slot)) {
		return -EINVAL;
	}
	fn->parent = parent;
	fn->devfn = slot << 3;
	memcpy(fn->reset_image, fn->config, PCIE_CONFIG_SIZE);
	err = fn->sriov ? sriov_place(fn) : 0;
	if (!err)
		insert_by_slot(bus, fn);
	return err;
}

bool pci_port_is_above(const struct pci_port *port, const struct pci_function *fn)
{
	for (const struct pci_port *p = fn->parent; p; p = p->fn.parent)
		if (p == port)
			return true;
	return false;
}

struct pci_function *pci_find(struct pci_root *root, const char *name)
{
	for (size_t i = 0; i < root->nr_functions; i++)
		if (strcmp(root->functions[i]->name, name) == 0)
			return root->functions[i];
	return NULL;
}
