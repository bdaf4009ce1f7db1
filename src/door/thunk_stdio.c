/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Streams over files of ours. libc's own streams read by system calls that we do not see, so ours are made of
 * fopencookie() with functions that go by our read() and write(). Their fileno() is the emulated fd, which is what C++
 * streams read by.
 */
#include "door/thunk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static ssize_t cookie_read(void *cookie, char *buf, size_t len)
{
	return read((int)(intptr_t)cookie, buf, len);
}

static ssize_t cookie_write(void *cookie, const char *buf, size_t len)
{
	/* stdio wants 0 for a failure. */
	ssize_t n = write((int)(intptr_t)cookie, buf, len);
	return n < 0 ? 0 : n;
}

static int cookie_seek(void *cookie, off64_t *pos, int whence)
{
	off64_t at = lseek64((int)(intptr_t)cookie, *pos, whence);
	if (at < 0)
		return -1;
	*pos = at;
	return 0;
}

static int cookie_close(void *cookie)
{
	return close((int)(intptr_t)cookie);
}

static FILE *stream_of_fd(int fd, const char *mode)
{
	static const cookie_io_functions_t functions = {cookie_read, cookie_write, cookie_seek, cookie_close};
	FILE *stream = fopencookie((void *)(intptr_t)fd, mode, functions);
	if (stream)
		stream->_fileno = fd;
	return stream;
}

/* -1: a mode that fopen() refuses. */
static int flags_of_mode(const char *mode)
{
	int flags;
	switch (mode[0]) {
	case 'r':
		flags = O_RDONLY;
		break;
	case 'w':
		flags = O_WRONLY | O_CREAT | O_TRUNC;
		break;
	case 'a':
		flags = O_WRONLY | O_CREAT | O_APPEND;
		break;
	default:
		return -1;
	}
	for (const char *m = mode + 1; *m && *m != ','; m++) {
		if (*m == '+')
			flags = (flags & ~O_ACCMODE) | O_RDWR;
		else if (*m == 'x')
			flags |= O_EXCL;
		else if (*m == 'e')
			flags |= O_CLOEXEC;
	}
	return flags;
}

/* Takes over fd on success. */
static FILE *any_stream_of_fd(int fd, const char *mode)
{
	return fd_is_ours(fd) ? stream_of_fd(fd, mode) : real.fdopen(fd, mode);
}

static FILE *thunk_fopen(const char *path, const char *mode)
{
	int flags = flags_of_mode(mode);
	if (flags < 0) {
		errno = EINVAL;
		return NULL;
	}
	int fd = thunk_openat(AT_FDCWD, path, flags, 0666);
	if (fd < 0)
		return NULL;
	FILE *stream = any_stream_of_fd(fd, mode);
	if (!stream) {
		int saved_errno = errno;
		close(fd);
		errno = saved_errno;
	}
	return stream;
}

/* The stream that a path which says nothing led to may be over something that ours hides: see thunk_open.c. */
static bool must_look_again(const char *path, FILE *stream)
{
	struct stat st;
	if (!stream)
		return path_retry(AT_FDCWD, path, errno, 0);
	return strncmp(path, "/usr/", 5) != 0 && strncmp(path, "/etc/", 5) != 0 && strncmp(path, "/proc/", 6) != 0 &&
	       real.fstat(fileno(stream), &st) == 0 && path_retry(AT_FDCWD, path, 0, st.st_dev);
}

DOOR_EXPORT FILE *fopen(const char *restrict path, const char *restrict mode)
{
	long fd;
	if (path_concerns(AT_FDCWD, path))
		return thunk_fopen(path, mode);
	FILE *stream = real.fopen(path, mode);
	if (unlikely(door.has_rack) && path && must_look_again(path, stream)) {
		int flags = flags_of_mode(mode);
		if (flags >= 0 && THUNK_WALK(&fd, SYS_openat, AT_FDCWD, path, flags, 0666)) {
			if (stream)
				fclose(stream);
			return fd < 0 ? NULL : any_stream_of_fd((int)fd, mode);
		}
	}
	return stream;
}

DOOR_EXPORT FILE *fopen64(const char *restrict path, const char *restrict mode)
{
	return fopen(path, mode);
}

DOOR_EXPORT FILE *fdopen(int fd, const char *mode)
{
	return any_stream_of_fd(fd, mode);
}

/*
 * A stream cannot become one of ours: the program holds its address. An attribute can still be read through it, for its
 * carrier holds the text (call_open.c); what would be written would be lost, and is refused.
 */
static FILE *reopen_for_reading(const char *path, const char *mode, FILE *stream)
{
	char carrier[32];
	int flags = flags_of_mode(mode);
	int fd = flags < 0 ? -1 : thunk_openat(AT_FDCWD, path, flags & ~O_CLOEXEC, 0666);
	bool refused = fd >= 0 && (flags & O_ACCMODE) != O_RDONLY;
	snprintf(carrier, sizeof(carrier), "/proc/self/fd/%d", fd);
	FILE *result = NULL;
	if (fd >= 0 && !refused)
		result = real.freopen(carrier, mode, stream);
	else
		fclose(stream);
	int saved_errno = flags < 0 ? EINVAL : refused ? EOPNOTSUPP : errno;
	if (fd >= 0)
		close(fd);
	errno = saved_errno;
	return result;
}

DOOR_EXPORT FILE *freopen(const char *restrict path, const char *restrict mode, FILE *restrict stream)
{
	return path && unlikely(path_concerns(AT_FDCWD, path)) ? reopen_for_reading(path, mode, stream)
							       : real.freopen(path, mode, stream);
}

DOOR_EXPORT FILE *freopen64(const char *restrict path, const char *restrict mode, FILE *restrict stream)
{
	return freopen(path, mode, stream);
}
