/* SPDX-License-Identifier: BSD-3-Clause */
/* Values of a rack file, each with the rule that it must keep. */
#include <linux/pci_regs.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rack/parse_priv.h"

int fail(struct rack_parser *p, const yaml_node_t *node, const char *key, const char *fmt, ...)
{
	va_list args;

	p->error->line = (node ? node->start_mark.line : p->document.end_mark.line) + 1;
	p->error->column = (node ? node->start_mark.column : p->document.end_mark.column) + 1;
	snprintf(p->error->key, sizeof(p->error->key), "%s", key ? key : "");
	va_start(args, fmt);
	vsnprintf(p->error->rule, sizeof(p->error->rule), fmt, args);
	va_end(args);
	return -EINVAL;
}

const yaml_node_t *node_at(struct rack_parser *p, yaml_node_item_t item)
{
	return yaml_document_get_node(&p->document, item);
}

const char *node_text(const yaml_node_t *node)
{
	if (node->type != YAML_SCALAR_NODE || strlen((char *)node->data.scalar.value) != node->data.scalar.length)
		return NULL;
	return (const char *)node->data.scalar.value;
}

const yaml_node_t *mapping_get(struct rack_parser *p, const yaml_node_t *mapping, const char *name,
			       const yaml_node_t **key)
{
	const yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;

	for (; pair < mapping->data.mapping.pairs.top; pair++) {
		const yaml_node_t *k = node_at(p, pair->key);

		if (!node_text(k) || strcmp(node_text(k), name))
			continue;
		if (key)
			*key = k;
		return node_at(p, pair->value);
	}
	return NULL;
}

static int key_check(struct rack_parser *p, const yaml_node_t *mapping, const yaml_node_t *key,
		     const char *const *known, size_t nr)
{
	const char *text = node_text(key);
	const yaml_node_t *first = NULL;
	char rule[sizeof(p->error->rule)];

	if (!text)
		return fail(p, key, NULL, "a key must be a word");
	mapping_get(p, mapping, text, &first);
	if (first != key)
		return fail(p, key, text, "is here for the second time; the first is in line %zu",
			    first->start_mark.line + 1);
	for (size_t i = 0; i < nr; i++)
		if (!strcmp(known[i], text))
			return 0;
	snprintf(rule, sizeof(rule), "is not a key here");
	suggest_append(rule, sizeof(rule), text, known, nr);
	return fail(p, key, text, "%s", rule);
}

int mapping_check(struct rack_parser *p, const yaml_node_t *mapping, const char *const *known, size_t nr)
{
	const yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;
	int err = 0;

	for (; pair < mapping->data.mapping.pairs.top && !err; pair++)
		err = key_check(p, mapping, node_at(p, pair->key), known, nr);
	return err;
}

int get_string(struct rack_parser *p, const yaml_node_t *mapping, const char *name, const char *fallback,
	       const char **out)
{
	const yaml_node_t *value = mapping_get(p, mapping, name, NULL);

	if (!value && !fallback)
		return fail(p, mapping, name, "is missing");
	*out = value ? node_text(value) : fallback;
	if (!*out || (value && !**out))
		return fail(p, value, name, "must be a text that is not empty");
	return 0;
}

int get_bool(struct rack_parser *p, const yaml_node_t *mapping, const char *name, bool fallback, bool *out)
{
	const yaml_node_t *value = mapping_get(p, mapping, name, NULL);
	const char *text = value ? node_text(value) : NULL;

	*out = fallback;
	if (!value)
		return 0;
	if (!text || (strcmp(text, "true") && strcmp(text, "false")))
		return fail(p, value, name, "must be true or false");
	*out = text[0] == 't';
	return 0;
}

int get_slot(struct rack_parser *p, const yaml_node_t *mapping, int32_t *out)
{
	const yaml_node_t *value = mapping_get(p, mapping, "slot", NULL);
	const char *text = value ? node_text(value) : NULL;
	char *end;
	long slot;

	*out = -1;
	if (!value)
		return 0;
	slot = text ? strtol(text, &end, 0) : -1;
	if (!text || !*text || *end || slot < 0 || slot > 31)
		return fail(p, value, "slot", "must be a device number from 0 to 31");
	*out = (int32_t)slot;
	return 0;
}

static const struct {
	const char *word;
	uint32_t bits;
} acs_words[] = {
	{"none", 0},	    {"isolate", PCI_ACS_SV | PCI_ACS_RR | PCI_ACS_CR | PCI_ACS_UF},
	{"sv", PCI_ACS_SV}, {"rr", PCI_ACS_RR},
	{"cr", PCI_ACS_CR}, {"uf", PCI_ACS_UF},
};

static int acs_word(struct rack_parser *p, const yaml_node_t *node, uint32_t *bits)
{
	const char *text = node_text(node);

	for (size_t i = 0; text && i < ARRAY_SIZE(acs_words); i++)
		if (!strcmp(text, acs_words[i].word)) {
			*bits |= acs_words[i].bits;
			return 0;
		}
	return fail(p, node, "acs", "must be none, isolate, or a list of sv, rr, cr, uf");
}

int get_acs(struct rack_parser *p, const yaml_node_t *mapping, uint32_t fallback, uint32_t *out)
{
	const yaml_node_t *value = mapping_get(p, mapping, "acs", NULL);
	int err = 0;

	*out = value ? 0 : fallback;
	if (!value)
		return 0;
	if (value->type != YAML_SEQUENCE_NODE)
		return acs_word(p, value, out);
	for (yaml_node_item_t *i = value->data.sequence.items.start; i < value->data.sequence.items.top && !err; i++)
		err = acs_word(p, node_at(p, *i), out);
	return err;
}

int get_sequence(struct rack_parser *p, const yaml_node_t *mapping, const char *name, const yaml_node_t **out)
{
	const yaml_node_t *value = mapping_get(p, mapping, name, NULL);

	*out = value;
	if (value && value->type != YAML_SEQUENCE_NODE)
		return fail(p, value, name, "must be a list");
	return 0;
}
