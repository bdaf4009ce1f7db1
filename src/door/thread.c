/* SPDX-License-Identifier: BSD-3-Clause */
#include "door/thread.h"

#include <signal.h>

#include "door/real.h"

int thread_create(pthread_t *thread, void *(*start)(void *arg), void *arg)
{
	sigset_t all, old;

	sigfillset(&all);
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGBUS);
	real.pthread_sigmask(SIG_BLOCK, &all, &old);
	int err = real.pthread_create(thread, NULL, start, arg);
	real.pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -err;
}
