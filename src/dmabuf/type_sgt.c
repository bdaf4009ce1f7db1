/* SPDX-License-Identifier: BSD-3-Clause */
#include "dmabuf/type_sgt.h"

#include <stdlib.h>

#include "dmabuf/dmabuf.h"
#include "dmabuf/type_phys.h"
#include "pci/topology.h"

/* An exporter that knows no types brings no data: system memory. */
static int sgt_match(const struct dma_buf_match *exporter, const struct dma_buf_match *importer, const char **reason)
{
	const struct dma_buf_sgt_exporter *memory = exporter->data;
	const struct dma_buf_sgt_importer *wanted = importer->data;

	struct pci_route route;

	*reason = NULL;
	if (!wanted || !wanted->device) {
		*reason = "the importer has no device to map for";
	} else if (memory && memory->provider && !wanted->accepts_peer) {
		*reason = "the importer takes no memory of peers";
	} else if (memory && memory->provider) {
		route = pci_route(dma_device_function(wanted->device), memory->provider);
		if (route.kind == PCI_ROUTE_NONE)
			*reason = route.rule;
	}
	return *reason ? -EOPNOTSUPP : 0;
}

static struct dma_device *sgt_device(const struct dma_buf_attachment *a)
{
	return ((const struct dma_buf_sgt_importer *)dma_buf_importer_data(a))->device;
}

static void sgt_unmap(struct dma_buf_attachment *a)
{
	const struct dma_buf_sgt_ops *ops = dma_buf_exporter_ops(a);

	ops->unmap(a, sgt_device(a), (struct dma_buf_sgt *)a->mapping);
}

const struct dma_buf_mapping_type dma_buf_type_sgt = {
	.name = "scatterlist",
	.exporter_data_len = sizeof(struct dma_buf_sgt_exporter),
	.importer_data_len = sizeof(struct dma_buf_sgt_importer),
	.match = sgt_match,
	.unmap = sgt_unmap,
};

int dma_buf_sgt_map_locked(struct dma_buf_attachment *a, unsigned prot, const struct dma_buf_sgt **sgt)
{
	const struct dma_buf_sgt_ops *ops;
	struct dma_buf_sgt *mapped = NULL;
	int err = dma_buf_map_begin(a, &dma_buf_type_sgt);

	if (err)
		return err;
	ops = dma_buf_exporter_ops(a);
	err = ops->map(a, sgt_device(a), prot, &mapped);
	*sgt = mapped;
	return dma_buf_map_end(a, err, mapped);
}

/* One run of addresses, cut to entries; continues the last one when it can. Counts only while entries is NULL. */
static void entries_add(struct dma_buf_sgt *sgt, uint64_t max, dma_addr_t addr, uint64_t len, dma_addr_t *end)
{
	struct dma_buf_sg *last = sgt->entries && sgt->nr_entries ? &sgt->entries[sgt->nr_entries - 1] : NULL;

	if (last && *end == addr && last->len < max) {
		uint64_t more = MIN(len, max - last->len);

		last->len += (uint32_t)more;
		addr += more;
		len -= more;
		*end = addr;
	}
	for (; len; sgt->nr_entries++) {
		uint64_t step = MIN(len, max);

		if (sgt->entries)
			sgt->entries[sgt->nr_entries] = (struct dma_buf_sg){addr, (uint32_t)step};
		addr += step;
		len -= step;
		*end = addr;
	}
}

static struct dma_buf_sgt *sgt_alloc(size_t nr)
{
	struct dma_buf_sgt *sgt = malloc(sizeof(*sgt) + nr * sizeof(sgt->entries[0]));

	if (sgt)
		*sgt = (struct dma_buf_sgt){.entries = (struct dma_buf_sg *)(sgt + 1)};
	return sgt;
}

/* Bus addresses of a peer: every range is where it is. */
static int sgt_create_direct(struct dma_device *device, const struct dma_buf_phys_list *list, struct dma_buf_sgt **out)
{
	const struct dma_limits *limits = dma_device_limits(device);
	struct dma_buf_sgt count = {0}, *sgt;
	dma_addr_t end = 0;

	for (size_t i = 0; i < list->nr_ranges; i++) {
		if (list->ranges[i].pa + list->ranges[i].len - 1 > limits->mask)
			return -EREMOTEIO;
		entries_add(&count, limits->max_segment, list->ranges[i].pa, list->ranges[i].len, &end);
	}
	sgt = sgt_alloc(count.nr_entries);
	if (!sgt)
		return -ENOMEM;
	for (size_t i = 0; i < list->nr_ranges; i++)
		entries_add(sgt, limits->max_segment, list->ranges[i].pa, list->ranges[i].len, &end);
	*out = sgt;
	return 0;
}

/* Addresses in the device's domain: one run, whatever the memory looks like. */
static int sgt_create_mapped(struct dma_device *device, const struct dma_buf_phys_list *list, unsigned prot,
			     struct dma_buf_sgt **out)
{
	uint64_t max = dma_device_limits(device)->max_segment, len = 0;
	struct dma_buf_sgt *sgt;
	dma_addr_t end = 0;
	int err;

	for (size_t i = 0; i < list->nr_ranges; i++)
		len += list->ranges[i].len;
	sgt = sgt_alloc(len / max + 1);
	if (!sgt)
		return -ENOMEM;
	err = dma_map_phys(device, list->ranges, list->nr_ranges, list->provider, prot, &sgt->addr);
	if (err) {
		free(sgt);
		return err;
	}
	sgt->len = len;
	entries_add(sgt, max, sgt->addr, len, &end);
	*out = sgt;
	return 0;
}

int dma_buf_sgt_create(struct dma_device *device, const struct dma_buf_phys_list *list, unsigned prot,
		       struct dma_buf_sgt **sgt)
{
	struct pci_function *fn = dma_device_function(device);

	if (list->provider && pci_route(fn, list->provider).kind == PCI_ROUTE_BUS_ADDRESS)
		return sgt_create_direct(device, list, sgt);
	return sgt_create_mapped(device, list, prot, sgt);
}

void dma_buf_sgt_destroy(struct dma_device *device, struct dma_buf_sgt *sgt)
{
	if (sgt->len)
		dma_unmap(device, sgt->addr, sgt->len);
	free(sgt);
}

static int layout_map(struct dma_buf_attachment *a, struct dma_device *device, unsigned prot, struct dma_buf_sgt **sgt)
{
	return dma_buf_sgt_create(device, a->buf->ops->layout(a->buf), prot, sgt);
}

static void layout_unmap(struct dma_buf_attachment *a, struct dma_device *device, struct dma_buf_sgt *sgt)
{
	dma_buf_sgt_destroy(device, sgt);
}

const struct dma_buf_sgt_ops dma_buf_sgt_of_layout = {.map = layout_map, .unmap = layout_unmap};

int dma_buf_attach_device(struct dma_buf *b, struct dma_device *device, const struct dma_buf_importer_ops *ops,
			  void *priv, struct dma_buf_attachment **out)
{
	const struct dma_buf_sgt_importer data = {.device = device, .accepts_peer = ops->invalidate};
	const struct dma_buf_match scatterlist = {.type = &dma_buf_type_sgt, .data = &data};

	return dma_buf_attach_accepting(b, ops, priv, &scatterlist, 1, out);
}
