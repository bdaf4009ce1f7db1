/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a device consists of: VFIO_DEVICE_GET_INFO, _GET_REGION_INFO and _GET_IRQ_INFO.
 *
 * A struct is answered as far as the caller's argsz reaches. A region's capabilities follow its struct when all of them
 * fit; otherwise argsz becomes what would be needed and cap_offset stays 0.
 */
#include <stdlib.h>
#include <string.h>

#include "vfio/vfio_priv.h"

long vfio_info_ioctl(struct vfio_open *o, struct file *f, struct task *t, uaddr_t arg)
{
	struct vfio_device_info info;
	int err =
		vfio_copy_struct(t, &info, arg, offsetof(struct vfio_device_info, cap_offset), "VFIO_DEVICE_GET_INFO");

	if (err)
		return err;
	info = (struct vfio_device_info){
		.argsz = info.argsz,
		.flags = VFIO_DEVICE_FLAGS_PCI | (pci_can_reset_function(o->v->fn) ? VFIO_DEVICE_FLAGS_RESET : 0),
		.num_regions = VFIO_PCI_NUM_REGIONS,
		.num_irqs = VFIO_PCI_NUM_IRQS,
	};
	return copy_to_task(t, arg, &info, MIN((size_t)info.argsz, sizeof(info))) ? -EFAULT : 0;
}

/* --- regions --- */

uint64_t vfio_region_size(const struct vfio_device *v, unsigned index)
{
	if (index == VFIO_PCI_CONFIG_REGION_INDEX)
		return v->fn->config_size;
	return index < PCI_NR_BARS ? v->fn->bars[index].size : 0;
}

/* What a window shows changes under its gate. */
bool vfio_bar_mappable(struct pci_bar *bar, uint64_t offset, uint64_t len)
{
	uint64_t end = offset + len, start = 0;
	bool mappable = true;

	mutex_lock(&bar->fn->gate.lock);
	for (size_t i = 0; i < bar->nr_regions; i++) {
		const struct phys_region *r = &bar->regions[i];

		if (r->fd < 0 && start < end && offset < start + r->len)
			mappable = false;
		start += r->len;
	}
	mutex_unlock(&bar->fn->gate.lock);
	return mappable;
}

void vfio_msix_table(const struct vfio_device *v, unsigned bar, uint64_t *start, uint64_t *end)
{
	uint32_t table;

	*start = *end = 0;
	if (!v->fn->cap_msix)
		return;
	table = pci_config_read(v->fn, v->fn->cap_msix + PCI_MSIX_TABLE, 4);
	if ((table & PCI_MSIX_TABLE_BIR) != bar)
		return;
	*start = table & PCI_MSIX_TABLE_OFFSET;
	*end = *start + (uint64_t)pci_irq_count(v->fn, PCI_IRQ_MSIX) * PCI_MSIX_ENTRY_SIZE;
}

/* Capabilities as they will follow the struct; offsets count from the struct's start. */
struct caps {
	uint8_t *bytes;
	uint32_t len;
};

static void *caps_add(struct caps *caps, uint16_t id, uint32_t len)
{
	uint8_t *bytes = realloc(caps->bytes, caps->len + len);
	struct vfio_info_cap_header *header;
	uint32_t last = 0;

	if (!bytes)
		return NULL;
	caps->bytes = bytes;
	if (caps->len) {
		while (((struct vfio_info_cap_header *)(bytes + last))->next)
			last = ((struct vfio_info_cap_header *)(bytes + last))->next - sizeof(struct vfio_region_info);
		((struct vfio_info_cap_header *)(bytes + last))->next = sizeof(struct vfio_region_info) + caps->len;
	}
	header = (void *)(bytes + caps->len);
	memset(header, 0, len);
	header->id = id;
	header->version = 1;
	caps->len += len;
	return header;
}

/* The runs of mappable pages, room of them at most; with areas NULL only their number. */
static uint32_t mappable_areas(struct pci_bar *bar, struct vfio_region_sparse_mmap_area *areas, uint32_t room)
{
	uint64_t start = 0, run = 0;
	uint32_t nr = 0;

	mutex_lock(&bar->fn->gate.lock);
	for (size_t i = 0; i <= bar->nr_regions && nr < room; i++) {
		bool mappable = i < bar->nr_regions && bar->regions[i].fd >= 0;

		if (!mappable && run) {
			if (areas)
				areas[nr] = (struct vfio_region_sparse_mmap_area){.offset = start - run, .size = run};
			nr++;
		}
		run = mappable ? run + bar->regions[i].len : 0;
		if (i < bar->nr_regions)
			start += bar->regions[i].len;
	}
	mutex_unlock(&bar->fn->gate.lock);
	return nr;
}

