/* SPDX-License-Identifier: BSD-3-Clause */
/* syscall(2): the numbers that concern us go the way of their libc functions. */
#include "door/thunk.h"

#include <linux/sched.h>
#include <stdarg.h>
#include <unistd.h>

#include "door/forward.h"
#include "door/uaccess.h"

/* These give out fds by a way of their own. */
static void after(long nr, long result)
{
	switch (nr) {
#ifdef SYS_open
	case SYS_open:
	case SYS_dup2:
#endif
	case SYS_openat:
	case SYS_dup:
	case SYS_dup3:
		if (result >= 0)
			fd_forget((int)result);
		break;
	case SYS_chdir:
	case SYS_fchdir:
		if (result == 0)
			path_chdir_real();
		break;
	}
}

/* Makes a process with an address space of its own, which goes on behind the call. */
static bool forks(long nr, const unsigned long a[6])
{
	struct clone_args args = {0};
	switch (nr) {
#ifdef SYS_fork
	case SYS_fork:
		return true;
#endif
	case SYS_clone:
		return !(a[0] & CLONE_VM) && !a[1];
	case SYS_clone3:
		return uaccess_copy(&args, (const void *)a[0], MIN(a[1], sizeof(args))) == 0 &&
		       !(args.flags & CLONE_VM) && !args.stack;
	default:
		return false;
	}
}

static long do_fork(long nr, const unsigned long a[6])
{
	int saved_errno = errno;
	forward_fork_prepare();
	errno = saved_errno;
	long pid = real.syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	saved_errno = errno;
	if (pid)
		forward_fork_parent();
	else
		forward_fork_child();
	errno = saved_errno;
	return pid;
}

DOOR_EXPORT long syscall(long nr, ...)
{
	unsigned long a[6];
	long ours;
	va_list list;
	va_start(list, nr);
	for (unsigned i = 0; i < ARRAY_SIZE(a); i++)
		a[i] = va_arg(list, unsigned long);
	va_end(list);
	if (door.has_rack && THUNK_CALL(&ours, nr, a[0], a[1], a[2], a[3], a[4], a[5]))
		return ours;
	if (unlikely(atomic_load_explicit(&door.fds, memory_order_relaxed) != NULL) && forks(nr, a))
		return do_fork(nr, a);
	long result = real.syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (unlikely(atomic_load_explicit(&door.fds, memory_order_relaxed) != NULL))
		after(nr, result);
	return result;
}
