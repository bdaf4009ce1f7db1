/* SPDX-License-Identifier: BSD-3-Clause */
#include "memory/memory_fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/types.h"

/* A program numbers its fds from 0 and may rely on the next free one. The second place is for small RLIMIT_NOFILEs. */
static int move_out_of_the_way(int fd)
{
	static const int places[] = {1000, 200};

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		int high = fcntl(fd, F_DUPFD_CLOEXEC, places[i]);

		if (high < 0)
			continue;
		close(fd);
		return high;
	}
	return fd;
}

int memory_fd_create(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC);

	return fd < 0 ? -errno : move_out_of_the_way(fd);
}
