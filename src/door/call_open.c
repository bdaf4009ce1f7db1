/* SPDX-License-Identifier: BSD-3-Clause */
/* open(2) of what is ours. The order of the checks is the kernel's. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <string.h>
#include <unistd.h>

#include "base/trace.h"
#include "door/call_priv.h"
#include "door/dir.h"
#include "door/forward.h"
#include "door/raw_syscall.h"
#include "door/task_fd.h"

#define TMPFILE (O_TMPFILE & ~O_DIRECTORY)

int64_t call_resolve(int dirfd, const char *path, unsigned flags, struct path *p)
{
	int err = path_resolve(dirfd, path, flags, p);
	if (!err && p->kind != PATH_REAL)
		return 0;
	path_put(p);
	if (err)
		return err;
	return p->elsewhere ? 1 : DOOR_NOT_OURS;
}

/* An fd that only names its file. */
static const struct file_ops name_only_ops = {.name = "path"};

static bool may_open(const struct ns_node *node, int flags)
{
	struct stat st;
	uid_t uid = geteuid();
	int access = (flags + 1) & O_ACCMODE; /* 1 read, 2 write, 3 both */
	ns_stat(node, &st);
	if (uid == 0)
		return true;
	unsigned bits = uid == st.st_uid ? st.st_mode >> 6 : st.st_mode;
	return (!(access & 1) || (bits & 4)) && (!(access & 2) || (bits & 2));
}

/* Everything that open(2) checks before it looks what kind of thing it opens. */
static int check_open(const struct path *p, int flags)
{
	if ((flags & (O_CREAT | O_DIRECTORY)) == (O_CREAT | O_DIRECTORY))
		return -EINVAL;
	if ((flags & O_CREAT) && p->directory && !(flags & O_PATH))
		return -EISDIR;
	if (p->kind == PATH_MISSING)
		return flags & O_CREAT && !(flags & O_PATH) ? -EACCES : -ENOENT;
	enum ns_kind kind = ns_kind(p->node);
	if (!(flags & O_PATH) && (flags & O_CREAT) && (flags & O_EXCL))
		return -EEXIST;
	if (kind == NS_LINK)
		return flags & O_DIRECTORY ? -ENOTDIR : flags & O_PATH ? 0 : -ELOOP;
	if ((flags & O_DIRECTORY) && kind != NS_DIRECTORY)
		return -ENOTDIR;
	if (flags & O_PATH)
		return 0;
	if (flags & TMPFILE)
		return -EOPNOTSUPP;
	if (kind == NS_DIRECTORY && ((flags & (O_ACCMODE | O_CREAT)) || (flags & O_TRUNC)))
		return -EISDIR;
	if (!may_open(p->node, flags))
		return -EACCES;
	return 0;
}

int call_open_node(struct task *t, struct ns_node *node, int flags, struct file **out)
{
	int err;
	if (flags & O_PATH) {
		*out = file_create(&name_only_ops, NULL, flags);
		err = *out ? 0 : -ENOMEM;
	} else if (ns_kind(node) == NS_DIRECTORY) {
		err = dir_file_create(node, flags, out);
	} else {
		err = ns_open(node, t, flags, out);
	}
	if (!err && (flags & O_DIRECT)) {
		file_put(*out);
		err = -EINVAL;
	}
	return err;
}

/* What F_GETFL shows: the creation flags are gone. */
static int kept_flags(int flags)
{
	if (flags & O_PATH)
		return flags & (O_PATH | O_DIRECTORY | O_NOFOLLOW);
	return flags & ~(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC);
}

/*
 * An attribute's carrier holds what it says now, for those who read it past us: a program that is executed with it
 * (`cat < /sys/...`), libc's own streams on a duplicate. Nobody else sees it. Also when it is to be closed by then:
 * who starts a program duplicates it first.
 */
static void fill_carrier(struct task *t, struct file *f, int fd)
{
	char piece[1024];
	uint64_t pos = 0;
	ssize_t n;
	while ((n = f->ops->read(f, t, (uaddr_t)piece, sizeof(piece), &pos)) > 0)
		raw_syscall(SYS_pwrite64, fd, piece, n, pos - (uint64_t)n);
}

static void fill_forwarded(int fd)
{
	char piece[1024];
	int64_t n;
	uint64_t pos = 0;
	struct fd_handle *h = fd_handle_get(fd);
	if (!h)
		return;
	do {
		const unsigned long a[6] = {(unsigned long)fd, (uaddr_t)piece, sizeof(piece), pos};
		n = forward_call(h, SYS_pread64, a);
		if (n > 0)
			raw_syscall(SYS_pwrite64, fd, piece, n, pos);
		pos += (uint64_t)n;
	} while (n > 0);
	fd_handle_put(h);
}

