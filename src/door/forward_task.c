/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A child as a task: its memory through process_vm_readv/writev, its fds through pidfd_getfd, new fds and mappings of
 * device memory by asking it. Its pinned memory is reached where the child has it now: what it unmaps is gone for
 * devices, too (docs/limitations.md).
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "door/door.h"
#include "door/fd_table.h"
#include "door/forward_msg.h"
#include "door/forward_owner.h"
#include "door/pin_check.h"
#include "door/raw_syscall.h"
#include "door/task_fd.h"
#include "door/task_mm.h"
#include "memory/pinned.h"

static struct forward_child *of(struct task *t)
{
	return container_of(t, struct forward_child, task);
}

static int child_access(struct forward_child *c, void *buf, uaddr_t at, size_t len, bool write)
{
	long nr = write ? SYS_process_vm_writev : SYS_process_vm_readv;

	for (size_t done = 0; done < len;) {
		struct iovec mine = {(char *)buf + done, len - done}, its = {(void *)(at + done), len - done};
		long n = c->gone ? -ESRCH : raw_syscall(nr, c->pid, &mine, 1, &its, 1, 0);

		if (n <= 0)
			return -EFAULT;
		done += (size_t)n;
	}
	return 0;
}

static int child_copy_from(struct task *t, void *dst, uaddr_t src, size_t len)
{
	lock_check_none_held(__func__);
	return child_access(of(t), dst, src, len, false);
}

static int child_copy_to(struct task *t, uaddr_t dst, const void *src, size_t len)
{
	lock_check_none_held(__func__);
	return child_access(of(t), (void *)src, dst, len, true);
}

/* A duplicate of the child's fd, for a moment; -EBADF. */
static int child_fd(struct forward_child *c, int fd)
{
	return (int)raw_syscall(SYS_pidfd_getfd, c->pidfd, fd, 0);
}

static struct file *child_file_get(struct task *t, int fd)
{
	int copy = child_fd(of(t), fd);
	struct file *f;

	if (copy < 0)
		return NULL;
	f = task_file_get(t, copy); /* knows the carrier */
	fd_close(copy);
	return f;
}

static bool child_fd_is_open(struct task *t, int fd)
{
	int copy = child_fd(of(t), fd);
	bool open = copy >= 0 && task_fd_is_open(t, copy);

	if (copy >= 0)
		fd_close(copy);
	return open;
}

static int child_fd_reserve(struct task *t, struct file *f, int flags)
{
	struct forward_child *c = of(t);
	int carrier = carrier_create(f, true), fd, rc;
	struct forward_msg m = {.kind = FORWARD_RESERVE, .flags = flags};

	if (carrier < 0)
		return carrier;
	/* publish() may not fail: the handle is made now. */
	rc = fd_prepare(carrier);
	if (rc)
		goto close;
	rc = forward_send(c->socket, &m, carrier);
	if (!rc)
		rc = forward_receive(c->socket, &m, &fd);
	if (!rc)
		rc = m.kind == FORWARD_RESERVED ? m.number : -EIO;
	if (rc < 0)
		goto unprepare;
	c->reserved = fd_keep(carrier);
	return rc;

unprepare:
	fd_unprepare();
close:
	real.close(carrier);
	return rc;
}

/*
 * The owner knows the file by a slot of its own fds, which stays until the connection ends or the child lets go of it
 * (forward_owner.c claims it there).
 */
static void child_fd_publish(struct task *t, int fd, struct file *f)
{
	struct forward_child *c = of(t);
	struct forward_msg m = {
		.kind = FORWARD_PUBLISH,
		.number = fd,
		.id = carrier_identify(c->reserved),
		.flags = f->open_flags,
	};
	int slot = c->reserved;

	fd_publish(slot, f, NULL);
	forward_claim(c, fd_handle_get(slot));
	fd_close(slot);
	forward_send(c->socket, &m, -1);
}

static void child_fd_cancel(struct task *t, int fd)
{
	struct forward_child *c = of(t);
	struct forward_msg m = {.kind = FORWARD_CANCEL, .number = fd};

	fd_unprepare();
	fd_drop(c->reserved);
	forward_send(c->socket, &m, -1);
}

static int child_event_get(struct task *t, int fd, struct event **event)
{
	int copy = child_fd(of(t), fd), rc;

	if (copy < 0)
		return -EBADF;
	rc = task_event_get(t, copy, event);
	fd_close(copy);
	return rc;
}

static int child_memory_file_get(struct task *t, int fd, struct memory_file *out)
{
	int copy = child_fd(of(t), fd), rc;

	if (copy < 0)
		return -EBADF;
	rc = task_memory_file_get(t, copy, out);
	fd_close(copy);
	return rc;
}

