/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program made of plain arrays, for tests of everything below the door (file/task.h is what it implements).
 *
 * A uaddr_t is the address of the test's own memory, so that a test passes `(uaddr_t)&args`. The first 64 KiB, non-
 * canonical addresses and what fake_task_fault() names are holes. One thread at a time may change the fd table.
 */
#ifndef BARTER_TESTS_FAKE_TASK_H
#define BARTER_TESTS_FAKE_TASK_H

#include "file/file.h"
#include "file/task.h"

struct fake_task;

/* A placed device mapping and what has happened to it. */
struct fake_mapping {
	struct cpu_mapping *mapping;
	uaddr_t addr;
	uint64_t len;
	int prot, flags;
	unsigned zaps, restores, retraps;
};

struct fake_task *fake_task_create(void);
/* Releases the mappings and closes the fds that are left, as the end of a process does. */
void fake_task_destroy(struct fake_task *ft);
struct task *fake_task(struct fake_task *ft);

/* Memory. */
void fake_task_fault(struct fake_task *ft, uaddr_t start, uint64_t len);     /* a hole from now on */
void fake_task_read_only(struct fake_task *ft, uaddr_t start, uint64_t len); /* writes and write pins are EFAULT */
size_t fake_task_nr_pins(const struct fake_task *ft);

/* fds. */
int fake_task_install(struct fake_task *ft, struct file *f); /* consumes the reference; the fd */
int fake_task_close(struct fake_task *ft, int fd);	     /* 0 or -EBADF */
struct file *fake_task_file(struct fake_task *ft, int fd);   /* borrowed */
unsigned fake_task_nr_fds(const struct fake_task *ft);
void fake_task_limit_fds(struct fake_task *ft, unsigned limit); /* beyond it fd_reserve() is -EMFILE */

/* System calls on an fd, as a door would make them. */
long fake_task_ioctl(struct fake_task *ft, int fd, unsigned long cmd, void *arg);
ssize_t fake_task_pread(struct fake_task *ft, int fd, void *buf, size_t len, uint64_t pos);
ssize_t fake_task_pwrite(struct fake_task *ft, int fd, const void *buf, size_t len, uint64_t pos);
int64_t fake_task_mmap(struct fake_task *ft, int fd, uint64_t len, int prot, int flags, uint64_t offset);
int64_t fake_task_lseek(struct fake_task *ft, int fd, int64_t offset, int whence);

/* eventfds of the program: made, read (and reset), written (a watcher is called before it returns). */
int fake_task_eventfd(struct fake_task *ft);
uint64_t fake_task_event_read(struct fake_task *ft, int fd);
void fake_task_event_write(struct fake_task *ft, int fd);

/* A memfd of the program; size bytes. fake_task_real_fd() is the real one behind it, borrowed. */
int fake_task_memfd(struct fake_task *ft, uint64_t size, bool writable);
int fake_task_real_fd(struct fake_task *ft, int fd);

/* Device mappings: the i-th that is in place, NULL beyond the last; unmapping calls ops->released(). */
struct fake_mapping *fake_task_mapping(struct fake_task *ft, size_t i);
size_t fake_task_nr_mappings(const struct fake_task *ft);
int fake_task_munmap(struct fake_task *ft, uaddr_t addr);
/* The next mm_place() fails with err (a negative errno). */
void fake_task_fail_place(struct fake_task *ft, int err);

#endif
