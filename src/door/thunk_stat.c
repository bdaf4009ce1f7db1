/* SPDX-License-Identifier: BSD-3-Clause */
/* stat and its kin, under all their names. On the machines that we run on, struct stat64 is struct stat. */
#include "door/thunk.h"

#include <string.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

_Static_assert(sizeof(struct stat) == sizeof(struct stat64), "one struct stat");
_Static_assert(sizeof(struct statfs) == sizeof(struct statfs64), "one struct statfs");
_Static_assert(sizeof(struct statvfs) == sizeof(struct statvfs64), "one struct statvfs");

/* No path at all is as good as "", from Linux 6.11 on. */
static const char *path_or_empty(const char *path, int at)
{
	return !path && at & AT_EMPTY_PATH ? "" : path;
}

static int thunk_fstatat(int dirfd, const char *path, struct stat *st, int at)
{
	long ours;
	path = path_or_empty(path, at);
	if (at & AT_EMPTY_PATH && path_is_empty(path) ? fd_is_ours(dirfd) : path_concerns(dirfd, path))
		if (THUNK_CALL(&ours, SYS_newfstatat, dirfd, path, st, at))
			return (int)ours;
	int err = real.fstatat(dirfd, path, st, at);
	if (path_retry(dirfd, path, err ? errno : 0, err ? 0 : st->st_dev) &&
	    THUNK_WALK(&ours, SYS_newfstatat, dirfd, path, st, at))
		return (int)ours;
	return err;
}

static int thunk_fstat(int fd, struct stat *st)
{
	THUNK_FD(int, fd, real.fstat(fd, st), SYS_fstat, fd, st);
}

DOOR_EXPORT int stat(const char *path, struct stat *st)
{
	return thunk_fstatat(AT_FDCWD, path, st, 0);
}

DOOR_EXPORT int stat64(const char *path, struct stat64 *st)
{
	return thunk_fstatat(AT_FDCWD, path, (struct stat *)st, 0);
}

DOOR_EXPORT int lstat(const char *path, struct stat *st)
{
	return thunk_fstatat(AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW);
}

DOOR_EXPORT int lstat64(const char *path, struct stat64 *st)
{
	return thunk_fstatat(AT_FDCWD, path, (struct stat *)st, AT_SYMLINK_NOFOLLOW);
}

DOOR_EXPORT int fstat(int fd, struct stat *st)
{
	return thunk_fstat(fd, st);
}

DOOR_EXPORT int fstat64(int fd, struct stat64 *st)
{
	return thunk_fstat(fd, (struct stat *)st);
}

DOOR_EXPORT int fstatat(int dirfd, const char *path, struct stat *st, int at)
{
	return thunk_fstatat(dirfd, path, st, at);
}

DOOR_EXPORT int fstatat64(int dirfd, const char *path, struct stat64 *st, int at)
{
	return thunk_fstatat(dirfd, path, (struct stat *)st, at);
}

/* What programs built against glibc before 2.33 call. */
int __xstat(int version, const char *path, struct stat *st);
int __xstat64(int version, const char *path, struct stat64 *st);
int __lxstat(int version, const char *path, struct stat *st);
int __lxstat64(int version, const char *path, struct stat64 *st);
int __fxstat(int version, int fd, struct stat *st);
int __fxstat64(int version, int fd, struct stat64 *st);
int __fxstatat(int version, int dirfd, const char *path, struct stat *st, int at);
int __fxstatat64(int version, int dirfd, const char *path, struct stat64 *st, int at);

DOOR_EXPORT int __xstat(int version, const char *path, struct stat *st)
{
	return thunk_fstatat(AT_FDCWD, path, st, 0);
}

DOOR_EXPORT int __xstat64(int version, const char *path, struct stat64 *st)
{
	return thunk_fstatat(AT_FDCWD, path, (struct stat *)st, 0);
}

DOOR_EXPORT int __lxstat(int version, const char *path, struct stat *st)
{
	return thunk_fstatat(AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW);
}

DOOR_EXPORT int __lxstat64(int version, const char *path, struct stat64 *st)
{
	return thunk_fstatat(AT_FDCWD, path, (struct stat *)st, AT_SYMLINK_NOFOLLOW);
}

