/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The owner: a thread that listens, and one for each child, which answers one message at a time. What it executes for
 * a child takes as long as it takes the owner itself, and keeps nobody else waiting.
 */
#include "door/forward_owner.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "door/call.h"
#include "door/carrier.h"
#include "door/forward.h"
#include "door/forward_msg.h"
#include "door/forward_socket.h"
#include "door/raw_syscall.h"
#include "door/thread.h"

struct claim {
	struct list node;
	struct fd_handle *handle; /* a reference */
};

struct forward_service {
	struct service_thread thread;
	int listener;
	struct forward_child *newest;
};

int forward_claim(struct forward_child *c, struct fd_handle *h)
{
	struct claim *claim = malloc(sizeof(*claim));

	if (!claim) {
		fd_handle_put(h);
		return -ENOMEM;
	}
	claim->handle = h;
	list_add(&c->claims, &claim->node);
	return 0;
}

static struct claim *claim_find(struct forward_child *c, struct carrier_identity id)
{
	struct claim *claim;

	list_for_each (claim, &c->claims, node)
		if (claim->handle->ino == id.ino && claim->handle->dev == id.dev)
			return claim;
	return NULL;
}

static void claim_drop(struct claim *claim)
{
	list_del(&claim->node);
	fd_handle_put(claim->handle);
	free(claim);
}

static int answer_claim(struct forward_child *c, struct carrier_identity id)
{
	struct fd_handle *h = fd_find(id);

	return h ? forward_claim(c, h) : -ENOENT;
}

/* The handle has no number here that could be relied on, so it is lent one that no real fd has. */
static int64_t answer_call(struct forward_child *c, const struct forward_msg *m)
{
	struct claim *claim = claim_find(c, m->id);
	int rc = claim ? forward_child_identify(c, m->pid) : -EIO;
	int64_t result;

	if (!rc)
		rc = fd_lend(claim->handle);
	if (rc < 0)
		return rc;
	result = door_call(&c->task, m->nr, (unsigned long)rc, m->a[1], m->a[2], m->a[3], m->a[4], m->a[5]);
	fd_unlend(rc);
	return result == DOOR_NOT_OURS ? -EIO : result;
}

/* The text is read as far as its page goes: what follows it may not be there. */
static int path_copy(struct task *t, char *text, size_t size, uaddr_t at)
{
	for (size_t n = 0, part; n < size; n += part) {
		part = MIN(size - n, BARTER_PAGE_SIZE - ((at + n) & BARTER_PAGE_MASK));
		int err = copy_from_task(t, text + n, at + n, part);
		if (err)
			return err;
		if (memchr(text + n, '\0', part))
			return 0;
	}
	return -ENAMETOOLONG;
}

static int64_t answer_open(struct forward_child *c, const struct forward_msg *m)
{
	char path[PATH_MAX];
	int rc = forward_child_identify(c, m->pid);

	if (!rc)
		rc = path_copy(&c->task, path, sizeof(path), m->a[0]);
	if (rc)
		return rc;
	int64_t result =
		door_call(&c->task, SYS_openat, (unsigned long)AT_FDCWD, (unsigned long)path, m->a[1], 0, 0, 0);
	return result == DOOR_NOT_OURS ? -ENOENT : result;
}

static int64_t answer_mmap(struct forward_child *c, const struct forward_msg *m)
{
	struct claim *claim = claim_find(c, m->id);
	struct mmap_request req = {m->a[0], m->a[1], (int)m->a[2], (int)m->a[3], m->a[4]};
	int rc = claim ? forward_child_identify(c, m->pid) : -EIO;

	return rc ? rc : mm_mmap_file(&c->task, claim->handle->file, &req);
}

static int answer_control(struct forward_child *c, struct forward_msg *m)
{
	int fd = mm_peer_connect(&c->peer), rc;

	m->kind = FORWARD_RESULT;
	m->result = MIN(fd, 0);
	rc = forward_send(c->socket, m, fd);
	if (fd >= 0)
		real.close(fd);
	return rc;
}

/* What a child says and waits for no answer to. False: it is something else. */
static bool take_notice(struct forward_child *c, const struct forward_msg *m)
{
	struct claim *claim;

	switch (m->kind) {
	case FORWARD_RELEASE:
		claim = claim_find(c, m->id);
		if (claim)
			claim_drop(claim);
		return true;
	case FORWARD_UNMAPPED:
		mm_peer_let_go(&c->peer, (unsigned)m->number);
		return true;
	case FORWARD_BORN:
		forward_child_identify(c, m->pid);
		return true;
	default:
		return false;
	}
}

