/* SPDX-License-Identifier: BSD-3-Clause */
/* Threads of our own below the door. Anyone may include this. */
#ifndef BARTER_BASE_THREAD_H
#define BARTER_BASE_THREAD_H

#include <pthread.h>

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

#endif
