/* SPDX-License-Identifier: BSD-3-Clause */
/* /dev/dma_heap/system: what its one ioctl refuses, and what the buffers that it makes answer. */
#include "buffer_rules.h"

#include <dirent.h>
#include <linux/dma-heap.h>
#include <linux/iommufd.h>
#include <sys/resource.h>

static int heap;

static void device_file(void)
{
	char buf[8] = "";
	struct pollfd ready = {.fd = heap, .events = POLLIN | POLLOUT};
	struct stat st;

	exporter_name = "heap device";
	rule(stat("/dev/dma_heap/system", &st), "stat");
	rule(st.st_mode, "mode");
	rule(stat("/dev/dma_heap", &st), "stat of the directory");
	rule(st.st_mode, "mode of the directory");
	rule(read(heap, buf, sizeof(buf)), "read");
	rule(write(heap, buf, sizeof(buf)), "write");
	rule(lseek(heap, 0, SEEK_SET), "lseek");
	rule(lseek(heap, 5, SEEK_CUR), "lseek on");
	rule(poll(&ready, 1, 0), "poll");
	rule_mmap("", heap, PAGE, PROT_READ, MAP_SHARED, 0);
	rule(access("/sys/class/dma_heap/system", F_OK), "sysfs class");
	rule(access("/sys/class/dma_heap/system/dev", F_OK), "sysfs dev");
	rule(access("/sys/class/dma_heap/system/uevent", F_OK), "sysfs uevent");
	rule(access("/sys/devices/virtual/dma_heap/system/subsystem", F_OK), "sysfs subsystem");
	rule(access("/sys/kernel/dma_heap", F_OK), "sysfs kernel");
}

static long alloc(uint64_t len, uint32_t fd, uint32_t fd_flags, uint64_t heap_flags, int *out)
{
	struct dma_heap_allocation_data data = {len, fd, fd_flags, heap_flags};
	long ret = ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &data);

	*out = ret < 0 ? -1 : (int)data.fd;
	return ret;
}

