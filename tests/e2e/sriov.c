/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A GPU's virtual functions, by one program that has them and their physical function: enabled through sysfs, given a
 * slice of local memory by the PF's registers, opened by VFIO, mapped, reset, and taken away while mapped.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/iommufd.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "devices.h"

#define PF "0000:03:00.0"
#define VF "0000:03:00.1"
#define GRANULE 65536
#define REGION(index) ((off_t)(index) << 40)
#define CHECK(c)                                                                                                       \
	do {                                                                                                           \
		if (!(c)) {                                                                                            \
			fprintf(stderr, "line %d: %s (errno %d)\n", __LINE__, #c, errno);                              \
			exit(1);                                                                                       \
		}                                                                                                      \
	} while (0)

static sigjmp_buf fault;

static void on_sigbus(int sig)
{
	(void)sig;
	siglongjmp(fault, 1);
}

/* The byte there, or -1: SIGBUS. */
static int peek(const volatile unsigned char *p)
{
	return sigsetjmp(fault, 1) ? -1 : *p;
}

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY), err = 0;

	if (fd < 0)
		return errno;
	if (write(fd, text, strlen(text)) < 0)
		err = errno;
	close(fd);
	return err;
}

static int open_device(const char *name, int iommufd)
{
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind), .iommufd = iommufd};
	struct device d = {0};
	int fd;

	snprintf(d.name, sizeof(d.name), "%s", name);
	find_cdev(&d);
	fd = open(d.cdev, O_RDWR);
	CHECK(fd >= 0);
	CHECK(!ioctl(fd, VFIO_DEVICE_BIND_IOMMUFD, &bind));
	return fd;
}

/* Slice registers, from the data sheet. */
static void slice(volatile uint32_t *pf, uint64_t offset, uint64_t length)
{
	pf[0x200 / 4] = 0;
	pf[0x204 / 4] = 0;
	*(volatile uint64_t *)(pf + 0x208 / 4) = offset;
	*(volatile uint64_t *)(pf + 0x210 / 4) = length;
	pf[0x218 / 4] = 1;
	CHECK(pf[0x21c / 4] == 0);
}

static void *disable(void *arg)
{
	*(int *)arg = write_text("/sys/bus/pci/devices/" PF "/sriov_numvfs", "0");
	return NULL;
}

static int export(int fd)
{
	struct {
		struct vfio_device_feature feature;
		struct vfio_device_feature_dma_buf get;
		struct vfio_region_dma_range range;
	} f = {.feature = {.argsz = sizeof(f), .flags = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_BUF},
	       .get = {.region_index = 2, .open_flags = O_RDWR | O_CLOEXEC, .nr_ranges = 1},
	       .range = {.offset = 0, .length = GRANULE}};

	return ioctl(fd, VFIO_DEVICE_FEATURE, &f);
}

static int map_file(int iommufd, uint32_t ioas, int buffer)
{
	struct iommu_ioas_map_file map = {.size = sizeof(map),
					  .flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
						   IOMMU_IOAS_MAP_WRITEABLE,
					  .ioas_id = ioas,
					  .fd = buffer,
					  .length = GRANULE,
					  .iova = 1 << 20};

	return ioctl(iommufd, IOMMU_IOAS_MAP_FILE, &map) ? errno : 0;
}

static void request_eventfd(int fd, int event)
{
	struct {
		struct vfio_irq_set set;
		int32_t fd;
	} s = {{.argsz = sizeof(s),
		.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = VFIO_PCI_REQ_IRQ_INDEX,
		.count = 1},
	       event};

	CHECK(!ioctl(fd, VFIO_DEVICE_SET_IRQS, &s));
}

int main(void)
{
	struct iommu_ioas_alloc ioas = {.size = sizeof(ioas)};
	int iommufd = open("/dev/iommu", O_RDWR), pf, vf, buffer, event = eventfd(0, 0), result = -1;
	volatile unsigned char *window, *local;
	volatile uint32_t *registers;
	uint32_t word;
	pthread_t thread;

	signal(SIGBUS, on_sigbus);
	CHECK(iommufd >= 0 && !ioctl(iommufd, IOMMU_IOAS_ALLOC, &ioas));
	/* The program drives the PF by itself. */
	write_text("/sys/bus/pci/devices/" PF "/driver/unbind", PF);
	CHECK(!write_text("/sys/bus/pci/devices/" PF "/driver_override", "vfio-pci"));
	CHECK(!write_text("/sys/bus/pci/drivers/vfio-pci/bind", PF));
	CHECK(write_text("/sys/bus/pci/devices/" PF "/sriov_numvfs", "2") == ENOENT);
	CHECK(!write_text("/sys/module/vfio_pci/parameters/enable_sriov", "Y"));
	CHECK(write_text("/sys/bus/pci/devices/" PF "/sriov_numvfs", "5") == ERANGE);
	CHECK(!write_text("/sys/bus/pci/devices/" PF "/sriov_numvfs", "2"));
	CHECK(write_text("/sys/bus/pci/devices/" PF "/sriov_numvfs", "1") == EBUSY);
	CHECK(access("/sys/bus/pci/devices/" PF "/virtfn1/physfn", F_OK) == 0);

	pf = open_device(PF, iommufd);
	registers = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, pf, REGION(0));
	local = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, pf, REGION(2));
	CHECK(registers != MAP_FAILED && local != MAP_FAILED && registers[0] == 0x31555047);
	slice(registers, GRANULE, 2 * GRANULE);
	vf = open_device(VF, iommufd);
	CHECK(pread(vf, &word, 4, REGION(7)) == 4 && word == 0x67711234);
	CHECK(pread(vf, &word, 2, REGION(7) + PCI_COMMAND) == 2 && word & PCI_COMMAND_MEMORY);
	/* Beyond the slice there is nothing to map. */
	CHECK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, vf, REGION(2) + 2 * GRANULE) == MAP_FAILED &&
	      errno == EINVAL);
	window = mmap(NULL, 2 * GRANULE, PROT_READ | PROT_WRITE, MAP_SHARED, vf, REGION(2));
	CHECK(window != MAP_FAILED);
	window[5] = 0x5a;
	CHECK(local[GRANULE + 5] == 0x5a);
	buffer = export(vf);
	CHECK(buffer >= 0 && map_file(iommufd, ioas.out_ioas_id, buffer) == 0);

	/* A reset of the VF takes nothing away for good; another slice does. */
	CHECK(!ioctl(vf, VFIO_DEVICE_RESET));
	CHECK(peek(window + 5) == 0x5a);
	slice(registers, 4 * GRANULE, GRANULE);
	CHECK(peek(window + 5) == -1);
	CHECK(map_file(iommufd, ioas.out_ioas_id, buffer) != 0);
	munmap((void *)window, 2 * GRANULE);
	window = mmap(NULL, GRANULE, PROT_READ | PROT_WRITE, MAP_SHARED, vf, REGION(2));
	CHECK(window != MAP_FAILED && peek(window + 5) == 0);

	/* Disabled while it is open: the program is asked, and Linux waits for it. */
	request_eventfd(vf, event);
	CHECK(!pthread_create(&thread, NULL, disable, &result));
	CHECK(poll(&(struct pollfd){.fd = event, .events = POLLIN}, 1, 20000) == 1);
	CHECK(result == -1 && peek(window + 5) == 0);
	munmap((void *)window, GRANULE);
	close(vf);
	CHECK(!pthread_join(thread, NULL) && result == 0);
	CHECK(access("/sys/bus/pci/devices/" VF, F_OK) && errno == ENOENT);
	puts("sriov: ok");
	return 0;
}
