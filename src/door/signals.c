/* SPDX-License-Identifier: BSD-3-Clause */
/* What the program has asked for: actions and masks. signals_deliver.c is what happens when a signal comes. */
#include "door/signals_priv.h"

#include <string.h>

_Thread_local struct door_thread door_thread __attribute__((tls_model("initial-exec")));

enum { ACTION_WORDS = sizeof(struct sigaction) / sizeof(uint64_t) };
_Static_assert(sizeof(struct sigaction) % sizeof(uint64_t) == 0, "copied in words");

struct sigaction signals_read_action(int sig)
{
	struct program_action *p = &door.signals.actions[sig];
	struct sigaction act;
	unsigned version;

	do {
		version = atomic_load_explicit(&p->version, memory_order_acquire);
		const uint64_t *from = (const uint64_t *)&p->slots[version & 1];
		for (unsigned i = 0; i < ACTION_WORDS; i++)
			((uint64_t *)&act)[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
		atomic_thread_fence(memory_order_acquire);
	} while (atomic_load_explicit(&p->version, memory_order_relaxed) != version);
	return act;
}

void signals_write_action(int sig, const struct sigaction *act)
{
	struct program_action *p = &door.signals.actions[sig];
	unsigned next = atomic_load_explicit(&p->version, memory_order_relaxed) + 1;
	uint64_t *to = (uint64_t *)&p->slots[next & 1];

	atomic_thread_fence(memory_order_release);
	for (unsigned i = 0; i < ACTION_WORDS; i++)
		__atomic_store_n(&to[i], ((const uint64_t *)act)[i], __ATOMIC_RELAXED);
	atomic_store_explicit(&p->version, next, memory_order_release);
}

static bool has_handler(const struct sigaction *act)
{
	return act->sa_handler != SIG_DFL && act->sa_handler != SIG_IGN;
}

const sigset_t *signals_strip(const sigset_t *set, sigset_t *room)
{
	if (!set || !door.signals.installed || !signals_owned_in(set))
		return set;
	*room = *set;
	*signal_words(room) &= ~(uint64_t)SIGNALS_OWNED;
	return room;
}

/*
 * The real action for an owned signal. All other signals wait while ours is handled: a handler of the program on top of
 * it could meet our locks. SA_NODEFER: a fault inside the program's handler must reach us as well.
 */
static struct sigaction owned_action(const struct sigaction *act)
{
	struct sigaction ours = {
		.sa_sigaction = signals_on_owned,
		.sa_flags = SA_SIGINFO | SA_NODEFER | (act->sa_flags & (SA_ONSTACK | SA_RESTART)),
	};

	sigfillset(&ours.sa_mask);
	*signal_words(&ours.sa_mask) &= ~(uint64_t)SIGNALS_OWNED;
	return ours;
}

/* The real action for any other signal; SA_RESETHAND is done by the wrapper, which may have to put a signal off. */
static struct sigaction other_action(const struct sigaction *act)
{
	struct sigaction ours = *act;

	*signal_words(&ours.sa_mask) &= ~(uint64_t)SIGNALS_OWNED;
	if (!has_handler(act))
		return ours;
	ours.sa_sigaction = signals_on_other;
	ours.sa_flags = (act->sa_flags | SA_SIGINFO) & ~(int)SA_RESETHAND;
	return ours;
}

static struct sigaction real_action(int sig, const struct sigaction *act)
{
	return signal_is_owned(sig) ? owned_action(act) : other_action(act);
}

void signals_lock(sigset_t *saved)
{
	sigset_t all;

	sigfillset(&all);
	real.pthread_sigmask(SIG_SETMASK, &all, saved);
	pthread_mutex_lock(&door.signals.lock);
}

void signals_unlock(const sigset_t *saved)
{
	pthread_mutex_unlock(&door.signals.lock);
	real.pthread_sigmask(SIG_SETMASK, saved, NULL);
}

static void take_over(int sig)
{
	struct sigaction act, ours;

	if (real.sigaction(sig, NULL, &act))
		return; /* SIGKILL, SIGSTOP and libc's own */
	signals_write_action(sig, &act);
	if (!signal_is_owned(sig) && !has_handler(&act))
		return;
	ours = real_action(sig, &act);
	real.sigaction(sig, &ours, NULL);
}

void signals_install(void)
{
	int saved_errno = errno;
	sigset_t saved;

	if (atomic_load_explicit(&door.signals.installed, memory_order_acquire))
		return;
	signals_lock(&saved);
	if (!door.signals.installed) {
		door_mark_alive(); /* without it a vfork child is taken for its parent */
		for (int sig = 1; sig < SIGNALS_NR; sig++)
			take_over(sig);
		atomic_store_explicit(&door.signals.installed, true, memory_order_release);
	}
	*signal_words(&saved) &= ~(uint64_t)SIGNALS_OWNED;
	signals_unlock(&saved);
	errno = saved_errno;
}

/* What the kernel makes of what it is given, so that asking for the action shows the same as without us. */
static struct sigaction as_kernel_keeps(const struct sigaction *act)
{
	struct sigaction kept = *act;

