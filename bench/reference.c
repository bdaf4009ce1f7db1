/* SPDX-License-Identifier: BSD-3-Clause */
/* What the machine costs without barter. */
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "bench.h"

enum { BURSTS = 10, SYSCALLS = 2000, SEGVS = 200, WAKES = 200 };

/* The best of short bursts, as bench-inside measures. */
static double best_burst(double (*burst)(void))
{
	double best = burst();

	for (int i = 1; i < BURSTS; i++) {
		double ns = burst();
		best = ns < best ? ns : best;
	}
	return best;
}

static double burst_syscalls(void)
{
	double start = now_ns();

	for (int i = 0; i < SYSCALLS; i++)
		getppid();
	return (now_ns() - start) / SYSCALLS;
}

double null_syscall_ns(void)
{
	return best_burst(burst_syscalls);
}

/* The handler steps over the load that faulted, as a trap that has done its work does. */
static void on_segv(int sig, siginfo_t *info, void *context)
{
#ifdef __x86_64__
	((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 2;
#else
	((ucontext_t *)context)->uc_mcontext.pc += 4;
#endif
}

static double burst_segv(void)
{
	struct sigaction sa = {.sa_sigaction = on_segv, .sa_flags = SA_SIGINFO}, old;
	char *hole = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	sigaction(SIGSEGV, &sa, &old);
	double start = now_ns();
	for (int i = 0; i < SEGVS; i++) {
#ifdef __x86_64__
		__asm__ volatile("movb %%al, (%0)" ::"r"(hole) : "memory"); /* two bytes long */
#else
		*(volatile char *)hole = 0;
#endif
	}
	double each = (now_ns() - start) / SEGVS;
	sigaction(SIGSEGV, &old, NULL);
	munmap(hole, 4096);
	return each;
}

struct ball {
	_Atomic uint32_t at; /* whose turn: even the main thread's */
};

static void pass(struct ball *b, uint32_t turn)
{
	b->at = turn;
	syscall(SYS_futex, &b->at, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void await(struct ball *b, uint32_t turn)
{
	uint32_t at;

	while ((at = b->at) != turn)
		syscall(SYS_futex, &b->at, FUTEX_WAIT_PRIVATE, at, NULL, NULL, 0);
}

static void *partner(void *arg)
{
	for (uint32_t i = 0; i < WAKES; i++) {
		await(arg, 2 * i + 1);
		pass(arg, 2 * i + 2);
	}
	return NULL;
}

/* Two threads wake each other in turn; half of a round is one wake. */
double burst_futex_wake(void)
{
	struct ball ball = {0};
	pthread_t thread;

	pthread_create(&thread, NULL, partner, &ball);
	double start = now_ns();
	for (uint32_t i = 0; i < WAKES; i++) {
		pass(&ball, 2 * i + 1);
		await(&ball, 2 * i + 2);
	}
	double each = (now_ns() - start) / WAKES / 2;
	pthread_join(thread, NULL);
	return each;
}

void reference_measure(struct bench *b)
{
	for (unsigned i = 0; i < b->repetitions; i++) {
		samples_add(&b->null_syscall, null_syscall_ns());
		samples_add(&b->segv, best_burst(burst_segv));
		samples_add(&b->futex_wake, best_burst(burst_futex_wake));
	}
}
