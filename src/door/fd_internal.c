/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * barter's own real fds. They survive the program's close_range() and closefrom(), and lie where no program that counts
 * on getting the lowest free number notices them: above its limit on open files, so that it may have as many as on
 * Linux. The limit is for new numbers only, and is lifted while one is made. Where it cannot be lifted, or a number
 * above it would make the kernel's table large, they lie near its end.
 */
#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include "door/fd_table.h"
#include "door/raw_syscall.h"

/* Room for barter's own below the limit; a quarter of a small table. */
#define FD_RESERVED 512u
/* The kernel's table has room for the highest number. */
#define FD_LIMIT_MODEST 65536u

/* Who has the limit lifted: process and thread. What a fork copied of another thread's is nobody's. */
static _Atomic uint64_t lifter;

static bool lifter_take(void)
{
	uint64_t pid = (uint64_t)getpid() << 32, me = pid | (uint64_t)raw_syscall(SYS_gettid), other = 0;
	while (!atomic_compare_exchange_weak(&lifter, &other, me)) {
		if (other == me)
			return false; /* a signal handler in the midst of it */
		if (other >> 32 != pid >> 32)
			continue;
		other = 0;
		sched_yield();
	}
	return true;
}

void fd_lift(struct fd_lift *l)
{
	l->limit.rlim_cur = 0;
	l->lifted = false;
	l->taken = lifter_take();
	if (!l->taken || getrlimit(RLIMIT_NOFILE, &l->limit) || l->limit.rlim_cur > FD_LIMIT_MODEST)
		return;
	struct rlimit all = {MIN(l->limit.rlim_max, (rlim_t)FD_REAL_END), l->limit.rlim_max};
	l->lifted = all.rlim_cur > l->limit.rlim_cur && setrlimit(RLIMIT_NOFILE, &all) == 0;
}

void fd_lower(const struct fd_lift *l)
{
	if (l->lifted)
		setrlimit(RLIMIT_NOFILE, &l->limit);
	if (l->taken)
		atomic_store(&lifter, 0);
}

static rlim_t fd_high_number(const struct fd_lift *l)
{
	if (l->lifted)
		return l->limit.rlim_cur;
	rlim_t end = MIN(l->limit.rlim_cur, (rlim_t)FD_REAL_END);
	return MAX(end - MIN(end / 4, FD_RESERVED), (rlim_t)3);
}

int fd_keep_lifted(int fd, const struct fd_lift *l)
{
	int high = real.fcntl(fd, F_DUPFD_CLOEXEC, (unsigned long)fd_high_number(l));
	if (high < 0)
		high = fd; /* a full table: it stays where it is */
	else
		real.close(fd);
	real.fcntl(high, F_SETFD, FD_CLOEXEC);
	fd_mark(high, FD_INTERNAL);
	return high;
}

int fd_keep(int fd)
{
	struct fd_lift l;
	fd_lift(&l);
	fd = fd_keep_lifted(fd, &l);
	fd_lower(&l);
	return fd;
}

void fd_drop(int fd)
{
	if (fd_table_peek(fd) == FD_INTERNAL)
		fd_mark(fd, NULL);
	real.close(fd);
}
