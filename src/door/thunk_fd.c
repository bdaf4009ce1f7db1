/* SPDX-License-Identifier: BSD-3-Clause */
/* What is done to fds themselves. poll, select and epoll need no thunk: the kernel answers for the carriers. */
#include "door/thunk.h"

#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>
#include <unistd.h>

DOOR_EXPORT int ioctl(int fd, unsigned long cmd, ...)
{
	va_list list;
	va_start(list, cmd);
	unsigned long arg = va_arg(list, unsigned long);
	va_end(list);
	long ours;
	/* Without a table there is nothing of ours, and no stranger to recognise. */
	if (atomic_load_explicit(&door.fds, memory_order_acquire) && THUNK_CALL(&ours, SYS_ioctl, fd, cmd, arg))
		return (int)ours;
	return real.ioctl(fd, cmd, arg);
}

static int thunk_fcntl(int fd, int cmd, unsigned long arg)
{
	long ours;
	if (fd_is_ours(fd) && THUNK_CALL(&ours, SYS_fcntl, fd, cmd, arg))
		return (int)ours;
	int result = real.fcntl(fd, cmd, arg);
	if (result >= 0 && (cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC))
		fd_forget(result);
	return result;
}

DOOR_EXPORT int fcntl(int fd, int cmd, ...)
{
	va_list list;
	va_start(list, cmd);
	unsigned long arg = va_arg(list, unsigned long);
	va_end(list);
	return thunk_fcntl(fd, cmd, arg);
}

DOOR_EXPORT int fcntl64(int fd, int cmd, ...)
{
	va_list list;
	va_start(list, cmd);
	unsigned long arg = va_arg(list, unsigned long);
	va_end(list);
	return thunk_fcntl(fd, cmd, arg);
}

/* What is closed may have been the socket of a message that held a file of ours. */
static int closed(int err)
{
	if (unlikely(fd_any_in_flight())) {
		int saved_errno = errno;
		fd_flight_sweep();
		errno = saved_errno;
	}
	return err;
}

DOOR_EXPORT int close(int fd)
{
	THUNK_FD(int, fd, closed(real.close(fd)), SYS_close, fd);
}

int __close(int fd);

DOOR_EXPORT int __close(int fd)
{
	return close(fd);
}

DOOR_EXPORT int close_range(unsigned first, unsigned last, int flags)
{
	long ours;
	if (THUNK_CALL(&ours, SYS_close_range, first, last, flags))
		return (int)ours;
	return real.close_range(first, last, flags);
}

DOOR_EXPORT void closefrom(int first)
{
	int saved_errno = errno;
	unsigned from = first < 0 ? 0 : (unsigned)first;
	if (!atomic_load(&door.fds))
		real.closefrom(first);
	else
		door_call(door_task(), SYS_close_range, from, ~0u, 0, 0, 0, 0);
	errno = saved_errno;
}

DOOR_EXPORT int dup(int fd)
{
	long ours;
	if (fd_is_ours(fd) && THUNK_CALL(&ours, SYS_dup, fd))
		return (int)ours;
	int copy = real.dup(fd);
	if (copy >= 0)
		fd_forget(copy);
	return copy;
}

/* dup2(fd, fd) only asks whether fd is open. */
static bool dup_concerns(int from, int to)
{
	return from != to && (fd_is_ours(from) || fd_is_ours(to));
}

DOOR_EXPORT int dup2(int from, int to)
{
	long ours;
	if (dup_concerns(from, to) && THUNK_CALL(&ours, SYS_dup3, from, to, 0))
		return (int)ours;
	return closed(real.dup2(from, to));
}

int __dup2(int from, int to);

DOOR_EXPORT int __dup2(int from, int to)
{
	return dup2(from, to);
}

DOOR_EXPORT int dup3(int from, int to, int flags)
{
	long ours;
	if (dup_concerns(from, to) && THUNK_CALL(&ours, SYS_dup3, from, to, flags))
		return (int)ours;
	return closed(real.dup3(from, to, flags));
}

DOOR_EXPORT int fchmod(int fd, mode_t mode)
{
	THUNK_FD(int, fd, real.fchmod(fd, mode), SYS_fchmod, fd, mode);
}

DOOR_EXPORT int fchown(int fd, uid_t uid, gid_t gid)
{
	THUNK_FD(int, fd, real.fchown(fd, uid, gid), SYS_fchown, fd, uid, gid);
}

DOOR_EXPORT int futimens(int fd, const struct timespec times[2])
{
	THUNK_FD(int, fd, real.futimens(fd, times), SYS_utimensat, fd, NULL, times, 0);
}

DOOR_EXPORT ssize_t fgetxattr(int fd, const char *name, void *value, size_t len)
{
	THUNK_FD(ssize_t, fd, real.fgetxattr(fd, name, value, len), SYS_fgetxattr, fd, name, value, len);
}

DOOR_EXPORT ssize_t flistxattr(int fd, char *list, size_t len)
{
	THUNK_FD(ssize_t, fd, real.flistxattr(fd, list, len), SYS_flistxattr, fd, list, len);
}
