/* SPDX-License-Identifier: BSD-3-Clause */
#include "door/thread.h"

#include <signal.h>
#include <sys/mman.h>

#include "base/types.h"
#include "door/raw_syscall.h"
#include "door/real.h"

/* The lowest page is a guard. */
#define STACK_BYTES (1ul << 20)

static void *stack_create(void)
{
	long stack = raw_syscall(SYS_mmap, NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);

	if (stack < 0)
		return NULL;
	raw_syscall(SYS_mprotect, stack, BARTER_PAGE_SIZE, PROT_NONE);
	return (void *)stack;
}

static int create_on(struct service_thread *t, void *(*start)(void *arg), void *arg)
{
	pthread_attr_t attr;
	int err = pthread_attr_init(&attr);

	if (err)
		return err;
	err = pthread_attr_setstack(&attr, t->stack, STACK_BYTES);
	if (!err)
		err = real.pthread_create(&t->id, &attr, start, arg);
	pthread_attr_destroy(&attr);
	return err;
}

int thread_create(struct service_thread *t, void *(*start)(void *arg), void *arg)
{
	sigset_t all, old;
	int err;

	t->stack = stack_create();
	if (!t->stack)
		return -ENOMEM;
	sigfillset(&all);
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGBUS);
	real.pthread_sigmask(SIG_BLOCK, &all, &old);
	err = create_on(t, start, arg);
	real.pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err)
		raw_syscall(SYS_munmap, t->stack, STACK_BYTES);
	return -err;
}

void thread_join(struct service_thread *t)
{
	pthread_join(t->id, NULL);
	raw_syscall(SYS_munmap, t->stack, STACK_BYTES);
}
