/* SPDX-License-Identifier: BSD-3-Clause */
/* The owner's abstract unix socket. Who may include this: door/forward*.c. */
#ifndef BARTER_DOOR_FORWARD_SOCKET_H
#define BARTER_DOOR_FORWARD_SOCKET_H

#include <sys/socket.h>
#include <sys/un.h>

#include "base/types.h"

struct forward_address {
	struct sockaddr_un name;
	socklen_t len; /* 0: nobody listens */
};

/* One of barter's own fds, or -errno. The kernel chooses the name. */
int forward_socket_listen(struct forward_address *address);
int forward_socket_connect(const struct forward_address *address);

/* forward.c: where children of this process are to connect. */
void forward_owner_is(const struct forward_address *address);

#endif
