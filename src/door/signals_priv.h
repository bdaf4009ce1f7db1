/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BARTER_DOOR_SIGNALS_PRIV_H
#define BARTER_DOOR_SIGNALS_PRIV_H

#include "door/door.h"
#include "door/signals.h"

#define SIGNAL_BIT(sig) (1u << ((sig)-1))
#define SIGNALS_OWNED (SIGNAL_BIT(SIGSEGV) | SIGNAL_BIT(SIGBUS) | SIGNAL_BIT(SIGTRAP) | SIGNAL_BIT(SIGSYS))

static inline bool signal_is_owned(int sig)
{
	return sig > 0 && sig < 32 && (SIGNALS_OWNED & SIGNAL_BIT(sig));
}

/* The kernel's signal set is the first word of libc's. */
static inline uint64_t *signal_words(sigset_t *set)
{
	return (uint64_t *)set;
}

static inline unsigned signals_owned_in(const sigset_t *set)
{
	return (unsigned)*(const uint64_t *)set & SIGNALS_OWNED;
}

/* What the program asked for, whole, also while it is being changed. Lock-free. */
struct sigaction signals_read_action(int sig);
/* All signals are blocked while the lock is held: a handler may call sigaction. */
void signals_lock(sigset_t *saved);
void signals_unlock(const sigset_t *saved);
/* signals.lock held. */
void signals_write_action(int sig, const struct sigaction *act);

/* The handlers that the kernel calls: ours for the owned signals, the wrapper for all others. */
void signals_on_owned(int sig, siginfo_t *info, void *context);
void signals_on_other(int sig, siginfo_t *info, void *context);

int signals_queue_to_self(int sig, siginfo_t *info);

#endif
