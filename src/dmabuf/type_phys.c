/* SPDX-License-Identifier: BSD-3-Clause */
#include "dmabuf/type_phys.h"

#include "dmabuf/dmabuf.h"

static void phys_unmap(struct dma_buf_attachment *a)
{
	const struct dma_buf_phys_ops *ops = dma_buf_exporter_ops(a);

	if (ops->unmap)
		ops->unmap(a, a->mapping);
}

const struct dma_buf_mapping_type dma_buf_type_phys = {
	.name = "physical address list",
	.unmap = phys_unmap,
};

int dma_buf_phys_map_locked(struct dma_buf_attachment *a, const struct dma_buf_phys_list **list)
{
	const struct dma_buf_phys_ops *ops;
	int err = dma_buf_map_begin(a, &dma_buf_type_phys);

	if (err)
		return err;
	ops = dma_buf_exporter_ops(a);
	*list = NULL;
	err = ops->map(a, list);
	return dma_buf_map_end(a, err, *list);
}
