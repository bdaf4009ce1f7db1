/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/condition.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* The sequence is read before the mutex is let go of: a change made after that moves it, and the kernel does not sleep.
 */
void condition_wait(struct condition *c, struct mutex *m, uint64_t until_ns)
{
	uint32_t seen = atomic_load_explicit(&c->sequence, memory_order_relaxed);
	struct timespec until = {(time_t)(until_ns / 1000000000u), (long)(until_ns % 1000000000u)};
	int saved = errno;

	mutex_assert_held(m);
	futex_lock_give(&m->native);
	syscall(SYS_futex, &c->sequence, FUTEX_WAIT_BITSET_PRIVATE, seen, until_ns ? &until : NULL, NULL,
		FUTEX_BITSET_MATCH_ANY);
	futex_lock_take(&m->native);
	errno = saved;
}

static void condition_wake(struct condition *c, int nr)
{
	int saved = errno;

	atomic_fetch_add_explicit(&c->sequence, 1, memory_order_release);
	syscall(SYS_futex, &c->sequence, FUTEX_WAKE_PRIVATE, nr, NULL, NULL, 0);
	errno = saved;
}

void condition_wake_one(struct condition *c)
{
	condition_wake(c, 1);
}

void condition_wake_all(struct condition *c)
{
	condition_wake(c, INT_MAX);
}
