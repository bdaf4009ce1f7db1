/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mmap of a dma-buf that VFIO made, and the two features of a buffer: what each answers, and what a program finds in
 * the memory. 7.3 refuses all of it; those answers were asked of Linux. What --kernel next answers stands in the second
 * file. Runs over one card.
 */
#include <linux/iommufd.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/wait.h>

#include "answers.h"
#include "devices.h"

#define REGION(index) ((off_t)(index) << 40)
#define PAGE 4096ul
#define BAR 2

enum { NR_PAGES = 16, NR_MANY = 2000 };

static struct device card;
static uint64_t *region; /* the first pages of the card's memory, through the device's own file */

/* Page n of the card says so in its first word. */
static void mark_pages(void)
{
	for (uint64_t n = 0; n < 2 * NR_MANY; n++)
		region[n * PAGE / 8] = 0x1000 + n;
}

static void command(uint16_t value)
{
	if (pwrite(card.fd, &value, 2, REGION(7) + PCI_COMMAND) != 2)
		die("config space");
}

static void open_card(void)
{
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind), .iommufd = open("/dev/iommu", O_RDWR)};

	find_devices();
	if (!choose(&card, true))
		die("a card alone in its group");
	card.fd = open(card.cdev, O_RDWR);
	if (card.fd < 0 || ioctl(card.fd, VFIO_DEVICE_BIND_IOMMUFD, &bind))
		die(card.cdev);
	command(PCI_COMMAND_MEMORY);
	region = mmap(NULL, 2 * NR_MANY * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, card.fd, REGION(BAR));
	if (region == MAP_FAILED)
		die("mmap of the region");
}

static int export_pages(int open_flags, const unsigned (*runs)[2], unsigned nr)
{
	size_t len = sizeof(struct vfio_device_feature) + sizeof(struct vfio_device_feature_dma_buf) + nr * 16;
	struct vfio_device_feature *f = calloc(1, len);
	struct vfio_device_feature_dma_buf *get = (void *)f->data;
	int fd;

	f->argsz = (uint32_t)len;
	f->flags = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_BUF;
	get->region_index = BAR;
	get->open_flags = (uint32_t)open_flags;
	get->nr_ranges = nr;
	for (unsigned i = 0; i < nr; i++)
		get->dma_ranges[i] = (struct vfio_region_dma_range){runs[i][0] * PAGE, runs[i][1] * PAGE};
	fd = ioctl(card.fd, VFIO_DEVICE_FEATURE, f);
	free(f);
	if (fd < 0)
		die("VFIO_DEVICE_FEATURE_DMA_BUF");
	return fd;
}

static long feature(uint32_t index, int fd, uint32_t memattr)
{
	struct {
		struct vfio_device_feature f;
		int32_t fd;
		uint32_t memattr;
	} a = {{sizeof(a), VFIO_DEVICE_FEATURE_SET | index}, fd, memattr};

	return io(card.fd, VFIO_DEVICE_FEATURE, &a);
}

static long try_map(int fd, size_t len, int prot, int flags, off_t offset)
{
	void *p = mmap(NULL, len, prot, flags, fd, offset);

	if (p == MAP_FAILED)
		return -errno;
	munmap(p, len);
	return 0;
}

/* Pages 5, 1-2, 9, 1: not in order, one of them twice. */
static const unsigned runs[][2] = {{5, 1}, {1, 2}, {9, 1}, {1, 1}};
enum { NR_RUNS = 4, LEN = 5 * 4096 };

