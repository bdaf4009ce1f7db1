/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>

#include "rack/writer.h"

void rack_writer_init(struct rack_writer *w)
{
	*w = (struct rack_writer){.desc = {.magic = RACK_DESC_MAGIC, .version = RACK_DESC_VERSION}};
	/* Offset 0 of the strings means "none". */
	w->strings_len = 1;
}

void rack_writer_fini(struct rack_writer *w)
{
	free(w->nodes);
	free(w->keys);
	free(w->strings);
}

/* Room for one more; the arrays are short. */
static bool grow(struct rack_writer *w, void **array, size_t nr, size_t size)
{
	void *larger = w->failed ? NULL : realloc(*array, (nr + 1) * size);

	if (!larger) {
		w->failed = true;
		return false;
	}
	*array = larger;
	return true;
}

uint32_t rack_writer_node(struct rack_writer *w, const struct rack_node *node)
{
	if (!grow(w, (void **)&w->nodes, w->desc.nr_nodes, sizeof(*w->nodes)))
		return 0;
	w->nodes[w->desc.nr_nodes] = *node;
	w->nodes[w->desc.nr_nodes].keys = w->nr_keys;
	w->nodes[w->desc.nr_nodes].nr_keys = 0;
	return w->desc.nr_nodes++;
}

void rack_writer_key(struct rack_writer *w, const char *name, const char *value)
{
	struct rack_key key = {rack_writer_string(w, name), rack_writer_string(w, value)};

	if (!grow(w, (void **)&w->keys, w->nr_keys, sizeof(*w->keys)))
		return;
	w->keys[w->nr_keys++] = key;
	w->nodes[w->desc.nr_nodes - 1].nr_keys++;
}

uint32_t rack_writer_string(struct rack_writer *w, const char *text)
{
	size_t len = text ? strlen(text) + 1 : 0;
	uint32_t offset = w->strings_len;

	if (!text || !grow(w, (void **)&w->strings, w->strings_len + len, 1))
		return 0;
	memcpy(w->strings + offset, text, len);
	w->strings_len += len;
	return offset;
}

static void relocate(uint32_t *string, uint32_t base)
{
	if (*string)
		*string += base;
}

int rack_writer_finish(struct rack_writer *w, struct rack_desc **out)
{
	uint32_t nodes = sizeof(w->desc), keys = nodes + w->desc.nr_nodes * sizeof(*w->nodes);
	uint32_t strings = keys + w->nr_keys * sizeof(*w->keys);
	struct rack_desc *d;

	if (w->failed)
		return -ENOMEM;
	d = calloc(1, strings + w->strings_len);
	if (!d)
		return -ENOMEM;
	w->desc.len = strings + w->strings_len;
	w->desc.nodes = nodes;
	relocate(&w->desc.name, strings);
	relocate(&w->desc.trace_path, strings);
	relocate(&w->desc.report_path, strings);
	for (uint32_t i = 0; i < w->desc.nr_nodes; i++) {
		relocate(&w->nodes[i].name, strings);
		relocate(&w->nodes[i].model, strings);
		w->nodes[i].keys = keys + w->nodes[i].keys * sizeof(*w->keys);
	}
	for (uint32_t i = 0; i < w->nr_keys; i++) {
		relocate(&w->keys[i].name, strings);
		relocate(&w->keys[i].value, strings);
	}
	memcpy(d, &w->desc, sizeof(w->desc));
	if (w->nodes)
		memcpy((char *)d + nodes, w->nodes, w->desc.nr_nodes * sizeof(*w->nodes));
	if (w->keys)
		memcpy((char *)d + keys, w->keys, w->nr_keys * sizeof(*w->keys));
	if (w->strings)
		memcpy((char *)d + strings + 1, w->strings + 1, w->strings_len - 1);
	*out = d;
	return 0;
}
