/* SPDX-License-Identifier: BSD-3-Clause */
#include "iommu/domain_priv.h"

#include <stdlib.h>

static const struct lock_class domain_lock_class = {"domain", LOCK_RANK_DOMAIN, true};

struct iommu_domain *iommu_domain_create(struct iommu_unit *u)
{
	struct iommu_domain *d = calloc(1, sizeof(*d));
	if (!d)
		return NULL;
	table_pool_init(&d->pool, phys_sections(iommu_unit_space(u)));
	d->root = table_take(&d->pool);
	if (!d->root) {
		free(d);
		return NULL;
	}
	d->unit = u;
	atomic_init(&d->tag, iommu_unit_new_tags(u));
	mutex_init(&d->lock, &domain_lock_class);
	return d;
}

void iommu_domain_destroy(struct iommu_domain *d)
{
	mutex_fini(&d->lock);
	table_pool_fini(&d->pool);
	free(d);
}

uint64_t iommu_domain_table_bytes(struct iommu_domain *d)
{
	mutex_lock(&d->lock);
	uint64_t bytes = d->pool.nr_resident * TABLE_BYTES;
	mutex_unlock(&d->lock);
	return bytes;
}
