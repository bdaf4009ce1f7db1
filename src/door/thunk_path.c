/* SPDX-License-Identifier: BSD-3-Clause */
/* Functions of paths that neither open nor stat: links, access, the working directory, and changes of names. */
#include "door/thunk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/xattr.h>
#include <unistd.h>

DOOR_EXPORT ssize_t readlinkat(int dirfd, const char *restrict path, char *restrict buf, size_t len)
{
	if (path_is_empty(path))
		THUNK_FD(ssize_t, dirfd, real.readlinkat(dirfd, path, buf, len), SYS_readlinkat, dirfd, path, buf, len);
	THUNK_PATH(ssize_t, dirfd, path, real.readlinkat(dirfd, path, buf, len), SYS_readlinkat, dirfd, path, buf, len);
}

DOOR_EXPORT ssize_t readlink(const char *restrict path, char *restrict buf, size_t len)
{
	THUNK_PATH(ssize_t, AT_FDCWD, path, real.readlink(path, buf, len), SYS_readlinkat, AT_FDCWD, path, buf, len);
}

DOOR_EXPORT int access(const char *path, int mode)
{
	THUNK_PATH(int, AT_FDCWD, path, real.access(path, mode), SYS_faccessat, AT_FDCWD, path, mode);
}

DOOR_EXPORT int euidaccess(const char *path, int mode)
{
	THUNK_PATH(int, AT_FDCWD, path, real.euidaccess(path, mode), SYS_faccessat2, AT_FDCWD, path, mode, AT_EACCESS);
}

DOOR_EXPORT int eaccess(const char *path, int mode)
{
	return euidaccess(path, mode);
}

DOOR_EXPORT int faccessat(int dirfd, const char *path, int mode, int at)
{
	THUNK_PATH(int, dirfd, path, real.faccessat(dirfd, path, mode, at), SYS_faccessat2, dirfd, path, mode, at);
}

DOOR_EXPORT int chdir(const char *path)
{
	long ours;
	if (path_concerns(AT_FDCWD, path) && THUNK_CALL(&ours, SYS_chdir, path))
		return (int)ours;
	int err = real.chdir(path);
	if (err && path_retry(AT_FDCWD, path, errno, 0) && THUNK_WALK(&ours, SYS_chdir, path))
		return (int)ours;
	if (!err)
		path_chdir_real();
	return err;
}

DOOR_EXPORT int fchdir(int fd)
{
	long ours;
	if (fd_is_ours(fd) && THUNK_CALL(&ours, SYS_fchdir, fd))
		return (int)ours;
	int err = real.fchdir(fd);
	if (!err)
		path_chdir_real();
	return err;
}

/* getcwd() allocates when it is given no buffer, as much as is asked for or needed. */
DOOR_EXPORT char *getcwd(char *buf, size_t len)
{
	char text[PATH_MAX];
	if (likely(!path_cwd_is_ours()))
		return real.getcwd(buf, len);
	int n = path_cwd(text, sizeof(text));
	if (n < 0 || (buf && len == 0) || (len && (size_t)n + 1 > len)) {
		errno = n < 0 ? -n : len ? ERANGE : EINVAL;
		return NULL;
	}
	if (!buf)
		buf = malloc(len ? len : (size_t)n + 1);
	return buf ? strcpy(buf, text) : NULL;
}

DOOR_EXPORT char *get_current_dir_name(void)
{
	return path_cwd_is_ours() ? getcwd(NULL, 0) : real.get_current_dir_name();
}

/* The whole resolution as realpath() wants it: absolute, without links, of something that is there. */
static char *thunk_realpath(const char *path, char *resolved, bool *ours)
{
	struct path p;
	int saved_errno = errno, err = path_resolve(AT_FDCWD, path, PATH_FOLLOW, &p);
	*ours = err || p.kind != PATH_REAL || p.elsewhere;
	bool missing = !err && (p.kind == PATH_MISSING || (p.kind == PATH_REAL && *ours && real.access(p.text, F_OK)));
	if (!err && p.kind == PATH_HANDLE && path_of_handle(p.handle, p.text, sizeof(p.text)) < 0)
		missing = true;
	path_put(&p);
	if (!*ours)
		return NULL;
	if (err || missing) {
		errno = err ? -err : ENOENT;
		return NULL;
	}
	errno = saved_errno;
	return resolved ? strcpy(resolved, p.text) : strdup(p.text);
}

DOOR_EXPORT char *realpath(const char *restrict path, char *restrict resolved)
{
	bool ours;
	if (unlikely(path_concerns(AT_FDCWD, path)) && path[0]) {
		char *result = thunk_realpath(path, resolved, &ours);
		if (ours)
			return result;
	}
	char *result = real.realpath(path, resolved);
	if (!result && path && path[0] && path_retry(AT_FDCWD, path, errno, 0)) {
		int saved_errno = errno;
		char *retried = thunk_realpath(path, resolved, &ours);
		if (ours && retried)
			return retried;
		errno = saved_errno;
	}
	return result;
}

