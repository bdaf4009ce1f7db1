/* SPDX-License-Identifier: BSD-3-Clause */
#include "dmabuf/type_sgt.h"

#include "dmabuf/dmabuf.h"

/* An exporter that knows no types brings no data: system memory. */
static int sgt_match(const struct dma_buf_match *exporter, const struct dma_buf_match *importer, const char **reason)
{
	const struct dma_buf_sgt_exporter *memory = exporter->data;
	const struct dma_buf_sgt_importer *wanted = importer->data;

	*reason = NULL;
	if (!wanted || !wanted->device)
		*reason = "the importer has no device to map for";
	else if (memory && memory->provider && !wanted->accepts_peer)
		*reason = "the importer takes no memory of peers";
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
