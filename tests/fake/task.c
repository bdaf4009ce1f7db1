/* SPDX-License-Identifier: BSD-3-Clause */
/* The fake program's fds: emulated files, eventfds and memfds. */
#include "fake/task.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fake/task_priv.h"

static struct fake_fd *fake_slot(struct fake_task *ft, int fd)
{
	if (fd < 0 || fd >= FAKE_MAX_FDS || ft->fds[fd].kind == FAKE_FREE)
		return NULL;
	return &ft->fds[fd];
}

static int fake_take_fd(struct fake_task *ft, int kind)
{
	int fd = -EMFILE;
	pthread_mutex_lock(&ft->lock);
	for (unsigned i = 0; i < ft->limit; i++) {
		if (ft->fds[i].kind != FAKE_FREE)
			continue;
		ft->fds[i] = (struct fake_fd){.kind = (__typeof__(ft->fds[i].kind))kind, .real_fd = -1};
		fd = (int)i;
		break;
	}
	pthread_mutex_unlock(&ft->lock);
	return fd;
}

static struct file *fake_file_get(struct task *t, int fd)
{
	struct fake_task *ft = to_fake(t);
	pthread_mutex_lock(&ft->lock);
	struct fake_fd *slot = fake_slot(ft, fd);
	struct file *f = slot && slot->kind == FAKE_FILE ? file_get(slot->file) : NULL;
	pthread_mutex_unlock(&ft->lock);
	return f;
}

static bool fake_fd_is_open(struct task *t, int fd)
{
	struct fake_task *ft = to_fake(t);
	pthread_mutex_lock(&ft->lock);
	struct fake_fd *slot = fake_slot(ft, fd);
	bool open = slot && slot->kind != FAKE_RESERVED;
	pthread_mutex_unlock(&ft->lock);
	return open;
}

static int fake_fd_reserve(struct task *t, struct file *f, int flags)
{
	return fake_take_fd(to_fake(t), FAKE_RESERVED);
}

static void fake_fd_publish(struct task *t, int fd, struct file *f)
{
	struct fake_task *ft = to_fake(t);
	pthread_mutex_lock(&ft->lock);
	ft->fds[fd].file = f;
	ft->fds[fd].kind = FAKE_FILE;
	pthread_mutex_unlock(&ft->lock);
}

static void fake_fd_cancel(struct task *t, int fd)
{
	struct fake_task *ft = to_fake(t);
	pthread_mutex_lock(&ft->lock);
	ft->fds[fd].kind = FAKE_FREE;
	pthread_mutex_unlock(&ft->lock);
}

static void fake_event_put(struct event *e)
{
	if (atomic_fetch_sub(&e->refs, 1) > 1)
		return;
	pthread_mutex_destroy(&e->lock);
	free(e);
}

static int fake_event_get(struct task *t, int fd, struct event **event)
{
	struct fake_task *ft = to_fake(t);
	int err = 0;
	pthread_mutex_lock(&ft->lock);
	struct fake_fd *slot = fake_slot(ft, fd);
	if (!slot || slot->kind == FAKE_RESERVED)
		err = -EBADF;
	else if (slot->kind != FAKE_EVENT)
		err = -EINVAL;
	else
		atomic_fetch_add(&(*event = slot->event)->refs, 1);
	pthread_mutex_unlock(&ft->lock);
	return err;
}

static void fake_event_signal(struct event *e)
{
	atomic_fetch_add(&e->count, 1);
}

static int fake_event_watch(struct event *e, event_callback callback, void *arg)
{
	pthread_mutex_lock(&e->lock);
	e->callback = callback;
	e->arg = arg;
	pthread_mutex_unlock(&e->lock);
	return 0;
}

static int fake_memory_file_get(struct task *t, int fd, struct memory_file *out)
{
	struct fake_task *ft = to_fake(t);
	int err = 0;
	pthread_mutex_lock(&ft->lock);
	struct fake_fd *slot = fake_slot(ft, fd);
	if (!slot || slot->kind == FAKE_RESERVED)
		err = -EBADF;
	else if (slot->kind != FAKE_MEMORY)
		err = -EINVAL;
	else
		*out = (struct memory_file){.fd = dup(slot->real_fd),
					    .size = (uint64_t)lseek(slot->real_fd, 0, SEEK_END),
					    .writable = slot->writable,
					    .seals = MAX(fcntl(slot->real_fd, F_GET_SEALS), 0)};
	pthread_mutex_unlock(&ft->lock);
	return err;
}

static void fake_memory_file_put(struct memory_file *mf)
{
	close(mf->fd);
}

