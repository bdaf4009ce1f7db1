/* SPDX-License-Identifier: BSD-3-Clause */
/* The rows of real_calls.h that concern paths and fds; included at its end. struct names are declared in real.h. */

/* fds. */
REAL(int, close_range, (unsigned first, unsigned last, int flags), (first, last, flags))
REAL(void, closefrom, (int first), (first))
REAL(ssize_t, pread, (int fd, void *buf, size_t len, off_t pos), (fd, buf, len, pos))
REAL(ssize_t, pwrite, (int fd, const void *buf, size_t len, off_t pos), (fd, buf, len, pos))
REAL(ssize_t, readv, (int fd, const struct iovec *iov, int nr), (fd, iov, nr))
REAL(ssize_t, writev, (int fd, const struct iovec *iov, int nr), (fd, iov, nr))
REAL(ssize_t, preadv, (int fd, const struct iovec *iov, int nr, off_t pos), (fd, iov, nr, pos))
REAL(ssize_t, pwritev, (int fd, const struct iovec *iov, int nr, off_t pos), (fd, iov, nr, pos))
REAL(ssize_t, preadv2, (int fd, const struct iovec *iov, int nr, off_t pos, int flags), (fd, iov, nr, pos, flags))
REAL(ssize_t, pwritev2, (int fd, const struct iovec *iov, int nr, off_t pos, int flags), (fd, iov, nr, pos, flags))
REAL(off_t, lseek, (int fd, off_t offset, int whence), (fd, offset, whence))
REAL(int, fsync, (int fd), (fd))
REAL(int, fdatasync, (int fd), (fd))
REAL(int, ftruncate, (int fd, off_t len), (fd, len))
REAL(int, fallocate, (int fd, int mode, off_t start, off_t len), (fd, mode, start, len))
REAL(ssize_t, sendfile, (int out, int in, off_t *pos, size_t len), (out, in, pos, len))
REAL(ssize_t, splice, (int in, off64_t *in_pos, int out, off64_t *out_pos, size_t len, unsigned flags),
     (in, in_pos, out, out_pos, len, flags))
REAL(ssize_t, copy_file_range, (int in, off64_t *in_pos, int out, off64_t *out_pos, size_t len, unsigned flags),
     (in, in_pos, out, out_pos, len, flags))
REAL(int, vdprintf, (int fd, const char *format, va_list list), (fd, format, list))
REAL(int, __vdprintf_chk, (int fd, int flag, const char *format, va_list list), (fd, flag, format, list))
REAL(int, fchmod, (int fd, mode_t mode), (fd, mode))
REAL(int, fchown, (int fd, uid_t uid, gid_t gid), (fd, uid, gid))
REAL(int, futimens, (int fd, const struct timespec *times), (fd, times))
REAL(ssize_t, fgetxattr, (int fd, const char *name, void *value, size_t len), (fd, name, value, len))
REAL(ssize_t, flistxattr, (int fd, char *list, size_t len), (fd, list, len))
REAL(ssize_t, sendmsg, (int sock, const struct msghdr *msg, int flags), (sock, msg, flags))
REAL(int, sendmmsg, (int sock, struct mmsghdr *msgs, unsigned nr, int flags), (sock, msgs, nr, flags))
REAL(ssize_t, recvmsg, (int sock, struct msghdr *msg, int flags), (sock, msg, flags))
REAL(int, recvmmsg, (int sock, struct mmsghdr *msgs, unsigned nr, int flags, struct timespec *timeout),
     (sock, msgs, nr, flags, timeout))
REAL(long, syscall,
     (long nr, unsigned long a0, unsigned long a1, unsigned long a2, unsigned long a3, unsigned long a4,
      unsigned long a5),
     (nr, a0, a1, a2, a3, a4, a5))

