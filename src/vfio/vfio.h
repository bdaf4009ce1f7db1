/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VFIO: the character devices /dev/vfio/devices/vfioN, one for each function bound to vfio-pci.
 *
 * Who may include this: vfio/, the assembly of a machine.
 */
#ifndef BARTER_VFIO_VFIO_H
#define BARTER_VFIO_VFIO_H

#include "file/ns.h"
#include "pci/function.h"

struct dma_buf_registry;
struct vfio_device;

/*
 * Registers fn as vfio<index>: the device node, /sys/.../vfio-dev/vfioN under `sysfs_dir` (the function's directory)
 * and /sys/class/vfio-dev. The function outlives it.
 */
int vfio_device_register(struct ns *ns, struct ns_node *sysfs_dir, struct pci_function *fn, unsigned index,
			 struct trace *trace, struct dma_buf_registry *dma_bufs, struct vfio_device **out);
/* Takes the node away and waits until every file of it is closed, asking for that. Buffers may live on. Call without
 * locks. */
void vfio_device_unregister(struct vfio_device *v);

#endif
