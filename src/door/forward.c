/* SPDX-License-Identifier: BSD-3-Clause */
/* The child's side: connections, claims, and the exchange that is one forwarded call. */
#include "door/forward.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "door/carrier.h"
#include "door/fd_table.h"
#include "door/forward_msg.h"
#include "door/forward_socket.h"
#include "door/path.h"
#include "door/raw_syscall.h"

static struct forward {
	/*
	 * Held for an exchange, and over fork(). Guards what follows. Recursive: on the way to a claim the last
	 * reference to a file may go, which is told to the owner. A raw clone() may copy it while another thread holds
	 * it: such a child's first call waits for ever, as it would on any lock of its parent's.
	 */
	pthread_mutex_t lock;
	struct forward_address owner;
	int socket;   /* -1: none yet */
	pid_t pid;    /* of the process that the connection is for */
	int prepared; /* the connection of the child that is about to be forked; -1: none */
} forward = {.lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP, .socket = -1, .prepared = -1};

/* What stands in a child for a file that the owner made for it. */
static const struct file_ops elsewhere_ops = {.name = "elsewhere"};
static struct file elsewhere = {.ops = &elsewhere_ops, .open_flags = O_RDWR, .mode = 0600, .refs = 1};

void forward_owner_is(const struct forward_address *address)
{
	pthread_mutex_lock(&forward.lock);
	forward.owner = *address;
	pthread_mutex_unlock(&forward.lock);
}

static int claim_one(const struct fd_handle *h, void *arg)
{
	const int *socket = arg;
	struct forward_msg m = {.kind = FORWARD_CLAIM, .id = {h->dev, h->ino}};
	int fd, rc = forward_send(*socket, &m, -1);

	return rc ? rc : forward_receive(*socket, &m, &fd);
}

/* A connection that has claimed all that this process has. */
static int connect_locked(void)
{
	int socket = forward_socket_connect(&forward.owner), rc;

	if (socket < 0)
		return socket;
	rc = fd_for_each_live(claim_one, &socket);
	if (rc) {
		fd_drop(socket);
		return rc;
	}
	return socket;
}

void forward_fork_prepare(void)
{
	if (likely(!atomic_load(&door.fds)))
		return;
	pthread_mutex_lock(&forward.lock);
	forward.prepared = fd_any_live() ? connect_locked() : -1;
	fd_table_fork_lock();
	path_fork_lock();
}

void forward_fork_parent(void)
{
	if (likely(!atomic_load(&door.fds)))
		return;
	path_fork_unlock();
	fd_table_fork_unlock();
	if (forward.prepared >= 0)
		fd_drop(forward.prepared);
	forward.prepared = -1;
	pthread_mutex_unlock(&forward.lock);
}

void forward_fork_child(void)
{
	if (likely(!atomic_load(&door.fds)))
		return;
	path_fork_unlock();
	fd_table_fork_unlock();
	/* With copies of the owner's ends open, nobody here would learn that it has gone. */
	fd_close_inherited_sockets(forward.prepared);
	forward.socket = forward.prepared;
	forward.pid = getpid();
	forward.prepared = -1;
	/* The holder was another thread, the parent's: a recursive lock does not let us unlock it. */
	forward.lock = (pthread_mutex_t)PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
}

static int answer_reserve(int carrier, int flags)
{
	int rc = carrier < 0 ? -EMFILE : fd_prepare(carrier);

	if (!rc && !(flags & O_CLOEXEC))
		rc = (int)raw_syscall(SYS_fcntl, carrier, F_SETFD, 0);
	if (rc && carrier >= 0)
		real.close(carrier);
	return rc ? rc : carrier;
}

/* One request of the owner's. */
static int serve_locked(struct forward_msg *m, int fd)
{
	switch (m->kind) {
	case FORWARD_RESERVE:
		*m = (struct forward_msg){.kind = FORWARD_RESERVED, .number = answer_reserve(fd, m->flags)};
		return forward_send(forward.socket, m, -1);
	case FORWARD_PUBLISH:
		fd_publish(m->number, file_get(&elsewhere), NULL);
		return 0;
	case FORWARD_CANCEL:
		fd_unprepare();
		real.close(m->number);
		return 0;
	default:
		return -EPROTO;
	}
}

static int exchange_locked(struct forward_msg *m)
{
	int fd, rc = forward_send(forward.socket, m, -1);

	while (!rc) {
		rc = forward_receive(forward.socket, m, &fd);
		if (rc || m->kind == FORWARD_RESULT)
			break;
		rc = serve_locked(m, fd);
	}
	return rc;
}

static int connection_locked(void)
{
	pid_t pid = getpid();

	if (forward.pid == pid && forward.socket >= 0)
		return 0;
	fd_close_inherited_sockets(-1);
	forward.socket = connect_locked();
	forward.pid = pid;
	return forward.socket < 0 ? forward.socket : 0;
}

static int64_t forward_exchange(struct forward_msg *m)
{
	int rc;

	pthread_mutex_lock(&forward.lock);
	rc = connection_locked();
	if (!rc)
		rc = exchange_locked(m);
	pthread_mutex_unlock(&forward.lock);
	return rc ? -EIO : m->result;
}

int64_t forward_call(const struct fd_handle *h, long nr, const unsigned long a[6])
{
	struct forward_msg m = {.kind = FORWARD_CALL, .pid = getpid(), .id = {h->dev, h->ino}, .nr = nr};

	for (unsigned i = 0; i < ARRAY_SIZE(m.a); i++)
		m.a[i] = a[i];
	return forward_exchange(&m);
}

int64_t forward_open(const char *path, int flags)
{
	struct forward_msg m = {.kind = FORWARD_OPEN, .pid = getpid(), .a = {(uaddr_t)path, (unsigned)flags}};

	return forward_exchange(&m);
}

void forward_release(const struct fd_handle *h)
{
	struct forward_msg m = {.kind = FORWARD_RELEASE, .id = {h->dev, h->ino}};

	pthread_mutex_lock(&forward.lock);
	if (forward.pid == getpid() && forward.socket >= 0)
		forward_send(forward.socket, &m, -1);
	pthread_mutex_unlock(&forward.lock);
}
