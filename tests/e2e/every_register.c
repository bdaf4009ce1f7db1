/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stores to the registers that a program can map: each word in the first pages of each BAR of each function, with
 * values that turn on whatever there is. What a model does in the handler of such a store must be allowed in one:
 * barter looks at that itself in builds with checks, and so does ThreadSanitizer. Then every function is reset and
 * answers again.
 */
#include <errno.h>
#include <linux/iommufd.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "devices.h"

#define PAGE 4096ul
#define MOST (4 * PAGE)
#define PCI "/sys/bus/pci/"

static sigjmp_buf fault;

static void on_fault(int sig)
{
	(void)sig;
	siglongjmp(fault, 1);
}

static void die(const char *device, const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", device, what, strerror(errno));
	exit(1);
}

static void write_text(const char *device, const char *file, const char *text)
{
	char path[200];
	int fd;

	snprintf(path, sizeof(path), device ? PCI "devices/%s/%s" : PCI "%s%s", device ? device : "", file);
	fd = open(path, O_WRONLY);
	if (fd < 0)
		return;
	if (write(fd, text, strlen(text)) < 0)
		die(device ? device : "", file);
	close(fd);
}

static void give_to_vfio(struct device *d)
{
	if (d->cdev[0])
		return;
	write_text(d->name, "driver/unbind", d->name);
	write_text(d->name, "driver_override", "vfio-pci");
	write_text(NULL, "drivers/vfio-pci/bind", d->name);
	find_cdev(d);
}

/* Highest first, so that the registers that start something find nonsense in the others; then all off. */
static void store_everywhere(volatile uint32_t *page)
{
	static const uint32_t values[] = {1, 2, 0x10000, UINT32_MAX, 4, 0};

	for (unsigned v = 0; v < sizeof(values) / sizeof(values[0]); v++)
		for (unsigned i = PAGE / 4; i-- > 0;)
			page[i] = values[v];
}

static void store_to_page(int fd, unsigned bar, unsigned long offset, unsigned *nr_pages)
{
	void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)bar << 40 | (off_t)offset);

	if (page == MAP_FAILED)
		return;
	if (!sigsetjmp(fault, 1)) {
		store_everywhere(page);
		++*nr_pages;
	}
	munmap(page, PAGE);
}

static unsigned config_read(int fd, unsigned offset)
{
	uint32_t value = 0;

	if (pread(fd, &value, 2, ((off_t)VFIO_PCI_CONFIG_REGION_INDEX << 40) + offset) != 2)
		die("config space", "pread");
	return value;
}

static unsigned store_to_device(struct device *d, int iommufd, uint32_t ioas)
{
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind), .iommufd = iommufd};
	struct vfio_device_attach_iommufd_pt attach = {.argsz = sizeof(attach), .pt_id = ioas};
	uint16_t command = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	unsigned nr_pages = 0, vendor;
	int fd = open(d->cdev, O_RDWR);

	if (fd < 0 || ioctl(fd, VFIO_DEVICE_BIND_IOMMUFD, &bind) || ioctl(fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach))
		die(d->name, "open");
	vendor = config_read(fd, PCI_VENDOR_ID);
	if (pwrite(fd, &command, 2, ((off_t)VFIO_PCI_CONFIG_REGION_INDEX << 40) + PCI_COMMAND) != 2)
		die(d->name, "command");
	for (unsigned bar = 0; bar < 6; bar++)
		for (unsigned long offset = 0; offset < MOST; offset += PAGE)
			store_to_page(fd, bar, offset, &nr_pages);
	if (ioctl(fd, VFIO_DEVICE_RESET) || config_read(fd, PCI_VENDOR_ID) != vendor)
		die(d->name, "reset");
	close(fd);
	return nr_pages;
}

int main(void)
{
	struct iommu_ioas_alloc ioas = {.size = sizeof(ioas)};
	int iommufd = open("/dev/iommu", O_RDWR);
	unsigned nr = 0;

	signal(SIGBUS, on_fault);
	signal(SIGSEGV, on_fault);
	if (iommufd < 0 || ioctl(iommufd, IOMMU_IOAS_ALLOC, &ioas))
		die("/dev/iommu", "open");
	find_devices();
	for (int i = 0; i < nr_all_devices; i++) {
		char class_code[32];

		read_text(all_devices[i].name, "class", class_code, sizeof(class_code));
		if (strncmp(class_code, "0x06", 4) == 0)
			continue;
		give_to_vfio(&all_devices[i]);
		if (all_devices[i].cdev[0])
			nr += store_to_device(&all_devices[i], iommufd, ioas.out_ioas_id);
	}
	printf("every_register: %u pages\n", nr);
	return nr < 4;
}
