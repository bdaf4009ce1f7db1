/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the fd of a dma-buf of ordinary memory answers, whoever exported it: as a file, as a mapping, to its ioctls, in
 * a child. The buffer is of BUFFER_PAGES pages, open for both.
 */
#ifndef TESTS_E2E_BUFFER_RULES_H
#define TESTS_E2E_BUFFER_RULES_H

#include "answers.h"

#include <linux/dma-buf.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define PAGE 4096L
enum { BUFFER_PAGES = 8 };
#define BUFFER_SIZE (BUFFER_PAGES * PAGE)

static const char *exporter_name;

__attribute__((format(printf, 2, 3))) static inline void rule(long ret, const char *fmt, ...)
{
	char name[256];
	va_list args;
	int n = snprintf(name, sizeof(name), "%s ", exporter_name);

	va_start(args, fmt);
	vsnprintf(name + n, sizeof(name) - (size_t)n, fmt, args);
	va_end(args);
	answer(name, ret < 0 ? -errno : ret);
}

/* The address of a mapping is no answer: 0 when it worked. It is unmapped again. */
static inline void rule_mmap(const char *name, int fd, long len, int prot, int flags, long offset)
{
	void *p = mmap(NULL, (size_t)len, prot, flags, fd, offset);

	rule(p == MAP_FAILED ? -1 : 0, "mmap %s", name);
	if (p != MAP_FAILED)
		munmap(p, (size_t)len);
}

static inline void buffer_mmaps(int fd)
{
	const int rw = PROT_READ | PROT_WRITE;

	rule_mmap("all shared", fd, BUFFER_SIZE, rw, MAP_SHARED, 0);
	rule_mmap("all shared read only", fd, BUFFER_SIZE, PROT_READ, MAP_SHARED, 0);
	rule_mmap("all shared write only", fd, BUFFER_SIZE, PROT_WRITE, MAP_SHARED, 0);
	rule_mmap("all shared none", fd, BUFFER_SIZE, PROT_NONE, MAP_SHARED, 0);
	rule_mmap("all shared exec", fd, BUFFER_SIZE, PROT_READ | PROT_EXEC, MAP_SHARED, 0);
	rule_mmap("all private", fd, BUFFER_SIZE, rw, MAP_PRIVATE, 0);
	rule_mmap("all private read only", fd, BUFFER_SIZE, PROT_READ, MAP_PRIVATE, 0);
	rule_mmap("a page private", fd, PAGE, rw, MAP_PRIVATE, 0);
	rule_mmap("all shared validated", fd, BUFFER_SIZE, rw, MAP_SHARED_VALIDATE, 0);
	rule_mmap("all shared synchronous", fd, BUFFER_SIZE, rw, MAP_SHARED_VALIDATE | MAP_SYNC, 0);
	rule_mmap("all populated", fd, BUFFER_SIZE, rw, MAP_SHARED | MAP_POPULATE, 0);
	rule_mmap("all locked", fd, BUFFER_SIZE, rw, MAP_SHARED | MAP_LOCKED, 0);
	rule_mmap("all without type", fd, BUFFER_SIZE, rw, 0, 0);
	rule_mmap("a byte", fd, 1, rw, MAP_SHARED, 0);
	rule_mmap("nothing", fd, 0, rw, MAP_SHARED, 0);
	rule_mmap("the end", fd, PAGE, rw, MAP_SHARED, BUFFER_SIZE - PAGE);
	rule_mmap("the middle", fd, 3 * PAGE, rw, MAP_SHARED, 2 * PAGE);
	rule_mmap("a page too much", fd, BUFFER_SIZE + PAGE, rw, MAP_SHARED, 0);
	rule_mmap("beyond the end", fd, PAGE, rw, MAP_SHARED, BUFFER_SIZE);
	rule_mmap("across the end", fd, 2 * PAGE, rw, MAP_SHARED, BUFFER_SIZE - PAGE);
	rule_mmap("far beyond the end", fd, PAGE, rw, MAP_SHARED, 1L << 40);
	rule_mmap("an offset that wraps", fd, 2 * PAGE, rw, MAP_SHARED, -PAGE);
	rule_mmap("an unaligned offset", fd, PAGE, rw, MAP_SHARED, 512);
}

static inline char *buffer_map(int fd, long len, int prot, long offset)
{
	char *p = mmap(NULL, (size_t)len, prot, MAP_SHARED, fd, offset);

	if (p == MAP_FAILED)
		die("mmap of the buffer");
	return p;
}

