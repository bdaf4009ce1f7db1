/* SPDX-License-Identifier: BSD-3-Clause */
#include "door/forward_socket.h"

#include "door/fd_table.h"
#include "door/raw_syscall.h"

static int socket_create(void)
{
	int fd = (int)raw_syscall(SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	return fd < 0 ? fd : fd_keep(fd);
}

int forward_socket_listen(struct forward_address *address)
{
	struct sockaddr_un any = {.sun_family = AF_UNIX};
	socklen_t len = sizeof(address->name);
	int fd = socket_create();
	long rc;

	if (fd < 0)
		return fd;
	rc = raw_syscall(SYS_bind, fd, &any, sizeof(sa_family_t)); /* an abstract name of the kernel's choice */
	if (!rc)
		rc = raw_syscall(SYS_listen, fd, 64);
	if (!rc)
		rc = raw_syscall(SYS_getsockname, fd, &address->name, &len);
	if (rc) {
		fd_drop(fd);
		return (int)rc;
	}
	address->len = len;
	return fd;
}

int forward_socket_connect(const struct forward_address *address)
{
	int fd = address->len ? socket_create() : -ENOTCONN;
	long rc;

	if (fd < 0)
		return fd;
	do
		rc = raw_syscall(SYS_connect, fd, &address->name, address->len);
	while (rc == -EINTR);
	if (rc) {
		fd_drop(fd);
		return (int)rc;
	}
	return fd;
}
