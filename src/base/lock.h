/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mutexes and reader-writer locks that know their place in the global order. Anyone may include this.
 *
 * A lock belongs to a class, a class has a rank. A thread may only take a lock whose rank is higher than every rank it
 * holds; two locks of one class only where the class says so (`nests`). A class may do without a rank: then no order is
 * declared, and it is held to the one in which it was taken first. docs/locking.md is the order in words. Builds with
 * BARTER_DEBUG check all this at every acquisition (base/lock_check.h); other builds pay nothing for it.
 *
 * None of these may be taken in a signal handler, but for one that handles a fault of the program's own instruction:
 * such a thread holds no lock of ours.
 */
#ifndef BARTER_BASE_LOCK_H
#define BARTER_BASE_LOCK_H

#include <pthread.h>

#include "base/futex_lock.h"
#include "base/lock_check.h"
#include "base/types.h"

/* Outermost first. The gaps leave room. */
enum lock_rank {
	LOCK_RANK_NONE,			/* no declared order: what is seen first is the order */
	LOCK_RANK_MACHINE = 50,		/* which driver has which function */
	LOCK_RANK_VFIO_DEVICE = 100,	/* open, bind and attach state of one VFIO device */
	LOCK_RANK_IOMMUFD_GROUP = 120,	/* which context owns an IOMMU group, what its devices are attached to */
	LOCK_RANK_IOMMUFD_OBJECT = 150, /* one context's object table */
	LOCK_RANK_IOAS_DOMAINS = 200,	/* which domains an IOAS fills */
	LOCK_RANK_IOAS_IOVA = 300,	/* areas, allowed and reserved IOVAs of one IOAS */
	LOCK_RANK_VFIO_CONFIG = 320,	/* virtual config space of one VFIO device */
	LOCK_RANK_VFIO_IRQ = 350,	/* interrupt set-up of one VFIO device */
	LOCK_RANK_VFIO_MEMORY = 380,	/* BAR accesses of one VFIO device against what turns them off */
	LOCK_RANK_SLICES = 390,		/* who changes what virtual functions of a gpu see */
	LOCK_RANK_GATE = 400,		/* one PCI function's gate and the buffers behind it */
	LOCK_RANK_BUFFERS = 450,	/* the list of a machine's dma-bufs */
	LOCK_RANK_RESERVATION = 500,	/* one buffer: its attachments and revoked state, its fences */
	LOCK_RANK_PAGES = 600,		/* one pages object: the domains it is mapped in */
	LOCK_RANK_IOVA = 650,		/* the DMA addresses that one device's mappings are given */
	LOCK_RANK_DOMAIN = 700,		/* one IO page table, writers only */
	LOCK_RANK_PHYS = 750,		/* physical address space, writers only */
	LOCK_RANK_FUNCTION = 800,	/* config space and registers of one PCI function */
	LOCK_RANK_IRQ = 850,		/* delivery of one function's interrupts */
	LOCK_RANK_BUFFER_POLL = 853,	/* which fences the poll state of a dma-buf waits for */
	LOCK_RANK_TIMELINES = 855,	/* the timelines that debugfs lists */
	LOCK_RANK_FENCE_CHAIN = 860,	/* one link of a fence chain: it asks its array or fence to be told */
	LOCK_RANK_FENCE_ARRAY = 865,	/* one fence array: it asks its fences to be told */
	LOCK_RANK_FENCE = 870,		/* one fence, or the fences of one timeline: taken where fences signal */
	LOCK_RANK_REGISTER_PAGE = 900,	/* who has a register page mapped */
	LOCK_RANK_FD_TABLE = 950,
	LOCK_RANK_ADDRESS_SPACE = 1000, /* a task's mappings and pins */
	LOCK_RANK_LEAF = 1100,		/* takes nothing else but the next two: allocators, statistics */
	LOCK_RANK_WORK = 1150,		/* a work queue: queueing is allowed under any lock */
	LOCK_RANK_TRACE = 1200,		/* the timeline and the report: recording is allowed under any lock */
};

struct lock_class {
	const char *name;
	enum lock_rank rank;
	/* Several of this class at once: BY_ADDRESS (true): in ascending order; BACKING_OFF: in any, the holder backs
	 * off. */
	enum { LOCK_NESTS_NOT, LOCK_NESTS_BY_ADDRESS, LOCK_NESTS_BACKING_OFF } nests;
};

void lock_assert_failed(const char *what, const char *file, int line) __attribute__((noreturn));

struct mutex {
	struct futex_lock native;
	const struct lock_class *class;
};

static inline void mutex_init(struct mutex *m, const struct lock_class *class)
{
	atomic_init(&m->native.state, FUTEX_LOCK_FREE);
	m->class = class;
}

