/* SPDX-License-Identifier: BSD-3-Clause */
/* /dev/udmabuf: pages of the program's own memfds as a dma-buf. What is refused, what both sides see. */
#include "buffer_rules.h"

#include <linux/udmabuf.h>
#include <sys/resource.h>

static int dev;

static int memfd_of(long len, int seals)
{
	int fd = memfd_create("pages", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, len) || (seals && fcntl(fd, F_ADD_SEALS, seals)))
		die("memfd");
	return fd;
}

static void device_file(void)
{
	char buf[64] = "";
	struct stat st;
	int fd;

	exporter_name = "udmabuf device";
	rule(stat("/dev/udmabuf", &st), "stat");
	rule(st.st_mode, "mode");
	rule(read(dev, buf, sizeof(buf)), "read");
	rule(lseek(dev, 0, SEEK_SET), "lseek");
	rule_mmap("", dev, PAGE, PROT_READ, MAP_SHARED, 0);
	rule(ioctl(dev, _IO('u', 0x42), NULL), "an ioctl that is none");
	rule(ioctl(dev, _IOC(_IOC_READ | _IOC_WRITE, 'u', 0x42, sizeof(struct udmabuf_create)), NULL),
	     "CREATE that reads");
	rule(access("/sys/class/misc/udmabuf", F_OK), "sysfs class");
	fd = open("/sys/module/udmabuf/parameters/list_limit", O_RDONLY);
	rule(read(fd, buf, sizeof(buf)), "list_limit");
	rule(atoi(buf), "list_limit is");
	close(fd);
	fd = open("/sys/module/udmabuf/parameters/size_limit_mb", O_RDONLY);
	rule(read(fd, buf, sizeof(buf)), "size_limit_mb");
	rule(atoi(buf), "size_limit_mb is");
	close(fd);
}

static long create(int memfd, uint32_t flags, uint64_t offset, uint64_t size)
{
	struct udmabuf_create c = {.memfd = (uint32_t)memfd, .flags = flags, .offset = offset, .size = size};

	return ioctl(dev, UDMABUF_CREATE, &c);
}

static void try(const char *name, int memfd, uint32_t flags, uint64_t offset, uint64_t size)
{
	long fd = create(memfd, flags, offset, size);

	exporter_name = "CREATE";
	rule(fd < 0 ? -1 : 0, "%s", name);
	if (fd < 0)
		return;
	rule(lseek((int)fd, 0, SEEK_END), "%s: size", name);
	rule(fcntl((int)fd, F_GETFL), "%s: F_GETFL", name);
	rule(fcntl((int)fd, F_GETFD), "%s: F_GETFD", name);
	close((int)fd);
}

