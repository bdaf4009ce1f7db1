/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * System calls that go past every thunk, ours included, and leave errno alone: they return -errno. For the door's own
 * business on a program's fds and paths.
 *
 * Who may include this: door/.
 */
#ifndef BARTER_DOOR_RAW_SYSCALL_H
#define BARTER_DOOR_RAW_SYSCALL_H

#include <sys/syscall.h>

#if defined(__x86_64__)
static inline long raw_syscall6(long nr, long a0, long a1, long a2, long a3, long a4, long a5)
{
	register long r10 __asm__("r10") = a3;
	register long r8 __asm__("r8") = a4;
	register long r9 __asm__("r9") = a5;
	long result;
	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "0"(nr), "D"(a0), "S"(a1), "d"(a2), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}
#elif defined(__aarch64__)
static inline long raw_syscall6(long nr, long a0, long a1, long a2, long a3, long a4, long a5)
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a0;
	register long x1 __asm__("x1") = a1;
	register long x2 __asm__("x2") = a2;
	register long x3 __asm__("x3") = a3;
	register long x4 __asm__("x4") = a4;
	register long x5 __asm__("x5") = a5;
	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
	return x0;
}
#else
#error "raw system calls are not written for this machine"
#endif

/* Missing arguments are zeroes. */
#define raw_syscall(nr, ...) raw_syscall_pick(nr, ##__VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define raw_syscall_pick(nr, a0, a1, a2, a3, a4, a5, ...)                                                              \
	raw_syscall6(nr, (long)(a0), (long)(a1), (long)(a2), (long)(a3), (long)(a4), (long)(a5))

#endif