static inline void buffer_bytes(int fd)
{
	char *p = buffer_map(fd, BUFFER_SIZE, PROT_READ | PROT_WRITE, 0), *q;
	long other = 0;

	for (long i = 0; i < BUFFER_SIZE; i++)
		other += p[i] != 0;
	rule(other, "bytes that are not zero");
	memset(p, 0x5a, BUFFER_SIZE);
	q = buffer_map(fd, 2 * PAGE, PROT_READ, 3 * PAGE);
	rule(memcmp(p + 3 * PAGE, q, 2 * PAGE) == 0, "two mappings show the same");
	p[4 * PAGE + 1] = 7;
	rule(q[PAGE + 1], "a store is seen through the other");
	munmap(q, 2 * PAGE);
	munmap(p, BUFFER_SIZE);
	q = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 4 * PAGE);
	p = buffer_map(fd, BUFFER_SIZE, PROT_READ, 0);
	if (q != MAP_FAILED) {
		q[1] = 8;
		munmap(q, PAGE);
	}
	rule(p[4 * PAGE + 1], "and stays");
	munmap(p, BUFFER_SIZE);
}

/* What the program does to a mapping that it has. */
static inline void buffer_changes(int fd)
{
	char *p = buffer_map(fd, BUFFER_SIZE, PROT_READ | PROT_WRITE, 0), *moved;
	unsigned char vec[BUFFER_PAGES];
	int pipe_fds[2];

	rule(mprotect(p, PAGE, PROT_READ), "mprotect to read only");
	rule(mprotect(p, PAGE, PROT_READ | PROT_WRITE), "mprotect back");
	rule(mprotect(p, PAGE, PROT_READ | PROT_EXEC), "mprotect exec");
	rule(mprotect(p, PAGE, PROT_READ | PROT_WRITE), "mprotect back again");
	rule(madvise(p, PAGE, MADV_DONTNEED), "madvise DONTNEED");
	rule(madvise(p, PAGE, MADV_DONTFORK), "madvise DONTFORK");
	rule(madvise(p, PAGE, MADV_DOFORK), "madvise DOFORK");
	rule(madvise(p, PAGE, MADV_DODUMP), "madvise DODUMP");
	rule(madvise(p, PAGE, MADV_WILLNEED), "madvise WILLNEED");
	rule(madvise(p, PAGE, MADV_REMOVE), "madvise REMOVE");
	rule(madvise(p, PAGE, MADV_MERGEABLE), "madvise MERGEABLE");
	rule(mlock(p, PAGE), "mlock");
	rule(munlock(p, PAGE), "munlock");
	rule(mincore(p, BUFFER_SIZE, vec), "mincore");
	if (pipe(pipe_fds))
		die("pipe");
	rule(write(pipe_fds[1], p, 100), "write from it");
	rule(read(pipe_fds[0], p + PAGE, 100), "read into it");
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	rule(mremap(p, BUFFER_SIZE, BUFFER_SIZE + PAGE, MREMAP_MAYMOVE) == MAP_FAILED ? -1 : 0, "mremap to more");
	rule(mremap(p, 0, PAGE, MREMAP_MAYMOVE) == MAP_FAILED ? -1 : 0, "mremap of nothing");
	p[2 * PAGE] = 33;
	moved = mremap(p + 2 * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
	rule(moved == MAP_FAILED ? -1 : 0, "mremap that leaves it");
	if (moved != MAP_FAILED)
		munmap(moved, PAGE);
	moved = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	moved = mremap(p + 2 * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, moved);
	rule(moved == MAP_FAILED ? -1 : moved[0], "mremap to elsewhere");
	munmap(moved, PAGE);
	rule(mremap(p + 3 * PAGE, 5 * PAGE, PAGE, 0) == MAP_FAILED ? -1 : 0, "mremap to less");
	rule(munmap(p, BUFFER_SIZE), "munmap of what is left");
}

static inline void buffer_file(int fd)
{
	char path[64], target[128] = "", buf[16] = "";
	struct pollfd ready = {.fd = fd, .events = POLLIN | POLLOUT};
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT};
	int epoll = epoll_create1(0);
	struct stat st;

	rule(fcntl(fd, F_GETFL), "F_GETFL");
	rule(lseek(fd, 0, SEEK_END), "lseek END");
	rule(lseek(fd, 0, SEEK_SET), "lseek SET");
	rule(lseek(fd, 0, SEEK_CUR), "lseek CUR");
	rule(lseek(fd, PAGE, SEEK_SET), "lseek SET to a page");
	rule(lseek(fd, -PAGE, SEEK_END), "lseek END less a page");
	rule(lseek(fd, 0, SEEK_DATA), "lseek DATA");
	rule(read(fd, buf, sizeof(buf)), "read");
	rule(write(fd, buf, sizeof(buf)), "write");
	rule(pread(fd, buf, sizeof(buf), 0), "pread");
	rule(pwrite(fd, buf, sizeof(buf), 0), "pwrite");
	rule(ftruncate(fd, PAGE), "ftruncate");
	rule(fallocate(fd, 0, 0, PAGE), "fallocate");
	rule(fsync(fd), "fsync");
	rule(fcntl(fd, F_GET_SEALS), "F_GET_SEALS");
	rule(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), "F_ADD_SEALS");
	rule(fstat(fd, &st), "fstat");
	rule(st.st_size, "st_size");
	rule(st.st_mode, "st_mode");
	rule(st.st_blksize, "st_blksize");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	rule(readlink(path, target, sizeof(target) - 1), "readlink %s",
	     strncmp(target, "/dmabuf:", 8) ? target : "/dmabuf:");
	rule(poll(&ready, 1, 0), "poll");
	rule(ready.revents, "poll's events");
	rule(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
	rule(epoll_wait(epoll, &event, 1, 0), "epoll_wait");
	close(epoll);
}

