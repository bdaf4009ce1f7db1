/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ports: type 1 headers. Root ports carry the ids of a server's root complex, whose host bridge Linux knows to route
 * between root ports; switch ports those of a Broadcom PEX.
 */
#include <stdlib.h>

#include "pci/pci_priv.h"

#define PORT_ACS (PCI_ACS_SV | PCI_ACS_RR | PCI_ACS_CR | PCI_ACS_UF)

static const struct {
	unsigned express_type;
	const char *name;
	struct pci_ids ids;
	struct pci_link link;
} port_kinds[] = {
	[PCI_PORT_ROOT] = {PCI_EXP_TYPE_ROOT_PORT,
			   "root-port",
			   {.vendor = 0x8086, .device = 0x2030, .class_code = 0x060400, .revision = 4},
			   {PCI_EXP_LNKCAP_SLS_8_0GB, 16}},
	[PCI_PORT_UPSTREAM] = {PCI_EXP_TYPE_UPSTREAM,
			       "switch-upstream",
			       {.vendor = 0x10b5, .device = 0x8796, .class_code = 0x060400, .revision = 0xab},
			       {PCI_EXP_LNKCAP_SLS_8_0GB, 16}},
	[PCI_PORT_DOWNSTREAM] = {PCI_EXP_TYPE_DOWNSTREAM,
				 "switch-downstream",
				 {.vendor = 0x10b5, .device = 0x8796, .class_code = 0x060400, .revision = 0xab},
				 {PCI_EXP_LNKCAP_SLS_8_0GB, 8}},
};

static void header_build(struct pci_function *fn)
{
	/* What a type 0 header had here is not part of a bridge's. */
	pci_config_set(fn, PCI_SUBSYSTEM_VENDOR_ID, 0, 4);
	fn->config[PCI_HEADER_TYPE] = PCI_HEADER_TYPE_BRIDGE;
	/* 64-bit prefetchable window, 16-bit I/O window; shut (base above limit) until enumeration. */
	pci_config_set(fn, PCI_IO_BASE, 0x00f0, 2);
	pci_config_set(fn, PCI_MEMORY_BASE, 0xfff0, 2);
	pci_config_set(fn, PCI_PREF_MEMORY_BASE, 0xfff1, 2);
	pci_config_set(fn, PCI_PREF_MEMORY_LIMIT, 0x0001, 2);
	fn->clear_mask[PCI_SEC_STATUS + 1] = 0xf9;
	fn->write_mask[PCI_BRIDGE_CONTROL] = PCI_BRIDGE_CTL_PARITY | PCI_BRIDGE_CTL_SERR | PCI_BRIDGE_CTL_BUS_RESET;
	fn->write_mask[PCI_COMMAND] |= PCI_COMMAND_IO;
}

static int capabilities_build(struct pci_port *port, uint16_t acs)
{
	struct pci_function *fn = &port->fn;
	unsigned type = port_kinds[port->type].express_type;
	int err = pci_build_pm(fn, true);

	if (!err)
		err = pci_build_msi(fn, 1);
	if (!err)
		err = pci_build_express(fn, type, false, &port_kinds[port->type].link);
	if (!err)
		err = pci_build_aer(fn);
	/* An upstream port of a switch has no one to isolate from: it carries no ACS. */
	if (!err && port->type != PCI_PORT_UPSTREAM)
		err = pci_build_acs(port, PORT_ACS, acs);
	return err;
}

int pci_port_create(struct pci_root *root, int type, uint16_t acs, struct pci_port **out)
{
	struct pci_port *port;
	int err;

	if (acs & ~PORT_ACS || (type == PCI_PORT_UPSTREAM && acs))
		return -EINVAL;
	port = calloc(1, sizeof(*port));
	if (!port)
		return -ENOMEM;
	port->type = type;
	list_init(&port->children);
	err = pci_function_init(&port->fn, root, &port_kinds[type].ids, NULL, NULL, NULL);
	if (err)
		goto undo_alloc;
	port->fn.is_bridge = true;
	header_build(&port->fn);
	err = capabilities_build(port, acs);
	if (err)
		goto undo_init;
	*out = port;
	return 0;

undo_init:
	pci_function_fini(&port->fn);
undo_alloc:
	free(port);
	return err;
}

void pci_port_destroy(struct pci_port *port)
{
	pci_function_fini(&port->fn);
	free(port);
}