DOOR_EXPORT char *canonicalize_file_name(const char *path)
{
	return realpath(path, NULL);
}

char *__realpath_chk(const char *path, char *resolved, size_t len);
ssize_t __readlink_chk(const char *path, char *buf, size_t len, size_t size);
ssize_t __readlinkat_chk(int dirfd, const char *path, char *buf, size_t len, size_t size);
char *__getcwd_chk(char *buf, size_t len, size_t size);

DOOR_EXPORT char *__realpath_chk(const char *path, char *resolved, size_t len)
{
	if (resolved && len < PATH_MAX)
		abort();
	return realpath(path, resolved);
}

DOOR_EXPORT ssize_t __readlink_chk(const char *path, char *buf, size_t len, size_t size)
{
	if (len > size)
		abort();
	return readlink(path, buf, len);
}

DOOR_EXPORT ssize_t __readlinkat_chk(int dirfd, const char *path, char *buf, size_t len, size_t size)
{
	if (len > size)
		abort();
	return readlinkat(dirfd, path, buf, len);
}

DOOR_EXPORT char *__getcwd_chk(char *buf, size_t len, size_t size)
{
	if (len > size)
		abort();
	return getcwd(buf, len);
}

DOOR_EXPORT int truncate(const char *path, off_t len)
{
	THUNK_PATH(int, AT_FDCWD, path, real.truncate(path, len), SYS_truncate, path, len);
}

DOOR_EXPORT int truncate64(const char *path, off64_t len)
{
	THUNK_PATH(int, AT_FDCWD, path, real.truncate(path, len), SYS_truncate, path, len);
}

DOOR_EXPORT int unlink(const char *path)
{
	THUNK_PATH(int, AT_FDCWD, path, real.unlink(path), SYS_unlinkat, AT_FDCWD, path, 0);
}

DOOR_EXPORT int unlinkat(int dirfd, const char *path, int flags)
{
	THUNK_PATH(int, dirfd, path, real.unlinkat(dirfd, path, flags), SYS_unlinkat, dirfd, path, flags);
}

DOOR_EXPORT int rmdir(const char *path)
{
	THUNK_PATH(int, AT_FDCWD, path, real.rmdir(path), SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR);
}

DOOR_EXPORT int remove(const char *path)
{
	struct stat st;
	if (!path_concerns(AT_FDCWD, path))
		return real.remove(path);
	return lstat(path, &st) == 0 && S_ISDIR(st.st_mode) ? rmdir(path) : unlink(path);
}

DOOR_EXPORT int mkdir(const char *path, mode_t mode)
{
	THUNK_PATH(int, AT_FDCWD, path, real.mkdir(path, mode), SYS_mkdirat, AT_FDCWD, path, mode);
}

DOOR_EXPORT int mkdirat(int dirfd, const char *path, mode_t mode)
{
	THUNK_PATH(int, dirfd, path, real.mkdirat(dirfd, path, mode), SYS_mkdirat, dirfd, path, mode);
}

DOOR_EXPORT int mknod(const char *path, mode_t mode, dev_t dev)
{
	THUNK_PATH(int, AT_FDCWD, path, real.mknod(path, mode, dev), SYS_mknodat, AT_FDCWD, path, mode, dev);
}

DOOR_EXPORT int mknodat(int dirfd, const char *path, mode_t mode, dev_t dev)
{
	THUNK_PATH(int, dirfd, path, real.mknodat(dirfd, path, mode, dev), SYS_mknodat, dirfd, path, mode, dev);
}

DOOR_EXPORT int mkfifo(const char *path, mode_t mode)
{
	THUNK_PATH(int, AT_FDCWD, path, real.mkfifo(path, mode), SYS_mknodat, AT_FDCWD, path, mode | S_IFIFO, 0);
}

DOOR_EXPORT int mkfifoat(int dirfd, const char *path, mode_t mode)
{
	THUNK_PATH(int, dirfd, path, real.mkfifoat(dirfd, path, mode), SYS_mknodat, dirfd, path, mode | S_IFIFO, 0);
}

DOOR_EXPORT int symlink(const char *target, const char *path)
{
	THUNK_PATH(int, AT_FDCWD, path, real.symlink(target, path), SYS_symlinkat, target, AT_FDCWD, path);
}

DOOR_EXPORT int symlinkat(const char *target, int dirfd, const char *path)
{
	THUNK_PATH(int, dirfd, path, real.symlinkat(target, dirfd, path), SYS_symlinkat, target, dirfd, path);
}

static bool either_concerns(int old_dir, const char *old, int new_dir, const char *new)
{
	return path_concerns(old_dir, old) || path_concerns(new_dir, new);
}