/* Paths. */
REAL(int, fstatat, (int dirfd, const char *path, struct stat *st, int at), (dirfd, path, st, at))
REAL(int, fstat, (int fd, struct stat *st), (fd, st))
REAL(int, statx, (int dirfd, const char *path, int at, unsigned mask, struct statx *stx), (dirfd, path, at, mask, stx))
REAL(int, statfs, (const char *path, struct statfs *fs), (path, fs))
REAL(int, fstatfs, (int fd, struct statfs *fs), (fd, fs))
REAL(int, statvfs, (const char *path, struct statvfs *fs), (path, fs))
REAL(int, fstatvfs, (int fd, struct statvfs *fs), (fd, fs))
REAL(ssize_t, readlink, (const char *path, char *buf, size_t len), (path, buf, len))
REAL(ssize_t, readlinkat, (int dirfd, const char *path, char *buf, size_t len), (dirfd, path, buf, len))
REAL(int, access, (const char *path, int mode), (path, mode))
REAL(int, euidaccess, (const char *path, int mode), (path, mode))
REAL(int, faccessat, (int dirfd, const char *path, int mode, int at), (dirfd, path, mode, at))
REAL(int, chdir, (const char *path), (path))
REAL(int, fchdir, (int fd), (fd))
REAL(char *, getcwd, (char *buf, size_t len), (buf, len))
REAL(char *, get_current_dir_name, (void), ())
REAL(char *, realpath, (const char *path, char *resolved), (path, resolved))
REAL(int, truncate, (const char *path, off_t len), (path, len))
REAL(int, unlink, (const char *path), (path))
REAL(int, unlinkat, (int dirfd, const char *path, int flags), (dirfd, path, flags))
REAL(int, rmdir, (const char *path), (path))
REAL(int, remove, (const char *path), (path))
REAL(int, mkdir, (const char *path, mode_t mode), (path, mode))
REAL(int, mkdirat, (int dirfd, const char *path, mode_t mode), (dirfd, path, mode))
REAL(int, mknod, (const char *path, mode_t mode, dev_t dev), (path, mode, dev))
REAL(int, mknodat, (int dirfd, const char *path, mode_t mode, dev_t dev), (dirfd, path, mode, dev))
REAL(int, mkfifo, (const char *path, mode_t mode), (path, mode))
REAL(int, mkfifoat, (int dirfd, const char *path, mode_t mode), (dirfd, path, mode))
REAL(int, symlink, (const char *target, const char *path), (target, path))
REAL(int, symlinkat, (const char *target, int dirfd, const char *path), (target, dirfd, path))
REAL(int, rename, (const char *from, const char *to), (from, to))
REAL(int, renameat, (int from_dir, const char *from, int to_dir, const char *to), (from_dir, from, to_dir, to))
REAL(int, renameat2, (int from_dir, const char *from, int to_dir, const char *to, unsigned flags),
     (from_dir, from, to_dir, to, flags))
REAL(int, link, (const char *from, const char *to), (from, to))
REAL(int, linkat, (int from_dir, const char *from, int to_dir, const char *to, int flags),
     (from_dir, from, to_dir, to, flags))
REAL(int, chmod, (const char *path, mode_t mode), (path, mode))
REAL(int, fchmodat, (int dirfd, const char *path, mode_t mode, int at), (dirfd, path, mode, at))
REAL(int, chown, (const char *path, uid_t uid, gid_t gid), (path, uid, gid))
REAL(int, lchown, (const char *path, uid_t uid, gid_t gid), (path, uid, gid))
REAL(int, fchownat, (int dirfd, const char *path, uid_t uid, gid_t gid, int at), (dirfd, path, uid, gid, at))
REAL(int, utimensat, (int dirfd, const char *path, const struct timespec *times, int at), (dirfd, path, times, at))
REAL(int, utimes, (const char *path, const struct timeval *times), (path, times))
REAL(ssize_t, getxattr, (const char *path, const char *name, void *value, size_t len), (path, name, value, len))
REAL(ssize_t, lgetxattr, (const char *path, const char *name, void *value, size_t len), (path, name, value, len))
REAL(ssize_t, listxattr, (const char *path, char *list, size_t len), (path, list, len))
REAL(ssize_t, llistxattr, (const char *path, char *list, size_t len), (path, list, len))

/* Directories and streams. */
REAL(DIR *, opendir, (const char *path), (path))
REAL(DIR *, fdopendir, (int fd), (fd))
/* clang-format takes `dir` for a type. */
/* clang-format off */
REAL(struct dirent *, readdir, (DIR *dir), (dir))
REAL(int, readdir_r, (DIR *dir, struct dirent *entry, struct dirent **result), (dir, entry, result))
REAL(int, closedir, (DIR *dir), (dir))
REAL(void, rewinddir, (DIR *dir), (dir))
REAL(void, seekdir, (DIR *dir, long at), (dir, at))
REAL(long, telldir, (DIR *dir), (dir))
REAL(int, dirfd, (DIR *dir), (dir))
REAL(int, scandirat,
     (int dirfd, const char *path, struct dirent ***list, int (*filter)(const struct dirent *),
      int (*compare)(const struct dirent **, const struct dirent **)),
     (dirfd, path, list, filter, compare))
REAL(ssize_t, getdents64, (int fd, void *buf, size_t len), (fd, buf, len))
REAL(int, glob, (const char *pattern, int flags, int (*failed)(const char *, int), glob_t *out),
     (pattern, flags, failed, out))
REAL(int, nftw,
     (const char *path, int (*visit)(const char *, const struct stat *, int, struct FTW *), int nr, int flags),
     (path, visit, nr, flags))
REAL(int, ftw, (const char *path, int (*visit)(const char *, const struct stat *, int), int nr), (path, visit, nr))
REAL(FILE *, fopen, (const char *path, const char *mode), (path, mode))
REAL(FILE *, freopen, (const char *path, const char *mode, FILE *stream), (path, mode, stream))
REAL(FILE *, fdopen, (int fd, const char *mode), (fd, mode))
/* clang-format on */