/* One message. -errno: the connection is at an end. */
static int serve(struct forward_child *c)
{
	struct forward_msg m;
	int fd, rc = forward_receive(c->socket, &m, &fd);

	if (rc)
		return rc;
	if (fd >= 0)
		real.close(fd);
	if (take_notice(c, &m))
		return 0;
	switch (m.kind) {
	case FORWARD_CLAIM:
		m.result = answer_claim(c, m.id);
		break;
	case FORWARD_CALL:
		m.result = answer_call(c, &m);
		break;
	case FORWARD_OPEN:
		m.result = answer_open(c, &m);
		break;
	case FORWARD_MMAP:
		m.result = answer_mmap(c, &m);
		break;
	case FORWARD_CONTROL:
		return answer_control(c, &m);
	case FORWARD_INHERIT:
		m.result = mm_peer_hold(&c->peer, (unsigned)m.number);
		break;
	case FORWARD_STORE:
		m.result = mm_peer_store(&c->peer, (unsigned)m.number, m.a[0], m.a[1], (unsigned)m.a[2]);
		break;
	default:
		return -EPROTO;
	}
	m.kind = FORWARD_RESULT;
	return forward_send(c->socket, &m, -1);
}

static void child_end(struct forward_child *c)
{
	struct claim *claim, *next;

	c->gone = true;
	fd_drop(c->socket);
	if (c->pidfd >= 0)
		fd_drop(c->pidfd);
	mm_peer_end(&c->peer);
	list_for_each_safe (claim, next, &c->claims, node)
		claim_drop(claim);
	atomic_store(&c->ended, true);
}

static void *child_main(void *arg)
{
	struct forward_child *c = arg;

	while (!serve(c))
		;
	child_end(c);
	return NULL;
}

/* Only processes of our own user: the name of the socket is for everyone to see. */
static bool is_welcome(int socket)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && peer.uid == geteuid();
}

/* The threads of children that are gone have nobody else who joins them. */
static void join_ended(struct forward_service *s)
{
	for (struct forward_child *c = s->newest; c; c = c->previous) {
		if (!c->joined && atomic_load(&c->ended)) {
			thread_join(&c->thread);
			c->joined = true;
		}
	}
}

static void welcome(struct forward_service *s, int socket)
{
	struct forward_child *c;

	join_ended(s);
	socket = fd_keep(socket);
	c = is_welcome(socket) ? forward_child_create(socket) : NULL;
	if (!c || thread_create(&c->thread, child_main, c)) {
		fd_drop(socket);
		free(c);
		return;
	}
	c->previous = s->newest;
	s->newest = c;
}

/* A thread that sleeps in accept() has a number for the new fd already, which would be missing from the program's. */
static int next_child(const struct forward_service *s)
{
	struct pollfd pfd = {.fd = s->listener, .events = POLLIN};
	long n = raw_syscall(SYS_ppoll, &pfd, 1, NULL, NULL, 0);

	return (int)(n < 0 ? n : raw_syscall(SYS_accept4, s->listener, NULL, NULL, SOCK_CLOEXEC));
}

static void *service_main(void *arg)
{
	struct forward_service *s = arg;

	for (;;) {
		int socket = next_child(s);

		if (socket >= 0)
			welcome(s, socket);
		else if (socket == -EMFILE || socket == -ENFILE)
			raw_syscall(SYS_nanosleep, &(struct timespec){.tv_nsec = 10000000}, NULL);
		else if (socket != -EINTR && socket != -ECONNABORTED)
			return NULL;
	}
}

static int forward_listen(struct forward_address *address)
{
	struct forward_service *s = calloc(1, sizeof(*s));
	int rc = -ENOMEM;

	if (!s)
		return rc;
	s->listener = rc = forward_socket_listen(address);
	if (rc < 0)
		goto free_service;
	rc = thread_create(&s->thread, service_main, s);
	if (!rc)
		return 0;
	fd_drop(s->listener);
free_service:
	free(s);
	return rc;
}

/* A child that starts over with a rack of its own is an owner, too. */
void forward_start(void)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static pid_t listener;
	struct forward_address address = {.len = 0};

	pthread_mutex_lock(&lock);
	if (listener != getpid()) {
		listener = getpid();
		forward_listen(&address);
		forward_owner_is(&address);
	}
	pthread_mutex_unlock(&lock);
}
