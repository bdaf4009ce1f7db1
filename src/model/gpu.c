/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The gpu: the function, its config space and its registers. gpu_ring.c is the ring's state, gpu_engine.c what works
 * through it, gpu_slice.c what virtual functions see, gpu_vf.c the virtual functions.
 *
 * A store may cover several registers or a part of one: each register that it touches gets its old bytes with the new
 * ones in them. Loads never have side effects. Every store traps: a ring is rung once for many commands.
 */
#include <stdlib.h>

#include "model/gpu_priv.h"
#include "model/models.h"

static void store_base(struct gpu *g, uint64_t value)
{
	gpu_ring_base(g, value);
}

static void store_entries(struct gpu *g, uint64_t value)
{
	gpu_ring_entries(g, (uint32_t)value);
}

static void store_tail(struct gpu *g, uint64_t value)
{
	gpu_ring_tail(g, (uint32_t)value);
}

static void store_control(struct gpu *g, uint64_t value)
{
	gpu_ring_control(g, (uint32_t)value);
}

static void store_fence(struct gpu *g, uint64_t value)
{
	gpu_store64(g, GPU_FENCE_ADDRESS, value);
}

static void store_irq(struct gpu *g, uint64_t value)
{
	gpu_irq_clear(g, (uint32_t)value);
}

static void store_slice_vf(struct gpu *g, uint64_t value)
{
	gpu_store32(g, GPU_SLICE_VF, (uint32_t)value);
}

static void store_slice_index(struct gpu *g, uint64_t value)
{
	gpu_store32(g, GPU_SLICE_INDEX, (uint32_t)value);
}

static void store_slice_commit(struct gpu *g, uint64_t value)
{
	gpu_slice_commit(g, (uint32_t)value);
}

/* What is not here is read-only or reserved. In order: a store over several acts from low to high. */
static const struct gpu_register {
	uint16_t offset;
	uint8_t len;
	bool ones_act; /* bytes that a store leaves out count as zero, not as what they were */
	void (*store)(struct gpu *g, uint64_t value);
} registers[] = {
	{GPU_RING_BASE, 8, false, store_base},
	{GPU_RING_ENTRIES, 4, false, store_entries},
	{GPU_RING_TAIL, 4, false, store_tail},
	{GPU_RING_CONTROL, 4, false, store_control},
	{GPU_FENCE_ADDRESS, 8, false, store_fence},
	{GPU_IRQ_STATUS, 4, true, store_irq},
	{GPU_SLICE_VF, 4, false, store_slice_vf},
	{GPU_SLICE_INDEX, 4, false, store_slice_index},
	{GPU_SLICE_OFFSET, 8, false, gpu_slice_offset},
	{GPU_SLICE_LENGTH, 8, false, gpu_slice_length},
	{GPU_SLICE_COMMIT, 4, false, store_slice_commit},
};

/* The register's value after the store [offset, offset + len) of `value`. */
static uint64_t merge(const struct gpu *g, const struct gpu_register *r, uint64_t offset, uint64_t value, unsigned len)
{
	uint64_t old = r->len == 8 ? gpu_load64(g, r->offset) : gpu_load32(g, r->offset), merged = 0;

	for (unsigned i = 0; i < r->len; i++) {
		uint64_t at = r->offset + i, byte = r->ones_act ? 0 : old >> i * 8 & 0xff;

		if (at >= offset && at < offset + len)
			byte = value >> (at - offset) * 8 & 0xff;
		merged |= byte << i * 8;
	}
	return merged;
}

static void gpu_mmio_write(void *model, unsigned bar, uint64_t offset, uint64_t value, unsigned len)
{
	struct gpu *g = model;

	if (bar != GPU_BAR_REGISTERS)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(registers); i++) {
		const struct gpu_register *r = &registers[i];

		if (offset < r->offset + r->len && r->offset < offset + len)
			r->store(g, merge(g, r, offset, value, len));
	}
}

static void power_on(struct gpu *g)
{
	for (unsigned reg = 0; reg < BARTER_PAGE_SIZE; reg += 8)
		gpu_store64(g, reg, 0);
	gpu_store32(g, GPU_ID, GPU_ID_VALUE);
	gpu_store32(g, GPU_VERSION, 1);
	gpu_store64(g, GPU_LOCAL_MEMORY_SIZE, g->local_size);
	gpu_store64(g, GPU_VF_BAR_SIZE, g->total_vfs ? g->vf_bar_size : 0);
	gpu_store32(g, GPU_TOTAL_VFS, g->total_vfs);
	gpu_store32(g, GPU_SLICE_GRANULE, GPU_GRANULE);
	gpu_ring_power_on(g);
	gpu_slices_power_on(g);
}

