/* SPDX-License-Identifier: BSD-3-Clause */
/* Threads of the door's own. Who may include this: door/. */
#ifndef BARTER_DOOR_THREAD_H
#define BARTER_DOOR_THREAD_H

#include <pthread.h>

/*
 * On a stack that is not libc's: what fork() leaves of the thread in a child is never another thread's there, which
 * ThreadSanitizer would take for the same one.
 */
struct service_thread {
	pthread_t id;
	void *stack;
};

/* 0 or -errno. The program's signals are none of the thread's business; faults of ours stay visible. */
int thread_create(struct service_thread *t, void *(*start)(void *arg), void *arg);
/* Waits for its end. One that serves as long as the process lives is never joined. */
void thread_join(struct service_thread *t);

#endif
