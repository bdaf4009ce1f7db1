/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * memfds and files of tmpfs, as IOMMU_IOAS_MAP_FILE takes them. Linux asks neither how the file was opened nor for its
 * seals: a read-only fd can be mapped for DMA writes. So the duplicate is a description of its own, opened for writing
 * when that is possible at all.
 */
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "door/fd_table.h"
#include "door/raw_syscall.h"
#include "door/task_fd.h"

static bool is_memory_file(int fd, struct stat *st)
{
	struct statfs fs;
	if (raw_syscall(SYS_fstat, fd, st) < 0 || !S_ISREG(st->st_mode) || raw_syscall(SYS_fstatfs, fd, &fs) < 0)
		return false;
	return fs.f_type == TMPFS_MAGIC || fs.f_type == HUGETLBFS_MAGIC;
}

static int reopen(int fd, int flags)
{
	char path[32];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return (int)raw_syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0);
}

int task_memory_file_get(struct task *t, int fd, struct memory_file *out)
{
	struct stat st;
	if (!task_fd_is_open(t, fd))
		return -EBADF;
	if (fd_is_ours(fd) || !is_memory_file(fd, &st))
		return -EINVAL;
	int seals = (int)raw_syscall(SYS_fcntl, fd, F_GET_SEALS);
	bool sealed = seals > 0 && (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE));
	int copy = sealed ? -EPERM : reopen(fd, O_RDWR);
	out->writable = copy >= 0;
	if (copy < 0)
		copy = reopen(fd, O_RDONLY);
	if (copy < 0)
		copy = (int)raw_syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 0);
	if (copy < 0)
		return copy;
	out->fd = fd_keep(copy);
	out->seals = MAX(seals, 0);
	out->size = (uint64_t)st.st_size;
	return 0;
}

void task_memory_file_put(struct memory_file *mf)
{
	fd_drop(mf->fd);
}
