/* SPDX-License-Identifier: BSD-3-Clause */
#include "door/carrier.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "door/door.h"
#include "door/raw_syscall.h"

/*
 * A datagram socket that has one byte to read and whose peer is gone: the kernel calls it readable and writable, and
 * unlike a stream's end it does not hang up. Its inode is its own.
 */
static int carrier_create_ready(bool cloexec)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_DGRAM | (cloexec ? SOCK_CLOEXEC : 0), 0, pair))
		return -errno;
	ssize_t n = send(pair[1], "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	int err = n == 1 ? 0 : -errno;
	real.close(pair[1]);
	if (err)
		real.close(pair[0]);
	return err ? err : pair[0];
}

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

int carrier_create(const struct file *f, bool cloexec)
{
	int fd;
	if (f->open_flags & O_PATH)
		return carrier_create_name(cloexec);
	switch (f->carrier) {
	case CARRIER_READY:
		return carrier_create_ready(cloexec);
	case CARRIER_EVENT:
		fd = real.fcntl(f->event_fd, cloexec ? F_DUPFD_CLOEXEC : F_DUPFD, 0);
		break;
	default:
		fd = memfd_create(f->ops->name, cloexec ? MFD_CLOEXEC : 0);
	}
	return fd < 0 ? -errno : fd;
}

/* All eventfds share one inode; the kernel numbers them in fdinfo. */
static ino_t eventfd_number(int fd)
{
	char path[48], text[512];
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	int info = (int)raw_syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	if (info < 0)
		return 0;
	ssize_t n = raw_syscall(SYS_read, info, text, sizeof(text) - 1);
	raw_syscall(SYS_close, info);
	text[n > 0 ? n : 0] = '\0';
	const char *id = strstr(text, "eventfd-id:");
	return id ? (ino_t)strtoul(id + strlen("eventfd-id:"), NULL, 10) + 1 : 0;
}

struct carrier_identity carrier_identify(int fd)
{
	struct stat st;
	struct carrier_identity id = {0, 0};
	if (raw_syscall(SYS_fstat, fd, &st) == 0) {
		if (S_ISREG(st.st_mode) || S_ISSOCK(st.st_mode))
			id = (struct carrier_identity){st.st_dev, st.st_ino};
		else if ((st.st_mode & S_IFMT) == 0)
			id = (struct carrier_identity){st.st_dev, eventfd_number(fd)};
	}
	return id;
}
