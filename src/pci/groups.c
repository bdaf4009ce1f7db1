/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IOMMU groups, as Linux 7.3 forms them: a function has a group of its own when every bridge above it keeps what comes
 * from below from reaching peers (source validation, request and completion redirect, upstream forwarding). If not, it
 * shares the group of the nearest bridge that does not isolate. So under a switch without ACS each device shares with
 * its own downstream port, although the ports do route to each other; Linux has it that way. Virtual functions come
 * after all others, as they do where a kernel finds them later.
 */
#include "pci/pci_priv.h"

#define ISOLATION (PCI_ACS_SV | PCI_ACS_RR | PCI_ACS_CR | PCI_ACS_UF)

/* Upstream ports of a switch have no peers on their link. */
static bool port_isolates(const struct pci_port *port)
{
	return port->type == PCI_PORT_UPSTREAM || (port->acs & ISOLATION) == ISOLATION;
}

static bool path_isolates(const struct pci_port *port)
{
	for (; port; port = port->fn.parent)
		if (!port_isolates(port))
			return false;
	return true;
}

static void assign(struct pci_root *root, bool virtual)
{
	/* In order of address: a bridge has its group before what is below it. */
	for (size_t i = 0; i < root->nr_functions; i++) {
		struct pci_function *fn = root->functions[i];

		if ((fn->physfn != NULL) != virtual)
			continue;
		if (fn->parent && !path_isolates(fn->parent))
			fn->iommu_group = fn->parent->fn.iommu_group;
		else
			fn->iommu_group = root->nr_groups++;
	}
}

void pci_assign_groups(struct pci_root *root)
{
	root->nr_groups = 0;
	assign(root, false);
	assign(root, true);
}
