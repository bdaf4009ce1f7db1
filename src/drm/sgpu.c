/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The driver takes the function and lets go of it. Letting go waits for nobody, as with DRM drivers on Linux: the
 * memory is revoked for good, what files still ask is -ENODEV, and the last of them frees what is left.
 */
#include "drm/sgpu.h"

#include <linux/pci_regs.h>
#include <stdlib.h>

#include "drm/sgpu_ring.h"

static const struct lock_class slice_lock_class = {.name = "gpu slices", .rank = LOCK_RANK_SLICES};
static const struct lock_class memory_lock_class = {.name = "gpu memory", .rank = LOCK_RANK_LEAF};

bool sgpu_matches(const struct pci_function *fn)
{
	return pci_vendor_id(fn) == GPU_VENDOR_ID && pci_device_id(fn) == GPU_DEVICE_ID;
}

static void master_set(struct pci_function *fn)
{
	uint16_t command = pci_config_read(fn, PCI_COMMAND, 2);

	pci_config_write(fn, PCI_COMMAND, command | PCI_COMMAND_MASTER, 2);
}

static int hardware_open(struct sgpu *gpu)
{
	struct pci_function *fn = gpu->fn;
	int err = pci_function_open(fn);

	if (err)
		return err;
	if (pci_mmio_read(fn, 0, GPU_ID, 4) != GPU_ID_VALUE || pci_mmio_read(fn, 0, GPU_VERSION, 4) != 1 ||
	    pci_mmio_read(fn, 0, GPU_SLICE_GRANULE, 4) != SGPU_GRANULE) {
		err = refuse(gpu->trace, -ENODEV, "sgpu: %s is not a gpu that the driver knows", fn->name);
		goto close;
	}
	err = dma_device_create(fn, &(struct dma_limits){0}, &gpu->dma);
	if (err)
		goto close;
	master_set(fn);
	return 0;
close:
	pci_function_close(fn);
	return err;
}

static void hardware_close(struct sgpu *gpu)
{
	pci_function_close(gpu->fn);
	dma_device_detach(gpu->dma);
}

static struct sgpu *sgpu_alloc(const struct sgpu_place *place, struct pci_function *fn,
			       struct dma_buf_registry *registry, struct trace *trace)
{
	struct sgpu *gpu = calloc(1, sizeof(*gpu));

	if (!gpu)
		return NULL;
	gpu->fn = fn;
	gpu->registry = registry;
	gpu->trace = trace;
	gpu->place = *place;
	atomic_init(&gpu->refs, 1);
	mutex_init(&gpu->slice_lock, &slice_lock_class);
	mutex_init(&gpu->lock, &memory_lock_class);
	return gpu;
}

static void sgpu_free(struct sgpu *gpu)
{
	sgpu_local_fini(gpu);
	if (gpu->dma)
		dma_device_destroy(gpu->dma);
	mutex_fini(&gpu->lock);
	mutex_fini(&gpu->slice_lock);
	free(gpu);
}

void sgpu_put(struct sgpu *gpu)
{
	if (atomic_fetch_sub(&gpu->refs, 1) == 1)
		sgpu_free(gpu);
}

int sgpu_probe(const struct sgpu_place *place, struct pci_function *fn, struct dma_buf_registry *registry,
	       struct trace *trace, struct sgpu **out)
{
	struct sgpu *gpu = sgpu_alloc(place, fn, registry, trace);
	int err;

	if (!gpu)
		return -ENOMEM;
	err = hardware_open(gpu);
	if (err)
		goto undo_alloc;
	err = sgpu_local_init(gpu);
	if (err)
		goto undo_hardware;
	err = sgpu_sysfs_add(gpu);
	if (err)
		goto undo_hardware;
	err = sgpu_node_add(gpu);
	if (err)
		goto undo_sysfs;
	/* Until it is there, who opens the node is told that there is none. */
	err = sgpu_ring_create(gpu);
	if (err)
		goto undo_node;
	*out = gpu;
	return 0;

undo_node:
	sgpu_node_remove(gpu);
undo_sysfs:
	sgpu_sysfs_remove(gpu);
	atomic_store(&gpu->unplugged, true);
undo_hardware:
	hardware_close(gpu);
undo_alloc:
	sgpu_put(gpu);
	return err;
}

void sgpu_remove(struct sgpu *gpu)
{
	sgpu_node_remove(gpu);
	sgpu_sysfs_remove(gpu);
	atomic_store(&gpu->unplugged, true);
	sgpu_ring_destroy(gpu);
	hardware_close(gpu);
	sgpu_put(gpu);
}

void sgpu_reset_done(struct sgpu *gpu)
{
	sgpu_slices_restore(gpu);
}
