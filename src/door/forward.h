/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Children of the process that owns a rack. A child made by fork() inherits emulated files, but not the devices,
 * threads and locks behind them: a call on such a file is forwarded to the owner, which executes it with a task that
 * stands for the child (its memory by process_vm_readv/writev, its fds by pidfd_getfd).
 *
 * The owner listens on an abstract unix socket from the first device on that is opened. Every child has a connection of
 * its own: the parent makes it before it forks, and claims with it what the child inherits, so that the owner's own
 * close() in between releases nothing. A child that was forked by a raw clone() connects at its first call. When the
 * connection ends (exit, exec, a crash) the claims end with it.
 *
 * An exchange on a connection is one call: the child sends it and serves the owner's requests (make an fd, publish it,
 * drop it) until the result comes. Messages are forward_msg.h's.
 *
 * Who may include this: door/.
 */
#ifndef BARTER_DOOR_FORWARD_H
#define BARTER_DOOR_FORWARD_H

#include <sys/types.h>

#include "base/types.h"

struct fd_handle;

/* In the owner, when a device is opened: be there for children. Harmless when done already. */
void forward_start(void);

/* Around fork(): before, in the parent after, in the child after. All harmless when nothing of ours is open. */
void forward_fork_prepare(void);
void forward_fork_parent(void);
void forward_fork_child(void);

/* In a child: the call nr on h, answered by the owner. -EIO when it cannot be reached. */
int64_t forward_call(const struct fd_handle *h, long nr, const unsigned long a[6]);
/* In a child: opens one of ours by its normal absolute path; the fd or -errno. */
int64_t forward_open(const char *path, int flags);
/* In a child: nothing of its own leads to h any more. */
void forward_release(const struct fd_handle *h);

/* In a child: mmap(2) of h; the address or -errno. */
struct mmap_request;
int64_t forward_mmap(const struct fd_handle *h, const struct mmap_request *req);
/* In a child: its store to mapped registers. 0; -EAGAIN: they are zapped by now; any other: it cannot be done. */
int forward_store(unsigned slot, uint64_t offset, uint64_t value, unsigned len);
/* In a child: it has no part of this mapping any more. */
void forward_unmapped(unsigned slot);

#endif
