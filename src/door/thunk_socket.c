/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files in messages. A file of ours that is sent lives on until somebody has received it: the sender may close its fd
 * at once. What arrives is recognised here, so that nobody sees it as anything else.
 */
#include "door/thunk.h"

#include <string.h>
#include <sys/socket.h>

typedef void (*fd_visitor)(int fd, bool arg);

static void for_each_passed_fd(struct msghdr *msg, fd_visitor visit, bool arg)
{
	if (!msg->msg_control || msg->msg_controllen < sizeof(struct cmsghdr))
		return;
	door_enter();
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || c->cmsg_len < CMSG_LEN(0))
			continue;
		size_t nr = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < nr; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			visit(fd, arg);
		}
	}
	door_leave();
}

static void visit_send(int fd, bool unused)
{
	fd_send(fd);
}

static void visit_unsend(int fd, bool unused)
{
	fd_unsend(fd);
}

static bool table_exists(void)
{
	return atomic_load_explicit(&door.fds, memory_order_acquire) != NULL;
}

DOOR_EXPORT ssize_t sendmsg(int sock, const struct msghdr *msg, int flags)
{
	if (likely(!table_exists()) || !msg || !msg->msg_controllen)
		return real.sendmsg(sock, msg, flags);
	/* The reference comes first: the receiver may be quicker than we are. */
	for_each_passed_fd((struct msghdr *)msg, visit_send, false);
	ssize_t n = real.sendmsg(sock, msg, flags);
	int saved_errno = errno;
	if (n < 0)
		for_each_passed_fd((struct msghdr *)msg, visit_unsend, false);
	errno = saved_errno;
	return n;
}

DOOR_EXPORT int sendmmsg(int sock, struct mmsghdr *msgs, unsigned nr, int flags)
{
	if (likely(!table_exists()) || !msgs)
		return real.sendmmsg(sock, msgs, nr, flags);
	for (unsigned i = 0; i < nr; i++)
		for_each_passed_fd(&msgs[i].msg_hdr, visit_send, false);
	int sent = real.sendmmsg(sock, msgs, nr, flags);
	int saved_errno = errno;
	for (unsigned i = sent < 0 ? 0 : (unsigned)sent; i < nr; i++)
		for_each_passed_fd(&msgs[i].msg_hdr, visit_unsend, false);
	errno = saved_errno;
	return sent;
}

DOOR_EXPORT ssize_t recvmsg(int sock, struct msghdr *msg, int flags)
{
	ssize_t n = real.recvmsg(sock, msg, flags);
	if (n >= 0 && unlikely(table_exists())) {
		int saved_errno = errno;
		for_each_passed_fd(msg, fd_receive, flags & MSG_PEEK);
		errno = saved_errno;
	}
	return n;
}

DOOR_EXPORT int recvmmsg(int sock, struct mmsghdr *msgs, unsigned nr, int flags, struct timespec *timeout)
{
	int n = real.recvmmsg(sock, msgs, nr, flags, timeout);
	if (n > 0 && unlikely(table_exists())) {
		int saved_errno = errno;
		for (int i = 0; i < n; i++)
			for_each_passed_fd(&msgs[i].msg_hdr, fd_receive, flags & MSG_PEEK);
		errno = saved_errno;
	}
	return n;
}