DOOR_EXPORT int rename(const char *old, const char *new)
{
	long ours;
	if (either_concerns(AT_FDCWD, old, AT_FDCWD, new) &&
	    THUNK_CALL(&ours, SYS_renameat2, AT_FDCWD, old, AT_FDCWD, new, 0))
		return (int)ours;
	return real.rename(old, new);
}

DOOR_EXPORT int renameat(int old_dir, const char *old, int new_dir, const char *new)
{
	long ours;
	if (either_concerns(old_dir, old, new_dir, new) &&
	    THUNK_CALL(&ours, SYS_renameat2, old_dir, old, new_dir, new, 0))
		return (int)ours;
	return real.renameat(old_dir, old, new_dir, new);
}

DOOR_EXPORT int renameat2(int old_dir, const char *old, int new_dir, const char *new, unsigned flags)
{
	long ours;
	if (either_concerns(old_dir, old, new_dir, new) &&
	    THUNK_CALL(&ours, SYS_renameat2, old_dir, old, new_dir, new, flags))
		return (int)ours;
	return real.renameat2(old_dir, old, new_dir, new, flags);
}

DOOR_EXPORT int link(const char *old, const char *new)
{
	long ours;
	if (either_concerns(AT_FDCWD, old, AT_FDCWD, new) &&
	    THUNK_CALL(&ours, SYS_linkat, AT_FDCWD, old, AT_FDCWD, new, 0))
		return (int)ours;
	return real.link(old, new);
}

DOOR_EXPORT int linkat(int old_dir, const char *old, int new_dir, const char *new, int flags)
{
	long ours;
	if (either_concerns(old_dir, old, new_dir, new) &&
	    THUNK_CALL(&ours, SYS_linkat, old_dir, old, new_dir, new, flags))
		return (int)ours;
	return real.linkat(old_dir, old, new_dir, new, flags);
}

DOOR_EXPORT int chmod(const char *path, mode_t mode)
{
	THUNK_PATH(int, AT_FDCWD, path, real.chmod(path, mode), SYS_fchmodat, AT_FDCWD, path, mode);
}

DOOR_EXPORT int fchmodat(int dirfd, const char *path, mode_t mode, int at)
{
	THUNK_PATH(int, dirfd, path, real.fchmodat(dirfd, path, mode, at), SYS_fchmodat, dirfd, path, mode, at);
}

DOOR_EXPORT int chown(const char *path, uid_t uid, gid_t gid)
{
	THUNK_PATH(int, AT_FDCWD, path, real.chown(path, uid, gid), SYS_fchownat, AT_FDCWD, path, uid, gid, 0);
}

DOOR_EXPORT int lchown(const char *path, uid_t uid, gid_t gid)
{
	THUNK_PATH(int, AT_FDCWD, path, real.lchown(path, uid, gid), SYS_fchownat, AT_FDCWD, path, uid, gid,
		   AT_SYMLINK_NOFOLLOW);
}

DOOR_EXPORT int fchownat(int dirfd, const char *path, uid_t uid, gid_t gid, int at)
{
	THUNK_PATH(int, dirfd, path, real.fchownat(dirfd, path, uid, gid, at), SYS_fchownat, dirfd, path, uid, gid, at);
}

DOOR_EXPORT int utimensat(int dirfd, const char *path, const struct timespec times[2], int at)
{
	THUNK_PATH(int, dirfd, path, real.utimensat(dirfd, path, times, at), SYS_utimensat, dirfd, path, times, at);
}

DOOR_EXPORT int utimes(const char *path, const struct timeval times[2])
{
	THUNK_PATH(int, AT_FDCWD, path, real.utimes(path, times), SYS_utimensat, AT_FDCWD, path, NULL, 0);
}

DOOR_EXPORT ssize_t getxattr(const char *path, const char *name, void *value, size_t len)
{
	THUNK_PATH(ssize_t, AT_FDCWD, path, real.getxattr(path, name, value, len), SYS_getxattr, path, name, value,
		   len);
}

DOOR_EXPORT ssize_t lgetxattr(const char *path, const char *name, void *value, size_t len)
{
	THUNK_PATH(ssize_t, AT_FDCWD, path, real.lgetxattr(path, name, value, len), SYS_lgetxattr, path, name, value,
		   len);
}

DOOR_EXPORT ssize_t listxattr(const char *path, char *list, size_t len)
{
	THUNK_PATH(ssize_t, AT_FDCWD, path, real.listxattr(path, list, len), SYS_listxattr, path, list, len);
}

DOOR_EXPORT ssize_t llistxattr(const char *path, char *list, size_t len)
{
	THUNK_PATH(ssize_t, AT_FDCWD, path, real.llistxattr(path, list, len), SYS_llistxattr, path, list, len);
}
