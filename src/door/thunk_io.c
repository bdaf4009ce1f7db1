/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading, writing and seeking by fd. A plain file's read costs two loads and a branch more than libc's. */
#include "door/thunk.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>

DOOR_EXPORT ssize_t read(int fd, void *buf, size_t len)
{
	THUNK_FD(ssize_t, fd, real.read(fd, buf, len), SYS_read, fd, buf, len);
}

DOOR_EXPORT ssize_t write(int fd, const void *buf, size_t len)
{
	THUNK_FD(ssize_t, fd, real.write(fd, buf, len), SYS_write, fd, buf, len);
}

DOOR_EXPORT ssize_t pread(int fd, void *buf, size_t len, off_t pos)
{
	THUNK_FD(ssize_t, fd, real.pread(fd, buf, len, pos), SYS_pread64, fd, buf, len, pos);
}

DOOR_EXPORT ssize_t pread64(int fd, void *buf, size_t len, off64_t pos)
{
	THUNK_FD(ssize_t, fd, real.pread(fd, buf, len, pos), SYS_pread64, fd, buf, len, pos);
}

DOOR_EXPORT ssize_t pwrite(int fd, const void *buf, size_t len, off_t pos)
{
	THUNK_FD(ssize_t, fd, real.pwrite(fd, buf, len, pos), SYS_pwrite64, fd, buf, len, pos);
}

DOOR_EXPORT ssize_t pwrite64(int fd, const void *buf, size_t len, off64_t pos)
{
	THUNK_FD(ssize_t, fd, real.pwrite(fd, buf, len, pos), SYS_pwrite64, fd, buf, len, pos);
}

DOOR_EXPORT ssize_t readv(int fd, const struct iovec *iov, int nr)
{
	THUNK_FD(ssize_t, fd, real.readv(fd, iov, nr), SYS_readv, fd, iov, nr);
}

DOOR_EXPORT ssize_t writev(int fd, const struct iovec *iov, int nr)
{
	THUNK_FD(ssize_t, fd, real.writev(fd, iov, nr), SYS_writev, fd, iov, nr);
}

DOOR_EXPORT ssize_t preadv(int fd, const struct iovec *iov, int nr, off_t pos)
{
	THUNK_FD(ssize_t, fd, real.preadv(fd, iov, nr, pos), SYS_preadv, fd, iov, nr, pos);
}

DOOR_EXPORT ssize_t preadv64(int fd, const struct iovec *iov, int nr, off64_t pos)
{
	THUNK_FD(ssize_t, fd, real.preadv(fd, iov, nr, pos), SYS_preadv, fd, iov, nr, pos);
}

DOOR_EXPORT ssize_t pwritev(int fd, const struct iovec *iov, int nr, off_t pos)
{
	THUNK_FD(ssize_t, fd, real.pwritev(fd, iov, nr, pos), SYS_pwritev, fd, iov, nr, pos);
}

DOOR_EXPORT ssize_t pwritev64(int fd, const struct iovec *iov, int nr, off64_t pos)
{
	THUNK_FD(ssize_t, fd, real.pwritev(fd, iov, nr, pos), SYS_pwritev, fd, iov, nr, pos);
}

DOOR_EXPORT ssize_t preadv2(int fd, const struct iovec *iov, int nr, off_t pos, int flags)
{
	THUNK_FD(ssize_t, fd, real.preadv2(fd, iov, nr, pos, flags), SYS_preadv2, fd, iov, nr, pos, 0, flags);
}

DOOR_EXPORT ssize_t preadv64v2(int fd, const struct iovec *iov, int nr, off64_t pos, int flags)
{
	THUNK_FD(ssize_t, fd, real.preadv2(fd, iov, nr, pos, flags), SYS_preadv2, fd, iov, nr, pos, 0, flags);
}

DOOR_EXPORT ssize_t pwritev2(int fd, const struct iovec *iov, int nr, off_t pos, int flags)
{
	THUNK_FD(ssize_t, fd, real.pwritev2(fd, iov, nr, pos, flags), SYS_pwritev2, fd, iov, nr, pos, 0, flags);
}

DOOR_EXPORT ssize_t pwritev64v2(int fd, const struct iovec *iov, int nr, off64_t pos, int flags)
{
	THUNK_FD(ssize_t, fd, real.pwritev2(fd, iov, nr, pos, flags), SYS_pwritev2, fd, iov, nr, pos, 0, flags);
}

ssize_t __read_chk(int fd, void *buf, size_t len, size_t size);
ssize_t __pread_chk(int fd, void *buf, size_t len, off_t pos, size_t size);
ssize_t __pread64_chk(int fd, void *buf, size_t len, off64_t pos, size_t size);

DOOR_EXPORT ssize_t __read_chk(int fd, void *buf, size_t len, size_t size)
{
	if (len > size)
		abort();
	return read(fd, buf, len);
}

