/* SPDX-License-Identifier: BSD-3-Clause */
/* The dispatch of system calls by number. Older calls that newer ones contain become those. */
#include "door/call.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/thread.h"
#include "door/call_priv.h"
#include "door/dir.h"
#include "door/mm.h"
#include "door/forward.h"
#include "door/raw_syscall.h"

struct call {
	struct task *task;
	long nr;
	unsigned long a[6];
	bool walk; /* the path is walked, whatever its text says */
};

static const char *path_arg(const struct call *c, unsigned i)
{
	return (const char *)c->a[i];
}

static bool concerns(const struct call *c, int dirfd, unsigned i)
{
	return path_arg(c, i) && (c->walk || path_concerns(dirfd, path_arg(c, i)));
}

/* A call with one path in argument i, by directory fd dirfd. */
#define BY_PATH(dirfd, i, answer) (concerns(c, dirfd, i) ? (answer) : DOOR_NOT_OURS)

static enum path_change mknod_change(unsigned long mode)
{
	return S_ISREG(mode) || !(mode & S_IFMT) ? PATH_CREATE_FILE : PATH_CREATE;
}

#ifdef SYS_open
/* The calls that name no directory fd; some machines never had them. */
static int64_t call_old(const struct call *c)
{
	struct task *t = c->task;
	const char *path = path_arg(c, 0);
	switch (c->nr) {
	case SYS_open:
		return BY_PATH(AT_FDCWD, 0, call_openat(t, AT_FDCWD, path, (int)c->a[1], (mode_t)c->a[2]));
	case SYS_creat:
		return BY_PATH(AT_FDCWD, 0,
			       call_openat(t, AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, (mode_t)c->a[1]));
	case SYS_stat:
		return BY_PATH(AT_FDCWD, 0, call_fstatat(t, AT_FDCWD, path, (struct stat *)c->a[1], 0));
	case SYS_lstat:
		return BY_PATH(AT_FDCWD, 0,
			       call_fstatat(t, AT_FDCWD, path, (struct stat *)c->a[1], AT_SYMLINK_NOFOLLOW));
	case SYS_readlink:
		return BY_PATH(AT_FDCWD, 0, call_readlinkat(t, AT_FDCWD, path, (char *)c->a[1], c->a[2]));
	case SYS_access:
		return BY_PATH(AT_FDCWD, 0, call_faccessat(t, AT_FDCWD, path, (int)c->a[1], 0));
	case SYS_unlink:
		return BY_PATH(AT_FDCWD, 0, call_change(t, PATH_UNLINK, AT_FDCWD, path, false));
	case SYS_rmdir:
		return BY_PATH(AT_FDCWD, 0, call_change(t, PATH_RMDIR, AT_FDCWD, path, false));
	case SYS_mknod:
		return BY_PATH(AT_FDCWD, 0, call_change(t, mknod_change(c->a[1]), AT_FDCWD, path, false));
	case SYS_mkdir:
		return BY_PATH(AT_FDCWD, 0, call_change(t, PATH_CREATE, AT_FDCWD, path, false));
	case SYS_chmod:
	case SYS_chown:
	case SYS_utimes:
		return BY_PATH(AT_FDCWD, 0, call_change(t, PATH_ATTRIBUTES, AT_FDCWD, path, true));
	case SYS_lchown:
		return BY_PATH(AT_FDCWD, 0, call_change(t, PATH_ATTRIBUTES, AT_FDCWD, path, false));
	case SYS_symlink:
		return BY_PATH(AT_FDCWD, 1, call_change(t, PATH_CREATE, AT_FDCWD, path_arg(c, 1), false));
	case SYS_rename:
		if (concerns(c, AT_FDCWD, 0))
			return call_change(t, PATH_MOVE, AT_FDCWD, path, false);
		return BY_PATH(AT_FDCWD, 1, call_change(t, PATH_MOVE, AT_FDCWD, path_arg(c, 1), false));
	case SYS_link:
		if (concerns(c, AT_FDCWD, 0))
			return call_change(t, PATH_MOVE, AT_FDCWD, path, false);
		return BY_PATH(AT_FDCWD, 1, call_change(t, PATH_CREATE, AT_FDCWD, path_arg(c, 1), false));
	case SYS_dup2:
		if (c->a[0] == c->a[1])
			return DOOR_NOT_OURS;
		return fd_is_ours((int)c->a[0]) || fd_is_ours((int)c->a[1]) ? fd_dup_to((int)c->a[0], (int)c->a[1], 0)
									    : DOOR_NOT_OURS;
	case SYS_getdents:
		return fd_is_ours((int)c->a[0]) ? -ENOTDIR : DOOR_NOT_OURS;
	default:
		return DOOR_NOT_OURS;
	}
}
#else
static int64_t call_old(const struct call *c)
{
	return DOOR_NOT_OURS;
}
#endif

