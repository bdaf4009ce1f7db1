/* SPDX-License-Identifier: BSD-3-Clause */
#include "pci/tree.h"

#include <stdlib.h>

static uint64_t card_read(void *model, unsigned bar, uint64_t offset, unsigned len)
{
	struct card *c = model;

	(void)len;
	return c->last_value + bar + offset;
}

static void card_write(void *model, unsigned bar, uint64_t offset, uint64_t value, unsigned len)
{
	struct card *c = model;

	(void)bar;
	(void)len;
	c->nr_writes++;
	c->last_offset = offset;
	c->last_value = value;
}

static void card_reset(void *model)
{
	((struct card *)model)->nr_resets++;
}

static const struct pci_function_ops card_ops = {.mmio_read = card_read, .mmio_write = card_write, .reset = card_reset};

static void card_build(struct card *c, struct tree *t, struct pci_port *parent, const struct tree_options *o)
{
	static const struct pci_ids ids = {0x1af4, 0x1110, 0x1af4, 0x1100, 0x050000, 1};
	const struct pci_region registers[] = {{PCI_REGION_REGISTERS, 4096},
					       {PCI_REGION_MSIX, 4096},
					       {PCI_REGION_HOLE, 4096},
					       {PCI_REGION_REGISTERS_NO_MMAP, 4096}};
	const struct pci_region memory[] = {{PCI_REGION_MEMORY, 64ull << 20}};

	assert_int_equal(pci_function_init(&c->fn, &t->root, &ids, &card_ops, c, "card"), 0);
	assert_int_equal(pci_build_bar(&c->fn, 0, 0, registers, ARRAY_SIZE(registers)), 0);
	assert_int_equal(pci_build_bar(&c->fn, 2, PCI_BAR_64BIT | PCI_BAR_PREFETCHABLE, memory, 1), 0);
	assert_int_equal(pci_build_pm(&c->fn, !o->forgets_in_d3), 0);
	assert_int_equal(pci_build_msi(&c->fn, 4), 0);
	assert_int_equal(pci_build_msix(&c->fn, CARD_NR_MSIX, 0, CARD_MSIX, CARD_MSIX + 2048), 0);
	assert_int_equal(pci_build_intx(&c->fn), 0);
	assert_int_equal(pci_build_express(&c->fn, PCI_EXP_TYPE_ENDPOINT, !o->no_flr, NULL), 0);
	assert_int_equal(pci_build_aer(&c->fn), 0);
	assert_int_equal(pci_root_add_function(&t->root, parent, &c->fn, -1), 0);
}

static struct pci_port *port_add(struct tree *t, struct pci_port *parent, int type, uint16_t acs)
{
	struct pci_port *port;

	assert_int_equal(pci_port_create(&t->root, type, acs, &port), 0);
	assert_int_equal(pci_root_add_function(&t->root, parent, &port->fn, -1), 0);
	return port;
}

static const struct iommu_geometry geometry = {
	.aperture_last = (1ull << 48) - 1,
	.page_sizes = 1u << 12 | 1u << 21 | 1u << 30,
};

struct tree *tree_create(const struct tree_options *o)
{
	struct tree *t = calloc(1, sizeof(*t));

	t->space = phys_space_create(NULL);
	t->iommu = iommu_unit_create(t->space, "iommu0", &geometry);
	assert_int_equal(pci_root_init(&t->root, t->space, t->iommu, !o->no_host_routing, NULL), 0);
	t->port_a = port_add(t, NULL, PCI_PORT_ROOT, o->root_acs);
	t->port_b = port_add(t, NULL, PCI_PORT_ROOT, o->root_acs);
	t->up = port_add(t, t->port_a, PCI_PORT_UPSTREAM, 0);
	for (int i = 0; i < 3; i++) {
		t->down[i] = port_add(t, t->up, PCI_PORT_DOWNSTREAM, o->switch_acs);
		card_build(&t->cards[i], t, t->down[i], o);
	}
	card_build(&t->cards[3], t, t->port_b, o);
	assert_int_equal(pci_enumerate(&t->root), 0);
	return t;
}

void tree_destroy(struct tree *t)
{
	for (int i = 0; i < 4; i++)
		pci_function_fini(&t->cards[i].fn);
	for (int i = 0; i < 3; i++)
		pci_port_destroy(t->down[i]);
	pci_port_destroy(t->up);
	pci_port_destroy(t->port_a);
	pci_port_destroy(t->port_b);
	pci_root_fini(&t->root);
	iommu_unit_destroy(t->iommu);
	phys_space_destroy(t->space);
	free(t);
}

void tree_command(struct pci_function *fn, uint16_t set, uint16_t clear)
{
	pci_config_write(fn, PCI_COMMAND, (pci_config_read(fn, PCI_COMMAND, 2) & ~clear) | set, 2);
}
