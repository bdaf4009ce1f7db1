/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Waiting for a fence: the waiter sleeps on the fence's flags themselves, so the signal wakes it before it runs
 * callbacks and the waiter needs no lock when it is back.
 */
#include <linux/futex.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/thread.h"
#include "fence/fence_priv.h"

uint64_t fence_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

uint64_t fence_deadline(uint64_t timeout_ns)
{
	uint64_t now = fence_now();

	/* time_t is signed: what no clock reaches is never. */
	return timeout_ns > (uint64_t)INT64_MAX - now ? UINT64_MAX : now + timeout_ns;
}

int fence_futex_wait(_Atomic unsigned *word, unsigned seen, uint64_t deadline_ns)
{
	struct timespec ts = {.tv_sec = (time_t)(deadline_ns / 1000000000ull),
			      .tv_nsec = (long)(deadline_ns % 1000000000ull)};
	int saved = errno, rc = 0;

	if (syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, seen, deadline_ns == UINT64_MAX ? NULL : &ts, NULL,
		    FUTEX_BITSET_MATCH_ANY))
		rc = -errno;
	errno = saved;
	return rc;
}

void fence_futex_wake_all(_Atomic unsigned *word)
{
	int saved = errno;

	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
	errno = saved;
}

/* False: it has signalled already. */
static bool fence_expect(struct dma_fence *f)
{
	bool pending;

	spin_lock_irq(f->lock);
	pending = fence_enable_locked(f);
	if (pending)
		atomic_fetch_or_explicit(&f->flags, DMA_FENCE_FLAG_WAITERS, memory_order_relaxed);
	spin_unlock_irq(f->lock);
	return pending;
}

/* 0 or -ETIMEDOUT. */
static int fence_sleep(struct dma_fence *f, uint64_t deadline_ns)
{
	if (!fence_expect(f))
		return 0;
	for (;;) {
		unsigned seen = atomic_load_explicit(&f->flags, memory_order_acquire);

		if (seen & DMA_FENCE_FLAG_SIGNALED)
			return 0;
		if (fence_futex_wait(&f->flags, seen, deadline_ns) == -ETIMEDOUT)
			return fence_flag_signaled(f) ? 0 : -ETIMEDOUT;
	}
}

/* A signal that comes between the look at thread_interrupted and the sleep is found after this. */
#define INTERRUPT_LATENCY_NS 20000000ull

/* The sleep has an end, so that a signal ends it whatever its handler thinks of restarting calls. */
static int fence_sleep_interruptible(struct dma_fence *f)
{
	if (!fence_expect(f))
		return 0;
	for (;;) {
		unsigned seen = atomic_load_explicit(&f->flags, memory_order_acquire);

		if (seen & DMA_FENCE_FLAG_SIGNALED)
			return 0;
		if (thread_interrupted)
			return -ERESTARTSYS;
		fence_futex_wait(&f->flags, seen, fence_deadline(INTERRUPT_LATENCY_NS));
	}
}

uint64_t dma_fence_wait_timeout(struct dma_fence *f, uint64_t timeout_ns)
{
	uint64_t deadline_ns, now;

	lock_may_wait_fence(__func__);
	if (dma_fence_is_signaled(f))
		return MAX(timeout_ns, 1u);
	if (!timeout_ns)
		return 0;
	deadline_ns = fence_deadline(timeout_ns);
	if (fence_sleep(f, deadline_ns))
		return 0;
	if (deadline_ns == UINT64_MAX)
		return timeout_ns;
	now = fence_now();
	return now < deadline_ns ? deadline_ns - now : 1;
}

int dma_fence_wait_interruptible(struct dma_fence *f)
{
	lock_may_wait_fence(__func__);
	return dma_fence_is_signaled(f) ? 0 : fence_sleep_interruptible(f);
}

/* --- one of several: the callbacks count up what the waiter sleeps on --- */

struct any_member {
	struct dma_fence_cb cb;
	_Atomic unsigned *signals;
};

static void any_signaled(struct dma_fence *f, struct dma_fence_cb *cb)
{
	struct any_member *m = container_of(cb, struct any_member, cb);

	atomic_fetch_add(m->signals, 1);
	fence_futex_wake_all(m->signals);
}

static int any_sleep(_Atomic unsigned *signals, uint64_t deadline_ns)
{
	while (!atomic_load(signals)) {
		uint64_t now = fence_now();

		if (now >= deadline_ns)
			return -ETIMEDOUT;
		if (thread_interrupted)
			return -ERESTARTSYS;
		fence_futex_wait(signals, 0, MIN(deadline_ns, now + INTERRUPT_LATENCY_NS));
	}
	return 0;
}

int dma_fence_wait_any(struct dma_fence **fences, unsigned nr, uint64_t timeout_ns)
{
	struct any_member *members = calloc(nr, sizeof(*members));
	uint64_t deadline_ns = fence_deadline(timeout_ns);
	_Atomic unsigned signals = 0;
	unsigned waiting = 0;
	int rc = 0;

	lock_may_wait_fence(__func__);
	if (!members)
		return -ENOMEM;
	for (; waiting < nr; waiting++) {
		members[waiting].signals = &signals;
		if (dma_fence_add_callback(fences[waiting], &members[waiting].cb, any_signaled))
			break;
	}
	if (waiting == nr)
		rc = any_sleep(&signals, deadline_ns);
	/* After that none of them runs any more, and what they count up can go. */
	for (unsigned i = 0; i < waiting; i++)
		dma_fence_remove_callback(fences[i], &members[i].cb);
	free(members);
	return rc;
}
