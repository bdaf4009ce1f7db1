/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of fence/ share. */
#ifndef BARTER_FENCE_PRIV_H
#define BARTER_FENCE_PRIV_H

#include "fence/dma_fence.h"
#include "fence/dma_resv.h"

/* The flag alone: no lock, no question to the driver. */
static inline bool fence_flag_signaled(const struct dma_fence *f)
{
	return atomic_load_explicit(&f->flags, memory_order_acquire) & DMA_FENCE_FLAG_SIGNALED;
}

/* The lock held. Asks the driver, once, to see to it that the fence signals. False: it has signalled. */
bool fence_enable_locked(struct dma_fence *f);

/* A fence that has signalled at that time. */
struct dma_fence *fence_stub_at(uint64_t timestamp_ns);

/* futex(2) on a word of this process. deadline_ns: CLOCK_MONOTONIC, UINT64_MAX: none. 0, -ETIMEDOUT, -EINTR, -EAGAIN.
 */
int fence_futex_wait(_Atomic unsigned *word, unsigned seen, uint64_t deadline_ns);
void fence_futex_wake_all(_Atomic unsigned *word);
uint64_t fence_now(void);
/* now + timeout, or UINT64_MAX when that is never. */
uint64_t fence_deadline(uint64_t timeout_ns);

/* The lock of a reservation object: ww_lock.c. */
void ww_lock_init(struct dma_resv *r);

#endif
