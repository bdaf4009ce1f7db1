/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the lock checker is told: locks taken and let go of, contexts, and two things that are waited for as locks are.
 * base/lock.h tells it about the locks; docs/locking.md says what it reports. Anyone may include this.
 *
 * Builds with BARTER_DEBUG check; in others all of this is empty and costs nothing. What the checker learns is kept for
 * the whole process, because lock classes are: it is the one exception to having no global state.
 *
 * A report says what could deadlock, without the deadlock happening, and ends the process (base/lock_report.h).
 */
#ifndef BARTER_BASE_LOCK_CHECK_H
#define BARTER_BASE_LOCK_CHECK_H

#include "base/types.h"

struct lock_class;

/*
 * What code runs as. A thread is in process context unless it says otherwise; contexts nest (an interrupt comes while a
 * worker runs).
 */
enum lock_context {
	LOCK_CONTEXT_PROCESS,	/* a call of the program */
	LOCK_CONTEXT_WORKER,	/* a work queue's or a device's thread: may wait, holds nothing of a caller */
	LOCK_CONTEXT_INTERRUPT, /* interrupt-like: delivery of an interrupt, a fence's callback */
};

/* Where a lock is taken. */
struct lock_place {
	const char *file;
	int line;
	const char *function;
};

struct lock_at {
	const struct lock_place *place;
	const void *caller; /* of the function: tells who went through a wrapper */
};

#ifdef BARTER_DEBUG
#define LOCK_AT                                                                                                        \
	((struct lock_at){({                                                                                           \
				  static const struct lock_place lock_place_ = {__FILE__, __LINE__, __func__};         \
				  &lock_place_;                                                                        \
			  }),                                                                                          \
			  __builtin_return_address(0)})
#define LOCK_CHECK(declaration, nothing) declaration;
#else
#define LOCK_AT ((struct lock_at){NULL, NULL})
#define LOCK_CHECK(declaration, nothing)                                                                               \
	static inline declaration                                                                                      \
	{                                                                                                              \
		nothing;                                                                                               \
	}
#endif

/* Before waiting for the lock; _tried: it was had without waiting, which no order forbids. */
LOCK_CHECK(void lock_check_acquire_at(const struct lock_class *class, const void *lock, struct lock_at at), )
LOCK_CHECK(void lock_check_tried_at(const struct lock_class *class, const void *lock, struct lock_at at), )
LOCK_CHECK(void lock_check_release(const struct lock_class *class, const void *lock), )
LOCK_CHECK(bool lock_check_held(const void *lock), return true)
#define lock_check_acquire(class, lock) lock_check_acquire_at(class, lock, LOCK_AT)
#define lock_check_tried(class, lock) lock_check_tried_at(class, lock, LOCK_AT)

/*
 * A point where no core lock may be held, and interrupts are on: before a copy from or to a program, before waiting for
 * another thread, at the end of a thread.
 */
LOCK_CHECK(void lock_check_none_held(const char *where), )
/* The same for the locks of this rank (enum lock_rank) and of those that come after it; those before may be held. */
LOCK_CHECK(void lock_check_none_held_from(int rank, const char *where), )
/* How many locks are held, and a point where it must be that many: a call of the program begins and ends. */
LOCK_CHECK(unsigned lock_check_nr_held(void), return 0)
LOCK_CHECK(void lock_check_still_held(unsigned nr, const char *where), )

/*
 * lock_context_enter() returns the context that was, for lock_context_leave(), which comes with all locks let go of
 * that were taken in between. Interrupts-off regions nest; an interrupt runs with interrupts off.
 */
LOCK_CHECK(enum lock_context lock_context_enter(enum lock_context context), return context)
LOCK_CHECK(void lock_context_leave(enum lock_context previous), )
LOCK_CHECK(enum lock_context lock_context_now(void), return LOCK_CONTEXT_PROCESS)
LOCK_CHECK(void lock_irqs_off(void), )
LOCK_CHECK(void lock_irqs_on(void), )

/*
 * lock_may_wait_fence(): here a fence may be waited for. lock_signalling_begin() and _end() bracket code that a fence's
 * signal depends on; they nest. What is taken in such code must never be held where a fence is waited for.
 *
 * lock_may_fault(): here a program's memory may be touched. lock_fault_begin() and _end() bracket what a fault does: no
 * lock that is taken there may be held where a fault may come. A fault may wait for a revocation, and that for fences.
 *
 * Neither wait may come in interrupt context or with interrupts off. where: a literal.
 */
LOCK_CHECK(void lock_may_wait_fence(const char *where), )
LOCK_CHECK(void lock_signalling_begin(const char *where), )
LOCK_CHECK(void lock_signalling_end(void), )
LOCK_CHECK(void lock_may_fault(const char *where), )
LOCK_CHECK(void lock_fault_begin(const char *where), )
LOCK_CHECK(void lock_fault_end(void), )

#undef LOCK_CHECK

#endif
