/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VFIO_DEVICE_FEATURE_DMA_BUF: slices of a BAR as a dma-buf.
 *
 * The order of the checks is Linux's: the numbers of the request, the BAR, the ranges on their own (all of them), then
 * each against the BAR. The fd is taken after all that can be refused, and published last.
 */
#include <fcntl.h>
#include <stdlib.h>

#include "file/kernel.h"
#include "vfio/vfio_priv.h"

/* The largest array that the kernel's copy takes. */
#define RANGES_MAX_BYTES (4ull << 20)

static int ranges_copy(struct task *t, uaddr_t arg, uint32_t nr, struct vfio_region_dma_range **out)
{
	uint64_t len = (uint64_t)nr * sizeof(**out);
	struct vfio_region_dma_range *ranges = len <= RANGES_MAX_BYTES ? malloc(len) : NULL;

	if (!ranges)
		return refuse(t->trace, -ENOMEM, "VFIO_DEVICE_FEATURE_DMA_BUF: %u ranges", nr);
	if (copy_from_task(t, ranges, arg, len)) {
		free(ranges);
		return -EFAULT;
	}
	*out = ranges;
	return 0;
}

static int ranges_check(const struct vfio_device *v, const struct vfio_region_dma_range *ranges, uint32_t nr)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < nr; i++) {
		const struct vfio_region_dma_range *r = &ranges[i];

		if (!r->length || !is_aligned(r->offset | r->length, BARTER_PAGE_SIZE))
			return refuse(v->trace, -EINVAL,
				      "VFIO_DEVICE_FEATURE_DMA_BUF: range %u [0x%llx, +0x%llx) is empty or not aligned",
				      i, (unsigned long long)r->offset, (unsigned long long)r->length);
		if (__builtin_add_overflow(sum, r->length, &sum) || sum > INT64_MAX)
			return refuse(v->trace, -EINVAL,
				      "VFIO_DEVICE_FEATURE_DMA_BUF: the lengths overflow at range %u", i);
	}
	return 0;
}

static int ranges_check_bar(const struct vfio_device *v, const struct pci_bar *bar,
			    const struct vfio_region_dma_range *ranges, uint32_t nr)
{
	for (uint32_t i = 0; i < nr; i++) {
		const struct vfio_region_dma_range *r = &ranges[i];
		uint64_t start, end;

		if (__builtin_add_overflow(bar->base, r->offset, &start) ||
		    __builtin_add_overflow(start, r->length, &end))
			return refuse(v->trace, -EOVERFLOW,
				      "VFIO_DEVICE_FEATURE_DMA_BUF: range %u [0x%llx, +0x%llx) wraps", i,
				      (unsigned long long)r->offset, (unsigned long long)r->length);
		if (end > bar->base + bar->size)
			return refuse(
				v->trace, -EINVAL,
				"VFIO_DEVICE_FEATURE_DMA_BUF: range %u [0x%llx, +0x%llx) is beyond BAR%u of 0x%llx", i,
				(unsigned long long)r->offset, (unsigned long long)r->length, bar->index,
				(unsigned long long)bar->size);
	}
	return 0;
}

/* Consumes the buffer. */
static int buffer_install(struct vfio_buffer *vb, struct task *t, int open_flags)
{
	struct file *f = vfio_buffer_dma_buf(vb)->file;
	int fd = t->ops->fd_reserve(t, f, open_flags & O_CLOEXEC);
	int err;

	if (fd < 0) {
		file_put(f);
		return refuse(t->trace, fd, "VFIO_DEVICE_FEATURE_DMA_BUF: no fd for the buffer");
	}
	err = vfio_buffer_publish(vb);
	if (err) {
		t->ops->fd_cancel(t, fd);
		file_put(f);
		return err;
	}
	t->ops->fd_publish(t, fd, f);
	return fd;
}

static const struct pci_bar *bar_find(const struct vfio_device *v, uint32_t index)
{
	return index < PCI_NR_BARS && v->fn->bars[index].size && !v->fn->bars[index].is_io ? &v->fn->bars[index] : NULL;
}

long vfio_feature_dma_buf(struct vfio_open *o, struct task *t, uint32_t flags, uaddr_t arg, size_t argsz)
{
	struct vfio_device_feature_dma_buf get;
	struct vfio_region_dma_range *ranges = NULL;
	const struct pci_bar *bar;
	struct vfio_buffer *vb;
	int err = vfio_feature_check(t, flags, argsz, VFIO_DEVICE_FEATURE_GET, sizeof(get));

	if (err <= 0)
		return err;
	if (copy_from_task(t, &get, arg, sizeof(get)))
		return -EFAULT;
	if (!get.nr_ranges || get.flags)
		return refuse(t->trace, -EINVAL, "VFIO_DEVICE_FEATURE_DMA_BUF: nr_ranges %u flags 0x%x", get.nr_ranges,
			      get.flags);
	bar = bar_find(o->v, get.region_index);
	if (!bar)
		return refuse(t->trace, -ENODEV, "VFIO_DEVICE_FEATURE_DMA_BUF: region %u of %s is not a memory BAR",
			      get.region_index, o->v->fn->name);
	err = ranges_copy(t, arg + sizeof(get), get.nr_ranges, &ranges);
	if (err)
		return err;
	err = ranges_check(o->v, ranges, get.nr_ranges);
	if (!err)
		err = ranges_check_bar(o->v, bar, ranges, get.nr_ranges);
	if (!err)
		err = vfio_buffer_create(o->v, bar, ranges, get.nr_ranges,
					 (int)get.open_flags & (O_ACCMODE | O_NONBLOCK), NULL,
					 kernel_has(t, NEXT_DMA_BUF_IOV), &vb);
	free(ranges);
	return err ? err : buffer_install(vb, t, (int)get.open_flags);
}
