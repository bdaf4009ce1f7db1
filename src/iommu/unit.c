/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A unit: geometry, and the ring of faults. Faults are reported inside DMA sections, so the ring takes no lock: a
 * writer owns a slot between making its sequence odd and even again, a reader takes what did not change meanwhile.
 */
#include <stdlib.h>
#include <string.h>

#include "base/trace.h"
#include "iommu/domain_priv.h"

enum { NR_FAULTS = 256 };

struct fault_slot {
	_Atomic uint64_t sequence; /* 2 n + 2: holds the n-th fault; odd: being written */
	_Atomic uint64_t time_ns;
	_Atomic uint64_t iova;
	_Atomic uint32_t requester_and_write;
	_Atomic(const char *) reason;
};

struct iommu_unit {
	struct phys_space *space; /* immutable, as the next two */
	char *name;
	struct iommu_geometry geometry;
	_Atomic uint64_t nr_tags;
	_Atomic uint64_t nr_faults;
	struct fault_slot faults[NR_FAULTS];
};

struct iommu_unit *iommu_unit_create(struct phys_space *s, const char *name, const struct iommu_geometry *g)
{
	struct iommu_unit *u = calloc(1, sizeof(*u));
	if (!u)
		return NULL;
	u->name = strdup(name);
	if (!u->name) {
		free(u);
		return NULL;
	}
	u->space = s;
	u->geometry = *g;
	return u;
}

void iommu_unit_destroy(struct iommu_unit *u)
{
	free(u->name);
	free(u);
}

const struct iommu_geometry *iommu_unit_geometry(const struct iommu_unit *u)
{
	return &u->geometry;
}

struct phys_space *iommu_unit_space(const struct iommu_unit *u)
{
	return u->space;
}

uint64_t iommu_unit_new_tags(struct iommu_unit *u)
{
	return (atomic_fetch_add_explicit(&u->nr_tags, 1, memory_order_relaxed) + 1) << TAG_BITS;
}

void iommu_report_fault(struct iommu_unit *u, const struct iommu_fault *f)
{
	uint64_t n = atomic_fetch_add_explicit(&u->nr_faults, 1, memory_order_acq_rel);
	struct fault_slot *slot = &u->faults[n % NR_FAULTS];
	uint64_t old = atomic_load_explicit(&slot->sequence, memory_order_relaxed);

	/* A slot that is taken, or newer already, means that 256 others overtook this one: it is counted only. */
	if (!(old & 1) && old < 2 * n + 2 &&
	    atomic_compare_exchange_strong_explicit(&slot->sequence, &old, 2 * n + 1, memory_order_acq_rel,
						    memory_order_relaxed)) {
		atomic_store_explicit(&slot->time_ns, f->time_ns, memory_order_release);
		atomic_store_explicit(&slot->iova, f->iova, memory_order_release);
		atomic_store_explicit(&slot->requester_and_write, f->requester | (uint32_t)f->write << 16,
				      memory_order_release);
		atomic_store_explicit(&slot->reason, f->reason, memory_order_release);
		atomic_store_explicit(&slot->sequence, 2 * n + 2, memory_order_release);
	}
	trace_instant(phys_space_trace(u->space), TRACE_FAULT, NULL, "iommu fault",
		      "%s: requester %02x:%02x.%x iova 0x%llx %s: %s", u->name, f->requester >> 8,
		      f->requester >> 3 & 0x1f, f->requester & 7, (unsigned long long)f->iova,
		      f->write ? "write" : "read", f->reason);
}

uint64_t iommu_nr_faults(struct iommu_unit *u)
{
	return atomic_load_explicit(&u->nr_faults, memory_order_acquire);
}

/* False: overwritten or not yet written. */
static bool fault_read(struct fault_slot *slot, uint64_t n, struct iommu_fault *out)
{
	if (atomic_load_explicit(&slot->sequence, memory_order_acquire) != 2 * n + 2)
		return false;
	uint32_t requester_and_write = atomic_load_explicit(&slot->requester_and_write, memory_order_acquire);
	*out = (struct iommu_fault){
		.time_ns = atomic_load_explicit(&slot->time_ns, memory_order_acquire),
		.requester = (uint16_t)requester_and_write,
		.iova = atomic_load_explicit(&slot->iova, memory_order_acquire),
		.write = requester_and_write >> 16,
		.reason = atomic_load_explicit(&slot->reason, memory_order_acquire),
	};
	return atomic_load_explicit(&slot->sequence, memory_order_relaxed) == 2 * n + 2;
}

size_t iommu_faults(struct iommu_unit *u, struct iommu_fault *out, size_t nr)
{
	uint64_t end = iommu_nr_faults(u), kept = MIN(end, (uint64_t)NR_FAULTS), start = end - MIN(kept, nr);
	size_t got = 0;

	for (uint64_t n = start; n < end; n++)
		if (fault_read(&u->faults[n % NR_FAULTS], n, &out[got]))
			got++;
	return got;
}
