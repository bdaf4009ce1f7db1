/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BARTER_TESTS_FAKE_TASK_PRIV_H
#define BARTER_TESTS_FAKE_TASK_PRIV_H

#include <pthread.h>

#include "fake/task.h"

enum { FAKE_MAX_FDS = 256, FAKE_MAX_RANGES = 64, FAKE_MAX_MAPPINGS = 64 };

struct event {
	atomic_int refs;
	_Atomic uint64_t count;
	pthread_mutex_t lock; /* guards the watcher; held while it runs */
	event_callback callback;
	void *arg;
};

struct fake_fd {
	enum { FAKE_FREE, FAKE_RESERVED, FAKE_FILE, FAKE_EVENT, FAKE_MEMORY } kind;
	struct file *file;
	struct event *event;
	int real_fd;
	bool writable;
};

struct fake_range {
	uaddr_t start;
	uint64_t len;
	bool readable;
};

struct fake_task {
	struct task task;
	pthread_mutex_t lock; /* guards everything below */
	struct fake_fd fds[FAKE_MAX_FDS];
	unsigned limit;
	struct fake_range ranges[FAKE_MAX_RANGES];
	size_t nr_ranges;
	atomic_size_t nr_pins;
	struct fake_mapping mappings[FAKE_MAX_MAPPINGS];
	size_t nr_mappings;
	uaddr_t next_address;
	int fail_place;
};

static inline struct fake_task *to_fake(struct task *t)
{
	return container_of(t, struct fake_task, task);
}

bool fake_allows(struct fake_task *ft, uaddr_t start, uint64_t len, bool write);

/* memory.c */
int fake_copy_from(struct task *t, void *dst, uaddr_t src, size_t len);
int fake_copy_to(struct task *t, uaddr_t dst, const void *src, size_t len);
int fake_pin(struct task *t, uaddr_t start, uint64_t len, bool write, struct pinned *p);
int fake_pin_file(struct task *t, const struct memory_file *mf, uint64_t offset, uint64_t len, bool write,
		  struct pinned *p);
int fake_protected_access(struct task *t, char *host, void *buf, size_t len, bool write);
void fake_unpin(struct task *t, struct pinned *p);
int64_t fake_mm_place(struct task *t, struct cpu_mapping *m, uaddr_t hint, uint64_t len, int prot, int flags);
void fake_mm_zap(struct task *t, struct cpu_mapping *m);
void fake_mm_restore(struct task *t, struct cpu_mapping *m);
void fake_mm_retrap(struct task *t, struct cpu_mapping *m, uint64_t offset, uint64_t len);

#endif
