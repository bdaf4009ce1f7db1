/* SPDX-License-Identifier: BSD-3-Clause */
#include "door/carrier_poll.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "door/door.h"
#include "door/fd_table.h"
#include "door/raw_syscall.h"

/* The smallest send buffer there is (4.5 KiB) counts as writable when less than a quarter of it is used. */
#define FILLING 2048

/* Guarded by the file's ready_lock. */
struct poll_ends {
	int carrier; /* a duplicate; -1: let go of */
	int other;
	unsigned shown; /* what the kernel answers */
};

static bool send_bytes(int fd, size_t len)
{
	static const char zeros[FILLING];
	return raw_syscall(SYS_sendto, fd, zeros, len, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0) == (long)len;
}

static bool drop_bytes(int fd)
{
	char byte;
	return raw_syscall(SYS_recvfrom, fd, &byte, 1, MSG_DONTWAIT, NULL, NULL) >= 0;
}

/* Without memory in the kernel a step may fail; the next change then tries it again. */
static void show_ready_locked(struct file *f)
{
	struct poll_ends *ends = f->carrier_private;
	unsigned change = ends->shown ^ f->ready;
	if (ends->carrier < 0)
		return;
	if ((change & POLLIN) && (f->ready & POLLIN ? send_bytes(ends->other, 1) : drop_bytes(ends->carrier)))
		ends->shown ^= POLLIN;
	if ((change & POLLOUT) && (f->ready & POLLOUT ? drop_bytes(ends->other) : send_bytes(ends->carrier, FILLING)))
		ends->shown ^= POLLOUT;
}

static void ends_release(struct file *f)
{
	struct poll_ends *ends = f->carrier_private;
	if (ends->carrier >= 0)
		fd_drop(ends->carrier);
	fd_drop(ends->other);
	free(ends);
}

static const struct file_carrier_ops poll_ops = {.show_ready = show_ready_locked, .release = ends_release};

/* The file's part of all its carriers. */
static int ends_create(struct file *f)
{
	struct poll_ends *ends = malloc(sizeof(*ends));
	int pair[2], smallest = 0;
	struct fd_lift lift;
	if (!ends)
		return -ENOMEM;
	fd_lift(&lift);
	long err = raw_syscall(SYS_socketpair, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair);
	for (size_t i = 0; i < ARRAY_SIZE(pair) && !err; i++)
		pair[i] = fd_keep_lifted(pair[i], &lift);
	fd_lower(&lift);
	if (err) {
		free(ends);
		return (int)err;
	}
	raw_syscall(SYS_setsockopt, pair[0], SOL_SOCKET, SO_SNDBUF, &smallest, sizeof(smallest));
	*ends = (struct poll_ends){.carrier = pair[0], .other = pair[1], .shown = POLLOUT};
	spin_lock_irq(&f->ready_lock);
	f->carrier_private = ends;
	f->carrier_ops = &poll_ops;
	show_ready_locked(f);
	spin_unlock_irq(&f->ready_lock);
	return 0;
}

int carrier_poll_create(struct file *f, bool cloexec)
{
	/* Nobody else makes a file's first fd. */
	int err = f->carrier_private ? 0 : ends_create(f);
	if (err)
		return err;
	const struct poll_ends *ends = f->carrier_private;
	int fd = (int)raw_syscall(SYS_fcntl, ends->carrier, cloexec ? F_DUPFD_CLOEXEC : F_DUPFD, 0);
	/* The limit is 0. */
	return fd == -EINVAL ? -EMFILE : fd;
}

void carrier_poll_let_go(struct file *f)
{
	struct poll_ends *ends = f->carrier_private;
	if (f->carrier != CARRIER_POLL)
		return;
	spin_lock_irq(&f->ready_lock);
	if (ends->carrier >= 0)
		fd_drop(ends->carrier);
	ends->carrier = -1;
	spin_unlock_irq(&f->ready_lock);
}

void carrier_poll_take_up(struct file *f, int fd)
{
	struct poll_ends *ends = f->carrier_private;
	/* A child's copies show what the owner's do. */
	if (f->carrier != CARRIER_POLL || door_is_forked())
		return;
	int copy = (int)raw_syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 0);
	if (copy < 0)
		return;
	copy = fd_keep(copy);
	spin_lock_irq(&f->ready_lock);
	if (ends->carrier < 0) {
		int unused = ends->carrier;
		ends->carrier = copy;
		copy = unused;
		show_ready_locked(f);
	}
	spin_unlock_irq(&f->ready_lock);
	if (copy >= 0)
		fd_drop(copy);
}
