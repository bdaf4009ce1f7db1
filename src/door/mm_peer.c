/* SPDX-License-Identifier: BSD-3-Clause */
#include "door/mm_peer.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "door/fd_table.h"
#include "door/raw_syscall.h"

#define STEP_MS 20
#define PATIENCE_MS 1000

static const struct lock_class peer_lock_class = {.name = "control of a child", .rank = LOCK_RANK_LEAF};

void mm_peer_init(struct mm_peer *p)
{
	mutex_init(&p->lock, &peer_lock_class);
	p->control = -1;
	atomic_init(&p->pid, 0);
	list_init(&p->holds);
}

int mm_peer_connect(struct mm_peer *p)
{
	int pair[2];
	long err = raw_syscall(SYS_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);

	if (err)
		return (int)err;
	mm_peer_disconnect(p);
	pair[0] = fd_keep(pair[0]);
	mutex_lock(&p->lock);
	p->control = pair[0];
	mutex_unlock(&p->lock);
	return pair[1];
}

void mm_peer_disconnect(struct mm_peer *p)
{
	mutex_lock(&p->lock);
	if (p->control >= 0)
		fd_drop(p->control);
	p->control = -1;
	mutex_unlock(&p->lock);
}

/* A job-control stop or a debugger's. */
static bool peer_is_stopped(const struct mm_peer *p)
{
	char path[32], text[512];
	long fd, n;
	const char *state;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)p->pid);
	fd = raw_syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return false;
	n = raw_syscall(SYS_read, fd, text, sizeof(text) - 1);
	raw_syscall(SYS_close, fd);
	text[n > 0 ? n : 0] = '\0';
	state = strrchr(text, ')');
	return state && (state[2] == 'T' || state[2] == 't');
}

static void call_thread(const struct mm_peer *p, pid_t tid, uint32_t changes)
{
	siginfo_t info = {.si_signo = MM_CONTROL_SIGNAL, .si_code = SI_QUEUE, .si_errno = MM_CONTROL_MAGIC};

	info.si_pid = getpid();
	info.si_uid = getuid();
	info.si_value.sival_int = (int)changes;
	raw_syscall(SYS_rt_tgsigqueueinfo, (pid_t)p->pid, tid, MM_CONTROL_SIGNAL, &info);
}

struct dirent_raw {
	uint64_t ino;
	int64_t off;
	uint16_t len;
	uint8_t type;
	char name[];
};

/* Every thread: none runs an instruction of the program's before it has come by our handler. */
static void call_threads(const struct mm_peer *p, uint32_t changes)
{
	char path[32];
	_Alignas(struct dirent_raw) char entries[1024];
	long dir, n;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)p->pid);
	dir = raw_syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (dir < 0)
		return;
	while ((n = raw_syscall(SYS_getdents64, dir, entries, sizeof(entries))) > 0)
		for (long at = 0; at < n;) {
			const struct dirent_raw *e = (const struct dirent_raw *)(entries + at);
			pid_t tid = 0;

			for (const char *c = e->name; *c >= '0' && *c <= '9'; c++)
				tid = tid * 10 + (*c - '0');
			if (tid)
				call_thread(p, tid, changes);
			at += e->len;
		}
	raw_syscall(SYS_close, dir);
}

/* True when it has looked, or is gone. */
static bool hear_locked(const struct mm_peer *p, uint32_t changes)
{
	struct mm_control_msg m;
	long n;

	for (;;) {
		n = raw_syscall(SYS_recvfrom, p->control, &m, sizeof(m), MSG_DONTWAIT, NULL, NULL);
		if (n == -EINTR)
			continue;
		if (n == -EAGAIN)
			return false;
		if (n != sizeof(m) || mm_changes_reached(m.changes, changes))
			return true;
	}
}

void mm_peer_tell(struct mm_peer *p, uint32_t changes, bool zapped)
{
	struct mm_control_msg m = {changes};
	int waited = 0;

	mutex_lock(&p->lock);
	if (p->control < 0)
		goto unlock;
	/* A full socket holds a message that says the same. */
	raw_syscall(SYS_sendto, p->control, &m, sizeof(m), MSG_NOSIGNAL | MSG_DONTWAIT, NULL, 0);
	while (!hear_locked(p, changes)) {
		struct pollfd pfd = {p->control, POLLIN, 0};
		struct timespec step = {0, STEP_MS * 1000000l};

		if (raw_syscall(SYS_ppoll, &pfd, 1, &step, NULL, 0) != 0)
			continue;
		waited += STEP_MS;
		if (waited < PATIENCE_MS && !peer_is_stopped(p))
			continue;
		/* One that has not said its number is on its way out of fork(), and looks before it goes on. */
		if (zapped && p->pid)
			call_threads(p, changes);
		break;
	}
unlock:
	mutex_unlock(&p->lock);
}
