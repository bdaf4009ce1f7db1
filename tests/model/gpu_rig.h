/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A gpu on a bench: root port A with the gpu (4 MiB of local memory, three virtual functions of 1 MiB), root port B
 * with a memory card, and an IOMMU domain with 2 MiB of memory and the card in it.
 */
#ifndef TESTS_MODEL_GPU_RIG_H
#define TESTS_MODEL_GPU_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "device/device.h"
#include "fake/task.h"
#include "memory/pinned.h"
#include "model/gpu_regs.h"
#include "pci/build.h"
#include "pci/irq.h"
#include "pci/sriov.h"

#define RAM_IOVA 0x10000000ull
#define RAM_LEN (2ull << 20)
#define CARD_IOVA 0x40000000ull
#define CARD_LEN (4ull << 20)
#define UNMAPPED_IOVA 0x70000000ull
#define LOCAL_LEN (4ull << 20)
#define VF_LEN (1ull << 20)
#define GRANULE 65536ull

#define RING RAM_IOVA
#define RING_ENTRIES 16
#define FENCE (RAM_IOVA + 0x10000)
#define SOURCE (RAM_IOVA + 0x80000)
#define TARGET (RAM_IOVA + 0x100000)

struct gpu_rig {
	struct fake_task *ft;
	struct phys_space *space;
	struct iommu_unit *unit;
	struct iommu_domain *domain;
	struct pci_root root;
	struct pci_port *port_a, *port_b;
	struct pci_function *gpu, *card;
	struct pinned *pinned;
	char *ram, *local;
	_Atomic unsigned nr_irqs[2];
};

struct gpu_command {
	uint32_t opcode, flags;
	uint64_t source, target, length, sequence, reserved[3];
};

int gpu_rig_setup(void **state);
int gpu_rig_teardown(void **state);

static inline void *ram_at(struct gpu_rig *r, iova_t iova)
{
	return r->ram + (iova - RAM_IOVA);
}
static inline uint32_t reg(struct gpu_rig *r, unsigned offset)
{
	return (uint32_t)pci_mmio_read(r->gpu, 0, offset, 4);
}
static inline void set(struct gpu_rig *r, unsigned offset, uint64_t value)
{
	bool wide = offset == GPU_RING_BASE || offset == GPU_FENCE_ADDRESS || offset == GPU_SLICE_OFFSET ||
		    offset == GPU_SLICE_LENGTH;

	pci_mmio_write(r->gpu, 0, offset, value, wide ? 8 : 4);
}
static inline uint64_t fence(struct gpu_rig *r)
{
	return __atomic_load_n((uint64_t *)ram_at(r, FENCE), __ATOMIC_ACQUIRE);
}

/* Base, size, fence address and ENABLE. */
void ring_start(struct gpu_rig *r);
/* Command i of the ring. */
void command(struct gpu_rig *r, unsigned i, struct gpu_command c);
/* Waits until STATUS is that, at most five seconds. */
void wait_for_status(struct gpu_rig *r, uint32_t status);
void fill_random(void *p, size_t len, unsigned seed);
/* Returns SLICE_STATUS. */
uint32_t slice(struct gpu_rig *r, unsigned vf, const struct pci_fragment *fragments, unsigned nr);

#endif
