/* SPDX-License-Identifier: BSD-3-Clause */
/* The child's side: connections, claims, and the exchange that is one forwarded call. */
#include "door/forward.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "door/carrier.h"
#include "door/fd_table.h"
#include "door/forward_msg.h"
#include "door/forward_socket.h"
#include "door/mm_share.h"
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
	int socket; /* -1: none yet */
	pid_t pid;  /* of the process that the connection is for */
	/* Of the child that is about to be forked; -1: none. */
	int prepared, prepared_control;
	int control; /* the service thread's (mm_share.h), valid as socket is; -1: none yet */
} forward = {.lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP,
	     .socket = -1,
	     .prepared = -1,
	     .prepared_control = -1,
	     .control = -1};

/* What stands in a child for a file that the owner made for it, by the ways in which it may be accessed. */
static const struct file_ops elsewhere_ops = {.name = "elsewhere"};
#define ELSEWHERE(access)                                                                                              \
	{                                                                                                              \
		.ops = &elsewhere_ops, .open_flags = (access), .mode = 0600, .refs = 1                                 \
	}
static struct file elsewhere[] = {
	[O_RDONLY] = ELSEWHERE(O_RDONLY),
	[O_WRONLY] = ELSEWHERE(O_WRONLY),
	[O_RDWR] = ELSEWHERE(O_RDWR),
	[O_ACCMODE] = ELSEWHERE(O_ACCMODE), /* for ioctl() alone */
};

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

/* One of barter's own fds, or -errno. */
static int request_control(int socket)
{
	struct forward_msg m = {.kind = FORWARD_CONTROL};
	int fd = -1, rc = forward_send(socket, &m, -1);

	if (!rc)
		rc = forward_receive(socket, &m, &fd);
	if (rc || fd < 0)
		return rc ? rc : (int)m.result;
	return fd_keep(fd);
}

static int inherit_one(unsigned slot, void *arg)
{
	const int *socket = arg;
	struct forward_msg m = {.kind = FORWARD_INHERIT, .number = (int)slot};
	int fd, rc = forward_send(*socket, &m, -1);

	return rc ? rc : forward_receive(*socket, &m, &fd);
}

/*
 * The owner learns on this connection what device memory a child has that is like us, and gives it a control
 * connection. Nothing can be mapped in a child meanwhile, which takes our lock.
 */
static int declare_memory(struct mm *mm, int socket, int *control)
{
	if (!mm_holds_any())
		return 0;
	if (*control < 0)
		*control = request_control(socket);
	return *control < 0 ? *control : mm_for_each_held(mm, inherit_one, &socket);
}

/* The owner itself may map something after it was declared: then again. */
static void fork_lock_memory(struct mm *mm)
{
	uint64_t declared, now;

	for (;;) {
		declared = mm_fork_lock(mm);
		mm_fork_unlock(mm);
		if (forward.prepared >= 0)
			declare_memory(mm, forward.prepared, &forward.prepared_control);
		fd_table_fork_lock();
		now = mm_fork_lock(mm);
		if (now == declared)
			return;
		mm_fork_unlock(mm);
		fd_table_fork_unlock();
	}
}

void forward_fork_prepare(void)
{
	struct mm *mm;

	if (likely(!atomic_load(&door.fds)))
		return;
	mm = mm_here();
	pthread_mutex_lock(&forward.lock);
	forward.prepared = fd_any_live() || mm_holds_any() ? connect_locked() : -1;
	forward.prepared_control = -1;
	if (mm)
		fork_lock_memory(mm);
	else
		fd_table_fork_lock();
	path_fork_lock();
}

static void fork_unlock(void)
{
	path_fork_unlock();
	if (door.mm)
		mm_fork_unlock(door.mm);
	fd_table_fork_unlock();
}

void forward_fork_parent(void)
{
	if (likely(!atomic_load(&door.fds)))
		return;
	fork_unlock();
	if (forward.prepared >= 0)
		fd_drop(forward.prepared);
	if (forward.prepared_control >= 0)
		fd_drop(forward.prepared_control);
	forward.prepared = forward.prepared_control = -1;
	pthread_mutex_unlock(&forward.lock);
}

