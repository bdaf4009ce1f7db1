/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The program's signals, shared with it unnoticed.
 *
 * The door owns SIGSEGV, SIGBUS, SIGTRAP and SIGSYS from the first use of a device on: its handlers look at each one
 * first and hand what is not theirs to the program's own action, as the kernel would have. They are kept out of every
 * real mask; what the program believes to have blocked is in door_thread.blocked. Our handlers run on the stack that
 * the program chose for that signal: a stack that is too bad for us was too bad for the program alone, too.
 *
 * Every other handler of the program is entered through a small wrapper, so that it never runs while its own thread is
 * inside barter: such a signal waits until the thread leaves (door_leave()), as it waits for a system call on Linux. A
 * handler may therefore use devices freely and may be left by siglongjmp.
 *
 * Our handlers never allocate and never use stdio; errno is as it was.
 *
 * Who may include this: door/, tests/door.
 */
#ifndef BARTER_DOOR_SIGNALS_H
#define BARTER_DOOR_SIGNALS_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <ucontext.h>

#include "base/types.h"

#define SIGNALS_NR 65

/* What the program asked for. Two copies: a handler may read while the other one is written. */
struct program_action {
	struct sigaction slots[2];
	_Atomic unsigned version; /* slots[version & 1] is current */
};

struct signals {
	pthread_mutex_t lock; /* writers; taken with all signals blocked */
	_Atomic bool installed;
	struct program_action actions[SIGNALS_NR];
};

/* What the door knows of a thread. */
struct door_thread {
	unsigned inside;	  /* depth of calls into barter */
	int cancel_state;	  /* outside of it */
	unsigned blocked;	  /* owned signals that the program has blocked here: bit (signal - 1) */
	unsigned blocked_outside; /* the same, when the outermost handler of an owned signal was entered */
	uaddr_t handler_frame;	  /* where that handler began, 0: none is running */
	unsigned pending;	  /* owned signals that were sent while blocked */
	siginfo_t pending_info[4];
	int deferred; /* a signal that came while inside, 0: none; all are blocked until it is sent again */
	siginfo_t deferred_info;
	sigset_t deferred_mask;
};
extern _Thread_local struct door_thread door_thread __attribute__((tls_model("initial-exec")));

/* Takes the signals over; harmless when repeated. Before any device memory is mapped or a program's pointer followed.
 */
void signals_install(void);

/* The thunks' work. They return 0 or -errno. */
int signals_set_action(int sig, const struct sigaction *act, struct sigaction *old);
int signals_set_mask(int how, const sigset_t *set, sigset_t *old);
/* set without the owned signals; NULL stays NULL. */
const sigset_t *signals_strip(const sigset_t *set, sigset_t *room);
/* Is about to leave a handler by longjmp; the signal mask is restored with it or not. */
void signals_longjmp(bool restores_mask);

/* Ends the program as this signal would have. */
void signals_die(int sig, siginfo_t *info);

void signals_send_deferred(void);
/* A signal waits whose handler has calls begin anew that it interrupted. */
bool signals_deferred_restarts(void);

/*
 * Around everything that takes locks of ours on a program's thread. May nest. What barter calls within may be
 * cancellation points; a thread must not end there.
 */
static inline void door_enter(void)
{
	if (door_thread.inside++ == 0)
		pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &door_thread.cancel_state);
	atomic_signal_fence(memory_order_seq_cst);
}

static inline void door_leave(void)
{
	atomic_signal_fence(memory_order_seq_cst);
	if (--door_thread.inside)
		return;
	if (unlikely(door_thread.deferred))
		signals_send_deferred();
	if (likely(door_thread.cancel_state == PTHREAD_CANCEL_ENABLE))
		pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
}

#endif
