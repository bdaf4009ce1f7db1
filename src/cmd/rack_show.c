/* SPDX-License-Identifier: BSD-3-Clause */
/* A rack as text, for 100 columns. */
#include <inttypes.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <string.h>

#include "cmd/rack_show.h"

const char *rack_function_kind(const struct pci_function *fn)
{
	static const char *const ports[] = {
		[PCI_PORT_ROOT] = "root port", [PCI_PORT_UPSTREAM] = "switch", [PCI_PORT_DOWNSTREAM] = "switch port"};

	if (fn->model_name)
		return fn->model_name;
	return fn->is_bridge ? ports[container_of(fn, const struct pci_port, fn)->type] : "host bridge";
}

const char *rack_function_label(const struct rack *r, const struct pci_function *fn)
{
	static const char *const vfs[] = {"vf0", "vf1", "vf2", "vf3", "vf4", "vf5", "vf6"};
	const struct rack_node *nodes = (const void *)((const char *)r->desc + r->desc->nodes);

	if (fn->physfn)
		return vfs[fn->vf_index];
	for (size_t i = 0; i < r->nr_nodes; i++)
		if (r->nodes[i] == fn && nodes[i].name)
			return rack_string(r->desc, nodes[i].name);
	return "";
}

const char *rack_route_name(enum pci_route_kind kind)
{
	static const char *const names[] = {[PCI_ROUTE_NONE] = "none",
					    [PCI_ROUTE_BUS_ADDRESS] = "bus address",
					    [PCI_ROUTE_HOST_BRIDGE] = "host bridge"};

	return names[kind];
}

static unsigned depth_of(const struct pci_function *fn)
{
	unsigned depth = 0;

	for (const struct pci_port *p = fn->parent; p; p = p->fn.parent)
		depth++;
	return depth;
}

static void size_print(char *buf, size_t len, uint64_t size)
{
	static const char units[] = " KMGTPE";
	unsigned i = 0;

	for (; size >= 1024 && !(size % 1024); i++)
		size /= 1024;
	snprintf(buf, len, i ? "%" PRIu64 "%c" : "%" PRIu64, size, units[i]);
}

static void print_bars(const struct pci_function *fn)
{
	for (unsigned i = 0; i < PCI_NR_BARS; i++) {
		char size[24];

		if (!fn->bars[i].size)
			continue;
		size_print(size, sizeof(size), fn->bars[i].size);
		printf("  BAR%u %s @ 0x%" PRIx64, i, size, fn->bars[i].base);
	}
}

static void print_acs(const struct pci_port *port)
{
	static const struct {
		const char *name;
		uint16_t bit;
	} bits[] = {{"sv", PCI_ACS_SV}, {"rr", PCI_ACS_RR}, {"cr", PCI_ACS_CR}, {"uf", PCI_ACS_UF}};

	if (!port->fn.cap_acs)
		return;
	printf("  ACS");
	for (size_t i = 0; i < ARRAY_SIZE(bits); i++)
		if (port->acs & bits[i].bit)
			printf(" %s", bits[i].name);
	if (!port->acs)
		printf(" off");
}

static void print_function(const struct rack *r, const struct pci_function *fn)
{
	const char *label = rack_function_label(r, fn);
	char what[64];

	snprintf(what, sizeof(what), "%s%s%s", rack_function_kind(fn), label[0] ? " " : "", label);
	printf("  %*s%s  %-18s %04x:%04x", (int)depth_of(fn) * 2, "", fn->name, what, pci_vendor_id(fn),
	       pci_device_id(fn));
	print_bars(fn);
	if (fn->is_bridge) {
		const struct pci_port *port = container_of(fn, const struct pci_port, fn);

		printf("  bus %02x-%02x", port->secondary, port->subordinate);
		print_acs(port);
	}
	putchar('\n');
}

/* Depth first, as the buses are numbered: what is below a bridge stands under it. */
static void print_bus(const struct rack *r, const struct list *bus)
{
	const struct pci_function *fn;

	list_for_each (fn, bus, sibling) {
		print_function(r, fn);
		for (unsigned i = 0; i < pci_sriov_total(fn); i++)
			print_function(r, pci_sriov_vf(fn, i));
		if (fn->is_bridge)
			print_bus(r, &container_of(fn, const struct pci_port, fn)->children);
	}
}