static void questions(void)
{
	int rw = export_pages(O_RDWR | O_CLOEXEC, runs, NR_RUNS), ro = export_pages(O_CLOEXEC, runs, NR_RUNS);
	int wo = export_pages(O_WRONLY | O_CLOEXEC, runs, NR_RUNS);

	answer("shared", try_map(rw, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, 0));
	answer("shared_to_read", try_map(rw, LEN, PROT_READ, MAP_SHARED, 0));
	answer("shared_none", try_map(rw, LEN, PROT_NONE, MAP_SHARED, 0));
	answer("shared_validate", try_map(rw, LEN, PROT_READ, MAP_SHARED_VALIDATE, 0));
	answer("sync", try_map(rw, LEN, PROT_READ, MAP_SHARED_VALIDATE | MAP_SYNC, 0));
	answer("private", try_map(rw, LEN, PROT_READ, MAP_PRIVATE, 0));
	answer("private_to_write", try_map(rw, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0));
	answer("to_execute", try_map(rw, LEN, PROT_READ | PROT_EXEC, MAP_SHARED, 0));
	answer("private_to_execute", try_map(rw, LEN, PROT_READ | PROT_EXEC, MAP_PRIVATE, 0));
	answer("slice", try_map(rw, 3 * PAGE, PROT_READ, MAP_SHARED, PAGE));
	answer("last_page", try_map(rw, 1, PROT_READ, MAP_SHARED, LEN - PAGE));
	answer("one_too_many", try_map(rw, LEN + PAGE, PROT_READ, MAP_SHARED, 0));
	answer("beyond", try_map(rw, PAGE, PROT_READ, MAP_SHARED, LEN));
	answer("far_beyond", try_map(rw, PAGE, PROT_READ, MAP_SHARED, 1l << 52));
	answer("offset_wraps", try_map(rw, LEN, PROT_READ, MAP_SHARED, -(off_t)LEN));
	answer("offset_odd", try_map(rw, LEN, PROT_READ, MAP_SHARED, 1));
	answer("length_0", try_map(rw, 0, PROT_READ, MAP_SHARED, 0));
	answer("hugetlb", try_map(rw, LEN, PROT_READ, MAP_SHARED | MAP_HUGETLB, 0));
	answer("read_only", try_map(ro, LEN, PROT_READ, MAP_SHARED, 0));
	answer("read_only_to_write", try_map(ro, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, 0));
	answer("read_only_only_write", try_map(ro, LEN, PROT_WRITE, MAP_SHARED, 0));
	answer("read_only_private", try_map(ro, LEN, PROT_READ, MAP_PRIVATE, 0));
	answer("read_only_to_execute", try_map(ro, LEN, PROT_READ | PROT_EXEC, MAP_SHARED, 0));
	answer("write_only", try_map(wo, LEN, PROT_WRITE, MAP_SHARED, 0));
	answer("decoding_off", (command(0), try_map(rw, LEN, PROT_READ, MAP_SHARED, 0)));
	answer("decoding_on", (command(PCI_COMMAND_MEMORY), try_map(rw, LEN, PROT_READ, MAP_SHARED, 0)));
	answer("memattr", feature(VFIO_DEVICE_FEATURE_DMA_BUF_MEMATTR, rw, VFIO_DMA_BUF_MEMATTR_WC));
	answer("memattr_unknown", feature(VFIO_DEVICE_FEATURE_DMA_BUF_MEMATTR, rw, 2));
	answer("memattr_shared", try_map(rw, LEN, PROT_READ, MAP_SHARED, 0));
	answer("revoke", feature(VFIO_DEVICE_FEATURE_DMA_BUF_REVOKE, rw, 0));
	answer("revoke_again", feature(VFIO_DEVICE_FEATURE_DMA_BUF_REVOKE, rw, 0));
	answer("revoked", try_map(rw, LEN, PROT_READ, MAP_SHARED, 0));
	answer("revoked_private", try_map(rw, LEN, PROT_READ, MAP_PRIVATE, 0));
	answer("revoke_a_device", feature(VFIO_DEVICE_FEATURE_DMA_BUF_REVOKE, card.fd, 0));
	answer("revoke_nothing", feature(VFIO_DEVICE_FEATURE_DMA_BUF_REVOKE, -1, 0));
	close(rw);
	close(ro);
	close(wo);
}

/*
 * What is in the memory
 */

static sigjmp_buf touched;
static volatile sig_atomic_t touch_signal;

static void touch_failed(int sig)
{
	touch_signal = sig;
	siglongjmp(touched, 1);
}

/* The word at the start of a page, or the signal that it gave, negative. */
static long look(const volatile uint64_t *p)
{
	if (sigsetjmp(touched, 1))
		return -(long)touch_signal;
	return (long)*p;
}

static long poke(volatile uint64_t *p, uint64_t value)
{
	if (sigsetjmp(touched, 1))
		return -(long)touch_signal;
	*p = value;
	return 0;
}

static void show(const char *name, const char *p, unsigned nr)
{
	char text[256] = "";
	size_t n = 0;

	for (unsigned i = 0; i < nr; i++) {
		long word = look((const volatile uint64_t *)(p + i * PAGE));

		n += (size_t)snprintf(text + n, sizeof(text) - n, word < 0 ? " signal_%ld" : " %lx",
				      word < 0 ? -word : word);
	}
	say(name, 0, "%s", text + 1);
}

static char *map_all(int fd, int prot)
{
	char *p = mmap(NULL, LEN, prot, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		die("mmap of the buffer");
	return p;
}

static void contents(int fd)
{
	char *p = map_all(fd, PROT_READ | PROT_WRITE), *q;

	show("ranges_in_order", p, 5);
	*(volatile uint64_t *)(p + 4 * PAGE + 8) = 77;
	say("page_shown_twice", 0, "%lu %lu", ((volatile uint64_t *)(p + PAGE))[1], region[PAGE / 8 + 1]);
	q = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, fd, 2 * PAGE);
	show("slice_across_ranges", q, 2);
	munmap(q, 2 * PAGE);
	command(0);
	show("decoding_off_all", p, 5);
	command(PCI_COMMAND_MEMORY);
	show("decoding_on_all", p, 5);
	munmap(p, LEN);
}

