/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Exporters of ordinary memory: the dma-buf heaps, /dev/dma_heap/NAME, whose buffers are the emulated kernel's own
 * memory, and /dev/udmabuf, whose buffers are pages of the program's memfds.
 *
 * Their memory never moves and is never revoked. It is offered as a physical list without provider, and as a
 * scatterlist.
 *
 * Who may include this: machine/, tests.
 */
#ifndef BARTER_HEAP_HEAP_H
#define BARTER_HEAP_HEAP_H

#include "dmabuf/registry.h"
#include "file/ns.h"
#include "memory/phys.h"

struct heap_system;

/* A character device that came into being, for /sys/class and /sys/devices/virtual. */
struct heap_device {
	const char *class, *name, *node; /* "dma_heap", "system", "dma_heap/system" */
	unsigned major, minor;
};

extern const struct heap_device heap_devices[];
extern const unsigned heap_nr_devices;

/* Adds the device files to /dev and udmabuf's parameters to /sys/module. -ENOMEM. */
int heap_register(struct ns *ns, struct phys_space *space, struct dma_buf_registry *registry, struct heap_system **out);
/* No buffer and no file is left. */
void heap_unregister(struct heap_system *system);

#endif
