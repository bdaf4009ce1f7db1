/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rack files. The form, which barter-rack(5) documents:
 *
 *   name: example
 *   summary: one line                      (optional)
 *   host_bridge: {routes_peers: true}      (optional)
 *   bus:                                   what stands on the root bus
 *     - port: A                            a root port, on the root bus only
 *       acs: isolate                       none | isolate | [sv, rr, cr, uf]; isolate unless told
 *       below: [...]                       at most one: a link has one device at its end
 *     - model: memcard                     a device, with the model's keys
 *       label: card0
 *       size: 64M
 *     below a port:
 *       - switch: S
 *         acs: none                        of its downstream ports; none unless told
 *         below: [...]                     a downstream port is made for each
 *
 * Every node may have `slot`: its device number (of a switch's child: that of the downstream port).
 */
#include <linux/pci_regs.h>
#include <stdio.h>
#include <string.h>

#include "device/device.h"
#include "rack/parse_priv.h"

#define ISOLATE (PCI_ACS_SV | PCI_ACS_RR | PCI_ACS_CR | PCI_ACS_UF)

/* Deeper trees have more bus numbers than there are; a YAML alias to its own parent has no end. */
enum { MAX_DEPTH = 32, MAX_NODES = 250 };

/* Where a node is to stand. */
struct place {
	int32_t parent;
	enum { ON_ROOT_BUS, BELOW_PORT, BELOW_SWITCH } where;
	uint32_t acs; /* BELOW_SWITCH: of the downstream port to be made */
};

static int parse_nodes(struct rack_parser *p, const yaml_node_t *sequence, const struct place *place);

static int add_node(struct rack_parser *p, const yaml_node_t *at, const struct rack_node *node, int32_t *index)
{
	if (p->writer.desc.nr_nodes >= MAX_NODES)
		return fail(p, at, NULL, "a rack has at most %d ports and devices", MAX_NODES);
	*index = (int32_t)rack_writer_node(&p->writer, node);
	return p->writer.failed ? -ENOMEM : 0;
}

static int add_label(struct rack_parser *p, const yaml_node_t *mapping, const char *key, uint32_t *offset)
{
	const yaml_node_t *value = mapping_get(p, mapping, key, NULL);
	const char *text;
	int err;

	*offset = 0;
	if (!value)
		return 0;
	err = get_string(p, mapping, key, NULL, &text);
	if (err)
		return err;
	for (size_t i = 0; i < p->nr_labels; i++)
		if (!strcmp(p->writer.strings + p->labels[i], text))
			return fail(p, value, key, "\"%s\" is the name of another node", text);
	if (p->nr_labels == ARRAY_SIZE(p->labels))
		return fail(p, value, key, "a rack has at most %zu names", ARRAY_SIZE(p->labels));
	*offset = rack_writer_string(&p->writer, text);
	if (*offset)
		p->labels[p->nr_labels++] = *offset;
	return p->writer.failed ? -ENOMEM : 0;
}

static bool slot_is_taken(const struct rack_parser *p, int32_t parent, int32_t slot)
{
	for (uint32_t i = 0; i < p->writer.desc.nr_nodes; i++)
		if (p->writer.nodes[i].parent == parent && p->writer.nodes[i].slot == slot)
			return true;
	return false;
}

/* The slot that the file gives, or -1; not 0 on the root bus, where the host bridge is. */
static int parse_slot(struct rack_parser *p, const yaml_node_t *mapping, const struct place *place, int32_t *slot)
{
	const yaml_node_t *value = mapping_get(p, mapping, "slot", NULL);
	int err = get_slot(p, mapping, slot);

	if (err || *slot < 0)
		return err;
	if (place->where == BELOW_PORT && *slot)
		return fail(p, value, "slot", "must be 0 below a port: a link has one device");
	if (place->where == ON_ROOT_BUS && *slot == 0)
		return fail(p, value, "slot", "0 on the root bus is the host bridge");
	if (slot_is_taken(p, place->parent, *slot))
		return fail(p, value, "slot", "%d is taken", *slot);
	return 0;
}

/* In a switch, a node stands behind a downstream port of its own, which has the node's slot. */
static int enter_switch(struct rack_parser *p, const yaml_node_t *at, struct place *place, int32_t *slot)
{
	struct rack_node port = {
		.kind = RACK_SWITCH_DOWNSTREAM, .parent = place->parent, .acs = place->acs, .slot = *slot};

	if (place->where != BELOW_SWITCH)
		return 0;
	*slot = -1;
	return add_node(p, at, &port, &place->parent);
}

static int parse_below(struct rack_parser *p, const yaml_node_t *mapping, const struct place *place)
{
	const yaml_node_t *below;
	int err = get_sequence(p, mapping, "below", &below);

	return err || !below ? err : parse_nodes(p, below, place);
}

static int parse_port(struct rack_parser *p, const yaml_node_t *mapping, struct place place)
{
	static const char *const keys[] = {"port", "acs", "slot", "below"};
	struct rack_node node = {.kind = RACK_ROOT_PORT, .parent = -1};
	struct place inside = {.where = BELOW_PORT};
	const yaml_node_t *key = NULL;
	int err = mapping_check(p, mapping, keys, ARRAY_SIZE(keys));

	if (err)
		return err;
	mapping_get(p, mapping, "port", &key);
	if (place.where != ON_ROOT_BUS)
		return fail(p, key, "port", "stands on the root bus only; below a port, use a switch");
	err = parse_slot(p, mapping, &place, &node.slot);
	if (!err)
		err = get_acs(p, mapping, ISOLATE, &node.acs);
	if (!err)
		err = add_label(p, mapping, "port", &node.name);
	if (!err)
		err = add_node(p, mapping, &node, &inside.parent);
	return err ? err : parse_below(p, mapping, &inside);
}

static int parse_switch(struct rack_parser *p, const yaml_node_t *mapping, struct place place)
{
	static const char *const keys[] = {"switch", "acs", "slot", "below"};
	struct rack_node node = {.kind = RACK_SWITCH_UPSTREAM};
	struct place inside = {.where = BELOW_SWITCH};
	const yaml_node_t *key = NULL;
	int err = mapping_check(p, mapping, keys, ARRAY_SIZE(keys));

	if (err)
		return err;
	mapping_get(p, mapping, "switch", &key);
	if (place.where == ON_ROOT_BUS)
		return fail(p, key, "switch", "needs a port above it");
	err = parse_slot(p, mapping, &place, &node.slot);
	if (!err)
		err = get_acs(p, mapping, 0, &inside.acs);
	if (!err)
		err = add_label(p, mapping, "switch", &node.name);
	if (!err)
		err = enter_switch(p, mapping, &place, &node.slot);
	node.parent = place.parent;
	if (!err)
		err = add_node(p, mapping, &node, &inside.parent);
	return err ? err : parse_below(p, mapping, &inside);
}

static int check_model_keys(struct rack_parser *p, const yaml_node_t *mapping, const struct device_model *model)
{
	const char *known[64] = {"model", "label", "slot"};
	size_t nr = 3;

	for (size_t i = 0; i < model->nr_keys && nr < ARRAY_SIZE(known); i++)
		known[nr++] = model->keys[i].name;
	return mapping_check(p, mapping, known, nr);
}

static int parse_settings(struct rack_parser *p, const yaml_node_t *mapping, const struct device_model *model)
{
	for (size_t i = 0; i < model->nr_keys; i++) {
		const struct device_key *key = &model->keys[i];
		const yaml_node_t *value = mapping_get(p, mapping, key->name, NULL);
		const char *text = value ? node_text(value) : NULL;
		char rule[128] = "";

		if (!value)
			continue;
		if (!text)
			return fail(p, value, key->name, "must be a single value");
		if (device_key_check(key, text, NULL, rule, sizeof(rule)))
			return fail(p, value, key->name, "%s", rule);
		rack_writer_key(&p->writer, key->name, text);
	}
	return p->writer.failed ? -ENOMEM : 0;
}

static int find_model(struct rack_parser *p, const yaml_node_t *mapping, const struct device_model **out)
{
	const char *names[64], *name;
	char rule[sizeof(p->error->rule)];
	size_t nr = 0;
	int err = get_string(p, mapping, "model", NULL, &name);

	if (err)
		return err;
	*out = device_model_find(name);
	if (*out)
		return 0;
	while (nr < ARRAY_SIZE(names) && device_models[nr]) {
		names[nr] = device_models[nr]->name;
		nr++;
	}
	snprintf(rule, sizeof(rule), "there is no model \"%.40s\"", name);
	suggest_append(rule, sizeof(rule), name, names, nr);
	return fail(p, mapping_get(p, mapping, "model", NULL), "model", "%s", rule);
}

static int parse_device(struct rack_parser *p, const yaml_node_t *mapping, struct place place)
{
	struct rack_node node = {.kind = RACK_DEVICE};
	const struct device_model *model;
	int32_t index;
	int err = find_model(p, mapping, &model);

	if (!err)
		err = check_model_keys(p, mapping, model);
	if (!err)
		err = parse_slot(p, mapping, &place, &node.slot);
	if (!err)
		err = add_label(p, mapping, "label", &node.name);
	if (!err)
		err = enter_switch(p, mapping, &place, &node.slot);
	if (err)
		return err;
	node.parent = place.parent;
	node.model = rack_writer_string(&p->writer, model->name);
	err = add_node(p, mapping, &node, &index);
	return err ? err : parse_settings(p, mapping, model);
}

static int parse_node(struct rack_parser *p, const yaml_node_t *node, const struct place *place)
{
	static const struct {
		const char *key;
		int (*parse)(struct rack_parser *p, const yaml_node_t *mapping, struct place place);
	} kinds[] = {{"port", parse_port}, {"switch", parse_switch}, {"model", parse_device}};
	int kind = -1;

	if (node->type != YAML_MAPPING_NODE)
		return fail(p, node, NULL, "must be a mapping with port, switch or model");
	for (int i = 0; i < (int)ARRAY_SIZE(kinds); i++) {
		const yaml_node_t *key = NULL;

		if (!mapping_get(p, node, kinds[i].key, &key))
			continue;
		if (kind >= 0)
			return fail(p, key, kinds[i].key, "cannot stand beside %s", kinds[kind].key);
		kind = i;
	}
	if (kind < 0)
		return fail(p, node, NULL, "must have one of port, switch, model");
	return kinds[kind].parse(p, node, *place);
}

static int parse_nodes(struct rack_parser *p, const yaml_node_t *sequence, const struct place *place)
{
	yaml_node_item_t *item = sequence->data.sequence.items.start, *top = sequence->data.sequence.items.top;
	int err = 0;

	if (++p->depth > MAX_DEPTH)
		return fail(p, sequence, NULL, "is nested more than %d deep", MAX_DEPTH);
	if (place->where == BELOW_PORT && top - item > 1)
		return fail(p, node_at(p, item[1]), NULL, "a port leads to one device; put a switch below it");
	if (place->where != BELOW_PORT && top - item > 31)
		return fail(p, node_at(p, item[31]), NULL, "a bus has room for 31");
	for (; item < top && !err; item++)
		err = parse_node(p, node_at(p, *item), place);
	p->depth--;
	return err;
}

static int parse_host_bridge(struct rack_parser *p, const yaml_node_t *root)
{
	static const char *const keys[] = {"routes_peers"};
	const yaml_node_t *mapping = mapping_get(p, root, "host_bridge", NULL);
	bool routes = true;
	int err = 0;

	if (mapping && mapping->type != YAML_MAPPING_NODE)
		return fail(p, mapping, "host_bridge", "must be a mapping");
	if (mapping)
		err = mapping_check(p, mapping, keys, ARRAY_SIZE(keys));
	if (mapping && !err)
		err = get_bool(p, mapping, "routes_peers", true, &routes);
	p->writer.desc.routes_peers = routes;
	return err;
}

static int parse_root(struct rack_parser *p, const yaml_node_t *root)
{
	static const char *const keys[] = {"name", "summary", "host_bridge", "bus"};
	static const struct place bus0 = {.parent = -1, .where = ON_ROOT_BUS};
	const char *name, *summary;
	const yaml_node_t *bus;
	int err;

	if (!root || root->type != YAML_MAPPING_NODE)
		return fail(p, root, NULL, "a rack is a mapping with name and bus");
	err = mapping_check(p, root, keys, ARRAY_SIZE(keys));
	if (!err)
		err = get_string(p, root, "name", NULL, &name);
	if (!err)
		err = get_string(p, root, "summary", "", &summary);
	if (!err)
		err = parse_host_bridge(p, root);
	if (!err)
		err = get_sequence(p, root, "bus", &bus);
	if (err)
		return err;
	if (!bus)
		return fail(p, root, "bus", "is missing");
	p->writer.desc.name = rack_writer_string(&p->writer, name);
	return parse_nodes(p, bus, &bus0);
}

static int syntax_error(struct rack_error *error, const yaml_parser_t *yaml)
{
	if (yaml->error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	error->line = yaml->problem_mark.line + 1;
	error->column = yaml->problem_mark.column + 1;
	snprintf(error->rule, sizeof(error->rule), "is not YAML: %s", yaml->problem ? yaml->problem : "bad text");
	return -EINVAL;
}

static int check_single(struct rack_parser *p, yaml_parser_t *yaml)
{
	yaml_document_t second;
	int err = 0;

	if (!yaml_parser_load(yaml, &second))
		return syntax_error(p->error, yaml);
	if (yaml_document_get_root_node(&second))
		err = fail(p, yaml_document_get_root_node(&second), NULL, "a file holds one rack");
	yaml_document_delete(&second);
	return err;
}

static int parse_document(struct rack_parser *p, yaml_parser_t *yaml, struct rack_desc **out)
{
	int err;

	if (!yaml_parser_load(yaml, &p->document))
		return syntax_error(p->error, yaml);
	rack_writer_init(&p->writer);
	err = parse_root(p, yaml_document_get_root_node(&p->document));
	if (!err)
		err = check_single(p, yaml);
	if (!err)
		err = rack_writer_finish(&p->writer, out);
	rack_writer_fini(&p->writer);
	yaml_document_delete(&p->document);
	return err;
}

int rack_parse(const char *file_name, const char *text, size_t len, struct rack_desc **out, struct rack_error *error)
{
	struct rack_parser p = {.error = error};
	yaml_parser_t yaml;
	int err;

	memset(error, 0, sizeof(*error));
	snprintf(error->file, sizeof(error->file), "%s", file_name);
	if (!yaml_parser_initialize(&yaml))
		return -ENOMEM;
	yaml_parser_set_input_string(&yaml, (const unsigned char *)text, len);
	err = parse_document(&p, &yaml, out);
	yaml_parser_delete(&yaml);
	return err;
}