static inline void mutex_fini(struct mutex *m)
{
	if (unlikely(atomic_load_explicit(&m->native.state, memory_order_acquire) != FUTEX_LOCK_FREE))
		lock_assert_failed("a mutex is destroyed while it is held", __FILE__, __LINE__);
}

static inline void mutex_lock_at(struct mutex *m, struct lock_at at)
{
	lock_check_acquire_at(m->class, m, at);
	futex_lock_take(&m->native);
}

static inline bool mutex_trylock_at(struct mutex *m, struct lock_at at)
{
	if (!futex_lock_try(&m->native))
		return false;
	lock_check_tried_at(m->class, m, at);
	return true;
}

#define mutex_lock(m) mutex_lock_at(m, LOCK_AT)
#define mutex_trylock(m) mutex_trylock_at(m, LOCK_AT)

static inline void mutex_unlock(struct mutex *m)
{
	lock_check_release(m->class, m);
	futex_lock_give(&m->native);
}

#define mutex_assert_held(m)                                                                                           \
	do {                                                                                                           \
		if (!lock_check_held(m))                                                                               \
			lock_assert_failed(#m " is not held", __FILE__, __LINE__);                                     \
	} while (0)

struct rwlock {
	pthread_rwlock_t native;
	const struct lock_class *class;
};

static inline void rwlock_init(struct rwlock *l, const struct lock_class *class)
{
	pthread_rwlock_init(&l->native, NULL);
	l->class = class;
}

static inline void rwlock_fini(struct rwlock *l)
{
	pthread_rwlock_destroy(&l->native);
}

static inline void rwlock_read_lock_at(struct rwlock *l, struct lock_at at)
{
	lock_check_acquire_at(l->class, l, at);
	pthread_rwlock_rdlock(&l->native);
}

static inline void rwlock_write_lock_at(struct rwlock *l, struct lock_at at)
{
	lock_check_acquire_at(l->class, l, at);
	pthread_rwlock_wrlock(&l->native);
}

/* A reader must not read again: a writer may be waiting in between. */
#define rwlock_read_lock(l) rwlock_read_lock_at(l, LOCK_AT)
#define rwlock_write_lock(l) rwlock_write_lock_at(l, LOCK_AT)

static inline void rwlock_unlock(struct rwlock *l)
{
	lock_check_release(l->class, l);
	pthread_rwlock_unlock(&l->native);
}

/*
 * A lock that interrupt-like code takes (a handler of pci/irq.h, a fence's callback): everywhere else it is taken with
 * interrupts off, or the handler could come while its own thread holds the lock. Nothing waits, allocates or copies
 * from a program while it is held. To the machine it is a mutex; to the checker the difference is what it checks.
 */
struct spinlock {
	struct mutex mutex;
};

/* One a thread: how many spinlocks it holds, and what waits for the last to be let go (base/irq_work.h). */
struct irq_work;
extern _Thread_local struct spin_state {
	unsigned held;
	bool running;
	struct irq_work *first, *last; /* last: valid while there is a first */
} spin_state __attribute__((tls_model("initial-exec")));
void irq_work_run(void);

static inline void spin_let_go(void)
{
	if (--spin_state.held == 0 && unlikely(spin_state.first))
		irq_work_run();
}

static inline void spin_lock_init(struct spinlock *l, const struct lock_class *class)
{
	mutex_init(&l->mutex, class);
}

static inline void spin_lock_fini(struct spinlock *l)
{
	mutex_fini(&l->mutex);
}

/* In any context. Interrupts-off regions nest. */
static inline void spin_lock_irq_at(struct spinlock *l, struct lock_at at)
{
	lock_irqs_off();
	mutex_lock_at(&l->mutex, at);
	spin_state.held++;
}

static inline void spin_unlock_irq(struct spinlock *l)
{
	mutex_unlock(&l->mutex);
	lock_irqs_on();
	spin_let_go();
}

/* Where interrupts are off already, or in interrupt context; anywhere else if no interrupt ever takes the class. */
static inline void spin_lock_at(struct spinlock *l, struct lock_at at)
{
	mutex_lock_at(&l->mutex, at);
	spin_state.held++;
}

static inline void spin_unlock(struct spinlock *l)
{
	mutex_unlock(&l->mutex);
	spin_let_go();
}

#define spin_lock_irq(l) spin_lock_irq_at(l, LOCK_AT)
#define spin_lock(l) spin_lock_at(l, LOCK_AT)

#define spin_assert_held(l) mutex_assert_held(&(l)->mutex)

#define rwlock_assert_held(l)                                                                                          \
	do {                                                                                                           \
		if (!lock_check_held(l))                                                                               \
			lock_assert_failed(#l " is not held", __FILE__, __LINE__);                                     \
	} while (0)

#endif
