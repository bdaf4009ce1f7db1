/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * barter's own real fds. They live near the end of the program's fd table, where no program that counts on getting the
 * lowest free number notices them, and survive its close_range() and closefrom().
 */
#include <fcntl.h>
#include <sys/resource.h>

#include "door/fd_table.h"

/* Room for barter's own below the limit; a quarter of a small table. */
#define FD_RESERVED 512u

static int fd_high_number(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit))
		return 3;
	uint64_t end = MIN((uint64_t)limit.rlim_cur, (uint64_t)FD_CHUNKS * FD_CHUNK_SIZE);
	return (int)(end - MIN(end / 4, FD_RESERVED));
}

int fd_keep(int fd)
{
	int high = real.fcntl(fd, F_DUPFD_CLOEXEC, (unsigned long)fd_high_number());
	if (high < 0)
		high = fd; /* a full table: it stays where it is */
	else
		real.close(fd);
	real.fcntl(high, F_SETFD, FD_CLOEXEC);
	fd_mark(high, FD_INTERNAL);
	return high;
}

void fd_drop(int fd)
{
	if (fd_table_peek(fd) == FD_INTERNAL)
		fd_mark(fd, NULL);
	real.close(fd);
}
