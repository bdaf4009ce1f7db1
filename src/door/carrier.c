/* SPDX-License-Identifier: BSD-3-Clause */
#include "door/carrier.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "door/carrier_poll.h"
#include "door/door.h"
#include "door/raw_syscall.h"

/* An fd that only names a file is one to the kernel, too. */
static int carrier_create_name(bool cloexec)
{
	char path[32];
	int fd = memfd_create("path", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	/* The name takes the number of the memory: it was the lowest. */
	int name = (int)raw_syscall(SYS_openat, AT_FDCWD, path, O_PATH | O_CLOEXEC, 0);
	int carrier = name < 0 ? name : (int)raw_syscall(SYS_dup3, name, fd, cloexec ? O_CLOEXEC : 0);
	if (name >= 0)
		real.close(name);
	if (carrier < 0)
		real.close(fd);
	return carrier;
}

int carrier_create(struct file *f, bool cloexec)
{
	if (f->open_flags & O_PATH)
		return carrier_create_name(cloexec);
	if (f->carrier == CARRIER_POLL)
		return carrier_poll_create(f, cloexec);
	int fd = memfd_create(f->ops->name, cloexec ? MFD_CLOEXEC : 0);
	return fd < 0 ? -errno : fd;
}

struct carrier_identity carrier_identify(int fd)
{
	struct stat st;
	if (raw_syscall(SYS_fstat, fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISSOCK(st.st_mode)))
		return (struct carrier_identity){st.st_dev, st.st_ino};
	return (struct carrier_identity){0, 0};
}
