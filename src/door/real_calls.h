/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rows of struct real_calls: REAL(return type, name, (parameters), (arguments)). Variadic functions are declared
 * with the arguments that the kernel takes. No include guard: real.h and real.c include it with their own REAL().
 */

/* Files and fds. */
REAL(int, open, (const char *path, int flags, mode_t mode), (path, flags, mode))
REAL(int, openat, (int dir, const char *path, int flags, mode_t mode), (dir, path, flags, mode))
REAL(int, close, (int fd), (fd))
REAL(ssize_t, read, (int fd, void *buf, size_t len), (fd, buf, len))
REAL(ssize_t, write, (int fd, const void *buf, size_t len), (fd, buf, len))
REAL(int, ioctl, (int fd, unsigned long cmd, unsigned long arg), (fd, cmd, arg))
REAL(int, fcntl, (int fd, int cmd, unsigned long arg), (fd, cmd, arg))
REAL(int, dup, (int fd), (fd))
REAL(int, dup2, (int from, int to), (from, to))
REAL(int, dup3, (int from, int to, int flags), (from, to, flags))

/* The address space. */
REAL(void *, mmap, (void *addr, size_t len, int prot, int flags, int fd, off_t offset),
     (addr, len, prot, flags, fd, offset))
REAL(int, munmap, (void *addr, size_t len), (addr, len))
REAL(void *, mremap, (void *old, size_t old_len, size_t new_len, int flags, void *addr),
     (old, old_len, new_len, flags, addr))
REAL(int, mprotect, (void *addr, size_t len, int prot), (addr, len, prot))
REAL(int, pkey_mprotect, (void *addr, size_t len, int prot, int key), (addr, len, prot, key))
REAL(int, mlock, (const void *addr, size_t len), (addr, len))
REAL(int, msync, (void *addr, size_t len, int flags), (addr, len, flags))
REAL(int, mlock2, (const void *addr, size_t len, unsigned flags), (addr, len, flags))
REAL(int, madvise, (void *addr, size_t len, int advice), (addr, len, advice))
REAL(void *, shmat, (int id, const void *addr, int flags), (id, addr, flags))
REAL(int, shmdt, (const void *addr), (addr))
REAL(int, brk, (void *end), (end))
REAL(void *, sbrk, (intptr_t delta), (delta))

/* Signals. */
REAL(int, sigaction, (int sig, const struct sigaction *act, struct sigaction *old), (sig, act, old))
REAL(int, sigprocmask, (int how, const sigset_t *set, sigset_t *old), (how, set, old))
REAL(int, pthread_sigmask, (int how, const sigset_t *set, sigset_t *old), (how, set, old))
REAL(int, sigaltstack, (const stack_t *stack, stack_t *old), (stack, old))
REAL(int, sigsuspend, (const sigset_t *mask), (mask))
REAL(int, ppoll, (struct pollfd * fds, nfds_t nr, const struct timespec *timeout, const sigset_t *mask),
     (fds, nr, timeout, mask))
REAL(int, pselect,
     (int nr, fd_set *readable, fd_set *writable, fd_set *except, const struct timespec *timeout, const sigset_t *mask),
     (nr, readable, writable, except, timeout, mask))
REAL(int, epoll_pwait, (int ep, struct epoll_event *events, int max, int timeout, const sigset_t *mask),
     (ep, events, max, timeout, mask))
REAL(int, epoll_pwait2,
     (int ep, struct epoll_event *events, int max, const struct timespec *timeout, const sigset_t *mask),
     (ep, events, max, timeout, mask))
REAL(int, pthread_create, (pthread_t * thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg),
     (thread, attr, start, arg))

REAL(void, longjmp, (struct __jmp_buf_tag * env, int value), (env, value))
REAL(void, _longjmp, (struct __jmp_buf_tag * env, int value), (env, value))
REAL(void, siglongjmp, (struct __jmp_buf_tag * env, int value), (env, value))
REAL(void, __longjmp_chk, (struct __jmp_buf_tag * env, int value), (env, value))

/* Processes. */
REAL(void, _exit, (int status), (status))
REAL(void, _Exit, (int status), (status))
REAL(pid_t, fork, (void), ())
REAL(pid_t, _Fork, (void), ())

/* Paths and fds. */
#include "door/real_path_calls.h"
