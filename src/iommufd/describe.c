/* SPDX-License-Identifier: BSD-3-Clause */
/* What the timeline says of a call: name=value words. Only when it is recorded. */
#include <stdio.h>

#include "iommufd/iommufd_priv.h"

int iommufd_map_describe(const void *arg, char *buf, size_t len)
{
	const struct iommu_ioas_map *m = arg;

	return snprintf(buf, len, "ioas=%u user_va=%#llx iova=%#llx length=%#llx", m->ioas_id,
			(unsigned long long)m->user_va, (unsigned long long)m->iova, (unsigned long long)m->length);
}

int iommufd_map_file_describe(const void *arg, char *buf, size_t len)
{
	const struct iommu_ioas_map_file *m = arg;

	return snprintf(buf, len, "ioas=%u fd=%d start=%#llx iova=%#llx length=%#llx", m->ioas_id, m->fd,
			(unsigned long long)m->start, (unsigned long long)m->iova, (unsigned long long)m->length);
}

int iommufd_copy_describe(const void *arg, char *buf, size_t len)
{
	const struct iommu_ioas_copy *m = arg;

	return snprintf(buf, len, "ioas=%u from_ioas=%u iova=%#llx from_iova=%#llx length=%#llx", m->dst_ioas_id,
			m->src_ioas_id, (unsigned long long)m->dst_iova, (unsigned long long)m->src_iova,
			(unsigned long long)m->length);
}

int iommufd_unmap_describe(const void *arg, char *buf, size_t len)
{
	const struct iommu_ioas_unmap *m = arg;

	return snprintf(buf, len, "ioas=%u iova=%#llx length=%#llx", m->ioas_id, (unsigned long long)m->iova,
			(unsigned long long)m->length);
}
