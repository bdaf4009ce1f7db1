/* SPDX-License-Identifier: BSD-3-Clause */
/* Threads of our own below the door. Anyone may include this. */
#ifndef BARTER_BASE_THREAD_H
#define BARTER_BASE_THREAD_H

#include <pthread.h>
#include <signal.h>

#include "base/types.h"

/*
 * Starts a thread with a small stack that the program's signals do not reach; faults stay open, for a copy from or to
 * memory which the program has taken away is fixed up by the door's handler. It begins in LOCK_CONTEXT_WORKER. name:
 * its first 15 bytes are used, and copied. 0 or -errno.
 */
int thread_start(pthread_t *thread, const char *name, void *(*start)(void *arg), void *arg);

/*
 * The thread is in a signal handler of ours: it may wait, but allocates nothing, frees nothing and uses no stdio. The
 * door sets it where its handlers begin; who has such things to do gives them to another thread.
 */
extern _Thread_local bool thread_in_handler __attribute__((tls_model("initial-exec")));

/*
 * A signal of the program's waits for this thread to come out of a call. What waits for as long as it takes looks here
 * each time it is woken, and before it sleeps; it returns -ERESTARTSYS, of which the door makes a call that begins anew
 * or -EINTR, as the signal's handler asks. Set by the door on the thread itself.
 */
#define ERESTARTSYS 512
extern _Thread_local volatile sig_atomic_t thread_interrupted __attribute__((tls_model("initial-exec")));

#endif