/* A child has no devices: the owner opens, and the child's fd keeps the name. */
static int64_t open_forwarded(struct ns_node *node, int flags)
{
	char path[PATH_MAX];
	int n = ns_path(node, path, sizeof(path));
	int64_t fd = n < 0 ? n : forward_open(path, flags);
	if (fd < 0)
		return fd;
	fd_set_name((int)fd, node);
	if (ns_kind(node) == NS_ATTRIBUTE && (flags & O_ACCMODE) != O_WRONLY)
		fill_forwarded((int)fd);
	return fd;
}

static int64_t open_node(struct task *t, struct ns_node *node, int flags)
{
	struct file *f;
	if (unlikely(door_is_forked()) && !(flags & O_PATH) && ns_kind(node) != NS_DIRECTORY)
		return open_forwarded(node, flags);
	if (fd_any_in_flight())
		fd_flight_sweep();
	int err = call_open_node(t, node, kept_flags(flags), &f);
	if (err)
		return err;
	int fd = t->ops->fd_reserve(t, f, flags);
	if (fd < 0) {
		file_put(f);
		return fd;
	}
	if (t != door_task()) {
		t->ops->fd_publish(t, fd, f);
		return fd;
	}
	if (ns_kind(node) == NS_ATTRIBUTE && call_may(f, false))
		fill_carrier(t, f, fd);
	fd_publish(fd, f, node);
	if (ns_kind(node) == NS_DEVICE)
		forward_start();
	return fd;
}

/* /proc/self/fdinfo/N of ours: the kernel's text for the carrier would show another file. */
static int64_t open_fdinfo(const struct path *p, int flags)
{
	char text[1024];
	const struct file *f = p->handle->file;
	int number = atoi(strrchr(p->text, '/') + 1);
	struct stat st;
	call_fill_stat(p->handle, number, &st);
	long fd_flags = raw_syscall(SYS_fcntl, number, F_GETFD);
	unsigned cloexec = fd_flags > 0 && (fd_flags & FD_CLOEXEC) ? O_CLOEXEC : 0;
	size_t n = (size_t)snprintf(text, sizeof(text), "pos:\t%llu\nflags:\t0%o\nmnt_id:\t1\nino:\t%llu\n",
				    (unsigned long long)atomic_load(&f->pos),
				    (unsigned)call_shown_flags(p->handle) | cloexec, (unsigned long long)st.st_ino);
	if (f->ops->show_fdinfo)
		n += (size_t)MAX(f->ops->show_fdinfo(p->handle->file, text + n, sizeof(text) - n), 0);
	int fd = memfd_create("fdinfo", flags & O_CLOEXEC ? MFD_CLOEXEC : 0);
	if (fd < 0)
		return -errno;
	raw_syscall(SYS_write, fd, text, MIN(n, sizeof(text) - 1));
	raw_syscall(SYS_lseek, fd, 0, SEEK_SET);
	return fd;
}

static int64_t open_path(struct task *t, const struct path *p, int flags)
{
	if (p->kind == PATH_FDINFO)
		return open_fdinfo(p, flags);
	if (p->kind == PATH_FD_LINK)
		return -ELOOP;
	if (p->kind == PATH_NODE || p->kind == PATH_MISSING) {
		int err = check_open(p, flags);
		return err ? err : open_node(t, p->node, flags);
	}
	/* /proc/self/fd/N opens what the fd is, anew; what has no name of its own can only be named. */
	struct path again = {.kind = PATH_NODE, .node = p->handle->node};
	if (!again.node && (flags & O_PATH))
		return raw_syscall(SYS_openat, AT_FDCWD, p->text, flags, 0);
	int err = again.node ? check_open(&again, flags) : -ENXIO;
	return err ? err : open_node(t, again.node, flags);
}

/* open() cannot make one, and says so before it finds that the name is taken by something else. */
static bool creates_directory(const char *path, int flags)
{
	size_t len = strlen(path);
	return (flags & O_CREAT) && !(flags & O_PATH) && len && path[len - 1] == '/';
}

int64_t call_openat(struct task *t, int dirfd, const char *path, int flags, mode_t mode)
{
	struct path p;
	uint64_t start = trace_enabled(t->trace) ? trace_now() : 0;
	bool follow = !(flags & O_NOFOLLOW) && !((flags & O_CREAT) && (flags & O_EXCL));
	int64_t result = call_resolve(dirfd, path, follow ? PATH_FOLLOW : 0, &p);
	if (result == -ENOTDIR && creates_directory(path, flags))
		return -EISDIR;
	if (result == 1) {
		result = raw_syscall(SYS_openat, AT_FDCWD, p.text, flags, mode);
		if (result >= 0)
			fd_forget((int)result);
		return result;
	}
	if (result)
		return result;
	result = open_path(t, &p, flags);
	/* The first open makes the machine, and the timeline with it: it has no start. */
	if (start)
		trace_complete(t->trace, TRACE_CALL, NULL, "open", start, "path=%s result=%lld", p.text,
			       (long long)result);
	path_put(&p);
	return result;
}
