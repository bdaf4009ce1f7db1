/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a forked child does with the devices that it inherits: its calls act on the same objects as its parent's, with
 * its own memory and its own fds, and keep the device open. Says a line for each thing and exits non-zero when one is
 * not so. Needs an I/OAT engine and a memory card.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/iommufd.h>
#include <linux/vfio.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../examples/p2p-engine.h"
#include "../../examples/p2p-function.h"

#define LENGTH (64u << 10)

static struct function engine_function, card;
static struct engine engine;
static int iommufd, failures;
static uint32_t ioas;
static uint64_t engine_source;

static void check(const char *what, bool ok)
{
	printf("  %-70s %s\n", what, ok ? "ok" : "WRONG");
	fflush(stdout);
	failures += !ok;
}

static uint32_t alloc_id(void)
{
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};

	return ioctl(iommufd, IOMMU_IOAS_ALLOC, &alloc) ? 0 : alloc.out_ioas_id;
}

/* Did the child leave with 0? */
static bool succeeded(pid_t pid)
{
	int status;

	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void test_objects(void)
{
	uint32_t *id = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0), mine;
	struct iommu_destroy destroy = {.size = sizeof(destroy)};
	pid_t pid = fork();

	if (pid == 0) {
		*id = alloc_id();
		_exit(*id == 0);
	}
	check("a child allocates an IOAS", succeeded(pid));
	mine = alloc_id();
	check("its parent's next one is another", mine && mine != *id);
	destroy.id = *id;
	check("the parent destroys the child's", ioctl(iommufd, IOMMU_DESTROY, &destroy) == 0);
	munmap(id, 4096);
}

static int grandchild(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(alloc_id() == 0);
	return succeeded(pid) && alloc_id() ? 0 : 1;
}

static void test_descent(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(grandchild());
	check("a child and its child allocate one each", succeeded(pid));
	pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (pid == 0)
		_exit(alloc_id() == 0);
	check("a child that was not made by libc's fork() allocates one", succeeded(pid));
}

/* Config space and the errors that concern memory. */
static int read_config(void)
{
	struct vfio_region_info config = {.argsz = sizeof(config), .index = VFIO_PCI_CONFIG_REGION_INDEX};
	void *volatile nowhere = (void *)8; /* the compiler must not know */
	uint16_t vendor;

	if (ioctl(card.fd, VFIO_DEVICE_GET_REGION_INFO, &config))
		return 1;
	if (pread(card.fd, &vendor, 2, (off_t)config.offset) != 2 || vendor != 0x1af4)
		return 2;
	if (pread(card.fd, nowhere, 2, (off_t)config.offset) != -1 || errno != EFAULT)
		return 3;
	if (ioctl(card.fd, VFIO_DEVICE_GET_REGION_INFO, nowhere) != -1 || errno != EFAULT)
		return 4;
	return 0;
}

static int export(void)
{
	const struct range range = {0, LENGTH};
	int fd = function_export(&card, 2, &range, 1), copy = dup(fd);
	bool ok = fd >= 0 && lseek(fd, 0, SEEK_END) == LENGTH && close(fd) == 0 && lseek(fd, 0, SEEK_END) == -1 &&
		  errno == EBADF && lseek(copy, 0, SEEK_END) == LENGTH;

	return ok ? 0 : 1;
}

static int interrupt(void)
{
	struct vfio_irq_set *set = calloc(1, sizeof(*set) + sizeof(int));
	int event = eventfd(0, EFD_NONBLOCK);
	uint64_t count = 0;

	*set = (struct vfio_irq_set){.argsz = sizeof(*set) + sizeof(int),
				     .flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
				     .index = VFIO_PCI_REQ_IRQ_INDEX,
				     .count = 1};
	memcpy(set->data, &event, sizeof(event));
	if (ioctl(card.fd, VFIO_DEVICE_SET_IRQS, set))
		return 1;
	set->argsz = sizeof(*set);
	set->flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER;
	if (ioctl(card.fd, VFIO_DEVICE_SET_IRQS, set))
		return 2;
	return read(event, &count, sizeof(count)) == sizeof(count) && count == 1 ? 0 : 3;
}

