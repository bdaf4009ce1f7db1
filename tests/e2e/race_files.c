/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threads that race for fds: opened, duplicated, sent, closed and listed at once, while children are forked that close
 * what they have inherited. Every answer must be one that Linux could give, and in the end as many fds are open as at
 * the start.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/iommufd.h>
#include <linux/vfio.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEVICES "/sys/bus/pci/devices"

static atomic_bool stop;
static atomic_long rounds;
static int shared; /* closed and opened again by one thread while others use the number */

static void fail(const char *what)
{
	perror(what);
	_exit(1);
}

static void *open_and_close(void *arg)
{
	while (!stop) {
		int fd = open("/dev/iommu", O_RDWR | O_CLOEXEC), copy = dup(fd);
		struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};

		if (fd < 0 || copy < 0)
			fail("open");
		close(fd);
		if (ioctl(copy, IOMMU_IOAS_ALLOC, &alloc))
			fail("ioctl on a dup");
		close(copy);
		rounds++;
	}
	return NULL;
}

static void *reopen_shared(void *arg)
{
	while (!stop) {
		int fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);

		if (dup3(fd, shared, O_CLOEXEC) != shared)
			fail("dup3");
		close(fd);
		rounds++;
	}
	return NULL;
}

/* The number is always one of two contexts: never a stranger, never nothing. */
static void *use_shared(void *arg)
{
	while (!stop) {
		struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};

		if (ioctl(shared, IOMMU_IOAS_ALLOC, &alloc))
			fail("ioctl on a number that is replaced");
		rounds++;
	}
	return NULL;
}

static void *read_and_list(void *arg)
{
	while (!stop) {
		DIR *dir = opendir(DEVICES);
		struct dirent *e;

		if (!dir)
			fail(DEVICES);
		while ((e = readdir(dir))) {
			char path[300], text[16] = "";

			if (e->d_name[0] == '.')
				continue;
			snprintf(path, sizeof(path), "%s/vendor", e->d_name);
			int fd = openat(dirfd(dir), path, O_RDONLY | O_CLOEXEC);

			if (fd < 0 || read(fd, text, sizeof(text) - 1) != 7 || strncmp(text, "0x", 2) != 0)
				fail(path);
			close(fd);
		}
		closedir(dir);
		rounds++;
	}
	return NULL;
}

static void *pass_and_drop(void *arg)
{
	while (!stop) {
		char byte = 0, control[CMSG_SPACE(sizeof(int))] = {0};
		struct iovec iov = {&byte, 1};
		struct msghdr msg = {
			.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		int pair[2], fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);

		*c = (struct cmsghdr){
			.cmsg_len = CMSG_LEN(sizeof(fd)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) || sendmsg(pair[0], &msg, 0) != 1)
			fail("sendmsg");
		close(fd);
		if (rounds & 1) {
			struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};

			if (recvmsg(pair[1], &msg, MSG_CMSG_CLOEXEC) != 1)
				fail("recvmsg");
			memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
			if (ioctl(fd, IOMMU_IOAS_ALLOC, &alloc))
				fail("ioctl on a received fd");
			close(fd);
		}
		close(pair[0]);
		close(pair[1]);
		rounds++;
	}
	return NULL;
}

static void *fork_and_close(void *arg)
{
	while (!stop) {
		int status, fd = open("/dev/iommu", O_RDWR);
		pid_t pid = fork();

		if (pid == 0) {
			close(fd);
			close_range(3, ~0u, 0);
			_exit(0);
		}
		if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
			fail("fork");
		struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};

		if (ioctl(fd, IOMMU_IOAS_ALLOC, &alloc))
			fail("ioctl after a child closed its copy");
		close(fd);
		rounds++;
		usleep(2000);
	}
	return NULL;
}

static unsigned open_numbers(void)
{
	unsigned nr = 0;

	for (int fd = 0; fd < 512; fd++)
		nr += fcntl(fd, F_GETFD) >= 0;
	return nr;
}

int main(int argc, char **argv)
{
	static void *(*const work[])(void *) = {open_and_close, reopen_shared, use_shared,
						read_and_list,	pass_and_drop, fork_and_close};
	enum { NR = sizeof(work) / sizeof(work[0]) };
	pthread_t threads[NR];
	unsigned before = open_numbers();

	shared = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (shared < 0)
		fail("/dev/iommu");
	for (int i = 0; i < NR; i++)
		if (pthread_create(&threads[i], NULL, work[i], NULL))
			fail("pthread_create");
	sleep(argc > 1 ? (unsigned)atoi(argv[1]) : 2);
	stop = true;
	for (int i = 0; i < NR; i++)
		pthread_join(threads[i], NULL);
	close(shared);
	unsigned after = open_numbers();

	printf("%ld rounds, %u fds before, %u after\n", (long)rounds, before, after);
	return before != after;
}
