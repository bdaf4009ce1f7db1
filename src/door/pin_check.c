/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A few pages are touched, each once, which also brings them in as pinning would. For a long range the kernel is asked
 * which mappings it consists of; its pages come in when a device first uses them.
 */
#include "door/pin_check.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "door/fd_table.h"
#include "door/pin_priv.h"
#include "door/uaccess.h"

enum { TOUCH_MAX_PAGES = 32 };

/* linux/fs.h of 6.11 and later. */
struct procmap_query {
	uint64_t size, query_flags, query_addr;
	uint64_t vma_start, vma_end, vma_flags, vma_page_size, vma_offset, inode;
	uint32_t dev_major, dev_minor, vma_name_size, build_id_size;
	uint64_t vma_name_addr, build_id_addr;
};
#define PROCMAP_QUERY _IOWR('f', 17, struct procmap_query)
#define PROCMAP_READABLE 1u
#define PROCMAP_WRITABLE 2u
#define PROCMAP_SHARED 8u

/* pid 0: ours. */
static int maps_open(pid_t pid)
{
	char path[32] = "/proc/self/maps";

	if (pid)
		snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	int fd = real.open(path, O_RDONLY | O_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

/* Kept open: opening it takes ten times as long as asking. */
static int maps_fd(struct mm *mm)
{
	int fd = atomic_load_explicit(&mm->maps_fd, memory_order_acquire), none = -1;

	if (fd >= 0)
		return fd;
	fd = maps_open(0);
	if (fd < 0)
		return fd;
	fd = fd_keep(fd);
	if (atomic_compare_exchange_strong(&mm->maps_fd, &none, fd))
		return fd;
	fd_drop(fd);
	return none;
}

static int query(int fd, uaddr_t addr, struct pin_vma *vma)
{
	struct procmap_query q = {.size = sizeof(q), .query_addr = addr};

	if (real.ioctl(fd, PROCMAP_QUERY, (unsigned long)&q))
		return -errno;
	*vma = (struct pin_vma){
		.start = q.vma_start,
		.end = q.vma_end,
		.readable = q.vma_flags & PROCMAP_READABLE,
		.writable = q.vma_flags & PROCMAP_WRITABLE,
		.shared = q.vma_flags & PROCMAP_SHARED,
		.has_file = q.inode != 0,
	};
	return 0;
}

static bool parse_line(const char *line, struct pin_vma *vma)
{
	unsigned long long start, end, inode;
	char flags[5];

	if (sscanf(line, "%llx-%llx %4s %*x %*x:%*x %llu", &start, &end, flags, &inode) != 4)
		return false;
	*vma = (struct pin_vma){
		.start = start,
		.end = end,
		.readable = flags[0] == 'r',
		.writable = flags[1] == 'w',
		.shared = flags[3] == 's',
		.has_file = inode != 0,
	};
	return true;
}

/* Kernels before 6.11: read the text. */
static int scan(int fd, uaddr_t addr, struct pin_vma *vma)
{
	char buf[4096];
	size_t have = 0;
	ssize_t n;

	while ((n = real.read(fd, buf + have, sizeof(buf) - 1 - have)) > 0) {
		char *line = buf, *end;

		have += (size_t)n;
		buf[have] = '\0';
		for (; (end = strchr(line, '\n')); line = end + 1)
			if (parse_line(line, vma) && addr < vma->end)
				return addr >= vma->start ? 0 : -ENOENT;
		have -= (size_t)(line - buf);
		memmove(buf, line, have);
		if (have == sizeof(buf) - 1)
			have = 0; /* a path longer than any we need */
	}
	return -ENOENT;
}

int pin_vma_find(struct mm *mm, uaddr_t addr, struct pin_vma *vma)
{
	int fd = maps_fd(mm), err;

	if (fd < 0)
		return fd;
	err = query(fd, addr, vma);
	if (err != -ENOTTY)
		return err;
	/* Reading moves a position that other threads share. */
	fd = maps_open(0);
	if (fd < 0)
		return fd;
	err = scan(fd, addr, vma);
	real.close(fd);
	return err;
}

static int check_vma(const struct pin_vma *vma, uaddr_t end, bool write)
{
	uaddr_t last_page = MIN(end, vma->end) - BARTER_PAGE_SIZE;

	if (!vma->readable || (write && !vma->writable))
		return -EFAULT;
	/* A file may be shorter than its mapping; then the last page is the first to be missing. */
	return vma->has_file ? uaccess_touch(last_page, BARTER_PAGE_SIZE, false) : 0;
}

int pin_check(struct mm *mm, uaddr_t start, uint64_t len, bool write)
{
	struct pin_vma vma;
	int err;

	if (len <= TOUCH_MAX_PAGES * BARTER_PAGE_SIZE)
		return uaccess_touch(start, len, write);
	for (uaddr_t at = start; at < start + len; at = vma.end) {
		err = pin_vma_find(mm, at, &vma);
		if (!err)
			err = check_vma(&vma, start + len, write);
		if (err)
			return -EFAULT;
	}
	return 0;
}

int pin_check_process(pid_t pid, uaddr_t start, uint64_t len, bool write)
{
	struct pin_vma vma;
	int fd = maps_open(pid), err = fd < 0 ? fd : 0;

	for (uaddr_t at = start; !err && at < start + len; at = vma.end) {
		err = query(fd, at, &vma);
		if (err == -ENOTTY)
			err = real.lseek(fd, 0, SEEK_SET) ? -errno : scan(fd, at, &vma);
		if (!err && (!vma.readable || (write && !vma.writable)))
			err = -EFAULT;
	}
	if (fd >= 0)
		real.close(fd);
	return err ? -EFAULT : 0;
}
