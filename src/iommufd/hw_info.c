/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IOMMU_GET_HW_INFO: the units call themselves VT-d units, as they reserve VT-d's interrupt window and have its leaf
 * sizes, with registers that promise nothing more: 48-bit second-stage tables with 2 MiB and 1 GiB leaves, interrupt
 * remapping; no nesting, no PASID, no page requests, no access and dirty bits.
 */
#include "file/task.h"
#include "iommufd/iommufd_priv.h"

#define VTD_CAP 0x00d2008c222f0606ull
#define VTD_ECAP 0x0000000000f00f4aull

/* The program's buffer may be longer, then the rest is zeroed, or shorter. */
static int copy_data(struct iommufd_call *c, uaddr_t user, uint32_t len, const void *data, uint32_t data_len)
{
	static const char zeros[256];
	uint32_t done = MIN(len, data_len);
	int err = copy_to_task(c->task, user, data, done);

	while (!err && done < len) {
		uint32_t n = MIN(len - done, (uint32_t)sizeof(zeros));

		err = copy_to_task(c->task, user + done, zeros, n);
		done += n;
	}
	return err;
}

int iommufd_get_hw_info_ioctl(struct iommufd_call *c, void *arg)
{
	const struct iommu_hw_info_vtd data = {
		.flags = IOMMU_HW_INFO_VTD_ERRATA_772415_SPR17,
		.cap_reg = VTD_CAP,
		.ecap_reg = VTD_ECAP,
	};
	struct iommu_hw_info *a = arg;
	struct iommufd_device *idev;
	uint32_t type = a->flags & IOMMU_HW_INFO_FLAG_INPUT_TYPE ? a->in_data_type : IOMMU_HW_INFO_TYPE_DEFAULT;
	int err;

	if (a->flags & ~IOMMU_HW_INFO_FLAG_INPUT_TYPE || a->__reserved[0] || a->__reserved[1] || a->__reserved[2])
		return refuse(c->ctx->trace, -EOPNOTSUPP, "IOMMU_GET_HW_INFO: flags 0x%x, or __reserved is not 0",
			      a->flags);
	idev = iommufd_device_borrow(c->ctx, a->dev_id);
	if (!idev)
		return refuse(c->ctx->trace, -ENOENT, "IOMMU_GET_HW_INFO: no device %u", a->dev_id);
	iommufd_object_return(&idev->obj);
	if (type != IOMMU_HW_INFO_TYPE_DEFAULT && type != IOMMU_HW_INFO_TYPE_INTEL_VTD)
		return refuse(c->ctx->trace, -EOPNOTSUPP, "IOMMU_GET_HW_INFO: data type %u, the units are VT-d", type);
	err = copy_data(c, a->data_uptr, a->data_len, &data, sizeof(data));
	if (err)
		return err;
	a->data_len = sizeof(data);
	a->out_data_type = IOMMU_HW_INFO_TYPE_INTEL_VTD;
	a->out_max_pasid_log2 = 0;
	a->out_capabilities = IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED;
	return 0;
}
