/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The program's eventfds. Each struct event holds a duplicate of its own. Those that are watched (an eventfd that
 * unmasks an interrupt) are waited for by one service thread, started by the first watch.
 *
 * The thread learns from epoll the number of a watch, not its address, and looks it up under the lock: a watch that
 * ended meanwhile is not found.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/list.h"
#include "door/fd_table.h"
#include "door/raw_syscall.h"
#include "door/task_fd.h"
#include "door/thread.h"

struct event {
	int fd;
	/* Guarded by the service's lock. */
	uint64_t watch; /* number of the watch, 0: none */
	event_callback callback;
	void *arg;
	struct list node;
};

struct event_service {
	pthread_mutex_t lock;
	pthread_cond_t idle; /* `running` has changed */
	int epoll_fd;	     /* -1 until the thread runs; what follows is guarded by the lock */
	struct service_thread thread;
	uint64_t last_watch;
	uint64_t running; /* the watch whose callback runs */
	struct list watched;
};

static struct event_service service = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.idle = PTHREAD_COND_INITIALIZER,
	.epoll_fd = -1,
	.watched = {&service.watched, &service.watched},
};

static bool is_eventfd(int fd)
{
	static const char name[] = "anon_inode:[eventfd]";
	char path[32], target[sizeof(name)];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	long n = raw_syscall(SYS_readlinkat, AT_FDCWD, path, target, sizeof(target));
	return n == (long)strlen(name) && memcmp(target, name, (size_t)n) == 0;
}

int task_event_get(struct task *t, int fd, struct event **event)
{
	if (!task_fd_is_open(t, fd))
		return -EBADF;
	if (fd_is_ours(fd) || !is_eventfd(fd))
		return -EINVAL;
	struct event *e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	list_init(&e->node);
	int copy = (int)raw_syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 0);
	if (copy < 0) {
		free(e);
		return copy;
	}
	e->fd = fd_keep(copy);
	*event = e;
	return 0;
}

void task_event_signal(struct event *event)
{
	uint64_t one = 1;
	raw_syscall(SYS_write, event->fd, &one, sizeof(one));
}

static struct event *event_find_locked(uint64_t watch)
{
	struct event *e;
	list_for_each (e, &service.watched, node)
		if (e->watch == watch)
			return e;
	return NULL;
}

/* Another reader of the eventfd may have been quicker: then there is nothing to tell. */
static bool event_consume(const struct event *e)
{
	uint64_t count;
	struct iovec iov = {&count, sizeof(count)};
	return raw_syscall(SYS_preadv2, e->fd, &iov, 1, -1L, -1L, RWF_NOWAIT) == sizeof(count);
}

static void event_service_run(uint64_t watch)
{
	pthread_mutex_lock(&service.lock);
	struct event *e = event_find_locked(watch);
	if (!e || !event_consume(e)) {
		pthread_mutex_unlock(&service.lock);
		return;
	}
	event_callback callback = e->callback;
	void *arg = e->arg;
	service.running = watch;
	pthread_mutex_unlock(&service.lock);

	callback(arg);

	pthread_mutex_lock(&service.lock);
	service.running = 0;
	pthread_cond_broadcast(&service.idle);
	pthread_mutex_unlock(&service.lock);
}

static void *event_service_main(void *arg)
{
	int epoll_fd = (int)(intptr_t)arg;
	lock_context_enter(LOCK_CONTEXT_WORKER);
	for (;;) {
		struct epoll_event ev;
		long n = raw_syscall(SYS_epoll_pwait, epoll_fd, &ev, 1, -1L, NULL, 0);
		if (n == 1)
			event_service_run(ev.data.u64);
		else if (n < 0 && n != -EINTR)
			return NULL;
	}
}

static int event_service_start_locked(void)
{
	if (service.epoll_fd >= 0)
		return 0;
	int epoll_fd = (int)raw_syscall(SYS_epoll_create1, EPOLL_CLOEXEC);
	if (epoll_fd < 0)
		return epoll_fd;
	epoll_fd = fd_keep(epoll_fd);
	int err = thread_create(&service.thread, event_service_main, (void *)(intptr_t)epoll_fd);
	if (err)
		fd_drop(epoll_fd);
	else
		service.epoll_fd = epoll_fd;
	return err;
}

static int event_watch_start_locked(struct event *e)
{
	int err = event_service_start_locked();
	if (err || e->watch)
		return err;
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = ++service.last_watch};
	err = (int)raw_syscall(SYS_epoll_ctl, service.epoll_fd, EPOLL_CTL_ADD, e->fd, &ev);
	if (err)
		return err;
	e->watch = ev.data.u64;
	list_add(&service.watched, &e->node);
	return 0;
}

static void event_watch_end_locked(struct event *e)
{
	if (!e->watch)
		return;
	uint64_t watch = e->watch;
	struct epoll_event unused = {0};
	raw_syscall(SYS_epoll_ctl, service.epoll_fd, EPOLL_CTL_DEL, e->fd, &unused);
	list_del(&e->node);
	e->watch = 0;
	/* A callback that ends its own watch does not wait for itself. */
	while (service.running == watch && !pthread_equal(pthread_self(), service.thread.id))
		pthread_cond_wait(&service.idle, &service.lock);
}

int task_event_watch(struct event *event, event_callback callback, void *arg)
{
	int err = 0;
	pthread_mutex_lock(&service.lock);
	if (callback) {
		err = event_watch_start_locked(event);
		if (!err) {
			event->callback = callback;
			event->arg = arg;
		}
	} else {
		event_watch_end_locked(event);
	}
	pthread_mutex_unlock(&service.lock);
	return err;
}

void task_event_put(struct event *event)
{
	task_event_watch(event, NULL, NULL);
	fd_drop(event->fd);
	free(event);
}
