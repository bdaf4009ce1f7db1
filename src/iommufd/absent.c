/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls about hardware that a plain VT-d unit is not: dirty bits, nested tables, virtual IOMMUs, hardware queues. Linux
 * has them in every kernel and refuses them here, each at its own point.
 */
#include "iommufd/iommufd_priv.h"

static int refuse_absent(struct iommufd_call *c, int err, const char *call)
{
	return refuse(c->ctx->trace, err, "%s: the IOMMU has no hardware for it", call);
}

/* -ENOENT, or what the hardware's lack makes of the page table that was found. */
static int refuse_hwpt(struct iommufd_call *c, uint32_t id, const struct iommufd_object_type *type, int err,
		       const char *call)
{
	struct iommufd_object *obj = iommufd_object_borrow(c->ctx, id, type);

	if (!obj)
		return refuse(c->ctx->trace, -ENOENT, "%s: no HWPT %u", call, id);
	iommufd_object_return(obj);
	return refuse_absent(c, err, call);
}

int iommufd_hwpt_set_dirty_tracking_ioctl(struct iommufd_call *c, void *arg)
{
	const struct iommu_hwpt_set_dirty_tracking *a = arg;

	if (a->flags & ~IOMMU_HWPT_DIRTY_TRACKING_ENABLE || a->__reserved)
		return refuse(c->ctx->trace, -EOPNOTSUPP, "IOMMU_HWPT_SET_DIRTY_TRACKING: flags 0x%x, __reserved 0x%x",
			      a->flags, a->__reserved);
	return refuse_hwpt(c, a->hwpt_id, &iommufd_type_hwpt, -EOPNOTSUPP, "IOMMU_HWPT_SET_DIRTY_TRACKING");
}

int iommufd_hwpt_get_dirty_bitmap_ioctl(struct iommufd_call *c, void *arg)
{
	const struct iommu_hwpt_get_dirty_bitmap *a = arg;

	if (a->flags & ~IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR || a->__reserved)
		return refuse(c->ctx->trace, -EOPNOTSUPP, "IOMMU_HWPT_GET_DIRTY_BITMAP: flags 0x%x, __reserved 0x%x",
			      a->flags, a->__reserved);
	return refuse_hwpt(c, a->hwpt_id, &iommufd_type_hwpt, -EOPNOTSUPP, "IOMMU_HWPT_GET_DIRTY_BITMAP");
}

int iommufd_hwpt_invalidate_ioctl(struct iommufd_call *c, void *arg)
{
	const struct iommu_hwpt_invalidate *a = arg;

	if (a->__reserved)
		return refuse(c->ctx->trace, -EOPNOTSUPP, "IOMMU_HWPT_INVALIDATE: __reserved is not 0");
	if (a->entry_num && (!a->data_uptr || !a->entry_len))
		return refuse(c->ctx->trace, -EINVAL, "IOMMU_HWPT_INVALIDATE: %u entries of %u bytes at 0x%llx",
			      a->entry_num, a->entry_len, (unsigned long long)a->data_uptr);
	return refuse_hwpt(c, a->hwpt_id, NULL, -EINVAL, "IOMMU_HWPT_INVALIDATE");
}

int iommufd_viommu_alloc_ioctl(struct iommufd_call *c, void *arg)
{
	const struct iommu_viommu_alloc *a = arg;
	struct iommufd_device *idev;

	if (a->flags || a->type == IOMMU_VIOMMU_TYPE_DEFAULT)
		return refuse(c->ctx->trace, -EOPNOTSUPP, "IOMMU_VIOMMU_ALLOC: flags 0x%x, type %u", a->flags, a->type);
	idev = iommufd_device_borrow(c->ctx, a->dev_id);
	if (!idev)
		return refuse(c->ctx->trace, -ENOENT, "IOMMU_VIOMMU_ALLOC: no device %u", a->dev_id);
	iommufd_object_return(&idev->obj);
	return refuse_absent(c, -EOPNOTSUPP, "IOMMU_VIOMMU_ALLOC");
}

int iommufd_vdevice_alloc_ioctl(struct iommufd_call *c, void *arg)
{
	const struct iommu_vdevice_alloc *a = arg;

	return refuse(c->ctx->trace, -ENOENT, "IOMMU_VDEVICE_ALLOC: no virtual IOMMU %u", a->viommu_id);
}

int iommufd_veventq_alloc_ioctl(struct iommufd_call *c, void *arg)
{
	const struct iommu_veventq_alloc *a = arg;

	if (a->flags || a->type == IOMMU_VEVENTQ_TYPE_DEFAULT)
		return refuse(c->ctx->trace, -EOPNOTSUPP, "IOMMU_VEVENTQ_ALLOC: flags 0x%x, type %u", a->flags,
			      a->type);
	if (a->veventq_depth == 0)
		return refuse(c->ctx->trace, -EINVAL, "IOMMU_VEVENTQ_ALLOC: depth 0");
	return refuse(c->ctx->trace, -ENOENT, "IOMMU_VEVENTQ_ALLOC: no virtual IOMMU %u", a->viommu_id);
}

int iommufd_hw_queue_alloc_ioctl(struct iommufd_call *c, void *arg)
{
	const struct iommu_hw_queue_alloc *a = arg;

	if (a->flags || a->type == IOMMU_HW_QUEUE_TYPE_DEFAULT)
		return refuse(c->ctx->trace, -EOPNOTSUPP, "IOMMU_HW_QUEUE_ALLOC: flags 0x%x, type %u", a->flags,
			      a->type);
	if (a->length == 0)
		return refuse(c->ctx->trace, -EINVAL, "IOMMU_HW_QUEUE_ALLOC: length 0");
	return refuse(c->ctx->trace, -ENOENT, "IOMMU_HW_QUEUE_ALLOC: no virtual IOMMU %u", a->viommu_id);
}

int iommufd_ioas_noiommu_get_pa_ioctl(struct iommufd_call *c, void *arg)
{
	return refuse_absent(c, -EOPNOTSUPP, "IOMMU_IOAS_NOIOMMU_GET_PA");
}
