/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/lock.h"

#include <stdio.h>
#include <stdlib.h>

void lock_assert_failed(const char *what, const char *file, int line)
{
	fprintf(stderr, "barter: %s:%d: %s\n", file, line, what);
	abort();
}

#ifdef BARTER_DEBUG

/* What this thread holds, in the order of acquisition. */
enum { LOCK_CHECK_DEPTH = 64 };
static _Thread_local struct {
	const struct lock_class *class;
	const void *lock;
} held[LOCK_CHECK_DEPTH];
static _Thread_local unsigned nr_held;

static void order_violated(const struct lock_class *class, unsigned i)
{
	fprintf(stderr, "barter: lock order: %s (rank %d) taken while %s (rank %d) is held\n", class->name, class->rank,
		held[i].class->name, held[i].class->rank);
	abort();
}

void lock_check_acquire(const struct lock_class *class, const void *lock)
{
	for (unsigned i = 0; i < nr_held; i++) {
		bool in_order = held[i].class->rank < class->rank ||
				(held[i].class == class &&
				 (class->nests == LOCK_NESTS_BACKING_OFF || (class->nests && held[i].lock < lock)));
		if (!in_order)
			order_violated(class, i);
	}
	if (nr_held == LOCK_CHECK_DEPTH)
		lock_assert_failed("too many locks held", __FILE__, __LINE__);
	held[nr_held].class = class;
	held[nr_held].lock = lock;
	nr_held++;
}

void lock_check_release(const struct lock_class *class, const void *lock)
{
	(void)class;
	for (unsigned i = nr_held; i-- > 0;) {
		if (held[i].lock != lock)
			continue;
		for (; i + 1 < nr_held; i++)
			held[i] = held[i + 1];
		nr_held--;
		return;
	}
	lock_assert_failed("released a lock that this thread does not hold", __FILE__, __LINE__);
}

bool lock_check_held(const void *lock)
{
	for (unsigned i = 0; i < nr_held; i++)
		if (held[i].lock == lock)
			return true;
	return false;
}

void lock_check_none_held(const char *where)
{
	if (nr_held == 0)
		return;
	fprintf(stderr, "barter: %s reached with %s held\n", where, held[nr_held - 1].class->name);
	abort();
}

#endif
