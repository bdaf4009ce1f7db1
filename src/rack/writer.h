/* SPDX-License-Identifier: BSD-3-Clause */
/* Writing descriptions. Who may include this: rack/, tests. */
#ifndef BARTER_RACK_WRITER_H
#define BARTER_RACK_WRITER_H

#include "rack/desc.h"

/*
 * Collects a description. Memory that cannot be had is remembered and told at the end, so that the calls between need
 * no checks. Nodes, keys and strings may be added in any order; parents before children.
 */
struct rack_writer {
	struct rack_desc desc;
	struct rack_node *nodes;
	struct rack_key *keys;
	uint32_t nr_keys;
	char *strings;
	uint32_t strings_len;
	bool failed;
};

void rack_writer_init(struct rack_writer *w);
void rack_writer_fini(struct rack_writer *w);
/* The index of the new node. Its strings are those of rack_writer_string(). */
uint32_t rack_writer_node(struct rack_writer *w, const struct rack_node *node);
/* A key of the newest node. */
void rack_writer_key(struct rack_writer *w, const char *name, const char *value);
/* A name for a string: what rack_node.name and rack_node.model are set to. NULL: 0. */
uint32_t rack_writer_string(struct rack_writer *w, const char *text);
/* One block of malloc()'s, or -ENOMEM. */
int rack_writer_finish(struct rack_writer *w, struct rack_desc **out);

#endif