/* Partial munmap, mprotect and mremap, each over a revocation and back. */
static void pieces(int fd)
{
	char *p = map_all(fd, PROT_READ | PROT_WRITE), *q;

	munmap(p + 2 * PAGE, PAGE);
	command(0);
	show("hole_while_off", p, 5);
	command(PCI_COMMAND_MEMORY);
	show("hole_when_back", p, 5);
	answer("to_read_while_off", (command(0), mprotect(p, 2 * PAGE, PROT_READ)) ? -errno : 0);
	command(PCI_COMMAND_MEMORY);
	say("store_to_read_only", 0, "%ld %ld", poke((uint64_t *)p, 1), look((uint64_t *)p));
	answer("to_write_again", mprotect(p, 2 * PAGE, PROT_READ | PROT_WRITE) ? -errno : 0);
	command(0);
	command(PCI_COMMAND_MEMORY);
	say("store_again", 0, "%ld", poke((uint64_t *)p, 0x1005));
	answer("to_execute_later", mprotect(p, PAGE, PROT_READ | PROT_EXEC) ? -errno : 0);
	answer("grow", mremap(p + 3 * PAGE, 2 * PAGE, 3 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED ? -errno : 0);
	q = mmap(NULL, 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	answer("move", mremap(p + 3 * PAGE, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q) == q ? 0 : -errno);
	show("moved", q, 2);
	command(0);
	show("moved_while_off", q, 2);
	show("left_behind", p + 3 * PAGE, 1);
	command(PCI_COMMAND_MEMORY);
	show("moved_and_back", q, 2);
	munmap(p, LEN);
	munmap(q, 2 * PAGE);
}

/* The last of fd and mappings keeps the buffer: revoking needs an fd, mapping does not. */
static void lifetime(int fd)
{
	int other = dup(fd);
	char *p = map_all(fd, PROT_READ), *q;

	close(fd);
	q = map_all(other, PROT_READ);
	show("fd_closed", p, 1);
	answer("revoke_under_mappings", feature(VFIO_DEVICE_FEATURE_DMA_BUF_REVOKE, other, 0));
	close(other);
	command(0);
	command(PCI_COMMAND_MEMORY);
	show("revoked_for_good", p, 2);
	show("revoked_for_good_too", q, 1);
	munmap(p, LEN);
	munmap(q, LEN);
}

static void child(int fd)
{
	char *p = map_all(fd, PROT_READ | PROT_WRITE);
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		((volatile uint64_t *)p)[1] = 55;
		_exit(look((uint64_t *)(p + 3 * PAGE)) == 0x1009 ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	say("child", status, "%lu", region[5 * PAGE / 8 + 1]);
	munmap(p, LEN);
}

static void many(void)
{
	unsigned(*all)[2] = calloc(NR_MANY, sizeof(*all));
	unsigned long wrong = 0;
	char *p;
	int fd;

	for (unsigned i = 0; i < NR_MANY; i++) {
		all[i][0] = 2 * (NR_MANY - 1 - i);
		all[i][1] = 1;
	}
	fd = export_pages(O_RDWR | O_CLOEXEC, (const unsigned(*)[2])all, NR_MANY);
	p = mmap(NULL, NR_MANY * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	command(0);
	command(PCI_COMMAND_MEMORY);
	for (unsigned i = 0; i < NR_MANY && p != MAP_FAILED; i++)
		wrong += look((uint64_t *)(p + i * PAGE)) != 0x1000l + all[i][0];
	say("many_ranges", p == MAP_FAILED ? -errno : 0, "%lu wrong", wrong);
	munmap(p, NR_MANY * PAGE);
	free(all);
}

int main(int argc, char **argv)
{
	int fd, ro;
	char *p;

	if (answers_begin(argc, argv))
		return 2;
	signal(SIGBUS, touch_failed);
	signal(SIGSEGV, touch_failed);
	open_card();
	questions();
	fd = export_pages(O_RDWR | O_CLOEXEC, runs, NR_RUNS);
	if (try_map(fd, LEN, PROT_READ, MAP_SHARED, 0))
		return answers_end();
	mark_pages();
	contents(fd);
	pieces(fd);
	child(fd);
	lifetime(fd);
	ro = export_pages(O_CLOEXEC, runs, NR_RUNS);
	p = map_all(ro, PROT_READ);
	answer("read_only_to_write_later", mprotect(p, LEN, PROT_READ | PROT_WRITE) ? -errno : 0);
	show("read_only_contents", p, 1);
	munmap(p, LEN);
	close(ro);
	many();
	return answers_end();
}
