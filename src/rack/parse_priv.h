/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files that read racks tell each other. */
#ifndef BARTER_RACK_PARSE_PRIV_H
#define BARTER_RACK_PARSE_PRIV_H

#include <yaml.h>

#include "rack/parse.h"
#include "rack/writer.h"

struct rack_parser {
	yaml_document_t document;
	struct rack_error *error;
	struct rack_writer writer;
	unsigned depth;
	/* Labels seen, for the rule that each is used once: offsets of the writer's strings. */
	uint32_t labels[256];
	size_t nr_labels;
};

/* suggest.c: the candidate that a typing error would have made of word, or NULL. */
const char *suggest(const char *word, const char *const *candidates, size_t nr);
/* Appends ` (did you mean "x"?)` when there is one. */
void suggest_append(char *rule, size_t len, const char *word, const char *const *candidates, size_t nr);

/* check.c: all return -EINVAL after filling the error with the node's place. node NULL: the end of the file. */
int fail(struct rack_parser *p, const yaml_node_t *node, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

const yaml_node_t *node_at(struct rack_parser *p, yaml_node_item_t item);
const char *node_text(const yaml_node_t *node); /* NULL: not a scalar */
/* The value of a key, and where the key stands (key may be NULL). */
const yaml_node_t *mapping_get(struct rack_parser *p, const yaml_node_t *mapping, const char *name,
			       const yaml_node_t **key);
/* Every key is a scalar, occurs once and is one of `known`. */
int mapping_check(struct rack_parser *p, const yaml_node_t *mapping, const char *const *known, size_t nr);
/* A scalar that is not empty. fallback: when the key is absent; NULL: then it fails. */
int get_string(struct rack_parser *p, const yaml_node_t *mapping, const char *name, const char *fallback,
	       const char **out);
int get_bool(struct rack_parser *p, const yaml_node_t *mapping, const char *name, bool fallback, bool *out);
int get_slot(struct rack_parser *p, const yaml_node_t *mapping, int32_t *out);
/* Words or a list of single bits to PCI_ACS_*. */
int get_acs(struct rack_parser *p, const yaml_node_t *mapping, uint32_t fallback, uint32_t *out);
/* A list, or nothing at all. */
int get_sequence(struct rack_parser *p, const yaml_node_t *mapping, const char *name, const yaml_node_t **out);

#endif
