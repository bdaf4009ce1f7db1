/* SPDX-License-Identifier: BSD-3-Clause */
#include "file/kernel.h"

#include "base/trace.h"
#include "file/task.h"

static const struct {
	const char *what;
	int err; /* what 7.3 answers */
} rows[] = {
	[NEXT_MAP_FILE_RANGES] = {"IOMMU_IOAS_MAP_FILE of a dma-buf of several ranges", -EOPNOTSUPP},
	[NEXT_MAP_FILE_EXPORTERS] = {"IOMMU_IOAS_MAP_FILE of a dma-buf that is not VFIO's", -EOPNOTSUPP},
	[NEXT_DMA_BUF_MMAP] = {"mmap of a dma-buf that is VFIO's", -EINVAL},
	[NEXT_DMA_BUF_REVOKE] = {"VFIO_DEVICE_FEATURE_DMA_BUF_REVOKE", -ENOTTY},
	[NEXT_DMA_BUF_MEMATTR] = {"VFIO_DEVICE_FEATURE_DMA_BUF_MEMATTR", -ENOTTY},
	[NEXT_DMA_BUF_IOV] = {"the IOV mapping type of dma-bufs", -EOPNOTSUPP},
};

int kernel_check(const struct task *t, enum kernel_next what)
{
	if (t->next)
		return 0;
	return refuse(t->trace, rows[what].err, "%s: Linux 7.3 does not know it, `--kernel next` does",
		      rows[what].what);
}

bool kernel_has(const struct task *t, enum kernel_next what)
{
	(void)what;
	return t->next;
}