DOOR_EXPORT int __fxstat(int version, int fd, struct stat *st)
{
	return thunk_fstat(fd, st);
}

DOOR_EXPORT int __fxstat64(int version, int fd, struct stat64 *st)
{
	return thunk_fstat(fd, (struct stat *)st);
}

DOOR_EXPORT int __fxstatat(int version, int dirfd, const char *path, struct stat *st, int at)
{
	return thunk_fstatat(dirfd, path, st, at);
}

DOOR_EXPORT int __fxstatat64(int version, int dirfd, const char *path, struct stat64 *st, int at)
{
	return thunk_fstatat(dirfd, path, (struct stat *)st, at);
}

DOOR_EXPORT int statx(int dirfd, const char *restrict path, int at, unsigned mask, struct statx *restrict stx)
{
	long ours;
	path = path_or_empty(path, at);
	if (at & AT_EMPTY_PATH && path_is_empty(path) ? fd_is_ours(dirfd) : path_concerns(dirfd, path))
		if (THUNK_CALL(&ours, SYS_statx, dirfd, path, at, mask, stx))
			return (int)ours;
	int err = real.statx(dirfd, path, at, mask, stx);
	dev_t dev = err ? 0 : makedev(stx->stx_dev_major, stx->stx_dev_minor);
	if (path_retry(dirfd, path, err ? errno : 0, dev) && THUNK_WALK(&ours, SYS_statx, dirfd, path, at, mask, stx))
		return (int)ours;
	return err;
}

static int thunk_statfs(const char *path, struct statfs *fs)
{
	THUNK_PATH(int, AT_FDCWD, path, real.statfs(path, fs), SYS_statfs, path, fs);
}

static int thunk_fstatfs(int fd, struct statfs *fs)
{
	THUNK_FD(int, fd, real.fstatfs(fd, fs), SYS_fstatfs, fd, fs);
}

DOOR_EXPORT int statfs(const char *path, struct statfs *fs)
{
	return thunk_statfs(path, fs);
}

DOOR_EXPORT int statfs64(const char *path, struct statfs64 *fs)
{
	return thunk_statfs(path, (struct statfs *)fs);
}

DOOR_EXPORT int fstatfs(int fd, struct statfs *fs)
{
	return thunk_fstatfs(fd, fs);
}

DOOR_EXPORT int fstatfs64(int fd, struct statfs64 *fs)
{
	return thunk_fstatfs(fd, (struct statfs *)fs);
}

static int to_statvfs(int err, const struct statfs *fs, struct statvfs *out)
{
	if (err)
		return err;
	memset(out, 0, sizeof(*out));
	out->f_bsize = (unsigned long)fs->f_bsize;
	out->f_frsize = (unsigned long)(fs->f_frsize ? fs->f_frsize : fs->f_bsize);
	out->f_blocks = fs->f_blocks;
	out->f_bfree = fs->f_bfree;
	out->f_bavail = fs->f_bavail;
	out->f_files = fs->f_files;
	out->f_ffree = out->f_favail = fs->f_ffree;
	out->f_namemax = (unsigned long)fs->f_namelen;
	return 0;
}

static int thunk_statvfs(const char *path, struct statvfs *out)
{
	struct statfs fs;
	if (path_concerns(AT_FDCWD, path))
		return to_statvfs(thunk_statfs(path, &fs), &fs, out);
	return real.statvfs(path, out);
}

static int thunk_fstatvfs(int fd, struct statvfs *out)
{
	struct statfs fs;
	if (fd_is_ours(fd))
		return to_statvfs(thunk_fstatfs(fd, &fs), &fs, out);
	return real.fstatvfs(fd, out);
}

DOOR_EXPORT int statvfs(const char *restrict path, struct statvfs *restrict out)
{
	return thunk_statvfs(path, out);
}

DOOR_EXPORT int statvfs64(const char *restrict path, struct statvfs64 *restrict out)
{
	return thunk_statvfs(path, (struct statvfs *)out);
}

DOOR_EXPORT int fstatvfs(int fd, struct statvfs *out)
{
	return thunk_fstatvfs(fd, out);
}

DOOR_EXPORT int fstatvfs64(int fd, struct statvfs64 *out)
{
	return thunk_fstatvfs(fd, (struct statvfs *)out);
}
