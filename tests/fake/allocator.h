/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An allocator that fails on demand and counts what lives, for sweeps: a scenario is run again and again with the
 * first, second, ... allocation failing, whichever thread it is that allocates. Comes with the meson dependency
 * `failing_allocator`, which wraps libc's at link time.
 */
#ifndef TESTS_FAKE_ALLOCATOR_H
#define TESTS_FAKE_ALLOCATOR_H

#include <stdatomic.h>
#include <stdbool.h>

struct allocator {
	atomic_long live;      /* allocations not freed yet */
	atomic_long countdown; /* the allocation that fails when it is 0; negative: none does */
	atomic_bool failed;    /* one has; the scenario clears it */
};

extern struct allocator allocator;

#endif