/* Of what it inherits, and of what it opens. */
static int flags(void)
{
	const int large = 0100000; /* whatever libc makes of O_LARGEFILE */
	int fd = open("/dev/iommu", O_RDWR | O_NONBLOCK | O_CLOEXEC), again = open("/dev/iommu", O_WRONLY);

	if (fcntl(fd, F_GETFL) != (O_RDWR | O_NONBLOCK | large) || fcntl(again, F_GETFL) != (O_WRONLY | large))
		return 1;
	if (fcntl(card.fd, F_GETFL) != (O_RDWR | large) || fcntl(card.fd, F_SETFL, O_NONBLOCK))
		return 2;
	return fcntl(card.fd, F_GETFL) == (O_RDWR | O_NONBLOCK | large) ? 0 : 3;
}

static void test_calls(void)
{
	static const struct {
		const char *what;
		int (*run)(void);
	} calls[] = {
		{"a child reads config space, with its own memory", read_config},
		{"a child exports a dma-buf, which is a fd of its own", export},
		{"a child's eventfd is signalled", interrupt},
		{"a child asks for and changes a file's flags", flags},
	};

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(calls[i].run());
		check(calls[i].what, succeeded(pid));
	}
	check("which are its parent's, too", fcntl(card.fd, F_GETFL) & O_NONBLOCK);
	fcntl(card.fd, F_SETFL, 0);
}

static bool copied(uint64_t to, uint64_t from)
{
	engine_describe(&engine, 0, to, from, LENGTH);
	engine_start(&engine, 0, 1, BY_WRITE_BACK, true);
	return engine_wait(&engine, 0, 1, BY_WRITE_BACK).ok;
}

/* The child maps memory that only it has; devices reach it, and the parent's of the same address is left alone. */
static void test_memory(void)
{
	char *child_memory = mmap(NULL, 2 * LENGTH, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *mine = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int64_t my_iova = ioas_map(iommufd, ioas, mine, LENGTH), iova = 0;
	int there[2], back[2];
	bool ok;
	pid_t pid;

	if (pipe(there) || pipe(back) || my_iova < 0)
		die("pipe");
	memset(child_memory, 'p', 2 * LENGTH);
	pid = fork();
	if (pid == 0) {
		memset(child_memory, 'c', LENGTH);
		iova = ioas_map(iommufd, ioas, child_memory, 2 * LENGTH);
		ok = write(there[1], &iova, sizeof(iova)) == sizeof(iova) && read(back[0], &ok, 1) == 1;
		_exit(ok && child_memory[LENGTH] == 'c' && child_memory[2 * LENGTH - 1] == 'c' ? 0 : 1);
	}
	check("a child maps memory of its own", read(there[0], &iova, sizeof(iova)) == sizeof(iova) && iova > 0);
	check("the engine reads it",
	      copied((uint64_t)my_iova, (uint64_t)iova) && mine[0] == 'c' && mine[LENGTH - 1] == 'c');
	check("the engine writes it", copied((uint64_t)iova + LENGTH, (uint64_t)my_iova));
	check("the child sees what was written", write(back[1], "", 1) == 1 && succeeded(pid));
	check("the parent's memory at that address is untouched",
	      child_memory[0] == 'p' && child_memory[LENGTH] == 'p');
	check("it is unmapped after the child has gone", ioas_unmap(iommufd, ioas, (uint64_t)iova, 2 * LENGTH) == 0);
	ioas_unmap(iommufd, ioas, (uint64_t)my_iova, LENGTH);
}

/* The engine's registers, which the child has inherited mapped, and mapped by itself. */
static int drive_engine(bool map_anew)
{
	volatile uint8_t *inherited = engine.registers;
	struct vfio_region_info bar = {.argsz = sizeof(bar), .index = 0};

	if (map_anew) {
		if (ioctl(engine_function.fd, VFIO_DEVICE_GET_REGION_INFO, &bar))
			return 1;
		engine.registers =
			mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, engine_function.fd, (off_t)bar.offset);
		if (engine.registers == MAP_FAILED || engine.registers == inherited)
			return 2;
	}
	return copied(engine_source, engine_source + LENGTH) ? 0 : 3;
}

