/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Device memory in a program's address space: what mmap, mremap, mprotect, madvise, mlock, munmap and plain accesses
 * make of it, with memory decoding on, off and on again, and in a child. Needs a memory card with ivshmem's ids.
 */
#include <linux/iommufd.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>

#include "answers.h"
#include "devices.h"

#define P 4096l
#define ROOM (64l << 20)
#define RW (PROT_READ | PROT_WRITE)

static struct device card;
static struct vfio_region_info bar = {.argsz = sizeof(bar), .index = 2};
static sigjmp_buf escape;
static siginfo_t met;
static char *m;

static void on_signal(int sig, siginfo_t *info, void *context)
{
	met = *info;
	siglongjmp(escape, sig);
}

static void touch(const char *name, volatile char *p, bool write)
{
	int sig = sigsetjmp(escape, 1);

	if (sig) {
		say(name, sig, "code %d at %+ld", met.si_code, (long)((char *)met.si_addr - p));
		return;
	}
	if (write)
		*p = 1;
	else
		(void)*p;
	answer(name, 0);
}

static long errno_of(long ret)
{
	return ret == -1 ? -errno : ret;
}

/* Where an address is, told from m: such answers are the same everywhere. */
static long offset(void *p)
{
	return p == MAP_FAILED ? -errno : ((char *)p - m) / P;
}

static void decoding(bool on)
{
	struct vfio_region_info config = {.argsz = sizeof(config), .index = VFIO_PCI_CONFIG_REGION_INDEX};
	uint16_t command = on ? PCI_COMMAND_MEMORY : 0;

	if (ioctl(card.fd, VFIO_DEVICE_GET_REGION_INFO, &config) ||
	    pwrite(card.fd, &command, 2, (off_t)config.offset + PCI_COMMAND) != 2)
		die("command register");
}

static void *map_at(void *at, size_t len, int prot, int flags, uint64_t from)
{
	return mmap(at, len, prot, flags, card.fd, (off_t)from);
}

/* -errno, or 0 for any address. */
static long try_map(size_t len, int prot, int flags, uint64_t from)
{
	void *p = map_at(NULL, len, prot, flags, from);

	if (p == MAP_FAILED)
		return -errno;
	munmap(p, len);
	return 0;
}

static void ask_mmap(void)
{
	uint64_t from = bar.offset;

	answer("private", try_map(P, PROT_READ, MAP_PRIVATE, from));
	answer("private, writable", try_map(P, RW, MAP_PRIVATE, from));
	answer("no length", try_map(0, RW, MAP_SHARED, from));
	answer("between pages", try_map(P, RW, MAP_SHARED, from + 1));
	answer("no type", try_map(P, RW, 0, from));
	answer("validated", try_map(P, RW, MAP_SHARED_VALIDATE, from));
	answer("validated, MAP_SYNC", try_map(P, RW, MAP_SHARED_VALIDATE | MAP_SYNC, from));
	answer("executable", try_map(P, PROT_READ | PROT_EXEC, MAP_SHARED, from));
	answer("write only", try_map(P, PROT_WRITE, MAP_SHARED, from));
	answer("huge", try_map(P, RW, MAP_SHARED | MAP_HUGETLB, from));
	answer("locked", try_map(P, RW, MAP_SHARED | MAP_LOCKED, from));
	answer("populated", try_map(P, RW, MAP_SHARED | MAP_POPULATE, from));
	answer("longer than anything", try_map(~0ul << 12, RW, MAP_SHARED, from));
	answer("beyond the last offset", try_map(P, RW, MAP_SHARED, -(uint64_t)P));
	answer("the last byte of the BAR", try_map(P, RW, MAP_SHARED, from + bar.size - P));
	answer("one page too far", try_map(2 * P, RW, MAP_SHARED, from + bar.size - P));
	answer("fixed, between pages", offset(map_at(m + 1, P, RW, MAP_SHARED | MAP_FIXED, from)));
	answer("no replacing", offset(map_at(m, P, RW, MAP_SHARED | MAP_FIXED_NOREPLACE, from)));
}

