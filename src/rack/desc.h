/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The description of a rack: what `barter run` compiles from YAML and hands to the preload library in a sealed memfd.
 * One flat block of memory without pointers: offsets from its start. Whoever receives one validates it.
 *
 * Who may include this: rack/, cmd/, door/.
 */
#ifndef BARTER_RACK_DESC_H
#define BARTER_RACK_DESC_H

#include "base/types.h"

#define RACK_DESC_MAGIC 0x6b636172u /* "rack" */
#define RACK_DESC_VERSION 2u

enum rack_node_kind { RACK_ROOT_PORT, RACK_SWITCH_UPSTREAM, RACK_SWITCH_DOWNSTREAM, RACK_DEVICE };

/* Nodes come parents first. */
struct rack_node {
	uint32_t kind;
	int32_t parent; /* index, -1: on bus 0 */
	uint32_t acs;	/* ports: PCI_ACS_* bits enabled at start */
	uint32_t name;	/* offset of a string: the label in the file, for messages; 0: none */
	uint32_t model; /* DEVICE: offset of a string */
	uint32_t keys;	/* DEVICE: offset of nr_keys struct rack_key */
	uint32_t nr_keys;
	int32_t slot; /* device number on its bus, -1: the next free */
};

struct rack_key {
	uint32_t name, value; /* offsets of strings */
};

struct rack_desc {
	uint32_t magic, version, len;
	uint32_t name;	       /* offset */
	uint32_t routes_peers; /* the host bridge routes between root ports */
	uint32_t next;	       /* --kernel next */
	uint32_t patience_ms;  /* how long a wait for a fence may last before it is reported; 0: the default */
	uint32_t nodes, nr_nodes;
	uint32_t trace_path, report_path; /* offsets, 0: off */
};

static inline const char *rack_string(const struct rack_desc *d, uint32_t offset)
{
	return offset ? (const char *)d + offset : NULL;
}

/* 0 or -EINVAL: every offset inside, every string terminated, parents before children. */
int rack_desc_validate(const struct rack_desc *d, size_t len);

#endif
