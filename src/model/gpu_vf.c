/* SPDX-License-Identifier: BSD-3-Clause */
/* A virtual function of the gpu: a few registers that say what it is, and a slice of local memory. It runs nothing. */
#include "model/gpu_priv.h"

static int gpu_vf_build(struct device *vf, const struct device_config *c, void **model)
{
	static const struct device_region bar0[] = {{DEVICE_REGISTERS, 4096}, {DEVICE_MSIX_TABLE, 4096}};
	uint32_t *registers;
	int err;

	err = device_add_bar(vf, GPU_BAR_REGISTERS, DEVICE_BAR_64BIT, bar0, ARRAY_SIZE(bar0));
	if (!err)
		err = device_add_window(vf, GPU_BAR_MEMORY, DEVICE_BAR_64BIT | DEVICE_BAR_PREFETCHABLE,
					device_config_u64(c, "vf_memory", 16ull << 20), GPU_BAR_MEMORY);
	if (!err)
		err = device_add_pcie(vf, true);
	if (!err)
		err = device_add_msix(vf, 1, GPU_BAR_REGISTERS);
	if (err)
		return err;
	registers = device_bar_memory(vf, GPU_BAR_REGISTERS, 0);
	registers[GPU_VF_ID / 4] = GPU_VF_ID_VALUE;
	registers[GPU_VF_INDEX / 4] = device_vf_index(vf);
	*model = NULL;
	return 0;
}

const struct device_model gpu_vf_model = {
	.name = "gpu-vf", .summary = "virtual function of a gpu", .build = gpu_vf_build};
