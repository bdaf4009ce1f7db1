/* SPDX-License-Identifier: BSD-3-Clause */
/* From a description to a machine's hardware. */
#include <stdlib.h>
#include <string.h>

#include "base/trace.h"
#include "device/device.h"
#include "pci/build.h"
#include "rack/rack.h"

/* A VT-d unit with a four-level table: 48 bits, and the window that interrupt messages go to. */
static const struct iommu_geometry geometry = {
	.aperture_start = 0,
	.aperture_last = (1ull << 48) - 1,
	.msi_start = 0xfee00000,
	.msi_last = 0xfeefffff,
	.page_sizes = 1ull << 12 | 1ull << 21 | 1ull << 30,
};

static const struct rack_node *desc_nodes(const struct rack_desc *d)
{
	return (const void *)((const char *)d + d->nodes);
}

static int port_build(struct rack *r, const struct rack_node *node, struct pci_port *parent, struct pci_function **out)
{
	static const int types[] = {[RACK_ROOT_PORT] = PCI_PORT_ROOT,
				    [RACK_SWITCH_UPSTREAM] = PCI_PORT_UPSTREAM,
				    [RACK_SWITCH_DOWNSTREAM] = PCI_PORT_DOWNSTREAM};
	struct pci_port *port;
	int err;

	err = pci_port_create(&r->root, types[node->kind], (uint16_t)node->acs, &port);
	if (err)
		return err;
	err = pci_root_add_function(&r->root, parent, &port->fn, node->slot);
	if (err) {
		pci_port_destroy(port);
		return err;
	}
	*out = &port->fn;
	return 0;
}

static int device_build(struct rack *r, const struct rack_node *node, struct pci_port *parent,
			struct pci_function **out)
{
	const struct rack_key *keys = (const void *)((const char *)r->desc + node->keys);
	const char *name = rack_string(r->desc, node->model);
	const struct device_model *model = device_model_find(name);
	struct device_setting *settings;
	int err;

	if (!model)
		return refuse(r->trace, -EINVAL, "rack: no model is called \"%s\"", name);
	settings = calloc(node->nr_keys + 1, sizeof(*settings));
	if (!settings)
		return -ENOMEM;
	for (uint32_t i = 0; i < node->nr_keys; i++)
		settings[i] = (struct device_setting){rack_string(r->desc, keys[i].name),
						      rack_string(r->desc, keys[i].value)};
	err = device_create(model, settings, node->nr_keys, &r->root, parent, node->slot, out);
	free(settings);
	return err;
}

static int node_build(struct rack *r, const struct rack_node *node)
{
	struct pci_port *parent = node->parent < 0 ? NULL : pci_port_of(r->nodes[node->parent]);
	struct pci_function **out = &r->nodes[r->nr_nodes];
	int err;

	if (node->kind == RACK_DEVICE)
		err = device_build(r, node, parent, out);
	else
		err = port_build(r, node, parent, out);
	if (err)
		return refuse(r->trace, err, "rack: node %zu cannot be built at slot %d", r->nr_nodes, node->slot);
	r->nr_nodes++;
	return 0;
}

/* Children stand after their parents in the description, so backwards is from the leaves up. */
static void nodes_destroy(struct rack *r)
{
	while (r->nr_nodes > 0) {
		struct pci_function *fn = r->nodes[--r->nr_nodes];

		if (fn->is_bridge)
			pci_port_destroy(pci_port_of(fn));
		else
			device_destroy(fn);
	}
	free(r->nodes);
}

static int nodes_build(struct rack *r)
{
	int err = 0;

	r->nodes = calloc(r->desc->nr_nodes + 1, sizeof(*r->nodes));
	if (!r->nodes)
		return -ENOMEM;
	for (uint32_t i = 0; i < r->desc->nr_nodes && !err; i++)
		err = node_build(r, &desc_nodes(r->desc)[i]);
	if (!err)
		err = pci_enumerate(&r->root);
	if (err)
		nodes_destroy(r);
	return err;
}

int rack_create(const struct rack_desc *desc, struct trace *trace, struct rack **out)
{
	struct rack *r = calloc(1, sizeof(*r));
	int err = -ENOMEM;

	if (!r)
		return -ENOMEM;
	r->desc = desc;
	r->trace = trace;
	r->space = phys_space_create(trace);
	if (!r->space)
		goto undo_rack;
	r->iommu = iommu_unit_create(r->space, "dmar0", &geometry);
	if (!r->iommu)
		goto undo_space;
	err = pci_root_init(&r->root, r->space, r->iommu, desc->routes_peers, trace);
	if (err)
		goto undo_iommu;
	err = nodes_build(r);
	if (err)
		goto undo_root;
	*out = r;
	return 0;

undo_root:
	pci_root_fini(&r->root);
undo_iommu:
	iommu_unit_destroy(r->iommu);
undo_space:
	phys_space_destroy(r->space);
undo_rack:
	free(r);
	return err;
}

const char *rack_setting(const struct rack *r, const struct pci_function *fn, const char *key)
{
	for (size_t i = 0; i < r->nr_nodes; i++) {
		const struct rack_node *node = &desc_nodes(r->desc)[i];
		const struct rack_key *keys = (const void *)((const char *)r->desc + node->keys);

		for (uint32_t j = 0; r->nodes[i] == fn && j < node->nr_keys; j++)
			if (!strcmp(rack_string(r->desc, keys[j].name), key))
				return rack_string(r->desc, keys[j].value);
	}
	return NULL;
}

void rack_destroy(struct rack *r)
{
	nodes_destroy(r);
	pci_root_fini(&r->root);
	iommu_unit_destroy(r->iommu);
	phys_space_destroy(r->space);
	free(r);
}