static int64_t call_rename(const struct call *c, enum path_change second)
{
	if (concerns(c, (int)c->a[0], 1))
		return call_change(c->task, PATH_MOVE, (int)c->a[0], path_arg(c, 1), false);
	return BY_PATH((int)c->a[2], 3, call_change(c->task, second, (int)c->a[2], path_arg(c, 3), false));
}

/* utimensat(fd, NULL): the fd itself. */
static int64_t call_attributes(const struct call *c, bool follow)
{
	if (!path_arg(c, 1))
		return fd_is_ours((int)c->a[0]) ? -EPERM : DOOR_NOT_OURS;
	return BY_PATH((int)c->a[0], 1, call_change(c->task, PATH_ATTRIBUTES, (int)c->a[0], path_arg(c, 1), follow));
}

static int64_t call_on_path(const struct call *c)
{
	struct task *t = c->task;
	int dirfd = (int)c->a[0];
	const char *path = path_arg(c, 1);
	switch (c->nr) {
	case SYS_openat:
		return BY_PATH(dirfd, 1, call_openat(t, dirfd, path, (int)c->a[2], (mode_t)c->a[3]));
	case SYS_newfstatat:
		return BY_PATH(dirfd, 1, call_fstatat(t, dirfd, path, (struct stat *)c->a[2], (int)c->a[3]));
	case SYS_statx:
		return BY_PATH(dirfd, 1,
			       call_statx(t, dirfd, path, (int)c->a[2], (unsigned)c->a[3], (struct statx *)c->a[4]));
	case SYS_readlinkat:
		return BY_PATH(dirfd, 1, call_readlinkat(t, dirfd, path, (char *)c->a[2], c->a[3]));
	case SYS_faccessat:
		return BY_PATH(dirfd, 1, call_faccessat(t, dirfd, path, (int)c->a[2], 0));
#ifdef SYS_faccessat2
	case SYS_faccessat2:
		return BY_PATH(dirfd, 1, call_faccessat(t, dirfd, path, (int)c->a[2], (int)c->a[3]));
#endif
	case SYS_unlinkat:
		return BY_PATH(dirfd, 1,
			       call_change(t, c->a[2] & AT_REMOVEDIR ? PATH_RMDIR : PATH_UNLINK, dirfd, path, false));
	case SYS_mknodat:
		return BY_PATH(dirfd, 1, call_change(t, mknod_change(c->a[2]), dirfd, path, false));
	case SYS_mkdirat:
		return BY_PATH(dirfd, 1, call_change(t, PATH_CREATE, dirfd, path, false));
	case SYS_symlinkat:
		return BY_PATH((int)c->a[1], 2, call_change(t, PATH_CREATE, (int)c->a[1], path_arg(c, 2), false));
	case SYS_renameat2:
#ifdef SYS_renameat
	case SYS_renameat:
#endif
		return call_rename(c, PATH_MOVE);
	case SYS_linkat:
		return call_rename(c, PATH_CREATE);
	case SYS_fchmodat:
		return call_attributes(c, true);
	case SYS_fchownat:
		return call_attributes(c, !(c->a[4] & AT_SYMLINK_NOFOLLOW));
	case SYS_utimensat:
		return call_attributes(c, !(c->a[3] & AT_SYMLINK_NOFOLLOW));
	case SYS_truncate:
		return BY_PATH(AT_FDCWD, 0, call_change(t, PATH_TRUNCATE, AT_FDCWD, path_arg(c, 0), true));
	case SYS_statfs:
		return BY_PATH(AT_FDCWD, 0, call_statfs(t, path_arg(c, 0), (struct statfs *)c->a[1]));
	case SYS_getxattr:
	case SYS_listxattr:
		return BY_PATH(AT_FDCWD, 0, call_getxattr(t, path_arg(c, 0), true));
	case SYS_lgetxattr:
	case SYS_llistxattr:
		return BY_PATH(AT_FDCWD, 0, call_getxattr(t, path_arg(c, 0), false));
	case SYS_chdir:
		return BY_PATH(AT_FDCWD, 0, call_chdir(t, path_arg(c, 0)));
	case SYS_getcwd:
		return call_getcwd(t, (char *)c->a[0], c->a[1]);
	default:
		return call_old(c);
	}
}