static void refusals(void)
{
	int plain = memfd_of(4 * PAGE, 0), good = memfd_of(4 * PAGE, F_SEAL_SHRINK), pipe_fds[2];
	int locked = memfd_of(4 * PAGE, F_SEAL_SHRINK | F_SEAL_WRITE);
	int future = memfd_of(4 * PAGE, F_SEAL_SHRINK | F_SEAL_FUTURE_WRITE);
	int all = memfd_of(4 * PAGE, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	int unsealable = memfd_create("pages", MFD_CLOEXEC), large = memfd_of(80L << 20, F_SEAL_SHRINK);
	int odd = memfd_of(PAGE + 1, F_SEAL_SHRINK), null = open("/dev/null", O_RDWR), read_only, tmp;
	char path[64];

	if (pipe(pipe_fds) || ftruncate(unsealable, PAGE))
		die("pipe");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", good);
	read_only = open(path, O_RDONLY);
	tmp = open("/tmp", O_TMPFILE | O_RDWR, 0600);
	if (tmp >= 0 && ftruncate(tmp, PAGE))
		die("ftruncate");
	try("all", good, 0, 0, 4 * PAGE);
	try("a part", good, UDMABUF_FLAGS_CLOEXEC, PAGE, 2 * PAGE);
	try("nothing", good, 0, 0, 0);
	try("an unknown flag", good, 2, 0, PAGE);
	try("an unaligned offset", good, 0, 512, PAGE);
	try("an unaligned size", good, 0, 0, 512);
	try("beyond the end", good, 0, 4 * PAGE, PAGE);
	try("across the end", good, 0, 3 * PAGE, 2 * PAGE);
	try("an offset that wraps", good, 0, (uint64_t)-PAGE, 2 * PAGE);
	try("a size that wraps", good, 0, PAGE, (uint64_t)-PAGE);
	try("a last page that is not whole", odd, 0, 0, 2 * PAGE);
	try("no seal", plain, 0, 0, PAGE);
	try("unsealable", unsealable, 0, 0, PAGE);
	try("sealed for writing", locked, 0, 0, PAGE);
	try("sealed for writing later", future, 0, 0, PAGE);
	try("sealed with the rest", all, 0, 0, PAGE);
	try("open for reading", read_only, 0, 0, PAGE);
	try("no fd", -1, 0, 0, PAGE);
	try("a closed fd", 999, 0, 0, PAGE);
	try("a pipe", pipe_fds[0], 0, 0, PAGE);
	try("a device", null, 0, 0, PAGE);
	try("itself", dev, 0, 0, PAGE);
	try("a file of proc", open("/proc/self/status", O_RDONLY), 0, 0, PAGE);
	try("64 MiB", large, 0, 0, 64L << 20);
	try("64 MiB and a page", large, 0, 0, (64L << 20) + PAGE);
	try("unaligned with a bad flag and no fd", -1, 4, 5, 5);
	try("unaligned without fd", -1, 0, 5, 5);
	try("no seal beyond the end", plain, 0, 8 * PAGE, PAGE);
	try("nothing without fd", -1, 0, 0, 0);
	exporter_name = "CREATE";
	rule(ioctl(dev, UDMABUF_CREATE, NULL), "without argument");
	close(plain);
	close(good);
	close(locked);
	close(future);
	close(all);
	close(unsealable);
	close(large);
	close(odd);
	close(null);
	close(read_only);
	close(tmp);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

struct list {
	struct udmabuf_create_list head;
	struct udmabuf_create_item items[1100];
};

static struct list list;

static void try_list(const char *name, uint32_t flags, uint32_t count)
{
	long fd;

	exporter_name = "CREATE_LIST";
	list.head.flags = flags;
	list.head.count = count;
	fd = ioctl(dev, UDMABUF_CREATE_LIST, &list);
	rule(fd < 0 ? -1 : 0, "%s", name);
	if (fd < 0)
		return;
	rule(lseek((int)fd, 0, SEEK_END), "%s: size", name);
	rule(fcntl((int)fd, F_GETFD), "%s: F_GETFD", name);
	close((int)fd);
}

static void lists(void)
{
	int fd = memfd_of(8 * PAGE, F_SEAL_SHRINK), plain = memfd_of(PAGE, 0),
	    large = memfd_of(33L << 20, F_SEAL_SHRINK);

	for (int i = 0; i < 1100; i++)
		list.items[i] = (struct udmabuf_create_item){
			.memfd = (uint32_t)fd, .offset = (uint64_t)(i % 8 * PAGE), .size = PAGE};
	try_list("one", 0, 1);
	try_list("three", UDMABUF_FLAGS_CLOEXEC, 3);
	try_list("none", 0, 0);
	try_list("1024", 0, 1024);
	try_list("1025", 0, 1025);
	try_list("very many", 0, UINT32_MAX);
	try_list("an unknown flag", 8, 1);
	list.items[1].__pad = 5;
	try_list("padding that is not zero", 0, 2);
	list.items[1].size = 0;
	try_list("an item of nothing", 0, 3);
	list.items[1].size = PAGE + 1;
	try_list("an unaligned item", 0, 3);
	list.items[1].size = PAGE;
	list.items[1].memfd = (uint32_t)plain;
	try_list("an item without seal", 0, 3);
	list.items[1].memfd = 999;
	try_list("an item without fd", 0, 3);
	list.items[0] = list.items[1] = (struct udmabuf_create_item){.memfd = (uint32_t)large, .size = 32 << 20};
	try_list("64 MiB in two", 0, 2);
	try_list("64 MiB in two and a page", 0, 3);
	list.items[1].memfd = (uint32_t)fd;
	try_list("beyond the end of the second", 0, 2);
	exporter_name = "CREATE_LIST";
	rule(ioctl(dev, UDMABUF_CREATE_LIST, NULL), "without argument");
	struct udmabuf_create_list *end =
		(void *)(memory_at(0x7e9000000000, 2 * PAGE, PROT_READ | PROT_WRITE) + PAGE - 8);
	munmap((char *)end + 8, PAGE);
	*end = (struct udmabuf_create_list){.count = 1};
	rule(ioctl(dev, UDMABUF_CREATE_LIST, end), "without items");
	munmap((char *)end + 8 - PAGE, PAGE);
	close(fd);
	close(plain);
	close(large);
}

/* Both sides see each other's stores, in the order of the items. */
static void shared(void)
{
	int a = memfd_of(4 * PAGE, F_SEAL_SHRINK), b = memfd_of(4 * PAGE, F_SEAL_SHRINK), fd;
	char *pa = buffer_map(a, 4 * PAGE, PROT_READ | PROT_WRITE, 0), *p;

	exporter_name = "udmabuf of two memfds";
	pa[3 * PAGE] = 'a';
	list.items[0] = (struct udmabuf_create_item){.memfd = (uint32_t)a, .offset = 3 * PAGE, .size = PAGE};
	list.items[1] = (struct udmabuf_create_item){.memfd = (uint32_t)b, .offset = PAGE, .size = 2 * PAGE};
	list.items[2] = (struct udmabuf_create_item){.memfd = (uint32_t)a, .offset = 3 * PAGE, .size = PAGE};
	list.head = (struct udmabuf_create_list){.count = 3};
	fd = ioctl(dev, UDMABUF_CREATE_LIST, &list);
	p = buffer_map(fd, 4 * PAGE, PROT_READ | PROT_WRITE, 0);
	rule(p[0], "what was in the memfd");
	pa[3 * PAGE + 1] = 'b';
	rule(p[1], "a store to the memfd");
	p[2] = 'c';
	rule(pa[3 * PAGE + 2], "a store to the buffer");
	rule(p[3 * PAGE + 2], "the same page twice");
	p[2 * PAGE + 5] = 'd';
	char byte = 0;
	rule(pread(b, &byte, 1, 2 * PAGE + 5), "pread of the other memfd");
	rule(byte, "its byte");
	rule(pwrite(b, "e", 1, PAGE + 6), "pwrite to it");
	rule(p[PAGE + 6], "seen in the buffer");
	rule(ftruncate(a, PAGE), "a memfd made shorter");
	rule(ftruncate(a, 8 * PAGE), "a memfd made longer");
	rule(p[2], "what the buffer shows");
	close(a);
	munmap(pa, 4 * PAGE);
	rule(p[2], "the buffer after the memfd was closed");
	munmap(p, 4 * PAGE);
	close(b);
	close(fd);
}

static void full_table(void)
{
	int memfd = memfd_of(PAGE, F_SEAL_SHRINK), before = dup(dev);
	struct rlimit limit;
	rlim_t soft;

	getrlimit(RLIMIT_NOFILE, &limit);
	soft = limit.rlim_cur;
	limit.rlim_cur = (rlim_t)before + 1;
	setrlimit(RLIMIT_NOFILE, &limit);
	exporter_name = "CREATE";
	rule(create(memfd, 0, 0, PAGE), "with a full fd table");
	limit.rlim_cur = soft;
	setrlimit(RLIMIT_NOFILE, &limit);
	close(before);
	close(memfd);
}

int main(int argc, char **argv)
{
	int memfd, fd;

	if (answers_begin(argc, argv))
		return 2;
	dev = open("/dev/udmabuf", O_RDWR);
	if (dev < 0)
		die("/dev/udmabuf");
	device_file();
	refusals();
	lists();
	shared();
	full_table();
	memfd = memfd_of(BUFFER_SIZE, F_SEAL_SHRINK);
	fd = (int)create(memfd, UDMABUF_FLAGS_CLOEXEC, 0, BUFFER_SIZE);
	if (fd < 0)
		die("CREATE");
	close(memfd);
	exporter_name = "udmabuf";
	buffer_rules(fd);
	return answers_end();
}