static const struct task_ops fake_task_ops = {
	.copy_from = fake_copy_from,
	.copy_to = fake_copy_to,
	.file_get = fake_file_get,
	.fd_is_open = fake_fd_is_open,
	.fd_reserve = fake_fd_reserve,
	.fd_publish = fake_fd_publish,
	.fd_cancel = fake_fd_cancel,
	.event_get = fake_event_get,
	.event_put = fake_event_put,
	.event_signal = fake_event_signal,
	.event_watch = fake_event_watch,
	.memory_file_get = fake_memory_file_get,
	.memory_file_put = fake_memory_file_put,
	.pin = fake_pin,
	.pin_file = fake_pin_file,
	.unpin = fake_unpin,
	.protected_access = fake_protected_access,
	.mm_place = fake_mm_place,
	.mm_zap = fake_mm_zap,
	.mm_restore = fake_mm_restore,
	.mm_retrap = fake_mm_retrap,
};

struct fake_task *fake_task_create(void)
{
	struct fake_task *ft = calloc(1, sizeof(*ft));
	if (!ft)
		abort();
	ft->task.ops = &fake_task_ops;
	ft->limit = FAKE_MAX_FDS;
	pthread_mutex_init(&ft->lock, NULL);
	return ft;
}

void fake_task_destroy(struct fake_task *ft)
{
	while (ft->nr_mappings)
		fake_task_munmap(ft, ft->mappings[0].addr);
	for (int fd = 0; fd < FAKE_MAX_FDS; fd++)
		fake_task_close(ft, fd);
	pthread_mutex_destroy(&ft->lock);
	free(ft);
}

struct task *fake_task(struct fake_task *ft)
{
	return &ft->task;
}

int fake_task_install(struct fake_task *ft, struct file *f)
{
	int fd = fake_fd_reserve(&ft->task, f, 0);
	if (fd < 0)
		abort();
	fake_fd_publish(&ft->task, fd, f);
	return fd;
}

int fake_task_close(struct fake_task *ft, int fd)
{
	pthread_mutex_lock(&ft->lock);
	struct fake_fd *slot = fake_slot(ft, fd), old = {.kind = FAKE_FREE};
	if (slot) {
		old = *slot;
		slot->kind = FAKE_FREE;
	}
	pthread_mutex_unlock(&ft->lock);
	if (old.kind == FAKE_FILE)
		file_put(old.file);
	else if (old.kind == FAKE_EVENT)
		fake_event_put(old.event);
	else if (old.kind == FAKE_MEMORY)
		close(old.real_fd);
	return old.kind == FAKE_FREE ? -EBADF : 0;
}

struct file *fake_task_file(struct fake_task *ft, int fd)
{
	struct fake_fd *slot = fake_slot(ft, fd);
	return slot && slot->kind == FAKE_FILE ? slot->file : NULL;
}

unsigned fake_task_nr_fds(const struct fake_task *ft)
{
	unsigned nr = 0;
	for (int fd = 0; fd < FAKE_MAX_FDS; fd++)
		nr += ft->fds[fd].kind != FAKE_FREE;
	return nr;
}

void fake_task_limit_fds(struct fake_task *ft, unsigned limit)
{
	ft->limit = MIN(limit, (unsigned)FAKE_MAX_FDS);
}

int fake_task_eventfd(struct fake_task *ft)
{
	struct event *e = calloc(1, sizeof(*e));
	int fd = fake_take_fd(ft, FAKE_RESERVED);
	if (!e || fd < 0)
		abort();
	atomic_init(&e->refs, 1);
	pthread_mutex_init(&e->lock, NULL);
	ft->fds[fd].event = e;
	ft->fds[fd].kind = FAKE_EVENT;
	return fd;
}

static struct event *fake_task_event(struct fake_task *ft, int fd)
{
	struct fake_fd *slot = fake_slot(ft, fd);
	if (!slot || slot->kind != FAKE_EVENT)
		abort();
	return slot->event;
}

uint64_t fake_task_event_read(struct fake_task *ft, int fd)
{
	return atomic_exchange(&fake_task_event(ft, fd)->count, 0);
}

void fake_task_event_write(struct fake_task *ft, int fd)
{
	struct event *e = fake_task_event(ft, fd);
	atomic_fetch_add(&e->count, 1);
	pthread_mutex_lock(&e->lock);
	if (e->callback) {
		atomic_store(&e->count, 0);
		e->callback(e->arg);
	}
	pthread_mutex_unlock(&e->lock);
}

int fake_task_memfd(struct fake_task *ft, uint64_t size, bool writable)
{
	int real_fd = memfd_create("fake", MFD_ALLOW_SEALING);
	int fd = fake_take_fd(ft, FAKE_RESERVED);
	if (real_fd < 0 || fd < 0 || ftruncate(real_fd, (off_t)size))
		abort();
	ft->fds[fd].real_fd = real_fd;
	ft->fds[fd].writable = writable;
	ft->fds[fd].kind = FAKE_MEMORY;
	return fd;
}

int fake_task_real_fd(struct fake_task *ft, int fd)
{
	struct fake_fd *slot = fake_slot(ft, fd);
	return slot ? slot->real_fd : -1;
}
