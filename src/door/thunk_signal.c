/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The program's calls about signals. libc's own signal() and longjmp() do not go through the names that we export, so
 * each name has its thunk.
 */
#undef _FORTIFY_SOURCE
#undef _FILE_OFFSET_BITS
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>

#include "door/door.h"
#include "door/signals.h"

DOOR_EXPORT int sigaction(int sig, const struct sigaction *act, struct sigaction *old)
{
	return (int)door_return(signals_set_action(sig, act, old));
}

static __sighandler_t set_handler(int sig, __sighandler_t handler, int flags)
{
	struct sigaction act = {.sa_handler = handler, .sa_flags = flags}, old;

	if (handler == SIG_ERR) {
		errno = EINVAL;
		return SIG_ERR;
	}
	if (!(flags & SA_NODEFER))
		sigaddset(&act.sa_mask, sig);
	return sigaction(sig, &act, &old) ? SIG_ERR : old.sa_handler;
}

DOOR_EXPORT __sighandler_t signal(int sig, __sighandler_t handler)
{
	return set_handler(sig, handler, SA_RESTART);
}

DOOR_EXPORT __sighandler_t bsd_signal(int sig, __sighandler_t handler);
DOOR_EXPORT __sighandler_t bsd_signal(int sig, __sighandler_t handler)
{
	return set_handler(sig, handler, SA_RESTART);
}

DOOR_EXPORT __sighandler_t ssignal(int sig, __sighandler_t handler)
{
	return set_handler(sig, handler, SA_RESTART);
}

DOOR_EXPORT __sighandler_t __sysv_signal(int sig, __sighandler_t handler)
{
	return set_handler(sig, handler, (int)SA_RESETHAND | SA_NODEFER);
}

DOOR_EXPORT __sighandler_t sysv_signal(int sig, __sighandler_t handler)
{
	return set_handler(sig, handler, (int)SA_RESETHAND | SA_NODEFER);
}

DOOR_EXPORT int pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
	return -signals_set_mask(how, set, old);
}

DOOR_EXPORT int sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
	return (int)door_return(signals_set_mask(how, set, old));
}

DOOR_EXPORT int sigsuspend(const sigset_t *mask)
{
	sigset_t room;

	return real.sigsuspend(signals_strip(mask, &room));
}

DOOR_EXPORT int ppoll(struct pollfd *fds, nfds_t nr, const struct timespec *timeout, const sigset_t *mask)
{
	sigset_t room;

	return real.ppoll(fds, nr, timeout, signals_strip(mask, &room));
}

DOOR_EXPORT int pselect(int nr, fd_set *readable, fd_set *writable, fd_set *except, const struct timespec *timeout,
			const sigset_t *mask)
{
	sigset_t room;

	return real.pselect(nr, readable, writable, except, timeout, signals_strip(mask, &room));
}

DOOR_EXPORT int epoll_pwait(int ep, struct epoll_event *events, int max, int timeout, const sigset_t *mask)
{
	sigset_t room;

	return real.epoll_pwait(ep, events, max, timeout, signals_strip(mask, &room));
}

DOOR_EXPORT int epoll_pwait2(int ep, struct epoll_event *events, int max, const struct timespec *timeout,
			     const sigset_t *mask)
{
	sigset_t room;

	return real.epoll_pwait2(ep, events, max, timeout, signals_strip(mask, &room));
}

/* A thread starts with the mask of the one that made it, also with the part that we keep. */
struct thread_start {
	void *(*start)(void *arg);
	void *arg;
	unsigned blocked;
};

static void *thread_main(void *arg)
{
	struct thread_start start = *(struct thread_start *)arg;

	free(arg);
	door_thread.blocked = start.blocked;
	return start.start(start.arg);
}

DOOR_EXPORT int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg)
{
	struct thread_start *ts;
	int err;

	if (likely(door_thread.blocked == 0))
		return real.pthread_create(thread, attr, start, arg);
	ts = malloc(sizeof(*ts));
	if (!ts)
		return EAGAIN;
	*ts = (struct thread_start){start, arg, door_thread.blocked};
	err = real.pthread_create(thread, attr, thread_main, ts);
	if (err)
		free(ts);
	return err;
}

/* Leaving a handler by a jump ends what it blocked, if the jump restores the mask. Never returns. */
#define JUMP(name)                                                                                                     \
	DOOR_EXPORT void name(struct __jmp_buf_tag env[1], int value) __attribute__((noreturn));                       \
	DOOR_EXPORT void name(struct __jmp_buf_tag env[1], int value)                                                  \
	{                                                                                                              \
		signals_longjmp(env[0].__mask_was_saved);                                                              \
		real.name(env, value);                                                                                 \
		__builtin_unreachable();                                                                               \
	}
JUMP(longjmp)
JUMP(_longjmp)
JUMP(siglongjmp)
JUMP(__longjmp_chk)
