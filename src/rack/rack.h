/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A rack: a whole machine built from a description. Not global: two racks do not meet.
 *
 * Who may include this: rack/, cmd/, door/, tests.
 */
#ifndef BARTER_RACK_RACK_H
#define BARTER_RACK_RACK_H

#include "pci/topology.h"
#include "rack/desc.h"

struct rack {
	const struct rack_desc *desc; /* borrowed */
	struct trace *trace;
	struct phys_space *space;
	struct iommu_unit *iommu;
	struct pci_root root;
	/* One for each node of the description, in its order. */
	struct pci_function **nodes;
	size_t nr_nodes;
};

/*
 * Builds and enumerates every device. No thread is started. -EINVAL: a bad description, or a tree that cannot be; what
 * of it is told in *trace as a refusal.
 */
int rack_create(const struct rack_desc *desc, struct trace *trace, struct rack **out);
/* What the description says about a device: the text after `key:`, NULL when it says nothing. */
const char *rack_setting(const struct rack *r, const struct pci_function *fn, const char *key);
/* Nothing of it is open any more. */
void rack_destroy(struct rack *r);

#endif
