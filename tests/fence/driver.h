/* SPDX-License-Identifier: BSD-3-Clause */
/* A driver whose fences the tests signal by hand, and what every test of fence/ needs. */
#ifndef BARTER_TESTS_FENCE_DRIVER_H
#define BARTER_TESTS_FENCE_DRIVER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fence/dma_fence.h"

struct test_fence {
	struct dma_fence base;
	bool knows;		      /* what signaled() answers */
	int enabled;		      /* how often signalling was asked for */
	bool already;		      /* what enable_signaling() finds: it has happened */
	_Atomic uint64_t deadline_ns; /* the last that was set */
};

/* One reference, in a context of its own when context is 0. lock: may be NULL. */
struct test_fence *test_fence_new(struct spinlock *lock, uint64_t context, uint64_t seqno);
extern const struct lock_class test_timeline_class;

/* A callback that counts. */
struct test_cb {
	struct dma_fence_cb base;
	atomic_int runs;
	struct dma_fence *of;
};
void test_cb_count(struct dma_fence *f, struct dma_fence_cb *cb);

/* The exit status of main(). A fence that is left behind is a failure, and cmocka does not count what tear-downs find.
 */
#define run_fence_tests(tests) (cmocka_run_group_tests(tests, NULL, NULL) + fences_left())
int fences_left(void); /* 1 and says so, or 0 */

#endif
