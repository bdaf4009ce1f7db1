/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The lock under struct mutex: one word, taken and let go of inline, the kernel asked only when threads meet. A mutex
 * of libc does the same with twice the instructions; a map and unmap of one page takes a dozen of them.
 *
 * Who may include this: base/lock.h, and who keeps others out across fork().
 */
#ifndef BARTER_BASE_FUTEX_LOCK_H
#define BARTER_BASE_FUTEX_LOCK_H

#include <stdatomic.h>

#include "base/types.h"

enum futex_lock_state { FUTEX_LOCK_FREE, FUTEX_LOCK_HELD, FUTEX_LOCK_WAITED_FOR };

struct futex_lock {
	_Atomic uint32_t state; /* enum futex_lock_state; 0 is free */
};

/* Leave errno alone. */
void futex_lock_wait(struct futex_lock *l);
void futex_lock_wake(struct futex_lock *l);

static inline bool futex_lock_try(struct futex_lock *l)
{
	uint32_t free = FUTEX_LOCK_FREE;

	return atomic_compare_exchange_strong_explicit(&l->state, &free, FUTEX_LOCK_HELD, memory_order_acquire,
						       memory_order_relaxed);
}

static inline void futex_lock_take(struct futex_lock *l)
{
	if (unlikely(!futex_lock_try(l)))
		futex_lock_wait(l);
}

static inline void futex_lock_give(struct futex_lock *l)
{
	if (unlikely(atomic_exchange_explicit(&l->state, FUTEX_LOCK_FREE, memory_order_release) ==
		     FUTEX_LOCK_WAITED_FOR))
		futex_lock_wake(l);
}

#endif