static int64_t call_on_fd(const struct call *c)
{
	struct task *t = c->task;
	int fd = (int)c->a[0];
	const unsigned long *a = c->a;
	switch (c->nr) {
	case SYS_read:
		return call_read(t, fd, a[1], a[2]);
	case SYS_write:
		return call_write(t, fd, a[1], a[2]);
	case SYS_pread64:
		return call_pread(t, fd, a[1], a[2], (int64_t)a[3]);
	case SYS_pwrite64:
		return call_pwrite(t, fd, a[1], a[2], (int64_t)a[3]);
	case SYS_readv:
		return call_readv(t, fd, a[1], a[2], 0, false);
	case SYS_writev:
		return call_writev(t, fd, a[1], a[2], 0, false);
	case SYS_preadv:
		return call_readv(t, fd, a[1], a[2], (int64_t)a[3], true);
	case SYS_pwritev:
		return call_writev(t, fd, a[1], a[2], (int64_t)a[3], true);
	case SYS_preadv2:
		return call_readv(t, fd, a[1], a[2], (int64_t)a[3], (int64_t)a[3] != -1);
	case SYS_pwritev2:
		return call_writev(t, fd, a[1], a[2], (int64_t)a[3], (int64_t)a[3] != -1);
	case SYS_lseek:
		return call_lseek(t, fd, (int64_t)a[1], (int)a[2]);
	case SYS_getdents64:
		return call_getdents64(t, fd, a[1], a[2]);
	case SYS_fstat:
		return call_fstatat(t, fd, "", (struct stat *)a[1], AT_EMPTY_PATH);
	case SYS_fstatfs:
		return call_fstatfs(t, fd, (struct statfs *)a[1]);
	case SYS_fcntl:
		return call_fcntl(t, fd, (int)a[1], a[2]);
	case SYS_fsync:
	case SYS_fdatasync:
		return call_fsync(t, fd);
	case SYS_ftruncate:
		return call_ftruncate(t, fd);
	case SYS_fallocate:
		return call_fallocate(t, fd);
	case SYS_fchdir:
		return call_fchdir(t, fd);
	case SYS_fgetxattr:
	case SYS_flistxattr:
		return -EOPNOTSUPP;
	case SYS_fchmod:
	case SYS_fchown:
		return -EPERM;
	case SYS_close:
		return fd_close(fd);
	case SYS_dup:
		return fd_dup(fd, 0, false);
	default:
		return DOOR_NOT_OURS;
	}
}

/* Between the look at thread_interrupted and the sleep a signal may come: it is found after this. */
#define POLL_SLICE_NS 20000000

/* Until the file polls so, or a signal wants the thread back. Carriers poll alike in all processes. */
static int wait_ready(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};

	while (!thread_interrupted) {
		struct timespec slice = {.tv_nsec = POLL_SLICE_NS};
		long n = raw_syscall(SYS_ppoll, &p, 1, &slice, NULL, 0);

		if (n > 0 && (p.revents & events))
			return 0;
		if (n > 0) /* closed meanwhile */
			raw_syscall(SYS_ppoll, NULL, 0, &slice, NULL, 0);
		if (n != 0)
			return thread_interrupted ? -ERESTARTSYS : 0;
	}
	return -ERESTARTSYS;
}

/* A child has one connection, which is not to be held by a wait: what would wait is asked again when it need not. */
static int64_t call_forward(const struct call *c)
{
	struct fd_handle *h = fd_handle_get((int)c->a[0]);
	if (!h)
		return DOOR_NOT_OURS;
	int64_t result = forward_call(h, c->nr, c->a);
	while (c->nr == SYS_ioctl && result <= FILE_POLL_FIRST(0)) {
		int err = wait_ready((int)c->a[0], (short)(FILE_POLL_FIRST(0) - result));
		result = err ? err : forward_call(h, c->nr, c->a);
	}
	fd_handle_put(h);
	return result;
}

/* The file's flags are the owner's to know, its name is ours. */
static int64_t flags_in_child(const struct call *c)
{
	struct fd_handle *h = fd_handle_get((int)c->a[0]);
	int64_t result = h ? forward_call(h, c->nr, c->a) : DOOR_NOT_OURS;
	if (h && c->a[1] == F_GETFL && result >= 0)
		result |= call_shown_flags(h) & 0100000;
	if (h)
		fd_handle_put(h);
	return result;
}

