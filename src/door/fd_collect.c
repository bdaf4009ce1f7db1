/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What was written to an attribute past us. A shell's `echo 1 > /sys/...` duplicates the attribute's fd onto 1 and then
 * writes through stdio, by a call inside libc that no thunk sees: the bytes end up in the carrier. They are stored when
 * the number is closed or replaced. The writer is not told of an error any more.
 */
#include <fcntl.h>
#include <unistd.h>

#include "door/call_priv.h"
#include "door/forward.h"
#include "door/raw_syscall.h"

/* An attribute that is only written has an empty carrier, unless somebody wrote past us. */
static bool may_hold_writes(const struct fd_handle *h)
{
	return h->node && ns_kind(h->node) == NS_ATTRIBUTE && call_may(h->file, true) && !call_may(h->file, false);
}

static void collect(struct fd_handle *h, int fd)
{
	char bytes[BARTER_PAGE_SIZE];
	uint64_t pos = 0;
	/* Carriers are open for both, however the file was opened. */
	long n = raw_syscall(SYS_pread64, fd, bytes, sizeof(bytes), 0);
	if (n <= 0)
		return;
	raw_syscall(SYS_ftruncate, fd, 0);
	raw_syscall(SYS_lseek, fd, 0, SEEK_SET);
	if (door_is_forked()) {
		const unsigned long a[6] = {(unsigned long)fd, (uaddr_t)bytes, (size_t)n};
		forward_call(h, SYS_write, a);
	} else {
		h->file->ops->write(h->file, door_task(), (uaddr_t)bytes, (size_t)n, &pos);
	}
}

void fd_collect(int fd)
{
	struct fd_handle *h = fd_handle_get(fd);
	if (!h)
		return;
	if (may_hold_writes(h))
		collect(h, fd);
	fd_handle_put(h);
}
