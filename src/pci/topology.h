/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where functions stand and how peers reach each other (SPEC S6): root complexes, root ports, switches, and the routing
 * of memory requests with ACS.
 *
 * Who may include this: pci/, device/ (the SDK), rack/, dmabuf/, vfio/.
 */
#ifndef BARTER_PCI_TOPOLOGY_H
#define BARTER_PCI_TOPOLOGY_H

#include "pci/function.h"

/* PCI_ACS_* bits of a port, as in its capability. */
struct pci_port {
	struct pci_function fn; /* the bridge itself, is_bridge */
	enum { PCI_PORT_ROOT, PCI_PORT_UPSTREAM, PCI_PORT_DOWNSTREAM } type;
	uint8_t secondary, subordinate;
	struct list children; /* struct pci_function.sibling */
	/* What it does with traffic, by its own config space; written under fn.lock, read by those below it. */
	_Atomic bool forwards_down, forwards_up, holds_in_reset;
	_Atomic uint16_t acs; /* enabled ACS bits; guarded by fn.lock, read without in DMA sections (changes drain) */
};

struct pci_root {
	struct phys_space *space;
	struct trace *trace;
	struct iommu_unit *iommu;
	uint16_t segment;
	bool routes_peers;		  /* the host bridge routes between root ports */
	struct list bus0;		  /* functions on bus 0 */
	struct pci_memory *memory;	  /* what plain memory and register pages are made of; pci/build.h */
	struct pci_function *host_bridge; /* 0000:00:00.0 */
	unsigned nr_groups;
	struct pci_function
		*functions[256]; /* all, in order of address, bridges included; immutable after enumeration */
	size_t nr_functions;
	_Atomic int nr_spinning; /* workers of models that spin now; device/worker.c */
};

enum pci_route_kind {
	PCI_ROUTE_NONE,	       /* not supported */
	PCI_ROUTE_BUS_ADDRESS, /* below a common switch: never reaches the IOMMU */
	PCI_ROUTE_HOST_BRIDGE, /* up through the root complex, translated, and down again */
};

struct pci_route {
	enum pci_route_kind kind;
	const char *rule;	  /* a literal that says why, for the matrix and refusals */
	struct pci_function *via; /* the bridge that decides; NULL: the host bridge */
};

/* From a requester to a provider's memory, by topology and ACS. */
struct pci_route pci_route(const struct pci_function *requester, const struct pci_function *target);

/* From root down to fn: is `port` above it? */
bool pci_port_is_above(const struct pci_port *port, const struct pci_function *fn);
static inline struct pci_port *pci_port_of(struct pci_function *bridge)
{
	return container_of(bridge, struct pci_port, fn);
}

/*
 * A tree with nothing but its host bridge. unit may be NULL in tests that move no data. Building it up: pci/build.h.
 * -ENOMEM and what memfd_create() says.
 */
int pci_root_init(struct pci_root *root, struct phys_space *space, struct iommu_unit *iommu, bool routes_peers,
		  struct trace *trace);
/* Every function but the host bridge is gone. */
void pci_root_fini(struct pci_root *root);

/* Assigns bus numbers, windows, addresses, groups and INTx pins. Built-in racks put 64-bit windows above 1 TiB. */
int pci_enumerate(struct pci_root *root);
struct pci_function *pci_find(struct pci_root *root, const char *name);

#endif
