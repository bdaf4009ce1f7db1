/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An engine and a memory card on a bench: root port A with an I/OAT function, root port B with a card, an IOMMU domain
 * with 8 MiB of memory and the card's BAR 2 in it, and a program that has the engine's registers mapped.
 */
#ifndef TESTS_MODEL_RIG_H
#define TESTS_MODEL_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <string.h>

#include "device/device.h"
#include "fake/task.h"
#include "memory/pinned.h"
#include "model/ioat_priv.h"
#include "pci/build.h"
#include "pci/irq.h"

#define RAM_IOVA 0x10000000ull
#define RAM_LEN (8ull << 20)
#define CARD_IOVA 0x40000000ull
#define CARD_LEN (4ull << 20)
#define UNMAPPED_IOVA 0x70000000ull

/* Where things are in the 8 MiB. */
#define RING RAM_IOVA
#define COMPLETION (RAM_IOVA + 0x40000)
#define SOURCE (RAM_IOVA + 0x100000)
#define TARGET (RAM_IOVA + 0x400000)

struct rig {
	struct fake_task *ft;
	struct phys_space *space;
	struct iommu_unit *unit;
	struct iommu_domain *domain;
	struct pci_root root;
	struct pci_port *port_a, *port_b;
	struct pci_function *engine, *card;
	struct pinned *pinned;
	char *ram;
	_Atomic unsigned nr_irqs;
	/* The program's mapping of the register page: a store holds it for reading, switching the page for writing. */
	pthread_rwlock_t mapping;
	bool open; /* stores go straight to the page */
	struct phys_watch watch;
	_Atomic unsigned nr_polled_stores;
};

struct rig *rig_create(const struct device_setting *settings, size_t nr);
void rig_destroy(struct rig *r);

/* The program's accesses to the mapped page: a store traps unless the page is polled. */
void store8(struct rig *r, unsigned reg, uint8_t value);
void store16(struct rig *r, unsigned reg, uint16_t value);
void store32(struct rig *r, unsigned reg, uint32_t value);
void store64(struct rig *r, unsigned reg, uint64_t value);
uint64_t load(struct rig *r, unsigned reg, unsigned len);

static inline uint64_t chansts(struct rig *r)
{
	return load(r, IOAT_CHANSTS, 8);
}

static inline enum ioat_status status(struct rig *r)
{
	return chansts(r) & 7;
}

static inline uint32_t chanerr(struct rig *r)
{
	return load(r, IOAT_CHANERR, 4);
}

/* Waits, at most five seconds. */
void wait_for_status(struct rig *r, enum ioat_status want);

/* Memory of the program. */
static inline void *at(struct rig *r, iova_t iova)
{
	return r->ram + (iova - RAM_IOVA);
}
static inline uint64_t completion(struct rig *r)
{
	return __atomic_load_n((uint64_t *)at(r, COMPLETION), __ATOMIC_ACQUIRE);
}
static inline iova_t descriptor_at(unsigned i)
{
	return RING + i * 64ull;
}

/* Descriptor i of the ring; it leads to the next one. */
struct ioat_descriptor *descriptor(struct rig *r, unsigned i, uint32_t ctl, iova_t dst, iova_t src, uint32_t size);
/* CHANCMP, CHANCTRL, CHAINADDR and DMACOUNT. */
void start(struct rig *r, iova_t chain, uint16_t count);
/* What a driver does after an error: clear, reset. */
void recover(struct rig *r);
void fill(struct rig *r, iova_t iova, size_t len, unsigned seed);

int rig_setup(void **state);
int rig_teardown(void **state);

#endif