DOOR_EXPORT ssize_t __pread_chk(int fd, void *buf, size_t len, off_t pos, size_t size)
{
	if (len > size)
		abort();
	return pread(fd, buf, len, pos);
}

DOOR_EXPORT ssize_t __pread64_chk(int fd, void *buf, size_t len, off64_t pos, size_t size)
{
	if (len > size)
		abort();
	return pread(fd, buf, len, pos);
}

DOOR_EXPORT off_t lseek(int fd, off_t offset, int whence)
{
	THUNK_FD(off_t, fd, real.lseek(fd, offset, whence), SYS_lseek, fd, offset, whence);
}

DOOR_EXPORT off64_t lseek64(int fd, off64_t offset, int whence)
{
	THUNK_FD(off64_t, fd, real.lseek(fd, offset, whence), SYS_lseek, fd, offset, whence);
}

DOOR_EXPORT int fsync(int fd)
{
	THUNK_FD(int, fd, real.fsync(fd), SYS_fsync, fd);
}

DOOR_EXPORT int fdatasync(int fd)
{
	THUNK_FD(int, fd, real.fdatasync(fd), SYS_fdatasync, fd);
}

DOOR_EXPORT int ftruncate(int fd, off_t len)
{
	THUNK_FD(int, fd, real.ftruncate(fd, len), SYS_ftruncate, fd, len);
}

DOOR_EXPORT int ftruncate64(int fd, off64_t len)
{
	THUNK_FD(int, fd, real.ftruncate(fd, len), SYS_ftruncate, fd, len);
}

DOOR_EXPORT int fallocate(int fd, int mode, off_t start, off_t len)
{
	THUNK_FD(int, fd, real.fallocate(fd, mode, start, len), SYS_fallocate, fd, mode, start, len);
}

DOOR_EXPORT int fallocate64(int fd, int mode, off64_t start, off64_t len)
{
	THUNK_FD(int, fd, real.fallocate(fd, mode, start, len), SYS_fallocate, fd, mode, start, len);
}

DOOR_EXPORT ssize_t sendfile(int out, int in, off_t *pos, size_t len)
{
	long ours;
	if ((fd_is_ours(in) || fd_is_ours(out)) && THUNK_CALL(&ours, SYS_sendfile, out, in, pos, len))
		return (ssize_t)ours;
	return real.sendfile(out, in, pos, len);
}

DOOR_EXPORT ssize_t sendfile64(int out, int in, off64_t *pos, size_t len)
{
	return sendfile(out, in, (off_t *)pos, len);
}

DOOR_EXPORT ssize_t splice(int in, off64_t *in_pos, int out, off64_t *out_pos, size_t len, unsigned flags)
{
	long ours;
	if ((fd_is_ours(in) || fd_is_ours(out)) && THUNK_CALL(&ours, SYS_splice, in, in_pos, out, out_pos, len, flags))
		return (ssize_t)ours;
	return real.splice(in, in_pos, out, out_pos, len, flags);
}

DOOR_EXPORT ssize_t copy_file_range(int in, off64_t *in_pos, int out, off64_t *out_pos, size_t len, unsigned flags)
{
	long ours;
	if ((fd_is_ours(in) || fd_is_ours(out)) &&
	    THUNK_CALL(&ours, SYS_copy_file_range, in, in_pos, out, out_pos, len, flags))
		return (ssize_t)ours;
	return real.copy_file_range(in, in_pos, out, out_pos, len, flags);
}

/* libc writes these by a call that we do not see. */
DOOR_EXPORT int vdprintf(int fd, const char *restrict format, va_list list)
{
	char *text;
	if (likely(!fd_is_ours(fd)))
		return real.vdprintf(fd, format, list);
	int n = vasprintf(&text, format, list);
	if (n < 0)
		return n;
	ssize_t written = write(fd, text, (size_t)n);
	int saved_errno = errno;
	free(text);
	errno = saved_errno;
	return written < 0 ? -1 : n;
}

DOOR_EXPORT int dprintf(int fd, const char *restrict format, ...)
{
	va_list list;
	va_start(list, format);
	int n = vdprintf(fd, format, list);
	va_end(list);
	return n;
}

int __dprintf_chk(int fd, int flag, const char *format, ...);
int __vdprintf_chk(int fd, int flag, const char *format, va_list list);

DOOR_EXPORT int __vdprintf_chk(int fd, int flag, const char *format, va_list list)
{
	return fd_is_ours(fd) ? vdprintf(fd, format, list) : real.__vdprintf_chk(fd, flag, format, list);
}

DOOR_EXPORT int __dprintf_chk(int fd, int flag, const char *format, ...)
{
	va_list list;
	va_start(list, format);
	int n = __vdprintf_chk(fd, flag, format, list);
	va_end(list);
	return n;
}
