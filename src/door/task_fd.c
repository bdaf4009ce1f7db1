/* SPDX-License-Identifier: BSD-3-Clause */
#include "door/task_fd.h"

#include <fcntl.h>
#include <unistd.h>

#include "door/carrier.h"
#include "door/fd_table.h"
#include "door/raw_syscall.h"

struct file *task_file_get(struct task *t, int fd)
{
	struct fd_handle *h = fd_adopt(fd);
	if (!h)
		return NULL;
	struct file *f = file_get(h->file);
	fd_handle_put(h);
	return f;
}

bool task_fd_is_open(struct task *t, int fd)
{
	/* O_PATH fds are not open to anything but a few calls: EBADF to the rest, as on Linux. */
	long flags = fd_table_peek(fd) == FD_INTERNAL ? -1 : raw_syscall(SYS_fcntl, fd, F_GETFL);
	return flags >= 0 && !(flags & O_PATH);
}

int task_fd_reserve(struct task *t, struct file *f, int flags)
{
	int fd = carrier_create(f, flags & O_CLOEXEC);
	if (fd < 0)
		return fd;
	int err = fd_prepare(fd);
	if (err)
		real.close(fd);
	return err ? err : fd;
}

void task_fd_publish(struct task *t, int fd, struct file *f)
{
	fd_publish(fd, f, NULL);
}

void task_fd_cancel(struct task *t, int fd)
{
	fd_unprepare();
	real.close(fd);
}
