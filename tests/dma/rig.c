/* SPDX-License-Identifier: BSD-3-Clause */
#include "dma/rig.h"

#include <string.h>

void rig_init(struct rig *r, const struct tree_options *o, const struct dma_limits *limits)
{
	struct pci_function **all[] = {&r->engine, &r->peer, &r->far};
	const int cards[] = {0, 1, 3};

	memset(r, 0, sizeof(*r));
	r->tree = tree_create(o);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		*all[i] = &r->tree->cards[cards[i]].fn;
		tree_command(*all[i], PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 0);
		pci_gate_open(&(*all[i])->gate, GATE_CLOSED);
	}
	assert_int_equal(dma_device_create(r->engine, limits, &r->device), 0);
	assert_int_equal(dma_port_init(&r->port, r->engine), 0);
	r->run = dma_port_generation(&r->port);
}

void rig_fini(struct rig *r)
{
	dma_port_fini(&r->port);
	dma_device_destroy(r->device);
	tree_destroy(r->tree);
}

enum dma_status rig_read(struct rig *r, dma_addr_t addr, void *to, size_t len)
{
	return dma_read(&r->port, r->run, addr, to, len, NULL);
}

enum dma_status rig_write(struct rig *r, dma_addr_t addr, const void *from, size_t len)
{
	return dma_write(&r->port, r->run, addr, from, len, NULL);
}
