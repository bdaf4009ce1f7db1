/* SPDX-License-Identifier: BSD-3-Clause */
/* A program with a low limit on open files has as many buffers and sync_files as numbers, and no stranger below it. */
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "answers.h"

#define LIMIT 48

static long heap_alloc(int heap)
{
	struct dma_heap_allocation_data data = {.len = 4096, .fd_flags = O_RDWR | O_CLOEXEC};

	return ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &data) ? -errno : (long)data.fd;
}

static long sync_export(int buffer)
{
	struct dma_buf_export_sync_file data = {.flags = DMA_BUF_SYNC_RW};

	return ioctl(buffer, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &data) ? -errno : (long)data.fd;
}

static int is_ready(int fd)
{
	struct pollfd pfd = {fd, POLLIN | POLLOUT, 0};

	return poll(&pfd, 1, 0) == 1 && pfd.revents & POLLIN;
}

int main(int argc, char **argv)
{
	struct rlimit limit;
	int heap, ready = 0, others = 0;
	long fd, first, last = 0;

	if (answers_begin(argc, argv))
		return 2;
	getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_max <= 4 * LIMIT)
		return 77;
	limit.rlim_cur = LIMIT;
	setrlimit(RLIMIT_NOFILE, &limit);
	heap = open("/dev/dma_heap/system", O_RDWR | O_CLOEXEC);
	first = heap_alloc(heap);
	if (first < 0)
		return 2;
	answer("the next number", first - heap);
	for (fd = first; fd >= 0; fd = last % 2 ? sync_export((int)first) : heap_alloc(heap))
		last = fd;
	answer("numbers up to the limit", last);
	answer("then", fd);
	for (fd = first; fd <= last; fd++)
		ready += is_ready((int)fd);
	answer("not ready", last - first + 1 - ready);
	getrlimit(RLIMIT_NOFILE, &limit);
	answer("the limit", (long)limit.rlim_cur);
	close((int)last);
	answer("one closed, the lowest again", dup(0));
	for (fd = first; fd <= last; fd++)
		others += close((int)fd) != 0;
	answer("not closed", others);
	fd = heap_alloc(heap);
	answer("anew", fd - first);
	return answers_end();
}
