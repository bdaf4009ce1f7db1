/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A signal has come. For an owned one: is it ours (a copy's bad address, a trapped register), else the program's action
 * is taken the way the kernel takes it. For any other: now, or when the thread has left barter.
 */
#include "door/signals_priv.h"

#include <sys/syscall.h>
#include <unistd.h>

#include "base/thread.h"
#include "door/context.h"
#include "door/mm_share.h"
#include "door/pin.h"
#include "door/trap.h"
#include "door/uaccess.h"

/* si_code as the kernel gives it for what an instruction did; a program cannot send it to another. */
static bool is_fault(const siginfo_t *info)
{
	return info->si_code > 0;
}

int signals_queue_to_self(int sig, siginfo_t *info)
{
	return (int)syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid), sig, info);
}

static void set_default(int sig)
{
	struct sigaction act = {.sa_handler = SIG_DFL};

	real.sigaction(sig, &act, NULL);
}

void signals_die(int sig, siginfo_t *info)
{
	set_default(sig);
	/* The instruction runs again and shows the debugger its own registers; but for what may have healed. */
	if (is_fault(info) && sig == SIGSEGV)
		return;
	signals_queue_to_self(sig, info);
}

static unsigned pending_slot(int sig)
{
	return sig == SIGSEGV ? 0 : sig == SIGBUS ? 1 : sig == SIGTRAP ? 2 : 3;
}

/*
 * The program has the signal blocked. When that was a handler of an owned signal, and the stack is above where it
 * began, the handler was left by a way that we do not see (setcontext): it blocks no more.
 */
static bool is_blocked(int sig, const ucontext_t *uc)
{
	uaddr_t frame = door_thread.handler_frame, sp = context_sp(uc);

	if (frame && sp > frame && sp - frame < (1ull << 20))
		signals_longjmp(true);
	return door_thread.blocked & SIGNAL_BIT(sig);
}

static void reset_action(int sig, struct sigaction act)
{
	sigset_t saved;

	act.sa_handler = SIG_DFL;
	signals_lock(&saved);
	signals_write_action(sig, &act);
	signals_unlock(&saved);
}

static void call_handler(const struct sigaction *act, int sig, siginfo_t *info, ucontext_t *uc)
{
	if (act->sa_flags & SA_SIGINFO)
		act->sa_sigaction(sig, info, uc);
	else
		act->sa_handler(sig);
}

/* Runs the program's handler of an owned signal with the masks, real and believed, that the kernel would have set. */
static void run_handler(const struct sigaction *act, int sig, siginfo_t *info, ucontext_t *uc)
{
	struct door_thread *thread = &door_thread;
	sigset_t *interrupted = &uc->uc_sigmask, mask = *interrupted;
	unsigned owned = signals_owned_in(&act->sa_mask);
	bool outermost = thread->handler_frame == 0;

	*signal_words(&mask) |= *(const uint64_t *)&act->sa_mask;
	*signal_words(&mask) &= ~(uint64_t)SIGNALS_OWNED;
	*signal_words(interrupted) |= thread->blocked;
	if (outermost) {
		thread->blocked_outside = thread->blocked;
		thread->handler_frame = (uaddr_t)__builtin_frame_address(0);
	}
	thread->blocked |= owned | (act->sa_flags & SA_NODEFER ? 0 : SIGNAL_BIT(sig));
	real.pthread_sigmask(SIG_SETMASK, &mask, NULL);

	call_handler(act, sig, info, uc);

	/* The handler may have changed what is blocked after it. */
	thread->blocked = signals_owned_in(interrupted);
	*signal_words(interrupted) &= ~(uint64_t)SIGNALS_OWNED;
	if (outermost)
		thread->handler_frame = 0;
}

static void deliver_to_program(int sig, siginfo_t *info, ucontext_t *uc)
{
	struct sigaction act = signals_read_action(sig);

	if (is_blocked(sig, uc)) {
		if (is_fault(info)) {
			signals_die(sig, info);
		} else {
			door_thread.pending_info[pending_slot(sig)] = *info;
			door_thread.pending |= SIGNAL_BIT(sig);
		}
		return;
	}
	if (act.sa_handler == SIG_DFL || (act.sa_handler == SIG_IGN && is_fault(info))) {
		signals_die(sig, info);
		return;
	}
	if (act.sa_handler == SIG_IGN)
		return;
	if (act.sa_flags & (int)SA_RESETHAND)
		reset_action(sig, act);
	run_handler(&act, sig, info, uc);
}

/*
 * The thread is inside barter and may hold locks. Nothing else may come either until it is out: the kernel restores
 * this context with everything blocked, and door_leave() sends the signal once more.
 */
static void put_off(int sig, siginfo_t *info, ucontext_t *uc)
{
	uint64_t *mask = signal_words(&uc->uc_sigmask);

	door_thread.deferred_info = *info;
	door_thread.deferred_mask = uc->uc_sigmask;
	door_thread.deferred = sig;
	thread_interrupted = 1;
	*mask = ~(uint64_t)SIGNALS_OWNED;
}

static bool register_fault(siginfo_t *info, ucontext_t *uc)
{
	bool handled;

	lock_fault_begin("a store to a register");
	handled = trap_handle(info, uc);
	lock_fault_end();
	return handled;
}

/* False: it is the program's affair. */
static bool is_ours(int sig, siginfo_t *info, ucontext_t *uc)
{
	if (is_fault(info))
		return ((sig == SIGSEGV || sig == SIGBUS) && (uaccess_fixup(uc) || pin_fixup(info, uc))) ||
		       (sig == SIGSEGV && register_fault(info, uc));
	if (door_thread.inside && !door_thread.deferred) {
		put_off(sig, info, uc);
		return true;
	}
	if (likely(!mm_child_is_call(info)))
		return false;
	mm_child_wait(info);
	return true;
}

void signals_on_owned(int sig, siginfo_t *info, void *context)
{
	bool was_in_handler = thread_in_handler, done;

	thread_in_handler = true;
	done = is_ours(sig, info, context);
	thread_in_handler = was_in_handler;
	if (!done)
		deliver_to_program(sig, info, context);
}

void signals_on_other(int sig, siginfo_t *info, void *context)
{
	struct sigaction act;

	if (door_thread.inside) {
		put_off(sig, info, context);
		return;
	}
	act = signals_read_action(sig);
	if (act.sa_flags & (int)SA_RESETHAND) {
		set_default(sig);
		reset_action(sig, act);
	}
	/* The program changed its mind in between: then as if the signal had come just before. */
	if (act.sa_handler != SIG_DFL && act.sa_handler != SIG_IGN)
		call_handler(&act, sig, info, context);
}

bool signals_deferred_restarts(void)
{
	return door_thread.deferred && (signals_read_action(door_thread.deferred).sa_flags & SA_RESTART);
}

void signals_send_deferred(void)
{
	int saved_errno = errno, sig = door_thread.deferred;

	door_thread.deferred = 0;
	thread_interrupted = 0;
	signals_queue_to_self(sig, &door_thread.deferred_info);
	real.pthread_sigmask(SIG_SETMASK, &door_thread.deferred_mask, NULL);
	errno = saved_errno;
}
