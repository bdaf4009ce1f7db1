/* SPDX-License-Identifier: BSD-3-Clause */
#include "door/forward_msg.h"

#include <string.h>
#include <sys/socket.h>

#include "door/raw_syscall.h"

union fd_control {
	struct cmsghdr header;
	char space[CMSG_SPACE(sizeof(int))];
};

int forward_send(int socket, const struct forward_msg *m, int fd)
{
	struct iovec iov = {(void *)m, sizeof(*m)};
	union fd_control control = {.header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};
	long n;

	if (fd >= 0) {
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
		h.msg_control = &control;
		h.msg_controllen = sizeof(control);
	}
	do
		n = raw_syscall(SYS_sendmsg, socket, &h, MSG_NOSIGNAL);
	while (n == -EINTR);
	return n < 0 ? (int)n : 0;
}

int forward_receive(int socket, struct forward_msg *m, int *fd)
{
	struct iovec iov = {m, sizeof(*m)};
	union fd_control control = {.header = {0, 0, 0}};
	struct msghdr h = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	long n;

	do
		n = raw_syscall(SYS_recvmsg, socket, &h, MSG_CMSG_CLOEXEC);
	while (n == -EINTR);
	*fd = -1;
	if (n > 0 && h.msg_controllen >= CMSG_LEN(sizeof(int)))
		memcpy(fd, CMSG_DATA(&control.header), sizeof(*fd));
	if (n == (long)sizeof(*m))
		return 0;
	if (*fd >= 0)
		raw_syscall(SYS_close, *fd);
	return n < 0 ? (int)n : -EPIPE;
}
