/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Device memory in children: mappings that they inherit and mappings that they make, while the memory is taken away and
 * given back by either side. A child does what it is told through a pipe and reports. Needs a memory card with
 * ivshmem's ids.
 */
#include <linux/iommufd.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "answers.h"
#include "devices.h"

#define P 4096l
#define RW (PROT_READ | PROT_WRITE)

enum order { READ, WRITE, MAP, UNMAP, MOVE, PROTECT, DECODING, FORK, COUNT, END };

/* What a child is told, and what it says: the signal or the result of the order. */
struct message {
	enum order order;
	char *at, *to;
	long value;
};

struct child {
	pid_t pid;
	int to, from;
};

static struct device card;
static struct vfio_region_info bar = {.argsz = sizeof(bar), .index = 2};
static sigjmp_buf escape;
static siginfo_t met;
static volatile unsigned long *counter; /* shared */

static void on_signal(int sig, siginfo_t *info, void *context)
{
	met = *info;
	siglongjmp(escape, sig);
}

static long errno_of(long ret)
{
	return ret == -1 ? -errno : ret;
}

/* The byte, or 1000 * signal + its code. */
static long access_byte(volatile char *p, bool write, char value)
{
	int sig = sigsetjmp(escape, 1);

	if (sig)
		return 1000 * sig + met.si_code;
	if (write)
		*p = value;
	return *p;
}

static long decoding(bool on)
{
	struct vfio_region_info config = {.argsz = sizeof(config), .index = VFIO_PCI_CONFIG_REGION_INDEX};
	uint16_t command = on ? PCI_COMMAND_MEMORY : 0;

	if (ioctl(card.fd, VFIO_DEVICE_GET_REGION_INFO, &config) ||
	    pwrite(card.fd, &command, 2, (off_t)config.offset + PCI_COMMAND) != 2)
		return -errno;
	return 0;
}

/* Counts reads until there is a signal. */
static long count(volatile char *p)
{
	int sig = sigsetjmp(escape, 1);

	if (sig)
		return 1000 * sig + met.si_code;
	for (;;) {
		(void)*p;
		++*counter;
	}
}

static struct child start(bool by_libc);
static long tell(struct child *c, enum order order, char *at, char *to, long value);
static long end(struct child *c);

/* A child of the child reads and writes. */
static long descend(char *at)
{
	struct child c = start(true);
	long value = tell(&c, WRITE, at, NULL, 7);

	return end(&c) ? -ECHILD : value;
}

static long obey(const struct message *m)
{
	char *p;

	switch (m->order) {
	case READ:
		return access_byte(m->at, false, 0);
	case WRITE:
		return access_byte(m->at, true, (char)m->value);
	case MAP:
		p = mmap(m->at, (size_t)m->value, RW, MAP_SHARED | (m->at ? MAP_FIXED : 0), card.fd, (off_t)bar.offset);
		return p == MAP_FAILED ? -errno : (long)p;
	case UNMAP:
		return errno_of(munmap(m->at, (size_t)m->value));
	case MOVE:
		p = mremap(m->at, (size_t)m->value, (size_t)m->value, MREMAP_MAYMOVE | MREMAP_FIXED, m->to);
		return p == MAP_FAILED ? -errno : 0;
	case PROTECT:
		return errno_of(mprotect(m->at, P, (int)m->value));
	case DECODING:
		return decoding(m->value);
	case FORK:
		return descend(m->at);
	case COUNT:
		return count(m->at);
	default:
		return 0;
	}
}

static void serve(int in, int out)
{
	struct message m;

	while (read(in, &m, sizeof(m)) == sizeof(m) && m.order != END) {
		m.value = obey(&m);
		if (write(out, &m, sizeof(m)) != sizeof(m))
			_exit(1);
	}
	_exit(0);
}

static struct child start(bool by_libc)
{
	int there[2], back[2];
	struct child c;

