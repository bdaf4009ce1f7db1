/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A card that is nothing but memory: ivshmem's ids and BARs (BAR0 registers, BAR2 the memory), as a PCI Express
 * endpoint with power management and function-level reset. docs/add-a-device.md explains this file line by line.
 *
 * The registers do nothing without interrupts: they read as zero and drop stores. The memory survives every reset, like
 * that of a card with its own power.
 */
#include "model/models.h"

enum { MEMCARD_BAR_REGISTERS = 0, MEMCARD_BAR_MEMORY = 2 };

static const struct device_key memcard_keys[] = {
	{.name = "size",
	 .type = DEVICE_KEY_SIZE,
	 .min = 4096,
	 .max = 1ull << 40,
	 .power_of_two = true,
	 .summary = "memory behind BAR2, 64M unless told; takes nothing from the host until it is touched"},
	{.name = "pcie",
	 .type = DEVICE_KEY_BOOL,
	 .summary = "a PCI Express endpoint with power management and FLR (the default), or plain PCI without either"},
};

static int memcard_build(struct device *d, const struct device_config *c, void **model)
{
	static const struct device_ids ids = {
		.vendor = 0x1af4,
		.device = 0x1110,
		.subsystem_vendor = 0x1af4,
		.subsystem = 0x1100,
		.class_code = 0x050000,
		.revision = 1,
	};
	static const struct device_region registers = {DEVICE_REGISTERS, 4096};
	const struct device_region memory = {DEVICE_MEMORY, device_config_u64(c, "size", 64ull << 20)};
	int err;

	device_set_ids(d, &ids);
	err = device_add_bar(d, MEMCARD_BAR_REGISTERS, 0, &registers, 1);
	if (!err)
		err = device_add_bar(d, MEMCARD_BAR_MEMORY, DEVICE_BAR_64BIT | DEVICE_BAR_PREFETCHABLE, &memory, 1);
	if (!err && device_config_bool(c, "pcie", true)) {
		err = device_add_pcie(d, true);
		if (!err)
			err = device_add_pm(d);
	}
	*model = NULL;
	return err;
}

const struct device_model memcard_model = {
	.name = "memcard",
	.summary = "PCI memory card (1af4:1110)",
	.keys = memcard_keys,
	.nr_keys = ARRAY_SIZE(memcard_keys),
	.build = memcard_build,
};
