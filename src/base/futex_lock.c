/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/futex_lock.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * Whoever comes here takes the lock as WAITED_FOR, for others may sleep on it: at worst its release wakes nobody. The
 * exchange that finds FREE is the acquisition.
 */
void futex_lock_wait(struct futex_lock *l)
{
	int saved = errno;

	while (atomic_exchange_explicit(&l->state, FUTEX_LOCK_WAITED_FOR, memory_order_acquire) != FUTEX_LOCK_FREE)
		syscall(SYS_futex, &l->state, FUTEX_WAIT_PRIVATE, FUTEX_LOCK_WAITED_FOR, NULL, NULL, 0);
	errno = saved;
}

void futex_lock_wake(struct futex_lock *l)
{
	int saved = errno;

	syscall(SYS_futex, &l->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	errno = saved;
}