	fflush(stdout);
	if (pipe(there) || pipe(back))
		die("pipe");
	c.pid = by_libc ? fork() : (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (c.pid == 0) {
		close(there[1]);
		serve(there[0], back[1]);
	}
	close(there[0]);
	close(back[1]);
	c.to = there[1];
	c.from = back[0];
	return c;
}

static void begin(struct child *c, enum order order, char *at, char *to, long value)
{
	struct message m = {order, at, to, value};

	if (write(c->to, &m, sizeof(m)) != sizeof(m))
		die("the child does not listen");
}

static long result(struct child *c)
{
	struct message m;

	return read(c->from, &m, sizeof(m)) == sizeof(m) ? m.value : -EPIPE;
}

static long tell(struct child *c, enum order order, char *at, char *to, long value)
{
	begin(c, order, at, to, value);
	return result(c);
}

static long end(struct child *c)
{
	int status;

	close(c->to);
	close(c->from);
	return waitpid(c->pid, &status, 0) == c->pid ? status : -errno;
}

static char *map(size_t pages)
{
	char *p = mmap(NULL, pages * P, RW, MAP_SHARED, card.fd, (off_t)bar.offset);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

static void ask_inherited(struct child *c, char *m)
{
	m[0] = 1;
	answer("inherited: read", tell(c, READ, m, NULL, 0));
	answer("inherited: write", tell(c, WRITE, m + 1, NULL, 2));
	answer("the parent sees it", m[1]);
	answer("the parent turns decoding off", decoding(false));
	answer("inherited, off: read", tell(c, READ, m, NULL, 0));
	answer("inherited, off: write", tell(c, WRITE, m, NULL, 3));
	answer("the parent turns decoding on", decoding(true));
	answer("inherited, on: read", tell(c, READ, m, NULL, 0));
	answer("the child turns decoding off", tell(c, DECODING, NULL, NULL, false));
	answer("off: the parent reads", access_byte(m, false, 0));
	answer("off: the child reads", tell(c, READ, m, NULL, 0));
	answer("the child turns decoding on", tell(c, DECODING, NULL, NULL, true));
	answer("on: the parent reads", access_byte(m, false, 0));
	answer("on: the child reads", tell(c, READ, m, NULL, 0));
}

static void ask_made(struct child *c, char *m)
{
	char *made = (char *)tell(c, MAP, NULL, NULL, 4 * P), *late;

	answer("the child maps", (long)made > 0);
	answer("made: read", tell(c, READ, made + 1, NULL, 0));
	answer("made: write", tell(c, WRITE, made + P, NULL, 4));
	answer("the parent sees it", m[P]);
	decoding(false);
	answer("made, off: read", tell(c, READ, made, NULL, 0));
	late = (char *)tell(c, MAP, NULL, NULL, P);
	answer("the child maps while it is off", (long)late > 0);
	answer("late, off: read", tell(c, READ, late, NULL, 0));
	decoding(true);
	answer("made, on: read", tell(c, READ, made + P, NULL, 0));
	answer("late, on: read", tell(c, READ, late, NULL, 0));
	answer("the child maps over it", tell(c, MAP, late, NULL, P) == (long)late);
	answer("over, read", tell(c, READ, late, NULL, 0));
	answer("the child unmaps", tell(c, UNMAP, late, NULL, P));
	answer("the child's child reads and writes what it made", tell(c, FORK, made + 2 * P, NULL, 0));
	answer("the parent sees it", m[2 * P]);
	answer("unmap", tell(c, UNMAP, made, NULL, 4 * P));
	answer("unmapped: read", tell(c, READ, made, NULL, 0));
}

/* What a child does to its mapping is not its parent's. */
static void ask_pieces(struct child *c, char *m)
{
	char *room = mmap(NULL, 2 * P, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	m[3 * P] = 5;
	answer("the child unmaps a page", tell(c, UNMAP, m + 4 * P, NULL, P));
	answer("there: the child reads", tell(c, READ, m + 4 * P, NULL, 0));
	answer("there: the parent reads", access_byte(m + 4 * P, false, 0));
	answer("room for it", tell(c, UNMAP, room, NULL, 2 * P));
	answer("the child moves a page", tell(c, MOVE, m + 3 * P, room, P));
	answer("moved: read", tell(c, READ, room, NULL, 0));
	answer("where it was: read", tell(c, READ, m + 3 * P, NULL, 0));
	answer("the child may only read a page", tell(c, PROTECT, m + 5 * P, NULL, PROT_READ));
	answer("it: write", tell(c, WRITE, m + 5 * P, NULL, 1));
	decoding(false);
	answer("off: the unmapped page", tell(c, READ, m + 4 * P, NULL, 0));
	answer("off: moved", tell(c, READ, room, NULL, 0));
	answer("off: the read-only page", tell(c, READ, m + 5 * P, NULL, 0));
	decoding(true);
	answer("on: the unmapped page", tell(c, READ, m + 4 * P, NULL, 0));
	answer("on: moved", tell(c, READ, room, NULL, 0));
	answer("on: the read-only page", tell(c, READ, m + 5 * P, NULL, 0));
	answer("on: write to it", tell(c, WRITE, m + 5 * P, NULL, 1));
	munmap(room, 2 * P);
}

static void ask_outliving(struct child *c, char *m)
{
	answer("the parent unmaps", errno_of(munmap(m, 16 * P)));
	answer("the child reads", tell(c, READ, m, NULL, 0));
	decoding(false);
	answer("off: the child reads", tell(c, READ, m, NULL, 0));
	decoding(true);
	answer("on: the child reads", tell(c, READ, m, NULL, 0));
}

/* When decoding is off no child gets a byte any more, whatever it is doing. */
static void ask_racing(const char *name, bool by_libc, bool stopped)
{
	char *m = map(1);
	struct child c = start(by_libc);
	unsigned long seen;
	int status;

	*counter = 0;
	begin(&c, COUNT, m, NULL, 0);
	while (*counter < 1000)
		;
	if (stopped) {
		kill(c.pid, SIGSTOP);
		waitpid(c.pid, &status, WUNTRACED);
	}
	decoding(false);
	seen = *counter;
	if (stopped)
		kill(c.pid, SIGCONT);
	say(name, result(&c), "%s", *counter <= seen + 1 ? "at once" : "too late");
	decoding(true);
	answer("it reads again", tell(&c, READ, m, NULL, 0));
	answer("it ends", end(&c));
	munmap(m, P);
}

/* The device stays open with the child's mapping. */
static void ask_close(int iommu)
{
	char *m = map(1);
	struct child c = start(true);

	munmap(m, P);
	close(card.fd);
	close(iommu);
	answer("closed: the child reads", tell(&c, READ, m, NULL, 0));
	answer("closed: the child turns decoding off", tell(&c, DECODING, NULL, NULL, false));
	answer("closed, off: the child reads", tell(&c, READ, m, NULL, 0));
	answer("it ends", end(&c));
}

int main(int argc, char **argv)
{
	struct sigaction act = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind)};
	struct child c;
	char *m;

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
	counter = mmap(NULL, P, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	m = map(16);
	c = start(true);
	ask_inherited(&c, m);
	ask_made(&c, m);
	ask_pieces(&c, m);
	ask_outliving(&c, m);
	answer("it ends", end(&c));
	ask_racing("a child that reads all the time", true, false);
	ask_racing("a stopped child", true, true);
	ask_racing("a child by a raw system call", false, false);
	ask_racing("a stopped child by a raw system call", false, true);
	ask_close((int)bind.iommufd);
	return answers_end();
}