	sigdelset(&kept.sa_mask, SIGKILL);
	sigdelset(&kept.sa_mask, SIGSTOP);
#ifdef SA_RESTORER
	kept.sa_flags |= SA_RESTORER;
#elif defined(__x86_64__)
	kept.sa_flags |= 0x04000000;
#endif
	return kept;
}

/* A vfork child prepares for the program that it will start: no affair of the parent's, whose table this is. */
static int set_for_exec(int sig, const struct sigaction *act, struct sigaction *old)
{
	struct sigaction previous = signals_read_action(sig);

	if (act && real.sigaction(sig, act, NULL))
		return -errno;
	if (old)
		*old = previous;
	return 0;
}

int signals_set_action(int sig, const struct sigaction *act, struct sigaction *old)
{
	struct sigaction previous, kept, ours;
	sigset_t saved;
	int err = 0;

	if (!door.signals.installed || sig <= 0 || sig >= SIGNALS_NR)
		return real.sigaction(sig, act, old) ? -errno : 0;
	if (unlikely(door_is_borrowed()))
		return set_for_exec(sig, act, old);
	signals_lock(&saved);
	previous = signals_read_action(sig);
	if (act) {
		kept = as_kernel_keeps(act);
		ours = real_action(sig, &kept);
		signals_write_action(sig, &kept);
		if (real.sigaction(sig, &ours, NULL)) {
			err = -errno;
			signals_write_action(sig, &previous);
		}
	}
	signals_unlock(&saved);
	if (err == 0 && old)
		*old = previous;
	return err;
}

/* Signals that came while the program had them blocked, now that it has not. */
static void send_pending(void)
{
	static const int owned[] = {SIGSEGV, SIGBUS, SIGTRAP, SIGSYS};

	for (unsigned i = 0; i < ARRAY_SIZE(owned); i++) {
		unsigned bit = SIGNAL_BIT(owned[i]);

		if (!(door_thread.pending & bit) || (door_thread.blocked & bit))
			continue;
		door_thread.pending &= ~bit;
		signals_queue_to_self(owned[i], &door_thread.pending_info[i]);
	}
}

static unsigned new_blocked(int how, unsigned blocked, unsigned set)
{
	if (how == SIG_BLOCK)
		return blocked | set;
	return how == SIG_UNBLOCK ? blocked & ~set : set;
}

/*
 * The first mask that blocks an owned signal is the last moment to take them over: other threads will inherit it, and
 * nobody could lift it there later.
 */
int signals_set_mask(int how, const sigset_t *set, sigset_t *old)
{
	unsigned before = door_thread.blocked;
	unsigned owned = set ? signals_owned_in(set) : 0;
	sigset_t room;
	int err;

	if (!door.signals.installed) {
		if (!door.has_rack || !owned || how == SIG_UNBLOCK)
			return -real.pthread_sigmask(how, set, old);
		signals_install();
	}
	err = real.pthread_sigmask(how, signals_strip(set, &room), old);
	if (err)
		return -err;
	if (old)
		*signal_words(old) |= before;
	if (set)
		door_thread.blocked = new_blocked(how, before, owned);
	if (door_thread.pending & ~door_thread.blocked)
		send_pending();
	return 0;
}

void signals_longjmp(bool restores_mask)
{
	if (!door_thread.handler_frame)
		return;
	if (restores_mask)
		door_thread.blocked = door_thread.blocked_outside;
	door_thread.handler_frame = 0;
}
