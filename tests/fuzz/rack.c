/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rack files and overrides: any text gives a description that validates, or an error with a place. Descriptions: any
 * bytes are accepted or refused, and what is accepted can be read.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "rack/desc.h"
#include "rack/parse.h"

static void parse(const char *text, size_t len)
{
	struct rack_error error = {.line = 0};
	struct rack_desc *desc = NULL;

	if (rack_parse("fuzz.yaml", text, len, &desc, &error)) {
		if (!error.rule[0])
			abort();
		return;
	}
	if (rack_desc_validate(desc, desc->len))
		abort();
	free(desc);
}

static void override(const char *argument)
{
	struct rack_error error = {.line = 0};
	struct rack_desc *desc = NULL;

	if (rack_load("demo", &desc, &error))
		abort();
	if (rack_override(&desc, argument, &error) == 0 && rack_desc_validate(desc, desc->len))
		abort();
	free(desc);
}

/* Reads all that a description says. */
static size_t desc_walk(const struct rack_desc *d)
{
	const struct rack_node *nodes = (const struct rack_node *)((const char *)d + d->nodes);
	size_t letters = 0;

	for (uint32_t i = 0; i < d->nr_nodes; i++) {
		const struct rack_key *keys = (const struct rack_key *)((const char *)d + nodes[i].keys);

		letters += nodes[i].name ? strlen(rack_string(d, nodes[i].name)) : 0;
		for (uint32_t k = 0; k < nodes[i].nr_keys; k++)
			letters += strlen(rack_string(d, keys[k].name)) + strlen(rack_string(d, keys[k].value));
	}
	return letters;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *copy;

	if (len < 1)
		return 0;
	copy = malloc(len); /* aligned, and its end is watched */
	if (!copy)
		return 0;
	memcpy(copy, data + 1, len - 1);
	copy[len - 1] = 0;
	if (data[0] % 3 == 0)
		parse(copy, len - 1);
	else if (data[0] % 3 == 1)
		override(copy);
	else if (rack_desc_validate((const struct rack_desc *)copy, len - 1) == 0)
		desc_walk((const struct rack_desc *)copy);
	free(copy);
	return 0;
}
