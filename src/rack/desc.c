/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Descriptions come out of a memfd that a program could have made: nothing in one is believed before it was checked.
 * Sums are made in 64 bits from 32-bit values, so none can wrap.
 */
#include <linux/pci_regs.h>
#include <string.h>

#include "rack/desc.h"

#define NODE_ACS (PCI_ACS_SV | PCI_ACS_RR | PCI_ACS_CR | PCI_ACS_UF)

static bool string_is_valid(const struct rack_desc *d, size_t len, uint32_t offset, bool required)
{
	if (offset == 0)
		return !required;
	return offset >= sizeof(*d) && offset < len && memchr((const char *)d + offset, 0, len - offset);
}

static bool array_is_valid(size_t len, uint32_t offset, uint32_t nr, size_t size, size_t align)
{
	if (nr == 0)
		return true;
	return offset >= sizeof(struct rack_desc) && offset % align == 0 &&
	       (uint64_t)offset + (uint64_t)nr * size <= len;
}

static bool keys_are_valid(const struct rack_desc *d, size_t len, const struct rack_node *node)
{
	const struct rack_key *keys = (const void *)((const char *)d + node->keys);

	if (!array_is_valid(len, node->keys, node->nr_keys, sizeof(*keys), _Alignof(struct rack_key)))
		return false;
	for (uint32_t i = 0; i < node->nr_keys; i++)
		if (!string_is_valid(d, len, keys[i].name, true) || !string_is_valid(d, len, keys[i].value, true))
			return false;
	return true;
}

/* What may stand below what; parent NULL: bus 0. */
static bool parent_fits(uint32_t kind, const struct rack_node *parent)
{
	switch (kind) {
	case RACK_ROOT_PORT:
		return !parent;
	case RACK_SWITCH_UPSTREAM:
		return parent && (parent->kind == RACK_ROOT_PORT || parent->kind == RACK_SWITCH_DOWNSTREAM);
	case RACK_SWITCH_DOWNSTREAM:
		return parent && parent->kind == RACK_SWITCH_UPSTREAM;
	case RACK_DEVICE:
		return !parent || parent->kind == RACK_ROOT_PORT || parent->kind == RACK_SWITCH_DOWNSTREAM;
	default:
		return false;
	}
}

static bool node_is_valid(const struct rack_desc *d, size_t len, const struct rack_node *nodes, uint32_t i)
{
	const struct rack_node *node = &nodes[i];
	bool is_port = node->kind == RACK_ROOT_PORT || node->kind == RACK_SWITCH_DOWNSTREAM;

	if (node->parent < -1 || (node->parent >= 0 && (uint32_t)node->parent >= i))
		return false;
	if (!parent_fits(node->kind, node->parent < 0 ? NULL : &nodes[node->parent]))
		return false;
	if (node->slot < -1 || node->slot > 31 || (node->acs & ~(is_port ? NODE_ACS : 0)))
		return false;
	return string_is_valid(d, len, node->name, false) &&
	       string_is_valid(d, len, node->model, node->kind == RACK_DEVICE) && keys_are_valid(d, len, node);
}

int rack_desc_validate(const struct rack_desc *d, size_t len)
{
	const struct rack_node *nodes;

	if (len < sizeof(*d) || d->magic != RACK_DESC_MAGIC || d->version != RACK_DESC_VERSION || d->len != len)
		return -EINVAL;
	if (!string_is_valid(d, len, d->name, false) || !string_is_valid(d, len, d->trace_path, false) ||
	    !string_is_valid(d, len, d->report_path, false))
		return -EINVAL;
	if (!array_is_valid(len, d->nodes, d->nr_nodes, sizeof(*nodes), _Alignof(struct rack_node)))
		return -EINVAL;
	nodes = (const void *)((const char *)d + d->nodes);
	for (uint32_t i = 0; i < d->nr_nodes; i++)
		if (!node_is_valid(d, len, nodes, i))
			return -EINVAL;
	return 0;
}
