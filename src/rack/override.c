/* SPDX-License-Identifier: BSD-3-Clause */
/* `-d MODEL,key=value[,key=value]...`: the description is written anew with the keys changed. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/device.h"
#include "rack/parse_priv.h"

enum { MAX_CHANGES = 32 };

struct changes {
	const struct device_model *model;
	struct {
		const struct device_key *key;
		const char *value;
	} at[MAX_CHANGES];
	size_t nr;
	unsigned nr_devices;
};

static int refuse_override(struct rack_error *error, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int refuse_override(struct rack_error *error, const char *key, const char *fmt, ...)
{
	va_list args;

	snprintf(error->key, sizeof(error->key), "%s", key ? key : "");
	va_start(args, fmt);
	vsnprintf(error->rule, sizeof(error->rule), fmt, args);
	va_end(args);
	return -EINVAL;
}

static int find_model(struct changes *c, const char *name, struct rack_error *error)
{
	const char *names[64];
	size_t nr = 0;

	c->model = name ? device_model_find(name) : NULL;
	if (c->model)
		return 0;
	for (; nr < ARRAY_SIZE(names) && device_models[nr]; nr++)
		names[nr] = device_models[nr]->name;
	refuse_override(error, NULL, "there is no model \"%.40s\"", name ? name : "");
	suggest_append(error->rule, sizeof(error->rule), name ? name : "", names, nr);
	return -EINVAL;
}

static int add_change(struct changes *c, char *text, struct rack_error *error)
{
	char *equals = strchr(text, '='), rule[128] = "";
	const struct device_key *key;
	const char *names[64];

	if (!equals)
		return refuse_override(error, NULL, "must be MODEL,key=value: \"%.40s\" has no \"=\"", text);
	*equals = 0;
	key = device_key_find(c->model, text);
	if (!key) {
		for (size_t i = 0; i < c->model->nr_keys && i < ARRAY_SIZE(names); i++)
			names[i] = c->model->keys[i].name;
		refuse_override(error, text, "is not a key of %s", c->model->name);
		suggest_append(error->rule, sizeof(error->rule), text, names,
			       MIN(c->model->nr_keys, ARRAY_SIZE(names)));
		return -EINVAL;
	}
	if (device_key_check(key, equals + 1, NULL, rule, sizeof(rule)))
		return refuse_override(error, text, "%s", rule);
	if (c->nr == MAX_CHANGES)
		return refuse_override(error, text, "more than %d changes", MAX_CHANGES);
	c->at[c->nr].key = key;
	c->at[c->nr++].value = equals + 1;
	return 0;
}

static int parse_argument(struct changes *c, char *argument, struct rack_error *error)
{
	char *rest = argument, *word = strsep(&rest, ",");
	int err = find_model(c, word, error);

	if (!err && !rest)
		return refuse_override(error, NULL, "must be MODEL,key=value");
	while (!err && (word = strsep(&rest, ",")))
		err = add_change(c, word, error);
	return err;
}

static bool is_changed(const struct changes *c, const char *name)
{
	for (size_t i = 0; i < c->nr; i++)
		if (!strcmp(c->at[i].key->name, name))
			return true;
	return false;
}

static void copy_node(struct rack_writer *w, const struct rack_desc *d, const struct rack_node *from, struct changes *c)
{
	const struct rack_key *keys = (const void *)((const char *)d + from->keys);
	const char *model = rack_string(d, from->model);
	bool change = model && !strcmp(model, c->model->name);
	struct rack_node node = *from;

	node.name = rack_writer_string(w, rack_string(d, from->name));
	node.model = rack_writer_string(w, model);
	rack_writer_node(w, &node);
	if (w->failed)
		return;
	for (uint32_t i = 0; i < from->nr_keys; i++)
		if (!change || !is_changed(c, rack_string(d, keys[i].name)))
			rack_writer_key(w, rack_string(d, keys[i].name), rack_string(d, keys[i].value));
	for (size_t i = 0; change && i < c->nr; i++)
		rack_writer_key(w, c->at[i].key->name, c->at[i].value);
	c->nr_devices += change;
}

static int rewrite(struct rack_desc **desc, struct changes *c)
{
	const struct rack_desc *old = *desc;
	const struct rack_node *nodes = (const void *)((const char *)old + old->nodes);
	struct rack_desc *new;
	struct rack_writer w;
	int err;

	rack_writer_init(&w);
	w.desc.routes_peers = old->routes_peers;
	w.desc.next = old->next;
	w.desc.patience_ms = old->patience_ms;
	w.desc.name = rack_writer_string(&w, rack_string(old, old->name));
	w.desc.trace_path = rack_writer_string(&w, rack_string(old, old->trace_path));
	w.desc.report_path = rack_writer_string(&w, rack_string(old, old->report_path));
	for (uint32_t i = 0; i < old->nr_nodes; i++)
		copy_node(&w, old, &nodes[i], c);
	err = rack_writer_finish(&w, &new);
	rack_writer_fini(&w);
	if (err)
		return err;
	free(*desc);
	*desc = new;
	return 0;
}

int rack_override(struct rack_desc **desc, const char *argument, struct rack_error *error)
{
	struct changes changes = {0};
	char *copy = strdup(argument);
	int err;

	memset(error, 0, sizeof(*error));
	snprintf(error->file, sizeof(error->file), "-d %s", argument);
	if (!copy)
		return -ENOMEM;
	err = parse_argument(&changes, copy, error);
	if (!err)
		err = rewrite(desc, &changes);
	if (!err && changes.nr_devices == 0)
		err = refuse_override(error, NULL, "the rack has no %s", changes.model->name);
	free(copy);
	return err;
}
