/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threads of a program that make fences on a few timelines, merge them, wait for them by poll and epoll, ask, and close
 * them, while others move the timelines on and end them with fences pending. Who waits for a merge of all finds that
 * all have signalled; in the end as many fds are open as at the start, and debugfs lists no timeline. Needs debugfs
 * with sw_sync; real Linux passes it, too. For two seconds, or BARTER_STRESS_SECONDS.
 */
#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/epoll.h>

#include "sw_sync.h"

enum { TIMELINES = 6, WAITERS = 3, FDS = 16, CLOSERS = 2 };

static atomic_bool stop;
static atomic_long waited, merged, ended;
static int timelines[TIMELINES];	   /* the numbers stay; what they stand for is replaced */
static _Atomic uint32_t values[TIMELINES]; /* no more than what the timeline has come to */

static void fail(const char *what)
{
	perror(what);
	_exit(1);
}

static unsigned below(unsigned *seed, unsigned n)
{
	return (unsigned)rand_r(seed) % n;
}

/* Negative: the timelines have come to their end, and their numbers may be other files by now. */
static int fence_soon(unsigned *seed)
{
	unsigned i = below(seed, TIMELINES);
	long fd = timeline_fence(timelines[i], values[i] + 1 + below(seed, 20));

	if (fd < 0 && !stop)
		fail("create");
	return (int)fd;
}

/* Closes what it is given. */
static int merge_close(int a, int b)
{
	long fd = fence_merge(a, b);

	if (fd < 0)
		fail("merge");
	close(a);
	close(b);
	merged++;
	return (int)fd;
}

static int merge_many(unsigned *seed)
{
	int fd = -1;

	for (unsigned n = 1 + below(seed, 8); n; n--) {
		int one = fence_soon(seed);

		if (one >= 0)
			fd = fd < 0 ? one : merge_close(fd, one);
	}
	return fd;
}

static void wait_by_epoll(int fd)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET}, got;
	int ep = epoll_create1(0);

	if (ep < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev))
		fail("epoll_ctl");
	if (epoll_wait(ep, &got, 1, 30000) != 1 || got.events != EPOLLIN)
		fail("epoll_wait");
	close(ep);
}

static void wait_by_poll(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	if (poll(&p, 1, 30000) != 1 || p.revents != POLLIN)
		fail("poll");
}

static void all_have_signalled(int fd)
{
	struct sync_fence_info each[16] = {0};
	struct sync_file_info info = {.num_fences = 16, .sync_fence_info = (uintptr_t)each};

	if (io(fd, SYNC_IOC_FILE_INFO, &info))
		fail("info");
	for (unsigned i = 0; i < info.num_fences; i++)
		if ((each[i].status != 1 && each[i].status != -ENOENT) || !each[i].timestamp_ns)
			fail("a merge that is ready has a fence that is not");
}

static void *waiter(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;

	while (!stop) {
		int fd = merge_many(&seed);

		if (fd < 0)
			continue;
		if (below(&seed, 2))
			wait_by_poll(fd);
		else
			wait_by_epoll(fd);
		all_have_signalled(fd);
		close(fd);
		waited++;
	}
	return NULL;
}

/* Makes and drops: nobody waits for these. */
static void *closer(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;
	int fds[FDS];

	for (int i = 0; i < FDS; i++)
		fds[i] = -1;
	while (!stop) {
		unsigned i = below(&seed, FDS);

		if (fds[i] >= 0)
			close(fds[i]);
		fds[i] = merge_many(&seed);
	}
	for (int i = 0; i < FDS; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	return NULL;
}

static void timeline_replace(unsigned i)
{
	int fd = timeline_open();

	values[i] = 0;
	if (dup2(fd, timelines[i]) < 0)
		fail("dup2");
	close(fd);
	ended++;
}

static void *mover(void *arg)
{
	unsigned seed = 99;

	while (!stop) {
		unsigned i = below(&seed, TIMELINES), by = 1 + below(&seed, 5);

		if (below(&seed, 30)) {
			if (timeline_inc(timelines[i], by))
				fail("inc");
			values[i] += by;
			continue;
		}
		timeline_replace(i);
	}
	return NULL;
}

static unsigned open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned nr = 0;

	if (!d)
		fail("/proc/self/fd");
	while (readdir(d))
		nr++;
	closedir(d);
	return nr;
}

/* Threads that end while others wait: all timelines end, so every fence signals. */
static void end_timelines(void)
{
	for (int i = 0; i < TIMELINES; i++)
		close(timelines[i]);
}

static void no_timeline_is_listed(void)
{
	static const char nothing[] = "objs:\n--------------\nfences:\n--------------\n";
	char text[256] = "";
	int fd = open("/sys/kernel/debug/sync/info", O_RDONLY);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		fail("debugfs/sync/info");
	close(fd);
	if (strncmp(text, nothing, strlen(nothing)) != 0) {
		fprintf(stderr, "debugfs/sync/info still says:\n%s", text);
		exit(1);
	}
}

int main(void)
{
	const char *seconds = getenv("BARTER_STRESS_SECONDS");
	pthread_t threads[WAITERS + CLOSERS + 1];
	unsigned before;

	close(timeline_open()); /* what is made once */
	before = open_fds();
	for (int i = 0; i < TIMELINES; i++)
		timelines[i] = timeline_open();
	for (uintptr_t i = 0; i < WAITERS + CLOSERS; i++)
		pthread_create(&threads[i], NULL, i < WAITERS ? waiter : closer, (void *)(i + 1));
	pthread_create(&threads[WAITERS + CLOSERS], NULL, mover, NULL);
	sleep(seconds ? (unsigned)atoi(seconds) : 2);
	stop = true;
	pthread_join(threads[WAITERS + CLOSERS], NULL);
	end_timelines();
	for (int i = 0; i < WAITERS + CLOSERS; i++)
		pthread_join(threads[i], NULL);
	printf("%ld waits, %ld merges, %ld timelines ended\n", waited, merged, ended);
	if (open_fds() != before) {
		fprintf(stderr, "%u fds are open, %u were\n", open_fds(), before);
		return 1;
	}
	no_timeline_is_listed();
	return waited && merged && ended ? 0 : 1;
}