void forward_fork_child(void)
{
	struct forward_msg m = {.kind = FORWARD_BORN, .pid = getpid()};

	if (likely(!atomic_load(&door.fds)))
		return;
	fork_unlock();
	/* With copies of the owner's ends open, nobody here would learn that it has gone. */
	fd_close_inherited_sockets(forward.prepared, forward.prepared_control);
	forward.socket = forward.prepared;
	forward.control = forward.prepared_control;
	forward.pid = m.pid;
	forward.prepared = forward.prepared_control = -1;
	/* The holder was another thread, the parent's: a recursive lock does not let us unlock it. */
	forward.lock = (pthread_mutex_t)PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
	if (forward.control < 0)
		return;
	forward_send(forward.socket, &m, -1);
	if (mm_child_serve(mm_here(), forward.control))
		forward.control = -1;
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

static int receive_extents_locked(struct mm_child_extent *extents, size_t nr)
{
	struct forward_msg m;
	int rc = 0;

	for (size_t i = 0; i < nr && !rc; i++) {
		rc = forward_receive(forward.socket, &m, &extents[i].fd);
		extents[i].offset = m.a[0];
		extents[i].len = m.a[1];
		extents[i].registers = m.a[2];
	}
	return rc;
}

/* The owner has made a mapping for us. */
static int answer_place_locked(const struct forward_msg *place)
{
	struct mmap_request req = {place->a[0], place->a[1], (int)place->a[2], (int)place->a[3], 0};
	size_t nr = place->a[4];
	struct mm_child_extent *extents = calloc(nr, sizeof(*extents));
	struct forward_msg m = {.kind = FORWARD_PLACED, .result = -ENOMEM};
	struct list gone;
	int rc = extents ? receive_extents_locked(extents, nr) : -ENOMEM;

	if (rc) {
		free(extents);
		return rc;
	}
	list_init(&gone);
	const struct mm_child_mapping what = {
		(unsigned)place->number, place->flags, place->nr, nr, extents,
	};

	m.result = mm_child_place(mm_here(), &what, &req, &gone);
	free(extents);
	rc = forward_send(forward.socket, &m, -1);
	/* Afterwards, for it says so on this connection. */
	mm_release_gone(&gone);
	return rc;
}

/* One request of the owner's. */
static int serve_locked(struct forward_msg *m, int fd)
{
	switch (m->kind) {
	case FORWARD_RESERVE:
		*m = (struct forward_msg){.kind = FORWARD_RESERVED, .number = answer_reserve(fd, m->flags)};
		return forward_send(forward.socket, m, -1);
	case FORWARD_PUBLISH:
		fd_publish(m->number, file_get(&elsewhere[m->flags & O_ACCMODE]), NULL);
		return 0;
	case FORWARD_CANCEL:
		fd_unprepare();
		real.close(m->number);
		return 0;
	case FORWARD_PLACE:
		return answer_place_locked(m);
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

/* Makes the owner able to take away and give back what this process has of device memory. */
static int control_locked(void)
{
	struct mm *mm = mm_here();
	int control = -1, rc;

	if (forward.control >= 0)
		return 0;
	rc = control = request_control(forward.socket);
	if (control < 0)
		return rc;
	rc = declare_memory(mm, forward.socket, &control);
	if (!rc)
		rc = mm_child_serve(mm, control);
	if (!rc)
		forward.control = control;
	return rc;
}

static int connection_locked(void)
{
	pid_t pid = getpid();

	if (forward.pid == pid && forward.socket >= 0)
		return 0;
	fd_close_inherited_sockets(-1, -1);
	forward.socket = connect_locked();
	forward.control = -1;
	forward.pid = pid;
	if (forward.socket < 0)
		return forward.socket;
	return mm_here() && mm_holds_any() ? control_locked() : 0;
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

static void forward_notice(const struct forward_msg *m)
{
	pthread_mutex_lock(&forward.lock);
	if (forward.pid == getpid() && forward.socket >= 0)
		forward_send(forward.socket, m, -1);
	pthread_mutex_unlock(&forward.lock);
}

void forward_release(const struct fd_handle *h)
{
	struct forward_msg m = {.kind = FORWARD_RELEASE, .id = {h->dev, h->ino}};

	forward_notice(&m);
}

void forward_unmapped(unsigned slot)
{
	struct forward_msg m = {.kind = FORWARD_UNMAPPED, .number = (int)slot};

	forward_notice(&m);
}

int64_t forward_mmap(const struct fd_handle *h, const struct mmap_request *req)
{
	struct forward_msg m = {
		.kind = FORWARD_MMAP,
		.pid = getpid(),
		.id = {h->dev, h->ino},
		.a = {req->hint, req->len, (unsigned)req->prot, (unsigned)req->flags, req->offset},
	};
	int rc;

	if (!mm_here())
		return -ENODEV;
	pthread_mutex_lock(&forward.lock);
	rc = connection_locked();
	if (!rc)
		rc = control_locked();
	pthread_mutex_unlock(&forward.lock);
	return rc ? -ENOMEM : forward_exchange(&m);
}

int forward_store(unsigned slot, uint64_t offset, uint64_t value, unsigned len)
{
	struct forward_msg m = {.kind = FORWARD_STORE, .number = (int)slot, .a = {offset, value, len}};

	return (int)forward_exchange(&m);
}