static void ask_mremap(void)
{
	answer("grow and move", offset(mremap(m, 16 * P, 32 * P, MREMAP_MAYMOVE)));
	answer("grow", offset(mremap(m, 16 * P, 32 * P, 0)));
	answer("a second mapping", offset(mremap(m, 0, 16 * P, MREMAP_MAYMOVE)));
	answer("keep the old", offset(mremap(m, 16 * P, 16 * P, MREMAP_MAYMOVE | MREMAP_DONTUNMAP)));
	answer("same size", offset(mremap(m, 16 * P, 16 * P, MREMAP_MAYMOVE)));
	answer("to nothing", offset(mremap(m, 16 * P, 0, 0)));
	answer("between pages", offset(mremap(m + 1, P, P, 0)));
	answer("fixed without may-move", offset(mremap(m, P, P, MREMAP_FIXED, m + P)));
	answer("over itself", offset(mremap(m, 2 * P, 2 * P, MREMAP_FIXED | MREMAP_MAYMOVE, m + P)));
	answer("unknown flag", offset(mremap(m, P, P, 128)));
	answer("shrink", offset(mremap(m, 16 * P, 12 * P, 0)));
	touch("the end is gone", m + 13 * P, false);
}

static void ask_madvise(void)
{
	static const int advices[] = {0, 1, 2, 3, 4, 8, 9, 10, 11, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 999};
	char name[32];

	for (size_t i = 0; i < sizeof(advices) / sizeof(advices[0]); i++) {
		snprintf(name, sizeof(name), "madvise %d", advices[i]);
		answer(name, errno_of(madvise(m, 2 * P, advices[i])));
	}
	touch("still there", m, false);
	answer("mlock", errno_of(mlock(m, P)));
	answer("munlock", errno_of(munlock(m, P)));
}

static void ask_msync(void)
{
	static const int flags[] = {0, 1, 2, 3, 4, 5, 6, 8};
	char name[32];

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		snprintf(name, sizeof(name), "msync %d", flags[i]);
		answer(name, errno_of(msync(m, 2 * P, flags[i])));
	}
	answer("no length", errno_of(msync(m, 0, MS_SYNC)));
	answer("between pages", errno_of(msync(m + 1, P, MS_SYNC)));
	answer("with the hole behind", errno_of(msync(m, 13 * P, MS_SYNC)));
	answer("with the hole behind, not waiting", errno_of(msync(m, 13 * P, MS_ASYNC)));
	answer("with the hole before", errno_of(msync(m - P, 2 * P, MS_ASYNC)));
	answer("with the hole before, waiting", errno_of(msync(m - P, 2 * P, MS_SYNC)));
	answer("the hole alone", errno_of(msync(m + 12 * P, P, MS_SYNC)));
}

static void ask_mprotect(void)
{
	answer("read only", errno_of(mprotect(m + 2 * P, P, PROT_READ)));
	touch("write", m + 2 * P, true);
	touch("read", m + 2 * P, false);
	answer("nothing", errno_of(mprotect(m + 2 * P, P, PROT_NONE)));
	touch("read", m + 2 * P, false);
	answer("everything", errno_of(mprotect(m + 2 * P, P, RW | PROT_EXEC)));
	answer("read and write", errno_of(mprotect(m + 2 * P, P, RW)));
	touch("write", m + 2 * P, true);
	answer("between pages", errno_of(mprotect(m + 1, P, RW)));
	answer("into the hole behind", errno_of(mprotect(m, 13 * P, PROT_READ)));
	touch("done before the hole", m, true);
	answer("back", errno_of(mprotect(m, 12 * P, RW)));
	answer("no length", errno_of(mprotect(m, 0, PROT_READ)));
	answer("unknown protection", errno_of(mprotect(m, P, 64)));
}

static void ask_pieces(void)
{
	char *moved;

	answer("a hole", errno_of(munmap(m + 4 * P, P)));
	touch("in the hole", m + 4 * P, false);
	touch("behind the hole", m + 5 * P, false);
	moved = mremap(m + 5 * P, 2 * P, 2 * P, MREMAP_MAYMOVE | MREMAP_FIXED, m + 13 * P);
	answer("moved", offset(moved));
	touch("there", moved, true);
	touch("not here", m + 5 * P, false);
}

