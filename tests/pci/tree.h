/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A small machine for the tests of pci/: root port A with a switch that has three cards, root port B with a fourth. A
 * card has registers and an MSI-X table in BAR 0, 64 MiB of memory in BAR 2, and every capability there is.
 */
#ifndef TESTS_PCI_TREE_H
#define TESTS_PCI_TREE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <linux/pci_regs.h>

#include "pci/build.h"
#include "pci/irq.h"

enum { CARD_REGISTERS = 0, CARD_MSIX = 0x1000, CARD_HOLE = 0x2000, CARD_NO_MMAP = 0x3000, CARD_NR_MSIX = 70 };

struct card {
	struct pci_function fn;
	unsigned nr_resets, nr_writes;
	uint64_t last_offset, last_value;
};

struct tree_options {
	uint16_t switch_acs, root_acs;
	bool no_host_routing;
	bool forgets_in_d3;
	bool no_flr;
};

struct tree {
	struct phys_space *space;
	struct iommu_unit *iommu;
	struct pci_root root;
	struct pci_port *port_a, *port_b, *up, *down[3];
	struct card cards[4]; /* 0..2 below the switch, 3 below port B */
};

struct tree *tree_create(const struct tree_options *o);
void tree_destroy(struct tree *t);
/* The word COMMAND, for brevity. */
void tree_command(struct pci_function *fn, uint16_t set, uint16_t clear);

#endif
