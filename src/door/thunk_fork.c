/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fork(): the child gets its connection to the owner. vfork(), posix_spawn() and what is built on them start another
 * program and need none; _Fork(), which signal handlers may call, and a raw clone() connect when they must.
 */
#include "door/thunk.h"

#include <unistd.h>

#include "door/forward.h"

DOOR_EXPORT pid_t fork(void)
{
	int saved_errno = errno;
	forward_fork_prepare();
	errno = saved_errno;
	pid_t pid = real.fork();
	saved_errno = errno;
	if (pid)
		forward_fork_parent();
	else
		forward_fork_child();
	errno = saved_errno;
	return pid;
}