/* read(2) and write(2) on a file, with device memory as the buffer. */
static void ask_buffers(const char *when)
{
	int file = memfd_create("file", 0);
	char name[64];

	if (write(file, "hello", 5) != 5)
		die("memfd");
	snprintf(name, sizeof(name), "read into it, %s", when);
	answer(name, errno_of(pread(file, m, 5, 0)));
	snprintf(name, sizeof(name), "write from it, %s", when);
	answer(name, errno_of(pwrite(file, m, 5, 0)));
	close(file);
}

static void ask_decoding(void)
{
	char *late;

	decoding(false);
	touch("off: read", m, false);
	touch("off: write", m, true);
	touch("off: the moved piece", m + 13 * P, false);
	answer("off: read only", errno_of(mprotect(m + P, P, PROT_READ)));
	touch("off: write to it", m + P, true);
	touch("off: read it", m + P, false);
	answer("off: nothing", errno_of(mprotect(m + 2 * P, P, PROT_NONE)));
	touch("off: read it", m + 2 * P, false);
	answer("off: mlock", errno_of(mlock(m, P)));
	answer("off: dropping pages", errno_of(madvise(m, P, MADV_DONTNEED)));
	ask_buffers("off");
	late = map_at(NULL, P, RW, MAP_SHARED, bar.offset);
	answer("off: mapped", late == MAP_FAILED);
	touch("off: touched", late, false);
	decoding(true);
	touch("on: read", m, false);
	touch("on: what came late", late, true);
	touch("on: write to the read-only page", m + P, true);
	touch("on: read the page without access", m + 2 * P, false);
	touch("on: the moved piece", m + 13 * P, true);
	say("on: one memory", 0, "%d %d", m[0], late[0]);
	ask_buffers("on");
	munmap(late, P);
}

static void in_child(const char *name, char *p)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		int sig = sigsetjmp(escape, 1);

		if (sig == 0)
			(void)*(volatile char *)p;
		_exit(sig);
	}
	int status;

	waitpid(pid, &status, 0);
	answer(name, WIFEXITED(status) ? WEXITSTATUS(status) : -EFAULT);
}

static void ask_children(void)
{
	answer("not for children", errno_of(madvise(m, P, MADV_DONTFORK)));
	in_child("child: that page", m);
	in_child("child: another", m + 3 * P);
}

/* The last file is closed: the memory is gone for good, the mapping says so. */
static void ask_close(int iommu)
{
	touch("before the close", m, false);
	close(card.fd);
	touch("mapped after the close", m, false);
	close(iommu);
	answer("munmap", errno_of(munmap(m, 16 * P)));
	touch("nothing left", m, false);
}

int main(int argc, char **argv)
{
	struct sigaction act = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind)};

	if (answers_begin(argc, argv))
		return 2;
	sigaction(SIGSEGV, &act, NULL);
	sigaction(SIGBUS, &act, NULL);
	find_devices();
	if (!choose(&card, true))
		die("a memory card");
	bind.iommufd = open("/dev/iommu", O_RDWR);
	card.fd = open(card.cdev, O_RDWR);
	if (ioctl(card.fd, VFIO_DEVICE_BIND_IOMMUFD, &bind) || ioctl(card.fd, VFIO_DEVICE_GET_REGION_INFO, &bar))
		die(card.cdev);
	decoding(true);
	/* Room around the mapping, so that what is next to it is known; what others map goes to the far end. */
	m = mmap(NULL, ROOM, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(m, ROOM);
	m = map_at(m + 16 * P, 16 * P, RW, MAP_SHARED | MAP_FIXED_NOREPLACE, bar.offset);
	if (m == MAP_FAILED)
		die("mmap");
	touch("read", m, false);
	touch("write", m, true);
	ask_mmap();
	ask_mremap();
	ask_madvise();
	ask_msync();
	ask_mprotect();
	ask_pieces();
	ask_decoding();
	ask_children();
	ask_close((int)bind.iommufd);
	return answers_end();
}
