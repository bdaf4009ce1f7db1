/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the gpu model share. Registers and commands: gpu_regs.h; in words: docs/gpu.md. */
#ifndef BARTER_MODEL_GPU_PRIV_H
#define BARTER_MODEL_GPU_PRIV_H

#include "device/sdk.h"
#include "model/gpu_regs.h"

enum { GPU_BAR_REGISTERS = 0, GPU_BAR_MEMORY = 2 };

#define GPU_GRANULE 65536u
#define GPU_MAX_RING_ENTRIES 65536u

struct gpu_slice {
	struct device_fragment fragments[GPU_MAX_FRAGMENTS];
	size_t nr;
};

struct gpu {
	struct device *dev;
	struct device_dma *dma;
	struct device_worker *worker;
	uint8_t *page; /* the registers as programs read them */
	char *local;
	uint64_t local_size, vf_bar_size;
	unsigned total_vfs;

	/* Guarded by the function's lock. */
	uint64_t base;
	uint32_t entries, head, tail;
	bool enabled, running; /* running: the worker has a command, without the lock */
	bool hung;	       /* on a command that never ends */
	uint8_t error;	       /* GPU_ERROR_*: halted */
	uint32_t epoch;	       /* each reset counts it up: what was under way does not count any more */
	uint32_t irq_status;
	struct gpu_slice staged, slices[DEVICE_MAX_VFS];
	uint64_t busy_since; /* for the timeline */
};

/* The page is shared with the program: every access is one atomic load or store. */
static inline uint32_t gpu_load32(const struct gpu *g, unsigned reg)
{
	return __atomic_load_n((const uint32_t *)(g->page + reg), __ATOMIC_ACQUIRE);
}
static inline uint64_t gpu_load64(const struct gpu *g, unsigned reg)
{
	return __atomic_load_n((const uint64_t *)(g->page + reg), __ATOMIC_ACQUIRE);
}
static inline void gpu_store32(struct gpu *g, unsigned reg, uint32_t value)
{
	__atomic_store_n((uint32_t *)(g->page + reg), value, __ATOMIC_RELEASE);
}
static inline void gpu_store64(struct gpu *g, unsigned reg, uint64_t value)
{
	__atomic_store_n((uint64_t *)(g->page + reg), value, __ATOMIC_RELEASE);
}

/* gpu_ring.c: what registers do to the ring. The function's lock is held for all. */
void gpu_ring_show(struct gpu *g);
void gpu_ring_base(struct gpu *g, uint64_t base);
void gpu_ring_entries(struct gpu *g, uint32_t entries);
void gpu_ring_tail(struct gpu *g, uint32_t tail);
void gpu_ring_control(struct gpu *g, uint32_t value);
void gpu_ring_power_on(struct gpu *g);
void gpu_ring_halt(struct gpu *g, uint8_t error);
bool gpu_ring_has_work(const struct gpu *g);
void gpu_irq_raise(struct gpu *g, uint32_t bit);
void gpu_irq_clear(struct gpu *g, uint32_t bits);

/* gpu_engine.c: the worker. */
void gpu_run(void *model);

/* gpu_slice.c; the lock is held. */
void gpu_slice_offset(struct gpu *g, uint64_t offset);
void gpu_slice_length(struct gpu *g, uint64_t length);
void gpu_slice_commit(struct gpu *g, uint32_t nr);
void gpu_slices_power_on(struct gpu *g);

extern const struct device_model gpu_vf_model; /* gpu_vf.c */

#endif