static void gpu_reset(void *model)
{
	struct gpu *g = model;

	device_dma_cancel(g->dma);
	power_on(g);
}

static int gpu_describe(struct device *d, const struct gpu *g)
{
	static const struct device_ids ids = {
		.vendor = GPU_VENDOR_ID,
		.device = GPU_DEVICE_ID,
		.subsystem_vendor = GPU_VENDOR_ID,
		.subsystem = GPU_DEVICE_ID,
		.class_code = GPU_CLASS_CODE,
		.revision = 1,
	};
	static const struct device_region bar0[] = {{DEVICE_REGISTERS, 4096}, {DEVICE_MSIX_TABLE, 4096}};
	const struct device_region memory = {DEVICE_MEMORY, g->local_size};
	const struct device_sriov sriov = {
		.total_vfs = g->total_vfs, .vf_device = GPU_VF_DEVICE_ID, .vf_model = &gpu_vf_model};
	int err;

	device_set_ids(d, &ids);
	err = device_add_bar(d, GPU_BAR_REGISTERS, DEVICE_BAR_64BIT, bar0, ARRAY_SIZE(bar0));
	if (!err)
		err = device_add_bar(d, GPU_BAR_MEMORY, DEVICE_BAR_64BIT | DEVICE_BAR_PREFETCHABLE, &memory, 1);
	if (!err)
		err = device_add_pcie(d, true);
	if (!err)
		err = device_add_pm(d);
	if (!err)
		err = device_add_msix(d, 2, GPU_BAR_REGISTERS);
	if (!err && g->total_vfs)
		err = device_add_sriov(d, &sriov);
	return err;
}

static void gpu_fini(void *model)
{
	struct gpu *g = model;

	if (g->dma)
		device_dma_cancel(g->dma);
	device_worker_destroy(g->worker);
	device_dma_destroy(g->dma);
	free(g);
}

static int gpu_build(struct device *d, const struct device_config *c, void **model)
{
	struct gpu *g = calloc(1, sizeof(*g));
	int err;

	if (!g)
		return -ENOMEM;
	g->dev = d;
	g->local_size = device_config_u64(c, "memory", 256ull << 20);
	g->vf_bar_size = device_config_u64(c, "vf_memory", 16ull << 20);
	g->total_vfs = (unsigned)device_config_u64(c, "vfs", 4);
	err = device_config_u64(c, "enabled_vfs", 0) > g->total_vfs ? -EINVAL : gpu_describe(d, g);
	if (err) {
		free(g);
		return err;
	}
	g->page = device_bar_memory(d, GPU_BAR_REGISTERS, 0);
	g->local = device_bar_memory(d, GPU_BAR_MEMORY, 0);
	g->dma = device_dma_create(d);
	g->worker = device_worker_create(d, "gpu", gpu_run, g);
	if (!g->dma || !g->worker) {
		gpu_fini(g);
		return -ENOMEM;
	}
	device_lock(d);
	power_on(g);
	device_unlock(d);
	*model = g;
	return 0;
}

static const struct device_key gpu_keys[] = {
	{.name = "memory",
	 .type = DEVICE_KEY_SIZE,
	 .min = 1 << 20,
	 .max = 1ull << 40,
	 .power_of_two = true,
	 .summary = "local memory, all of it behind BAR2, 256M unless told; takes nothing until it is touched"},
	{.name = "vfs",
	 .type = DEVICE_KEY_SIZE,
	 .min = 0,
	 .max = DEVICE_MAX_VFS,
	 .summary = "virtual functions, 4 unless told; 0: no SR-IOV"},
	{.name = "enabled_vfs",
	 .type = DEVICE_KEY_SIZE,
	 .min = 0,
	 .max = DEVICE_MAX_VFS,
	 .summary = "how many of them its driver enables at the start, as by sriov_numvfs; none unless told"},
	{.name = "vf_memory",
	 .type = DEVICE_KEY_SIZE,
	 .min = GPU_GRANULE,
	 .max = 1ull << 40,
	 .power_of_two = true,
	 .summary = "size of a virtual function's BAR2, 16M unless told"},
};

const struct device_model gpu_model = {
	.name = "gpu",
	.summary = "GPU with local memory, a copy engine and SR-IOV (1234:6770)",
	.keys = gpu_keys,
	.nr_keys = ARRAY_SIZE(gpu_keys),
	.build = gpu_build,
	.fini = gpu_fini,
	.mmio_write = gpu_mmio_write,
	.reset = gpu_reset,
};
