/* SPDX-License-Identifier: BSD-3-Clause */
/* syscall(2): the numbers that concern us go the way of their libc functions. */
#include "door/thunk.h"

#include <stdarg.h>
#include <unistd.h>

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
	long result = real.syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (unlikely(atomic_load_explicit(&door.fds, memory_order_relaxed) != NULL))
		after(nr, result);
	return result;
}