static int child_pin(struct task *t, uaddr_t start, uint64_t len, bool write, struct pinned *p)
{
	struct pinned_pieces *pieces;

	if (pin_check_process(of(t)->pid, start, len, write))
		return -EFAULT;
	pieces = malloc(sizeof(*pieces) + sizeof(pieces->pieces[0]));
	if (!pieces)
		return -ENOMEM;
	pieces->nr = 1;
	pieces->pieces[0] = (struct pinned_piece){.len = len, .host = (char *)start, .protected_ = true};
	p->pieces = pieces;
	return 0;
}

static int child_pin_file(struct task *t, const struct memory_file *mf, uint64_t offset, uint64_t len, bool write,
			  struct pinned *p)
{
	return task_pin_file(door_task(), mf, offset, len, write, p);
}

static void child_unpin(struct task *t, struct pinned *p)
{
	if (p->task_private)
		task_unpin(door_task(), p);
}

static int child_protected_access(struct task *t, char *host, void *buf, size_t len, bool write)
{
	return child_access(of(t), buf, (uaddr_t)host, len, write);
}

static int send_extents(const struct forward_child *c, const struct cpu_mapping *m)
{
	int previous = -1, rc = 0;

	for (size_t i = 0; i < m->nr_extents && !rc; i++) {
		const struct cpu_extent *e = &m->extents[i];
		struct forward_msg msg = {
			.kind = FORWARD_EXTENT,
			.a = {e->region->fd_offset + e->region_offset, e->len, e->region->kind == PHYS_REGISTERS},
		};

		rc = forward_send(c->socket, &msg, e->region->fd == previous ? -1 : e->region->fd);
		previous = e->region->fd;
	}
	return rc;
}

static int64_t ask_to_place(const struct forward_child *c, const struct mm_placed *placed, uaddr_t hint, uint64_t len,
			    int prot, int flags)
{
	struct forward_msg m = {
		.kind = FORWARD_PLACE,
		.number = (int)placed->slot,
		.flags = placed->m->denied_prot,
		.nr = placed->m->private_,
		.a = {hint, len, (unsigned)prot, (unsigned)flags, placed->m->nr_extents},
	};
	int fd, rc = forward_send(c->socket, &m, -1);

	if (!rc)
		rc = send_extents(c, placed->m);
	if (!rc)
		rc = forward_receive(c->socket, &m, &fd);
	if (rc)
		return rc;
	return m.kind == FORWARD_PLACED ? m.result : -EPROTO;
}

/* In the child's address space. The child holds it from before it learns of it, so that no revocation is missed. */
static int64_t child_mm_place(struct task *t, struct cpu_mapping *m, uaddr_t hint, uint64_t len, int prot, int flags)
{
	struct forward_child *c = of(t);
	struct mm *mm = mm_get();
	struct mm_placed *placed = mm ? mm_placed_create(m) : NULL;
	int64_t at;

	if (!placed)
		return -ENOMEM;
	mutex_lock(&mm->lock);
	m->task_private = placed;
	at = mm_slot_take_locked(mm, placed);
	if (!at && mm_peer_hold_locked(&c->peer, placed)) {
		at = -ENOMEM;
		mm_slot_drop_locked(mm, placed);
	}
	mutex_unlock(&mm->lock);
	if (at) {
		free(placed);
		return at;
	}
	at = ask_to_place(c, placed, hint, len, prot, flags);
	if (at < 0)
		mm_peer_cancel(&c->peer, placed);
	return at;
}

static const struct task_ops child_task_ops = {
	.copy_from = child_copy_from,
	.copy_to = child_copy_to,
	.file_get = child_file_get,
	.fd_is_open = child_fd_is_open,
	.fd_reserve = child_fd_reserve,
	.fd_publish = child_fd_publish,
	.fd_cancel = child_fd_cancel,
	.event_get = child_event_get,
	.event_put = task_event_put,
	.event_signal = task_event_signal,
	.event_watch = task_event_watch,
	.memory_file_get = child_memory_file_get,
	.memory_file_put = task_memory_file_put,
	.pin = child_pin,
	.pin_file = child_pin_file,
	.unpin = child_unpin,
	.protected_access = child_protected_access,
	.mm_place = child_mm_place,
	.mm_zap = task_mm_zap,
	.mm_restore = task_mm_restore,
	.mm_retrap = task_mm_retrap,
};

struct forward_child *forward_child_create(int socket)
{
	struct forward_child *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->task = (struct task){
		.ops = &child_task_ops, .trace = door.task.trace, .next = door.task.next, .cannot_wait = true};
	c->pidfd = -1;
	c->socket = socket;
	list_init(&c->claims);
	mm_peer_init(&c->peer);
	return c;
}

int forward_child_identify(struct forward_child *c, pid_t pid)
{
	int pidfd;

	if (c->pid == pid)
		return 0;
	if (c->pid)
		return -EPERM;
	pidfd = (int)raw_syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0)
		return pidfd;
	c->pidfd = fd_keep(pidfd);
	c->pid = pid;
	c->peer.pid = pid;
	return 0;
}