static int bar_caps(const struct vfio_device *v, struct pci_bar *bar, uint32_t nr_areas, struct caps *caps)
{
	struct vfio_region_info_cap_sparse_mmap *sparse;
	uint64_t start, end;

	vfio_msix_table(v, bar->index, &start, &end);
	if (start != end && !caps_add(caps, VFIO_REGION_INFO_CAP_MSIX_MAPPABLE, sizeof(struct vfio_info_cap_header)))
		return -ENOMEM;
	if (vfio_bar_mappable(bar, 0, bar->size))
		return 0;
	sparse = caps_add(caps, VFIO_REGION_INFO_CAP_SPARSE_MMAP,
			  (uint32_t)(sizeof(*sparse) + nr_areas * sizeof(sparse->areas[0])));
	if (!sparse)
		return -ENOMEM;
	sparse->nr_areas = mappable_areas(bar, sparse->areas, nr_areas);
	return 0;
}

/* -EINVAL: there is no such region, as opposed to one of size 0. */
static int region_describe(const struct vfio_device *v, struct vfio_region_info *info, struct caps *caps)
{
	struct pci_bar *bar;
	uint32_t nr_areas;

	if (info->index >= VFIO_PCI_VGA_REGION_INDEX)
		return refuse(v->trace, -EINVAL, "VFIO_DEVICE_GET_REGION_INFO: %s has no region %u", v->fn->name,
			      info->index);
	info->offset = VFIO_REGION_OFFSET(info->index);
	info->size = vfio_region_size(v, info->index);
	info->flags = info->size ? VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE : 0;
	info->cap_offset = 0;
	if (!info->size || info->index >= PCI_NR_BARS)
		return 0;
	bar = &v->fn->bars[info->index];
	nr_areas = mappable_areas(bar, NULL, UINT32_MAX);
	if (!nr_areas)
		return 0;
	info->flags |= VFIO_REGION_INFO_FLAG_MMAP;
	return bar_caps(v, bar, nr_areas, caps);
}

long vfio_region_info_ioctl(struct vfio_open *o, struct file *f, struct task *t, uaddr_t arg)
{
	struct vfio_region_info info;
	struct caps caps = {0};
	int err = vfio_copy_struct(t, &info, arg, sizeof(info), "VFIO_DEVICE_GET_REGION_INFO");

	if (err)
		return err;
	err = region_describe(o->v, &info, &caps);
	if (err)
		goto out;
	if (caps.len) {
		info.flags |= VFIO_REGION_INFO_FLAG_CAPS;
		if (info.argsz < sizeof(info) + caps.len) {
			info.argsz = (uint32_t)sizeof(info) + caps.len;
		} else {
			info.cap_offset = sizeof(info);
			err = copy_to_task(t, arg + sizeof(info), caps.bytes, caps.len);
		}
	}
	if (!err)
		err = copy_to_task(t, arg, &info, sizeof(info));
out:
	free(caps.bytes);
	return err;
}

/* --- interrupts --- */

static uint32_t irq_flags(unsigned index)
{
	switch (index) {
	case VFIO_PCI_INTX_IRQ_INDEX:
		return VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED;
	default:
		return VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE;
	}
}

long vfio_irq_info_ioctl(struct vfio_open *o, struct file *f, struct task *t, uaddr_t arg)
{
	struct vfio_irq_info info;
	int err = vfio_copy_struct(t, &info, arg, sizeof(info), "VFIO_DEVICE_GET_IRQ_INFO");

	if (err)
		return err;
	if (info.index >= VFIO_PCI_NUM_IRQS)
		return refuse(t->trace, -EINVAL, "VFIO_DEVICE_GET_IRQ_INFO: no index %u", info.index);
	info.count = vfio_irq_count(o->v, info.index);
	info.flags = irq_flags(info.index);
	/* MSI-X vectors can be added while others are on. */
	if (info.index == VFIO_PCI_MSIX_IRQ_INDEX && info.count)
		info.flags &= ~(uint32_t)VFIO_IRQ_INFO_NORESIZE;
	return copy_to_task(t, arg, &info, sizeof(info)) ? -EFAULT : 0;
}
