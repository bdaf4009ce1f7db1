/* SPDX-License-Identifier: BSD-3-Clause */
/* open and its kin. */
#include "door/thunk.h"

#include <stdarg.h>
#include <string.h>

#include "door/raw_syscall.h"

/* A link that says nothing can lead into the real sysfs that ours hides. System directories have no such links. */
static bool opened_suspect(const char *path, int fd)
{
	struct stat st;
	if (likely(!door.has_rack) || strncmp(path, "/usr/", 5) == 0 || strncmp(path, "/lib", 4) == 0 ||
	    strncmp(path, "/etc/", 5) == 0 || strncmp(path, "/proc/", 6) == 0)
		return false;
	return raw_syscall(SYS_fstat, fd, &st) == 0 && path_retry(AT_FDCWD, path, 0, st.st_dev);
}

int thunk_openat(int dirfd, const char *path, int flags, mode_t mode)
{
	long ours;
	if (unlikely(path_concerns(dirfd, path)) && THUNK_CALL(&ours, SYS_openat, dirfd, path, flags, mode))
		return (int)ours;
	int fd = real.openat(dirfd, path, flags, mode);
	if (fd < 0) {
		if (path_retry(dirfd, path, errno, 0) && THUNK_WALK(&ours, SYS_openat, dirfd, path, flags, mode))
			return (int)ours;
		return fd;
	}
	fd_forget(fd);
	if (unlikely(opened_suspect(path, fd)) && THUNK_WALK(&ours, SYS_openat, dirfd, path, flags, mode)) {
		real.close(fd);
		return (int)ours;
	}
	return fd;
}

#define OPEN_MODE(flags, mode)                                                                                         \
	mode_t mode = 0;                                                                                               \
	if ((flags)&O_CREAT || ((flags)&O_TMPFILE) == O_TMPFILE) {                                                     \
		va_list list;                                                                                          \
		va_start(list, flags);                                                                                 \
		mode = va_arg(list, mode_t);                                                                           \
		va_end(list);                                                                                          \
	}

DOOR_EXPORT int open(const char *path, int flags, ...)
{
	OPEN_MODE(flags, mode);
	return thunk_openat(AT_FDCWD, path, flags, mode);
}

DOOR_EXPORT int open64(const char *path, int flags, ...)
{
	OPEN_MODE(flags, mode);
	return thunk_openat(AT_FDCWD, path, flags | O_LARGEFILE, mode);
}

DOOR_EXPORT int openat(int dirfd, const char *path, int flags, ...)
{
	OPEN_MODE(flags, mode);
	return thunk_openat(dirfd, path, flags, mode);
}

DOOR_EXPORT int openat64(int dirfd, const char *path, int flags, ...)
{
	OPEN_MODE(flags, mode);
	return thunk_openat(dirfd, path, flags | O_LARGEFILE, mode);
}

DOOR_EXPORT int creat(const char *path, mode_t mode)
{
	return thunk_openat(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

DOOR_EXPORT int creat64(const char *path, mode_t mode)
{
	return thunk_openat(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC | O_LARGEFILE, mode);
}

/* The fortified names: without O_CREAT, so without a mode. */
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int dirfd, const char *path, int flags);
int __openat64_2(int dirfd, const char *path, int flags);

DOOR_EXPORT int __open_2(const char *path, int flags)
{
	return thunk_openat(AT_FDCWD, path, flags, 0);
}

DOOR_EXPORT int __open64_2(const char *path, int flags)
{
	return thunk_openat(AT_FDCWD, path, flags | O_LARGEFILE, 0);
}

DOOR_EXPORT int __openat_2(int dirfd, const char *path, int flags)
{
	return thunk_openat(dirfd, path, flags, 0);
}

DOOR_EXPORT int __openat64_2(int dirfd, const char *path, int flags)
{
	return thunk_openat(dirfd, path, flags | O_LARGEFILE, 0);
}

/* Libraries of libc itself bind to these. */
int __open(const char *path, int flags, ...);
int __open64(const char *path, int flags, ...);

DOOR_EXPORT int __open(const char *path, int flags, ...)
{
	OPEN_MODE(flags, mode);
	return thunk_openat(AT_FDCWD, path, flags, mode);
}

DOOR_EXPORT int __open64(const char *path, int flags, ...)
{
	OPEN_MODE(flags, mode);
	return thunk_openat(AT_FDCWD, path, flags | O_LARGEFILE, mode);
}
