/* SPDX-License-Identifier: BSD-3-Clause */
#include "dmabuf/type_iov.h"

#include "dmabuf/dmabuf.h"

static int iov_match(const struct dma_buf_match *exporter, const struct dma_buf_match *importer, const char **reason)
{
	const struct dma_buf_iov_exporter *window = exporter->data;
	const struct dma_buf_iov_importer *wanted = importer->data;

	*reason = NULL;
	if (window->pf != wanted->pf)
		*reason = "the memory is not that of a virtual function of the importer's device";
	else if (window->bar != wanted->bar)
		*reason = "the memory is in another BAR than the window into the physical function";
	return *reason ? -EOPNOTSUPP : 0;
}

static void iov_unmap(struct dma_buf_attachment *a)
{
	const struct dma_buf_iov_ops *ops = dma_buf_exporter_ops(a);

	if (ops->unmap)
		ops->unmap(a, a->mapping);
}

const struct dma_buf_mapping_type dma_buf_type_iov = {
	.name = "IOV",
	.exporter_data_len = sizeof(struct dma_buf_iov_exporter),
	.importer_data_len = sizeof(struct dma_buf_iov_importer),
	.match = iov_match,
	.unmap = iov_unmap,
};

int dma_buf_iov_map_locked(struct dma_buf_attachment *a, const struct dma_buf_iov_list **list)
{
	const struct dma_buf_iov_ops *ops;
	int err = dma_buf_map_begin(a, &dma_buf_type_iov);

	if (err)
		return err;
	ops = dma_buf_exporter_ops(a);
	*list = NULL;
	err = ops->map(a, list);
	return dma_buf_map_end(a, err, *list);
}
