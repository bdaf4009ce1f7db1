/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Waiting under a mutex until another thread has changed what it guards. Anyone may include this.
 *
 * As with libc's: a wait may end for no reason, so the caller looks again; who changes holds the mutex, and wakes with
 * it held or not. The one difference: waking is allowed under any lock and leaves errno alone.
 */
#ifndef BARTER_BASE_CONDITION_H
#define BARTER_BASE_CONDITION_H

#include "base/lock.h"

struct condition {
	_Atomic uint32_t sequence; /* grows with each wake-up; 0 to begin with */
};

/* until_ns: CLOCK_MONOTONIC; 0: for ever. The mutex is let go of meanwhile; to the lock checker it stays held. */
void condition_wait(struct condition *c, struct mutex *m, uint64_t until_ns);
void condition_wake_one(struct condition *c);
void condition_wake_all(struct condition *c);

#endif
