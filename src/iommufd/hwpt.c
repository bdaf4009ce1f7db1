/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hardware page tables: a domain that shows the areas of an IOAS to the devices attached to it. The hardware modelled
 * is a plain VT-d unit: second-stage tables only, no nesting, no dirty bits, no page requests.
 */
#include "iommufd/iommufd_priv.h"
#include "pci/function.h"

enum {
	HWPT_FLAGS = IOMMU_HWPT_ALLOC_NEST_PARENT | IOMMU_HWPT_ALLOC_DIRTY_TRACKING | IOMMU_HWPT_FAULT_ID_VALID |
		     IOMMU_HWPT_ALLOC_PASID,
	/* A domain that may also be used with a PASID is as good as any: these devices have none. */
	HWPT_POSSIBLE = IOMMU_HWPT_FAULT_ID_VALID | IOMMU_HWPT_ALLOC_PASID,
};

static void hwpt_destroy(struct iommufd_object *obj)
{
	struct iommufd_hwpt *hwpt = container_of(obj, struct iommufd_hwpt, obj);

	if (!hwpt->ioas)
		return;
	iopt_remove_domain(&hwpt->ioas->iopt, &hwpt->domain);
	if (hwpt->domain.domain)
		iommu_domain_destroy(hwpt->domain.domain);
	iommufd_object_unuse(&hwpt->ioas->obj);
}

const struct iommufd_object_type iommufd_type_hwpt = {
	.name = "hwpt",
	.size = sizeof(struct iommufd_hwpt),
	.destroy = hwpt_destroy,
};

int iommufd_hwpt_create(struct iommufd_ctx *ctx, struct iommufd_ioas *ioas, struct iommu_unit *unit,
			struct iommufd_hwpt **out)
{
	struct iommufd_object *obj = iommufd_object_new(ctx, &iommufd_type_hwpt);
	struct iommufd_hwpt *hwpt;
	int err;

	if (!obj)
		return -ENOMEM;
	hwpt = container_of(obj, struct iommufd_hwpt, obj);
	list_init(&hwpt->node);
	iommufd_object_use(&ioas->obj);
	hwpt->ioas = ioas;
	hwpt->unit = unit;
	hwpt->domain.domain = iommu_domain_create(unit);
	err = hwpt->domain.domain ? iopt_add_domain(&ioas->iopt, &hwpt->domain, iommu_unit_geometry(unit)) : -ENOMEM;
	if (err) {
		iommufd_object_abort(obj);
		return err;
	}
	*out = hwpt;
	return 0;
}

static int alloc_paging(struct iommufd_call *c, struct iommu_hwpt_alloc *a, struct iommufd_device *idev,
			struct iommufd_ioas *ioas)
{
	struct iommufd_hwpt *hwpt;
	int err;

	if (a->flags & ~HWPT_POSSIBLE || a->data_type != IOMMU_HWPT_DATA_NONE)
		return refuse(c->ctx->trace, -EOPNOTSUPP,
			      "IOMMU_HWPT_ALLOC: flags 0x%x%s, data type %u: the hardware has no such tables", a->flags,
			      a->flags & ~HWPT_FLAGS ? " (unknown)" : "", a->data_type);
	err = iommufd_hwpt_create(c->ctx, ioas, idev->fn->iommu.unit, &hwpt);
	if (err)
		return err;
	c->born = &hwpt->obj;
	a->out_hwpt_id = hwpt->obj.id;
	if (a->flags & IOMMU_HWPT_FAULT_ID_VALID)
		return refuse(c->ctx->trace, -ENOENT, "IOMMU_HWPT_ALLOC: no fault queue %u", a->fault_id);
	return 0;
}

/* A table on top of another one: the parent would have to be a nesting parent, which cannot be made. */
static int refuse_nested(struct iommufd_call *c, const struct iommu_hwpt_alloc *a)
{
	bool known = !(a->flags & ~(IOMMU_HWPT_FAULT_ID_VALID | IOMMU_HWPT_ALLOC_PASID));

	return refuse(c->ctx->trace, known && a->data_len ? -EINVAL : -EOPNOTSUPP,
		      "IOMMU_HWPT_ALLOC: HWPT %u is no nesting parent", a->pt_id);
}

static int alloc_on(struct iommufd_call *c, struct iommu_hwpt_alloc *a, struct iommufd_device *idev)
{
	struct iommufd_object *pt = iommufd_object_borrow(c->ctx, a->pt_id, NULL);
	int err;

	if (pt && pt->type == &iommufd_type_ioas)
		err = alloc_paging(c, a, idev, container_of(pt, struct iommufd_ioas, obj));
	else if (pt && pt->type == &iommufd_type_hwpt)
		err = refuse_nested(c, a);
	else
		err = refuse(c->ctx->trace, -EINVAL, "IOMMU_HWPT_ALLOC: %u is neither IOAS nor HWPT", a->pt_id);
	if (pt)
		iommufd_object_return(pt);
	return err;
}

int iommufd_hwpt_alloc_ioctl(struct iommufd_call *c, void *arg)
{
	struct iommu_hwpt_alloc *a = arg;
	struct iommufd_device *idev;
	int err;

	if (a->__reserved)
		return refuse(c->ctx->trace, -EOPNOTSUPP, "IOMMU_HWPT_ALLOC: __reserved is not 0");
	if ((a->data_type == IOMMU_HWPT_DATA_NONE) != (a->data_len == 0))
		return refuse(c->ctx->trace, -EINVAL, "IOMMU_HWPT_ALLOC: data_type %u with %u bytes of data",
			      a->data_type, a->data_len);
	idev = iommufd_device_borrow(c->ctx, a->dev_id);
	if (!idev)
		return refuse(c->ctx->trace, -ENOENT, "IOMMU_HWPT_ALLOC: no device %u", a->dev_id);
	err = alloc_on(c, a, idev);
	iommufd_object_return(&idev->obj);
	return err;
}
