/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/thread.h"

#include <signal.h>
#include <stdlib.h>

#include "base/lock.h"

_Thread_local bool thread_in_handler __attribute__((tls_model("initial-exec")));
_Thread_local volatile sig_atomic_t thread_interrupted __attribute__((tls_model("initial-exec")));

#define THREAD_STACK_BYTES (256u << 10)

struct thread_start {
	char name[16]; /* as much as the kernel keeps */
	void *(*start)(void *arg);
	void *arg;
};

static void *thread_main(void *arg)
{
	struct thread_start s = *(struct thread_start *)arg;

	free(arg);
	pthread_setname_np(pthread_self(), s.name);
	lock_context_enter(LOCK_CONTEXT_WORKER);
	arg = s.start(s.arg);
	lock_check_none_held("the end of a thread");
	return arg;
}

static struct thread_start *thread_start_create(const char *name, void *(*start)(void *arg), void *arg)
{
	struct thread_start *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	for (size_t i = 0; i < sizeof(s->name) - 1 && name[i]; i++)
		s->name[i] = name[i];
	s->start = start;
	s->arg = arg;
	return s;
}

static void thread_signal_mask(sigset_t *mask)
{
	static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};

	sigfillset(mask);
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
		sigdelset(mask, faults[i]);
}

int thread_start(pthread_t *thread, const char *name, void *(*start)(void *arg), void *arg)
{
	struct thread_start *s = thread_start_create(name, start, arg);
	pthread_attr_t attr;
	sigset_t mask, old;
	int err;

	if (!s)
		return -ENOMEM;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, THREAD_STACK_BYTES);
	thread_signal_mask(&mask);
	pthread_sigmask(SIG_SETMASK, &mask, &old);
	err = pthread_create(thread, &attr, thread_main, s);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (err)
		free(s);
	return -err;
}
