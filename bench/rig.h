/* SPDX-License-Identifier: BSD-3-Clause */
/* One engine on a bus of its own, without a program above it: for rows about rooms. */
#ifndef BARTER_BENCH_RIG_H
#define BARTER_BENCH_RIG_H

#include "memory/pinned.h"
#include "pci/build.h"
#include "pci/dma.h"

struct rig {
	struct phys_space *space;
	struct iommu_unit *unit;
	struct pci_root root;
	struct pci_function engine;
	struct iommu_domain *domain;
	struct dma_port port;
};

/* Aborts when it cannot be built. */
void rig_create(struct rig *r);
void rig_destroy(struct rig *r);
/* Pins our own memory. */
struct pinned *rig_pin(struct rig *r, void *memory, uint64_t len);

#endif
