/* SPDX-License-Identifier: BSD-3-Clause */
/* Threads of the door's own. Who may include this: door/. */
#ifndef BARTER_DOOR_THREAD_H
#define BARTER_DOOR_THREAD_H

#include <pthread.h>

/* 0 or -errno. The program's signals are none of the thread's business; faults of ours stay visible. */
int thread_create(pthread_t *thread, void *(*start)(void *arg), void *arg);

#endif
