/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * door_call() by topic. Each function answers one system call, with the kernel's arguments, or DOOR_NOT_OURS. Who may
 * include this: door/.
 */
#ifndef BARTER_DOOR_CALL_PRIV_H
#define BARTER_DOOR_CALL_PRIV_H

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "door/call.h"
#include "door/fd_table.h"
#include "door/path.h"

struct statfs;
struct statx;

/* call_open.c */
int64_t call_openat(struct task *t, int dirfd, const char *path, int flags, mode_t mode);
/* The file behind a resolved path, with one reference. */
int call_open_node(struct task *t, struct ns_node *node, int flags, struct file **out);

/* call_stat.c */
int64_t call_fstatat(struct task *t, int dirfd, const char *path, struct stat *st, int at);
int64_t call_statx(struct task *t, int dirfd, const char *path, int at, unsigned mask, struct statx *stx);
int64_t call_statfs(struct task *t, const char *path, struct statfs *fs);
int64_t call_fstatfs(struct task *t, int fd, struct statfs *fs);
int64_t call_readlinkat(struct task *t, int dirfd, const char *path, char *buf, size_t len);
int64_t call_faccessat(struct task *t, int dirfd, const char *path, int mode, int at);
int64_t call_getxattr(struct task *t, const char *path, bool follow);

/* call_modify.c: what changes names, and the working directory. */
enum path_change {
	PATH_UNLINK,
	PATH_RMDIR,
	PATH_CREATE,	  /* mkdir, mknod, symlink, the new name of a link */
	PATH_CREATE_FILE, /* mknod of a plain file */
	PATH_MOVE,	  /* either name of a rename, the old name of a link */
	PATH_ATTRIBUTES,
	PATH_TRUNCATE,
};
int64_t call_change(struct task *t, enum path_change change, int dirfd, const char *path, bool follow);
int64_t call_chdir(struct task *t, const char *path);
int64_t call_fchdir(struct task *t, int fd);
int64_t call_getcwd(struct task *t, char *buf, size_t len);

/* call_io.c */
/* Was the file opened for reading, or writing? */
static inline bool call_may(const struct file *f, bool write)
{
	int access = (f->open_flags + 1) & O_ACCMODE; /* 1 read, 2 write; O_ACCMODE itself is neither */
	return !(f->open_flags & O_PATH) && (access & (write ? 2 : 1));
}

int64_t call_read(struct task *t, int fd, uaddr_t buf, size_t len);
int64_t call_write(struct task *t, int fd, uaddr_t buf, size_t len);
int64_t call_pread(struct task *t, int fd, uaddr_t buf, size_t len, int64_t pos);
int64_t call_pwrite(struct task *t, int fd, uaddr_t buf, size_t len, int64_t pos);
/* pos -1: at the file position, as preadv2(). */
int64_t call_readv(struct task *t, int fd, uaddr_t iov, size_t nr, int64_t pos, bool positioned);
int64_t call_writev(struct task *t, int fd, uaddr_t iov, size_t nr, int64_t pos, bool positioned);
int64_t call_lseek(struct task *t, int fd, int64_t offset, int whence);
int64_t call_getdents64(struct task *t, int fd, uaddr_t buf, size_t len);

/* call_fd.c */
int64_t call_ioctl(struct task *t, int fd, unsigned long cmd, unsigned long arg);
int64_t call_fcntl(struct task *t, int fd, int cmd, unsigned long arg);
int64_t call_fsync(struct task *t, int fd);
int64_t call_ftruncate(struct task *t, int fd);
/* splice, sendfile, copy_file_range with one of ours at either end. */
int64_t call_splice(struct task *t, int from, int to, bool copies_files);
int64_t call_fallocate(struct task *t, int fd);
/* As F_GETFL gives them. */
int call_shown_flags(const struct fd_handle *h);

/*
 * 0: ours, go on. 1: the kernel's under the name p->text. DOOR_NOT_OURS. -errno. path_put(p) after 0.
 */
int64_t call_resolve(int dirfd, const char *path, unsigned flags, struct path *p);
/* What fstat says of a handle. fd: where it was found. */
void call_fill_stat(const struct fd_handle *h, int fd, struct stat *st);
void call_fill_node_stat(const struct ns_node *node, struct stat *st);

#endif