static void print_groups(const struct rack *r)
{
	for (unsigned group = 0; group < r->root.nr_groups; group++) {
		printf("  %3u ", group);
		for (size_t i = 0, nr = 0; i < r->root.nr_functions; i++) {
			const struct pci_function *fn = r->root.functions[i];

			if (fn->iommu_group != group)
				continue;
			if (nr && nr % 6 == 0)
				printf("\n      ");
			printf(" %s", fn->name);
			nr++;
		}
		putchar('\n');
	}
}

/* The rules that occur, numbered; the matrix shows the path and, where one path has several rules, the number. */
struct legend {
	struct pci_route routes[16];
	size_t nr;
};

static size_t legend_add(struct legend *l, const struct pci_route *route)
{
	size_t i = 0;

	while (i < l->nr && strcmp(l->routes[i].rule, route->rule))
		i++;
	if (i == l->nr && l->nr < ARRAY_SIZE(l->routes))
		l->routes[l->nr++] = *route;
	return i + 1;
}

static const char *path_word(enum pci_route_kind kind)
{
	static const char *const words[] = {
		[PCI_ROUTE_NONE] = "-", [PCI_ROUTE_BUS_ADDRESS] = "bus", [PCI_ROUTE_HOST_BRIDGE] = "host"};

	return words[kind];
}

/* Columns that fit beside the row's name in 100 columns; wider racks get several tables. */
enum { COLUMNS = 8 };

static void print_row(const struct rack *r, const struct pci_function *from, const struct pci_function *const *to,
		      size_t nr, struct legend *legend)
{
	printf("  %-8s %-14s", from->name + 5, rack_function_label(r, from));
	for (size_t i = 0; i < nr; i++) {
		struct pci_route route = pci_route(from, to[i]);
		char cell[16];

		snprintf(cell, sizeof(cell), "%s %zu", path_word(route.kind),
			 from == to[i] ? 0 : legend_add(legend, &route));
		printf(i + 1 < nr ? " %-8s" : " %s", from == to[i] ? "." : cell);
	}
	putchar('\n');
}

static void print_matrix(const struct rack *r, const struct pci_function *const *devices, size_t nr,
			 struct legend *legend)
{
	for (size_t first = 0; first < nr; first += COLUMNS) {
		size_t columns = MIN(nr - first, (size_t)COLUMNS);

		printf("  %-23s", "from \\ to");
		for (size_t i = 0; i < columns; i++)
			printf(i + 1 < columns ? " %-8s" : " %s", devices[first + i]->name + 5);
		putchar('\n');
		for (size_t i = 0; i < nr; i++)
			print_row(r, devices[i], devices + first, columns, legend);
	}
}

static void print_peers(const struct rack *r)
{
	const struct pci_function *devices[ARRAY_SIZE(r->root.functions)];
	struct legend legend = {.nr = 0};
	size_t nr = 0;

	for (size_t i = 0; i < r->root.nr_functions; i++)
		if (r->root.functions[i]->model_name)
			devices[nr++] = r->root.functions[i];
	print_matrix(r, devices, nr, &legend);
	for (size_t i = 0; i < legend.nr; i++)
		printf("  %zu  %s%s: %s\n", i + 1, legend.routes[i].kind == PCI_ROUTE_NONE ? "" : "by ",
		       rack_route_name(legend.routes[i].kind), legend.routes[i].rule);
}

void rack_show_text(const struct rack *r)
{
	const char *name = rack_string(r->desc, r->desc->name);

	printf("rack %s: the host bridge %s between its ports\n\nPCI tree\n", name ? name : "without a name",
	       r->root.routes_peers ? "routes" : "does not route");
	print_bus(r, &r->root.bus0);
	printf("\nIOMMU groups\n");
	print_groups(r);
	printf("\nPeer-to-peer DMA\n");
	print_peers(r);
}
