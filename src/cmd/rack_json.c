/* SPDX-License-Identifier: BSD-3-Clause */
/* A rack as JSON. jansson remembers nothing of what failed: a NULL that is put into an object is an error at the end.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#include "cmd/rack_show.h"

static json_t *hex(uint64_t value)
{
	return json_sprintf("0x%" PRIx64, value);
}

static json_t *bars_json(const struct pci_function *fn)
{
	json_t *bars = json_array();

	for (unsigned i = 0; bars && i < PCI_NR_BARS; i++) {
		const struct pci_bar *bar = &fn->bars[i];

		if (bar->size)
			json_array_append_new(bars, json_pack("{s:i, s:I, s:o, s:b, s:b}", "index", (int)i, "size",
							      (json_int_t)bar->size, "base", hex(bar->base), "64bit",
							      bar->is_64bit, "prefetchable", bar->prefetchable));
	}
	return bars;
}

static json_t *function_json(const struct rack *r, const struct pci_function *fn)
{
	json_t *object =
		json_pack("{s:s, s:s, s:s, s:o, s:o, s:i, s:o, s:s?}", "name", fn->name, "kind", rack_function_kind(fn),
			  "label", rack_function_label(r, fn), "vendor", json_sprintf("0x%04x", pci_vendor_id(fn)),
			  "device", json_sprintf("0x%04x", pci_device_id(fn)), "iommu_group", (int)fn->iommu_group,
			  "bars", bars_json(fn), "parent", fn->parent ? fn->parent->fn.name : NULL);

	if (object && fn->physfn)
		json_object_set_new(object, "physfn", json_string(fn->physfn->name));
	if (object && fn->is_bridge) {
		const struct pci_port *port = container_of(fn, const struct pci_port, fn);

		json_object_set_new(object, "secondary", json_integer(port->secondary));
		json_object_set_new(object, "subordinate", json_integer(port->subordinate));
		json_object_set_new(object, "acs", hex(port->acs));
	}
	return object;
}

static json_t *functions_json(const struct rack *r)
{
	json_t *array = json_array();

	for (size_t i = 0; array && i < r->root.nr_functions; i++)
		json_array_append_new(array, function_json(r, r->root.functions[i]));
	return array;
}

static json_t *groups_json(const struct rack *r)
{
	json_t *groups = json_array();

	for (unsigned group = 0; groups && group < r->root.nr_groups; group++) {
		json_t *members = json_array();

		for (size_t i = 0; members && i < r->root.nr_functions; i++)
			if (r->root.functions[i]->iommu_group == group)
				json_array_append_new(members, json_string(r->root.functions[i]->name));
		json_array_append_new(groups, members);
	}
	return groups;
}

static json_t *route_json(const struct pci_function *from, const struct pci_function *to)
{
	struct pci_route route = pci_route(from, to);

	return json_pack("{s:s, s:s, s:s, s:s, s:s?}", "from", from->name, "to", to->name, "path",
			 rack_route_name(route.kind), "rule", route.rule, "via", route.via ? route.via->name : NULL);
}

static json_t *peers_json(const struct rack *r)
{
	json_t *peers = json_array();

	for (size_t i = 0; peers && i < r->root.nr_functions; i++)
		for (size_t j = 0; j < r->root.nr_functions; j++) {
			const struct pci_function *from = r->root.functions[i], *to = r->root.functions[j];

			if (from != to && from->model_name && to->model_name)
				json_array_append_new(peers, route_json(from, to));
		}
	return peers;
}

int rack_show_json(const struct rack *r)
{
	json_t *root = json_pack("{s:s?, s:b, s:o, s:o, s:o}", "name", rack_string(r->desc, r->desc->name),
				 "host_bridge_routes_peers", r->root.routes_peers, "functions", functions_json(r),
				 "iommu_groups", groups_json(r), "peers", peers_json(r));
	int failed;

	if (!root)
		return -ENOMEM;
	failed = json_dumpf(root, stdout, JSON_INDENT(1));
	json_decref(root);
	putchar('\n');
	return failed ? -EIO : 0;
}
