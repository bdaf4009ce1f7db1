/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory order. A remover takes a translation away (T = 0), then looks at the port's word (I); an engine sets I, then
 * looks at T. One of them must see the other, so both have a full barrier in between: the exchange in section_enter()
 * and the addition in section_drain(). On x86-64 a locked instruction is that barrier; elsewhere a fence follows it.
 *
 * The word holds the generation that was read before it was stored. Seen from section_drain(), which has made the
 * generation g, a port says
 *   0         it is outside. What it did inside came before its release store of 0, which the drain acquires.
 *   >= g      its section was opened after the addition, which it has acquired: it sees the translation gone.
 *   < g       it may have seen the old translation: wait.
 * Only atomics with acquire and release carry the order that frees memory, so ThreadSanitizer can follow it.
 */
#include "memory/section.h"

#include <sched.h>
#include <stdlib.h>
#include <time.h>

#include "base/lock.h"

enum { SPINS_BEFORE_YIELD = 200, YIELDS_BEFORE_SLEEP = 2000 };

struct section_domain {
	struct mutex lock; /* guards ports */
	struct list ports;
	_Alignas(64) _Atomic uint64_t generation;
	/* Both written under lock. Every section below `passed` has ended. */
	_Alignas(64) _Atomic uint64_t passed;
	_Atomic uint64_t nr_drains;
};

static const struct lock_class section_lock_class = {"DMA section ports", LOCK_RANK_LEAF, false};

static inline void full_barrier_after_rmw(void)
{
#ifndef __x86_64__
	atomic_thread_fence(memory_order_seq_cst);
#endif
}

static inline void relax(void)
{
#ifdef __x86_64__
	__builtin_ia32_pause();
#endif
}

struct section_domain *section_domain_create(void)
{
	struct section_domain *d = aligned_alloc(64, sizeof(*d));
	if (!d)
		return NULL;
	mutex_init(&d->lock, &section_lock_class);
	list_init(&d->ports);
	atomic_init(&d->generation, 1);
	atomic_init(&d->passed, 0);
	atomic_init(&d->nr_drains, 0);
	return d;
}

void section_domain_destroy(struct section_domain *d)
{
	if (!list_empty(&d->ports))
		lock_assert_failed("a port outlives its section domain", __FILE__, __LINE__);
	mutex_fini(&d->lock);
	free(d);
}

void section_port_init(struct section_port *p, struct section_domain *d)
{
	p->domain = d;
	atomic_init(&p->inside, 0);
	mutex_lock(&d->lock);
	list_add_tail(&d->ports, &p->node);
	mutex_unlock(&d->lock);
}

void section_port_fini(struct section_port *p)
{
	mutex_lock(&p->domain->lock);
	list_del(&p->node);
	mutex_unlock(&p->domain->lock);
}

void section_enter(struct section_port *p)
{
	uint64_t g = atomic_load_explicit(&p->domain->generation, memory_order_acquire);
	atomic_exchange_explicit(&p->inside, g, memory_order_seq_cst);
	full_barrier_after_rmw();
}

void section_leave(struct section_port *p)
{
	atomic_store_explicit(&p->inside, 0, memory_order_release);
}

static bool port_blocks(const struct section_port *p, uint64_t generation)
{
	uint64_t inside = atomic_load_explicit(&p->inside, memory_order_acquire);
	return inside != 0 && inside < generation;
}

/* A section moves at most SECTION_MAX_BYTES, so it ends soon unless its thread has lost the processor. */
static void wait_for_port(const struct section_port *p, uint64_t generation)
{
	for (unsigned tries = 0; port_blocks(p, generation); tries++) {
		if (tries < SPINS_BEFORE_YIELD)
			relax();
		else if (tries < YIELDS_BEFORE_SLEEP)
			sched_yield();
		else
			nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
	}
}

void section_drain(struct section_domain *d)
{
	struct section_port *p;

	mutex_lock(&d->lock);
	uint64_t g = atomic_fetch_add_explicit(&d->generation, 1, memory_order_seq_cst) + 1;
	full_barrier_after_rmw();
	list_for_each (p, &d->ports, node)
		wait_for_port(p, g);
	atomic_store_explicit(&d->passed, g, memory_order_release);
	atomic_store_explicit(&d->nr_drains, section_drains(d) + 1, memory_order_relaxed);
	mutex_unlock(&d->lock);
}

uint64_t section_drains(const struct section_domain *d)
{
	return atomic_load_explicit(&d->nr_drains, memory_order_relaxed);
}

uint64_t section_stamp(struct section_domain *d)
{
	return atomic_fetch_add_explicit(&d->generation, 1, memory_order_seq_cst) + 1;
}

bool section_passed(const struct section_domain *d, uint64_t stamp)
{
	return atomic_load_explicit(&d->passed, memory_order_acquire) >= stamp;
}