static inline void buffer_fdinfo(int fd)
{
	char path[64], line[128];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		if (strncmp(line, "ino:", 4) && strncmp(line, "mnt_id:", 7))
			rule(0, "fdinfo %s", line);
	}
	if (f)
		fclose(f);
}

static inline void buffer_ioctls(int fd)
{
	static const struct {
		const char *name;
		uint64_t flags;
	} syncs[] = {
		{"start read", DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ},
		{"end read", DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ},
		{"start both", DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW},
		{"end both", DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW},
		{"end without start", DMA_BUF_SYNC_END | DMA_BUF_SYNC_WRITE},
		{"neither", DMA_BUF_SYNC_START},
		{"unknown", 1 << 5},
	};
	char long_name[40];

	for (size_t i = 0; i < sizeof(syncs) / sizeof(syncs[0]); i++) {
		struct dma_buf_sync sync = {syncs[i].flags};

		rule(ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync), "SYNC %s", syncs[i].name);
	}
	rule(ioctl(fd, DMA_BUF_IOCTL_SYNC, NULL), "SYNC without argument");
	rule(ioctl(fd, DMA_BUF_SET_NAME_B, "frame"), "SET_NAME");
	buffer_fdinfo(fd);
	memset(long_name, 'x', sizeof(long_name));
	rule(ioctl(fd, DMA_BUF_SET_NAME_B, long_name), "SET_NAME of 40 bytes");
	rule(ioctl(fd, DMA_BUF_SET_NAME_B, NULL), "SET_NAME without argument");
	rule(ioctl(fd, _IO('b', 9), NULL), "an ioctl that is none");
}

/* A child has the fd and the mapping, and what it writes is seen. */
static inline void buffer_children(int fd)
{
	char *p = buffer_map(fd, BUFFER_SIZE, PROT_READ | PROT_WRITE, 0);
	int status = 0;
	pid_t child;

	p[0] = 1;
	child = fork();
	if (child == 0) {
		p[2 * PAGE] = 55;
		_exit(p[0] + (lseek(fd, 0, SEEK_END) == BUFFER_SIZE));
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		die("fork");
	rule(WIFEXITED(status) ? WEXITSTATUS(status) : 1000, "a child's answers");
	rule(p[2 * PAGE], "a child's inherited mapping");
	munmap(p, BUFFER_SIZE);
}

/* The mapping outlives the fd, and the buffer the mapping's munmap. Closes fd. */
static inline void buffer_ends(int fd)
{
	int copy = dup(fd);
	char *p = buffer_map(fd, BUFFER_SIZE, PROT_READ | PROT_WRITE, 0);

	p[100] = 9;
	close(fd);
	rule(lseek(copy, 0, SEEK_END), "the copy's lseek");
	close(copy);
	rule(p[100], "the mapping after the last close");
	rule(mprotect(p, PAGE, PROT_READ), "mprotect after the last close");
	munmap(p, BUFFER_SIZE);
}

static inline void buffer_rules(int fd)
{
	buffer_bytes(fd);
	buffer_file(fd);
	buffer_mmaps(fd);
	buffer_changes(fd);
	buffer_fdinfo(fd);
	buffer_ioctls(fd);
	buffer_children(fd);
	buffer_ends(fd);
}

#endif