/* Directories and what only names something are of the tree, of which a child has a copy. */
static bool is_local(int fd)
{
	struct fd_handle *h = fd_handle_get(fd);
	bool local = h && (dir_file_is(h->file) || (h->file->open_flags & O_PATH));
	if (h)
		fd_handle_put(h);
	return local;
}

/*
 * In a child the files are the owner's. What only concerns numbers and names is answered here; operations are
 * forwarded. Device memory cannot be mapped anew (docs/limitations.md).
 */
static int64_t call_in_child(const struct call *c)
{
	if (is_local((int)c->a[0]))
		return call_on_fd(c);
	switch (c->nr) {
	case SYS_fcntl:
		return c->a[1] == F_GETFL || c->a[1] == F_SETFL ? flags_in_child(c) : call_on_fd(c);
	case SYS_close:
	case SYS_dup:
	case SYS_fstat:
	case SYS_fstatfs:
	case SYS_fsync:
	case SYS_fdatasync:
	case SYS_ftruncate:
	case SYS_fallocate:
	case SYS_fchdir:
	case SYS_fchmod:
	case SYS_fchown:
	case SYS_fgetxattr:
	case SYS_flistxattr:
		return call_on_fd(c);
	case SYS_ioctl:
		return c->a[1] == FIOCLEX || c->a[1] == FIONCLEX ? DOOR_NOT_OURS : call_forward(c);
	case SYS_read:
	case SYS_write:
	case SYS_pread64:
	case SYS_pwrite64:
	case SYS_readv:
	case SYS_writev:
	case SYS_preadv:
	case SYS_pwritev:
	case SYS_lseek:
	case SYS_getdents64:
		return call_forward(c);
	default:
		return DOOR_NOT_OURS;
	}
}

/* Calls that can concern us though their first argument is no fd of ours. */
static int64_t call_on_two(const struct call *c)
{
	int from = (int)c->a[0], to = (int)c->a[1];
	switch (c->nr) {
	case SYS_dup3:
		return fd_is_ours(from) || fd_is_ours(to) ? fd_dup_to(from, to, (int)c->a[2]) : DOOR_NOT_OURS;
	case SYS_sendfile:
		return call_splice(c->task, to, from, false);
	case SYS_splice:
	case SYS_copy_file_range:
		return call_splice(c->task, from, (int)c->a[2], c->nr == SYS_copy_file_range);
#ifdef SYS_close_range
	case SYS_close_range:
		return atomic_load(&door.fds) ? fd_close_range((unsigned)c->a[0], (unsigned)c->a[1], (unsigned)c->a[2])
					      : DOOR_NOT_OURS;
#endif
	default:
		return call_on_path(c);
	}
}

static int64_t dispatch(const struct call *c)
{
	bool ours = fd_is_ours((int)c->a[0]), child = door_is_forked();
	/* Most calls on an emulated fd are this one. */
	if (likely(c->nr == SYS_ioctl && !child))
		return call_ioctl(c->task, (int)c->a[0], c->a[1], c->a[2]);
	if (ours) {
		int64_t result = unlikely(child) ? call_in_child(c) : call_on_fd(c);
		if (result != DOOR_NOT_OURS)
			return result;
	}
	int64_t result = call_on_two(c);
	return result == DOOR_NOT_OURS ? mm_call(c->nr, c->a) : result;
}

/* A wait that a signal has cut short is over when the handler, which runs on the way out, says so, as on Linux. */
static int64_t call_run(const struct call *c)
{
	for (;;) {
		unsigned nr_locks = lock_check_nr_held();
		door_enter();
		int64_t result = dispatch(c);
		lock_check_still_held(nr_locks, "the return to the program");
		bool restarts = unlikely(result == -ERESTARTSYS) && signals_deferred_restarts();
		door_leave();
		if (likely(result != -ERESTARTSYS))
			return result;
		if (!restarts)
			return -EINTR;
	}
}

int64_t door_call(struct task *t, long nr, unsigned long a0, unsigned long a1, unsigned long a2, unsigned long a3,
		  unsigned long a4, unsigned long a5)
{
	struct call c = {.task = t, .nr = nr, .a = {a0, a1, a2, a3, a4, a5}};
	return call_run(&c);
}

int64_t door_call_walk(struct task *t, long nr, unsigned long a0, unsigned long a1, unsigned long a2, unsigned long a3,
		       unsigned long a4, unsigned long a5)
{
	struct call c = {.task = t, .nr = nr, .a = {a0, a1, a2, a3, a4, a5}, .walk = true};
	return call_run(&c);
}
