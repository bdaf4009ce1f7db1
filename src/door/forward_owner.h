/* SPDX-License-Identifier: BSD-3-Clause */
/* The owner's side of forwarded calls (forward.h). Who may include this: door/forward*.c. */
#ifndef BARTER_DOOR_FORWARD_OWNER_H
#define BARTER_DOOR_FORWARD_OWNER_H

#include "base/list.h"
#include "door/fd_table.h"
#include "door/mm_share.h"
#include "door/thread.h"
#include "file/task.h"

/*
 * A child and its connection. As a task it lives as long as the owner, for a file may remember who pinned memory into
 * it. All but `gone` is used by the thread alone that serves it.
 */
struct forward_child {
	struct task task;
	pid_t pid; /* 0 until it has said */
	int pidfd;
	struct mm_peer peer;
	_Atomic bool gone; /* the connection has ended, the process number may be another's by now */
	int socket;
	int reserved; /* the carrier of an fd that is reserved, not published */
	struct list claims;
	struct service_thread thread;
	atomic_bool ended;		/* the thread does nothing any more */
	bool joined;			/* the listener's */
	struct forward_child *previous; /* the one that connected before it: kept reachable, never freed */
};

/* forward_task.c. NULL: out of memory. */
struct forward_child *forward_child_create(int socket);
/* It calls for the first time: 0 or -errno. */
int forward_child_identify(struct forward_child *c, pid_t pid);

/* forward_owner.c: consumes a reference to h, holds it until the child releases it or is gone. -ENOMEM drops it. */
int forward_claim(struct forward_child *c, struct fd_handle *h);

#endif