static void try(const char *name, uint64_t len, uint32_t fd, uint32_t fd_flags, uint64_t heap_flags)
{
	int got;

	rule(alloc(len, fd, fd_flags, heap_flags, &got), "%s", name);
	if (got < 0)
		return;
	rule(lseek(got, 0, SEEK_END), "%s: size", name);
	rule(fcntl(got, F_GETFL), "%s: F_GETFL", name);
	rule(fcntl(got, F_GETFD), "%s: F_GETFD", name);
	rule_mmap("for both", got, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	rule_mmap("for reading", got, PAGE, PROT_READ, MAP_SHARED, 0);
	rule_mmap("private", got, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0);
	close(got);
}

static void allocations(void)
{
	exporter_name = "ALLOC";
	try("a page", PAGE, 0, O_RDWR | O_CLOEXEC, 0);
	try("a byte", 1, 0, O_RDWR, 0);
	try("a page and a byte", PAGE + 1, 0, O_RDWR, 0);
	try("3 MiB", 3 << 20, 0, O_RDWR, 0);
	try("read only", PAGE, 0, O_RDONLY, 0);
	try("write only", PAGE, 0, O_WRONLY, 0);
	try("both modes", PAGE, 0, O_ACCMODE, 0);
	try("nothing", 0, 0, O_RDWR, 0);
	try("a length that wraps", UINT64_MAX, 0, O_RDWR, 0);
	try("a length that wraps to nothing", UINT64_MAX - PAGE + 2, 0, O_RDWR, 0);
	try("an fd", PAGE, 1, O_RDWR, 0);
	try("O_NONBLOCK", PAGE, 0, O_RDWR | O_NONBLOCK, 0);
	try("O_CREAT", PAGE, 0, O_RDWR | O_CREAT, 0);
	try("heap flags", PAGE, 0, O_RDWR, 1);
	try("an fd and nothing", 0, 1, O_RDWR, 0);
}

static void sizes(void)
{
	union {
		struct dma_heap_allocation_data data;
		char bytes[256];
	} arg;

	exporter_name = "ALLOC";
	for (unsigned size = 0; size <= 160; size += size < 40 ? 4 : 40) {
		long ret;

		memset(&arg, 0, sizeof(arg));
		arg.data.len = PAGE;
		arg.data.fd_flags = O_RDWR;
		if (size > 24)
			arg.bytes[size - 1] = 1;
		ret = ioctl(heap, _IOC(_IOC_READ | _IOC_WRITE, 'H', 0, size), &arg);
		rule(ret, "of %u bytes", size);
		if (!ret)
			close((int)arg.data.fd);
	}
	memset(&arg, 0, sizeof(arg));
	arg.data.len = PAGE;
	arg.data.fd_flags = O_RDWR;
	rule(ioctl(heap, _IOC(_IOC_WRITE, 'H', 0, 24), &arg), "that only writes");
	rule(arg.data.fd != 0, "that only writes: gave an fd");
	if (arg.data.fd)
		close((int)arg.data.fd);
	arg.data.fd = 0;
	rule(ioctl(heap, _IOC(_IOC_READ, 'H', 0, 24), &arg), "that only reads");
	rule(ioctl(heap, _IOC(_IOC_READ | _IOC_WRITE, 'G', 0, 24), &arg), "of another type");
	rule(ioctl(heap, _IOC(_IOC_READ | _IOC_WRITE, 'H', 1, 24), &arg), "of another number");
}

static void bad_pointers(void)
{
	struct dma_heap_allocation_data *data =
		mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct rlimit limit;
	int before = dup(heap), got;

	exporter_name = "ALLOC";
	rule(ioctl(heap, DMA_HEAP_IOCTL_ALLOC, NULL), "without argument");
	*data = (struct dma_heap_allocation_data){.len = PAGE, .fd_flags = O_RDWR};
	mprotect(data, PAGE, PROT_READ);
	rule(ioctl(heap, DMA_HEAP_IOCTL_ALLOC, data), "whose answer cannot be written");
	close(before);
	rule(dup(heap) == before, "leaves no fd");
	close(before);
	munmap(data, PAGE);
	getrlimit(RLIMIT_NOFILE, &limit);
	rlim_t soft = limit.rlim_cur;
	limit.rlim_cur = (rlim_t)before;
	setrlimit(RLIMIT_NOFILE, &limit);
	rule(alloc(PAGE, 0, O_RDWR, 0, &got), "with a full fd table");
	limit.rlim_cur = soft;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* 7.3's iommufd knows VFIO's buffers alone. */
static void in_iommufd(int fd)
{
	int iommu = open("/dev/iommu", O_RDWR);
	struct iommu_ioas_alloc ioas = {.size = sizeof(ioas)};
	struct iommu_ioas_map_file map = {.size = sizeof(map),
					  .flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE,
					  .fd = fd,
					  .length = PAGE};

	exporter_name = "iommufd";
	rule(ioctl(iommu, IOMMU_IOAS_ALLOC, &ioas), "IOAS_ALLOC");
	map.ioas_id = ioas.out_ioas_id;
	rule(ioctl(iommu, IOMMU_IOAS_MAP_FILE, &map), "MAP_FILE of a heap's buffer");
	map.start = BUFFER_SIZE;
	rule(ioctl(iommu, IOMMU_IOAS_MAP_FILE, &map), "MAP_FILE beyond it");
	map.start = 512;
	rule(ioctl(iommu, IOMMU_IOAS_MAP_FILE, &map), "MAP_FILE unaligned");
	close(iommu);
}

int main(int argc, char **argv)
{
	int fd;

	if (answers_begin(argc, argv))
		return 2;
	heap = open("/dev/dma_heap/system", O_RDWR);
	if (heap < 0)
		die("/dev/dma_heap/system");
	device_file();
	allocations();
	sizes();
	bad_pointers();
	close(heap);
	heap = open("/dev/dma_heap/system", O_RDONLY);
	exporter_name = "heap open for reading";
	rule(alloc(BUFFER_SIZE, 0, O_RDWR | O_CLOEXEC, 0, &fd), "ALLOC");
	in_iommufd(fd);
	exporter_name = "heap";
	buffer_rules(fd);
	return answers_end();
}
