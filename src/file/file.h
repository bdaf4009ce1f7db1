/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an emulated fd is. A file is made by a subsystem's open or export, reaches the program through a real kernel fd
 * (its carrier), and is released at the last of: fds, dups, messages in flight, live mappings. Subsystems may include
 * this; device models may not.
 *
 * read, write, lseek, fstat, mmap and poll on the fd are these operations, not the carrier's. A NULL operation answers
 * as Linux does for a file without it (comment at each).
 */
#ifndef BARTER_FILE_FILE_H
#define BARTER_FILE_FILE_H

#include <stdatomic.h>
#include <sys/stat.h>

#include "base/types.h"
#include "file/task.h"

/* What kind of real fd stands behind the file: what the kernel's own poll and epoll answer for it. */
enum carrier {
	CARRIER_PLAIN, /* a memfd: always ready to poll(2), refused by epoll_ctl with EPERM: no ->poll on Linux */
	CARRIER_POLL,  /* a socket: poll, select and epoll answer what the subsystem says with file_set_ready() */
};

struct mmap_request {
	uaddr_t hint;
	uint64_t len; /* page aligned, not 0 */
	int prot, flags;
	uint64_t offset; /* page aligned */
};

struct file_ops {
	/* As /proc/self/fd shows it: "[vfio-device]", "anon_inode:sync_file", "/dev/iommu", "dmabuf". */
	const char *name;
	/* -EINVAL when NULL. pos is the file position for read(2), a copy of the caller's for pread(2). */
	ssize_t (*read)(struct file *f, struct task *t, uaddr_t buf, size_t len, uint64_t *pos);
	ssize_t (*write)(struct file *f, struct task *t, uaddr_t buf, size_t len, uint64_t *pos);
	bool noexec;	   /* PROT_EXEC is -EPERM: on a file system mounted so */
	bool no_positions; /* pread(2) and pwrite(2) are -ESPIPE, as for files that Linux makes without a path */
	/* -ENOTTY when NULL. Returns what the ioctl returns, or -errno. */
	long (*ioctl)(struct file *f, struct task *t, unsigned long cmd, unsigned long arg);
	/* Returns the address or -errno; -ENODEV when NULL. */
	int64_t (*mmap)(struct file *f, struct task *t, const struct mmap_request *req);
	/* -ESPIPE when NULL. */
	int64_t (*lseek)(struct file *f, int64_t offset, int whence);
	/* May change what the carrier's fstat said. */
	void (*fstat)(struct file *f, struct stat *st);
	/* The text of /proc/self/fdinfo after the common lines; returns bytes written like snprintf. May be NULL. */
	int (*show_fdinfo)(struct file *f, char *buf, size_t len);
	/* The last reference is gone. Runs on the thread that dropped it, which holds no lock. Frees priv, never fails.
	 */
	void (*release)(struct file *f);
};

struct file {
	const struct file_ops *ops;
	void *priv;
	enum carrier carrier;
	int open_flags; /* O_RDONLY.., O_NONBLOCK; guarded by nothing: the door's fcntl writes it whole */
	atomic_int refs;
	_Atomic uint64_t pos;
	/* The device number and mode that stat shows. */
	mode_t mode;
	dev_t rdev;
	ino_t ino;		    /* the carrier's; the door's, from the first fd on */
	struct spinlock ready_lock; /* LOCK_RANK_LEAF; guards what follows */
	unsigned ready;		    /* POLLIN | POLLOUT, at first both; CARRIER_POLL only */
	/* The door's, from the first fd on: how the kernel is told, and its own part of the file. */
	const struct file_carrier_ops *carrier_ops;
	void *carrier_private;
};

struct file_carrier_ops {
	/* ready_lock is held. Never blocks. */
	void (*show_ready)(struct file *f);
	/* The last reference is gone. */
	void (*release)(struct file *f);
};

/* A file with one reference, or NULL. Does not make an fd. */
struct file *file_create(const struct file_ops *ops, void *priv, int open_flags);
struct file *file_get(struct file *f);
/* Drops a reference; the last one calls ops->release. Call without locks. */
void file_put(struct file *f);

/*
 * What poll, select and epoll answer for a CARRIER_POLL file from now on: any of POLLIN | POLLOUT. Who waits is woken,
 * also by edge, for each that was not set before. Any thread and context, also under a lock up to LOCK_RANK_FENCE; with
 * or without an fd. Never blocks, never allocates.
 */
void file_set_ready(struct file *f, unsigned events);
unsigned file_ready(struct file *f);

#endif
