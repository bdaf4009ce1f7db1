/* SPDX-License-Identifier: BSD-3-Clause */
/* ioctl, fcntl and what else is done to an emulated fd. */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/trace.h"
#include "door/call_priv.h"
#include "door/dir.h"
#include "door/raw_syscall.h"

/* Commands that the kernel answers for every file before the file is asked. */
static bool ioctl_is_generic(unsigned long cmd)
{
	return cmd == FIOCLEX || cmd == FIONCLEX;
}

static int64_t ioctl_nonblock(struct task *t, struct file *f, unsigned long arg)
{
	int on;
	if (copy_from_task(t, &on, arg, sizeof(on)))
		return -EFAULT;
	f->open_flags = on ? f->open_flags | O_NONBLOCK : f->open_flags & ~O_NONBLOCK;
	return 0;
}

static int64_t ioctl_traced(struct task *t, struct file *f, unsigned long cmd, unsigned long arg)
{
	uint64_t start = trace_now();
	int64_t result = f->ops->ioctl(f, t, cmd, arg);
	trace_complete(t->trace, TRACE_CALL, NULL, "ioctl", start, "file=%s cmd=%#lx result=%lld", f->ops->name, cmd,
		       (long long)result);
	return result;
}

int64_t call_ioctl(struct task *t, int fd, unsigned long cmd, unsigned long arg)
{
	/* A stranger is looked at closely when only one of ours could understand. */
	unsigned type = _IOC_TYPE(cmd);
	struct fd_handle *h = likely(fd_is_ours(fd))	   ? fd_handle_get(fd)
			      : type == ';' || type == 'b' ? fd_adopt(fd)
							   : NULL;
	if (!h)
		return DOOR_NOT_OURS;
	struct file *f = h->file;
	int64_t result = -ENOTTY;
	if (unlikely(f->open_flags & O_PATH))
		result = -EBADF;
	else if (unlikely(ioctl_is_generic(cmd)))
		result = raw_syscall(SYS_ioctl, fd, cmd, arg);
	else if (unlikely(cmd == FIONBIO))
		result = ioctl_nonblock(t, f, arg);
	else if (f->ops->ioctl)
		result = unlikely(trace_enabled(t->trace)) ? ioctl_traced(t, f, cmd, arg)
							   : f->ops->ioctl(f, t, cmd, arg);
	fd_handle_put(h);
	return result;
}

/* 0100000: what the kernel shows of O_LARGEFILE, whatever libc makes of it. dma-bufs and the like are without. */
int call_shown_flags(const struct fd_handle *h)
{
	return (h->file->open_flags & ~O_CLOEXEC) | (h->node && !(h->file->open_flags & O_PATH) ? 0100000 : 0);
}

static int set_flags(struct file *f, unsigned long arg)
{
	const int settable = O_APPEND | O_NONBLOCK | O_ASYNC | O_NOATIME;
	if (arg & O_DIRECT)
		return -EINVAL;
	f->open_flags = (f->open_flags & ~settable) | ((int)arg & settable & ~O_ASYNC);
	return 0;
}

int64_t call_fcntl(struct task *t, int fd, int cmd, unsigned long arg)
{
	struct fd_handle *h;
	int64_t result;
	switch (cmd) {
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
		return fd_is_ours(fd) ? fd_dup(fd, (int)arg, cmd == F_DUPFD_CLOEXEC) : DOOR_NOT_OURS;
	case F_GETFD:
	case F_SETFD:
		return DOOR_NOT_OURS;
	}
	h = fd_handle_get(fd);
	if (!h)
		return DOOR_NOT_OURS;
	switch (cmd) {
	case F_GETFL:
		result = call_shown_flags(h);
		break;
	case F_SETFL:
		result = h->file->open_flags & O_PATH ? -EBADF : set_flags(h->file, arg);
		break;
	case F_GET_SEALS:
	case F_ADD_SEALS:
		result = h->file->open_flags & O_PATH ? -EBADF : -EINVAL;
		break;
	default:
		result = h->file->open_flags & O_PATH ? -EBADF : DOOR_NOT_OURS;
	}
	fd_handle_put(h);
	return result;
}

static int64_t answer(int fd, int err)
{
	struct fd_handle *h = fd_handle_get(fd);
	if (!h)
		return DOOR_NOT_OURS;
	int64_t result = h->file->open_flags & O_PATH ? -EBADF : err;
	if (!(h->file->open_flags & O_PATH) && h->node && ns_kind(h->node) == NS_ATTRIBUTE)
		result = 0;
	fd_handle_put(h);
	return result;
}

int64_t call_fsync(struct task *t, int fd)
{
	return answer(fd, -EINVAL);
}

int64_t call_ftruncate(struct task *t, int fd)
{
	return answer(fd, -EINVAL);
}

/* -EBADF when fd is one of ours and not open for this; *directory: it is one. */
static int check_end(int fd, bool write, bool *directory)
{
	struct fd_handle *h = fd_handle_get(fd);
	if (!h)
		return 0;
	int err = call_may(h->file, write) ? 0 : -EBADF;
	*directory |= dir_file_is(h->file);
	fd_handle_put(h);
	return err;
}

int64_t call_splice(struct task *t, int from, int to, bool copies_files)
{
	bool directory = false;
	if (!fd_is_ours(from) && !fd_is_ours(to))
		return DOOR_NOT_OURS;
	int err = check_end(from, false, &directory), err_to = check_end(to, true, &directory);
	/* A directory that cannot be written is one first to copy_file_range(). */
	if (copies_files && directory)
		return -EISDIR;
	return err ? err : err_to ? err_to : -EINVAL;
}

int64_t call_fallocate(struct task *t, int fd)
{
	struct fd_handle *h = fd_handle_get(fd);
	if (!h)
		return DOOR_NOT_OURS;
	int err = call_may(h->file, true) ? -ENODEV : -EBADF;
	fd_handle_put(h);
	return err;
}