static void test_registers(void)
{
	char *memory = mmap(NULL, 2 * LENGTH, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int64_t iova = ioas_map(iommufd, ioas, memory, 2 * LENGTH);

	engine_source = (uint64_t)iova;
	for (int anew = 0; anew < 2; anew++) {
		pid_t pid;

		memset(memory, 0, LENGTH);
		memset(memory + LENGTH, 'a' + anew, LENGTH);
		pid = fork();
		if (pid == 0)
			_exit(drive_engine(anew));
		check(anew ? "a child drives the engine by registers that it maps"
			   : "a child drives the engine by registers that it inherits",
		      succeeded(pid) && memory[0] == 'a' + anew && memory[LENGTH - 1] == 'a' + anew);
	}
	check("then its parent does", copied((uint64_t)iova, (uint64_t)iova + LENGTH));
	ioas_unmap(iommufd, ioas, (uint64_t)iova, 2 * LENGTH);
}

static long bind(int fd)
{
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind), .iommufd = iommufd};

	return ioctl(fd, VFIO_DEVICE_BIND_IOMMUFD, &bind) ? -errno : 0;
}

/* Closed by the parent, open in the child. */
static void test_last_close(void)
{
	char path[64], byte = 0;
	int there[2], again;
	long rc;
	pid_t pid;

	if (pipe(there))
		die("pipe");
	pid = fork();
	if (pid == 0) {
		close(there[1]);
		_exit(read(there[0], &byte, 1) != 0 || read_config());
	}
	close(there[0]);
	close(card.fd);
	snprintf(path, sizeof(path), "/dev/vfio/devices/%s", card.vfio);
	again = open(path, O_RDWR | O_CLOEXEC);
	rc = bind(again);
	check("a device that a child has open cannot be bound again", again >= 0 && rc == -EINVAL);
	close(there[1]);
	check("the child has used it all the while", succeeded(pid));
	for (int i = 0; (rc = bind(again)) == -EINVAL && i < 500; i++)
		usleep(10000);
	check("after the child it can", rc == 0);
	card.fd = again;
}

static int name_things(int devices)
{
	char text[8] = "";
	struct stat st;
	int fd = openat(devices, engine_function.name, O_RDONLY | O_DIRECTORY), vendor, entries = 0;
	struct dirent *e;
	DIR *dir;

	if (fd < 0 || fchdir(fd))
		return 1;
	vendor = open("vendor", O_RDONLY | O_CLOEXEC);
	if (vendor < 0 || read(vendor, text, sizeof(text) - 1) != 7 || strcmp(text, "0x8086\n") != 0)
		return 2;
	if (fstat(vendor, &st) || !S_ISREG(st.st_mode) || st.st_size != 4096 || lseek(vendor, 0, SEEK_SET))
		return 3;
	dir = opendir("/sys/bus/pci/devices");
	while (dir && (e = readdir(dir)))
		entries += e->d_name[0] == '0';
	if (entries < 3 || closedir(dir))
		return 4;
	if (access("/dev/vfio/vfio99", F_OK) == 0 || errno != ENOENT)
		return 5;
	fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	iommufd = fd;
	if (fd < 0 || alloc_id() == 0 || alloc_id() == 0 || close(fd))
		return 6;
	return open("vendor", O_RDWR) == -1 && errno == EACCES ? 0 : 7;
}

/* A child names what its parent can, and opens things of its own. */
static void test_names(void)
{
	int devices = open("/sys/bus/pci/devices", O_RDONLY | O_DIRECTORY);
	pid_t pid = fork();

	if (pid == 0)
		_exit(name_things(devices));
	check("a child lists, reads and opens what its parent can", succeeded(pid));
	close(devices);
}

int main(void)
{
	char *memory = mmap(NULL, 4 * LENGTH, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (!function_find(0x8086, 0x2021, 0x0880, &engine_function, 1) ||
	    !function_find(0x1af4, 0x1110, 0x0500, &card, 1))
		die("no engine or no card");
	iommufd = iommufd_open();
	ioas = ioas_create(iommufd);
	function_open(&engine_function, iommufd, true);
	function_attach(&engine_function, ioas);
	function_open(&card, iommufd, false);
	engine_init(&engine, &engine_function, memory, 4 * LENGTH,
		    (uint64_t)ioas_map(iommufd, ioas, memory, 4 * LENGTH));

	test_objects();
	test_descent();
	test_calls();
	test_names();
	test_memory();
	test_registers();
	test_last_close();
	return failures ? 1 : 0;
}
