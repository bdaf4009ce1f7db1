/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A machine: a rack with the Linux subsystems over it and the paths by which programs find them. What a door owns; what
 * tests create without a door.
 *
 * Who may include this: door/, machine/, tests, bench.
 */
#ifndef BARTER_MACHINE_MACHINE_H
#define BARTER_MACHINE_MACHINE_H

#include "base/lock.h"
#include "file/ns.h"
#include "rack/rack.h"

struct machine {
	struct rack *rack;
	struct ns *ns;
	struct trace *trace;
	struct iommufd_system *iommufd;
	struct heap_system *heaps;
	struct sw_sync *sw_sync;
	struct dma_buf_registry *dma_bufs;
	bool next;	   /* --kernel next; immutable */
	struct mutex lock; /* LOCK_RANK_MACHINE; guards what follows, and the drivers of functions */
	/* What Linux knows of each of rack->root.functions, in the same order. */
	struct machine_function *functions;
	struct machine_driver *drivers; /* nr_drivers */
	size_t nr_drivers;
	bool autoprobe;
	bool vfio_enable_sriov; /* vfio-pci's module parameter */
};

/* Builds the rack, /sys, /dev/iommu and /dev/vfio/devices. */
int machine_create(const struct rack_desc *desc, struct machine **out);
/* Files may still be open when the process ends: then it is not called. */
void machine_destroy(struct machine *m);

#endif
