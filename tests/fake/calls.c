/* SPDX-License-Identifier: BSD-3-Clause */
/* System calls of the fake program on an emulated fd, with the answers of a file that lacks the operation. */
#include "fake/task_priv.h"

long fake_task_ioctl(struct fake_task *ft, int fd, unsigned long cmd, void *arg)
{
	struct file *f = ft->task.ops->file_get(&ft->task, fd);
	if (!f)
		return -EBADF;
	long result = f->ops->ioctl ? f->ops->ioctl(f, &ft->task, cmd, (unsigned long)arg) : -ENOTTY;
	file_put(f);
	return result;
}

ssize_t fake_task_pread(struct fake_task *ft, int fd, void *buf, size_t len, uint64_t pos)
{
	struct file *f = ft->task.ops->file_get(&ft->task, fd);
	if (!f)
		return -EBADF;
	ssize_t n = f->ops->read ? f->ops->read(f, &ft->task, (uaddr_t)buf, len, &pos) : -EINVAL;
	file_put(f);
	return n;
}

ssize_t fake_task_pwrite(struct fake_task *ft, int fd, const void *buf, size_t len, uint64_t pos)
{
	struct file *f = ft->task.ops->file_get(&ft->task, fd);
	if (!f)
		return -EBADF;
	ssize_t n = f->ops->write ? f->ops->write(f, &ft->task, (uaddr_t)buf, len, &pos) : -EINVAL;
	file_put(f);
	return n;
}

int64_t fake_task_mmap(struct fake_task *ft, int fd, uint64_t len, int prot, int flags, uint64_t offset)
{
	struct mmap_request req = {.len = len, .prot = prot, .flags = flags, .offset = offset};
	struct file *f = ft->task.ops->file_get(&ft->task, fd);
	if (!f)
		return -EBADF;
	int64_t result = f->ops->mmap ? f->ops->mmap(f, &ft->task, &req) : -ENODEV;
	file_put(f);
	return result;
}

int64_t fake_task_lseek(struct fake_task *ft, int fd, int64_t offset, int whence)
{
	struct file *f = ft->task.ops->file_get(&ft->task, fd);
	if (!f)
		return -EBADF;
	int64_t result = f->ops->lseek ? f->ops->lseek(f, offset, whence) : -ESPIPE;
	file_put(f);
	return result;
}
