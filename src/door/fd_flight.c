/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files in messages. The sender may close its fd at once: the message keeps the file. Who receives it takes the
 * message's reference over. But a message may also end unreceived, with its socket, and nobody tells us. So a file in
 * flight has a probe, which knows whether the kernel still holds the carrier's open file description: a memfd: the
 * description holds a lock of its own (F_OFD_SETLK), and the probe, another description of the same memory, is asked
 * whether the lock is there; a socket: the probe is an epoll instance that watches it and says so in its fdinfo, until
 * the description goes. The probes are asked when something was closed that may have been the socket, and before a
 * device is opened.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "door/carrier_poll.h"
#include "door/fd_table.h"
#include "door/raw_syscall.h"

static int probe_memory(int fd)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char path[32];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int probe = (int)raw_syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
	if (probe >= 0 && raw_syscall(SYS_fcntl, fd, F_OFD_SETLK, &lock) < 0) {
		raw_syscall(SYS_close, probe);
		return -1;
	}
	return probe;
}

static int probe_socket(int fd)
{
	struct epoll_event ev = {.events = EPOLLIN};
	int probe = (int)raw_syscall(SYS_epoll_create1, EPOLL_CLOEXEC);
	if (probe >= 0 && raw_syscall(SYS_epoll_ctl, probe, EPOLL_CTL_ADD, fd, &ev) < 0) {
		raw_syscall(SYS_close, probe);
		return -1;
	}
	return probe;
}

/* -1 when there is none: the file then lives until it is received or the process ends. */
static int probe_create(const struct file *f, int fd)
{
	int probe = f->carrier == CARRIER_POLL ? probe_socket(fd) : probe_memory(fd);
	return probe < 0 ? -1 : fd_keep(probe);
}

static bool probe_memory_gone(int probe)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	return raw_syscall(SYS_fcntl, probe, F_OFD_GETLK, &lock) == 0 && lock.l_type == F_UNLCK;
}

static bool probe_socket_gone(int probe)
{
	char path[48], text[512];
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", probe);
	int info = (int)raw_syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	long n = info < 0 ? 0 : raw_syscall(SYS_read, info, text, sizeof(text) - 1);
	if (info >= 0)
		raw_syscall(SYS_close, info);
	text[n > 0 ? n : 0] = '\0';
	return n > 0 && !strstr(text, "tfd:");
}

static bool probe_says_gone(struct fd_handle *h)
{
	/* While there is anything but messages, a description of the carrier is there, our own at least. */
	if (h->probe < 0 || (unsigned)atomic_load(&h->refs) > h->in_flight || atomic_load(&h->file->refs) > 1)
		return false;
	carrier_poll_let_go(h->file);
	return h->file->carrier == CARRIER_POLL ? probe_socket_gone(h->probe) : probe_memory_gone(h->probe);
}

void fd_send(int fd)
{
	struct fd_table *table = atomic_load(&door.fds);
	struct fd_handle *h = fd_adopt(fd); /* this reference stays with the message */
	if (!h)
		return;
	int probe = probe_create(h->file, fd);
	mutex_lock(&table->lock);
	h->in_flight++;
	atomic_fetch_add(&table->nr_in_flight, 1);
	bool first = h->probe < 0;
	if (first)
		h->probe = probe;
	mutex_unlock(&table->lock);
	if (!first && probe >= 0)
		fd_drop(probe);
}

/* Takes nr of the messages' references; the caller puts them. *probe: to be dropped, or -1. */
static unsigned flight_take_locked(struct fd_table *table, struct fd_handle *h, unsigned nr, int *probe)
{
	nr = MIN(nr, h->in_flight);
	h->in_flight -= nr;
	atomic_fetch_sub(&table->nr_in_flight, nr);
	*probe = -1;
	if (h->in_flight == 0) {
		*probe = h->probe;
		h->probe = -1;
	}
	return nr;
}

/* One message is gone: its reference, if one was held. */
static void fd_land(struct fd_table *table, struct fd_handle *h)
{
	int probe;
	mutex_lock(&table->lock);
	unsigned nr = flight_take_locked(table, h, 1, &probe);
	mutex_unlock(&table->lock);
	if (probe >= 0)
		fd_drop(probe);
	if (nr)
		fd_handle_put(h);
}

void fd_unsend(int fd)
{
	struct fd_handle *h = fd_handle_get(fd);
	if (!h)
		return;
	fd_land(atomic_load(&door.fds), h);
	fd_handle_put(h);
}

void fd_receive(int fd, bool peek)
{
	fd_forget(fd);
	struct fd_handle *h = fd_adopt(fd);
	if (!h)
		return;
	if (!peek)
		fd_land(atomic_load(&door.fds), h);
	fd_handle_put(h);
}

/* One file whose messages are lost, with the references that they held; NULL when there is none. */
static struct fd_handle *find_lost(struct fd_table *table, unsigned *nr, int *probe)
{
	struct fd_handle *h, *lost = NULL;
	mutex_lock(&table->lock);
	list_for_each (h, &table->live, link) {
		if (!h->in_flight || !probe_says_gone(h))
			continue;
		*nr = flight_take_locked(table, h, h->in_flight, probe);
		lost = h;
		break;
	}
	mutex_unlock(&table->lock);
	return lost;
}

void fd_flight_sweep(void)
{
	struct fd_table *table = atomic_load(&door.fds);
	struct fd_handle *lost;
	unsigned nr;
	int probe;
	/* A child's copy of the counts is not what the kernel counts. */
	if (door_is_forked())
		return;
	door_enter();
	while ((lost = find_lost(table, &nr, &probe))) {
		fd_drop(probe);
		while (nr--)
			fd_handle_put(lost);
	}
	door_leave();
}
