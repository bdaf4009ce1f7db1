/* SPDX-License-Identifier: BSD-3-Clause */
#include "p2p-function.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/iommufd.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define PCI_DEVICES "/sys/bus/pci/devices"

void die(const char *fmt, ...)
{
	int err = errno;
	va_list args;

	fflush(stdout);
	fputs("p2p-copy: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	if (err)
		fprintf(stderr, ": %s", strerror(err));
	fputc('\n', stderr);
	exit(EXIT_FAILURE);
}

/* sysfs. */
static bool attribute(const char *function, const char *name, unsigned *value)
{
	char path[512];
	FILE *file;
	bool ok;

	snprintf(path, sizeof(path), PCI_DEVICES "/%s/%s", function, name);
	file = fopen(path, "re");
	if (!file)
		return false;
	ok = fscanf(file, "%x", value) == 1;
	fclose(file);
	return ok;
}

/* The last part of what a link points to: the driver's name, the group's number. */
static bool link_name(const char *function, const char *name, char *out, size_t len)
{
	char path[512], target[512];
	const char *base;
	ssize_t n;

	snprintf(path, sizeof(path), PCI_DEVICES "/%s/%s", function, name);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return false;
	target[n] = '\0';
	base = strrchr(target, '/');
	snprintf(out, len, "%.*s", (int)len - 1, base ? base + 1 : target);
	return true;
}

/* <function>/vfio-dev/vfioN names the character device. */
static bool vfio_name(const char *function, char *out, size_t len)
{
	struct dirent *entry;
	bool found = false;
	char path[512];
	DIR *dir;

	snprintf(path, sizeof(path), PCI_DEVICES "/%s/vfio-dev", function);
	dir = opendir(path);
	if (!dir)
		return false;
	while (!found && (entry = readdir(dir))) {
		found = !strncmp(entry->d_name, "vfio", 4);
		if (found)
			snprintf(out, len, "%.*s", (int)len - 1, entry->d_name);
	}
	closedir(dir);
	return found;
}

static bool function_probe(const char *name, unsigned vendor, unsigned device, unsigned class_code, struct function *f)
{
	unsigned has_vendor, has_device, has_class;
	char driver[64], group[16];

	if (!attribute(name, "vendor", &has_vendor) || !attribute(name, "device", &has_device) ||
	    !attribute(name, "class", &has_class))
		return false;
	if (has_vendor != vendor || has_device != device || has_class >> 8 != class_code)
		return false;
	if (!link_name(name, "driver", driver, sizeof(driver)) || strcmp(driver, "vfio-pci"))
		return false;
	if (!link_name(name, "iommu_group", group, sizeof(group)) || !vfio_name(name, f->vfio, sizeof(f->vfio)))
		return false;
	snprintf(f->name, sizeof(f->name), "%.*s", (int)sizeof(f->name) - 1, name);
	f->group = atoi(group);
	f->fd = -1;
	return true;
}

size_t function_find(unsigned vendor, unsigned device, unsigned class_code, struct function *out, size_t max)
{
	struct dirent **names;
	size_t found = 0;
	int nr = scandir(PCI_DEVICES, &names, NULL, alphasort);

	if (nr < 0)
		die("%s", PCI_DEVICES);
	for (int i = 0; i < nr; i++) {
		if (found < max && function_probe(names[i]->d_name, vendor, device, class_code, &out[found]))
			found++;
		free(names[i]);
	}
	free(names);
	return found;
}

/* VFIO. */
void function_open(struct function *f, int iommufd, bool bus_master)
{
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind), .iommufd = iommufd};
	uint16_t command = PCI_COMMAND_MEMORY | (bus_master ? PCI_COMMAND_MASTER : 0);
	char path[64];

	snprintf(path, sizeof(path), "/dev/vfio/devices/%s", f->vfio);
	f->fd = open(path, O_RDWR | O_CLOEXEC);
	if (f->fd < 0)
		die("%s", path);
	if (ioctl(f->fd, VFIO_DEVICE_BIND_IOMMUFD, &bind))
		die("%s: VFIO_DEVICE_BIND_IOMMUFD", f->name);
	function_config_write(f, PCI_COMMAND, function_config_read(f, PCI_COMMAND, 2) | command, 2);
}

void function_close(struct function *f)
{
	close(f->fd);
	f->fd = -1;
}

void function_attach(struct function *f, uint32_t ioas)
{
	struct vfio_device_attach_iommufd_pt attach = {.argsz = sizeof(attach), .pt_id = ioas};

	if (ioctl(f->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach))
		die("%s: VFIO_DEVICE_ATTACH_IOMMUFD_PT", f->name);
}

static struct vfio_region_info region_info(struct function *f, unsigned index)
{
	struct vfio_region_info info = {.argsz = sizeof(info), .index = index};

	if (ioctl(f->fd, VFIO_DEVICE_GET_REGION_INFO, &info))
		die("%s: VFIO_DEVICE_GET_REGION_INFO of region %u", f->name, index);
	return info;
}

uint32_t function_config_read(struct function *f, unsigned offset, unsigned len)
{
	uint64_t base = region_info(f, VFIO_PCI_CONFIG_REGION_INDEX).offset;
	uint32_t value = 0;

	if (pread(f->fd, &value, len, (off_t)(base + offset)) != (ssize_t)len)
		die("%s: config space at 0x%x", f->name, offset);
	return value;
}

void function_config_write(struct function *f, unsigned offset, uint32_t value, unsigned len)
{
	uint64_t base = region_info(f, VFIO_PCI_CONFIG_REGION_INDEX).offset;

	if (pwrite(f->fd, &value, len, (off_t)(base + offset)) != (ssize_t)len)
		die("%s: config space at 0x%x", f->name, offset);
}

void function_decoding(struct function *f, bool on)
{
	uint32_t command = function_config_read(f, PCI_COMMAND, 2) & ~PCI_COMMAND_MEMORY;

	function_config_write(f, PCI_COMMAND, command | (on ? PCI_COMMAND_MEMORY : 0), 2);
}

uint64_t function_bar_size(struct function *f, unsigned bar)
{
	return region_info(f, VFIO_PCI_BAR0_REGION_INDEX + bar).size;
}

void *function_map_bar(struct function *f, unsigned bar, uint64_t offset, size_t len)
{
	uint64_t base = region_info(f, VFIO_PCI_BAR0_REGION_INDEX + bar).offset;
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, (off_t)(base + offset));

	if (p == MAP_FAILED)
		die("%s: mmap of BAR %u", f->name, bar);
	return p;
}

int function_msix_eventfd(struct function *f)
{
	char buffer[sizeof(struct vfio_irq_set) + sizeof(int32_t)];
	struct vfio_irq_set set = {
		.argsz = sizeof(buffer),
		.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = VFIO_PCI_MSIX_IRQ_INDEX,
		.count = 1,
	};
	int32_t fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0)
		die("eventfd");
	memcpy(buffer, &set, sizeof(set));
	memcpy(buffer + sizeof(set), &fd, sizeof(fd));
	if (ioctl(f->fd, VFIO_DEVICE_SET_IRQS, buffer))
		die("%s: VFIO_DEVICE_SET_IRQS for MSI-X", f->name);
	return fd;
}

int function_reset(struct function *f)
{
	return ioctl(f->fd, VFIO_DEVICE_RESET) ? -errno : 0;
}

int function_export(struct function *f, unsigned bar, const struct range *ranges, unsigned nr)
{
	struct vfio_device_feature_dma_buf *export;
	struct vfio_device_feature *feature;
	size_t len = sizeof(*feature) + sizeof(*export) + nr * sizeof(export->dma_ranges[0]);
	int fd;

	feature = calloc(1, len);
	if (!feature)
		die("calloc");
	feature->argsz = (uint32_t)len;
	feature->flags = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_BUF;
	export = (struct vfio_device_feature_dma_buf *)feature->data;
	export->region_index = VFIO_PCI_BAR0_REGION_INDEX + bar;
	export->open_flags = O_RDWR | O_CLOEXEC;
	export->nr_ranges = nr;
	for (unsigned i = 0; i < nr; i++) {
		export->dma_ranges[i].offset = ranges[i].offset;
		export->dma_ranges[i].length = ranges[i].length;
	}
	fd = ioctl(f->fd, VFIO_DEVICE_FEATURE, feature);
	fd = fd < 0 ? -errno : fd;
	free(feature);
	return fd;
}

/* iommufd. */
int iommufd_open(void)
{
	int fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		die("/dev/iommu");
	return fd;
}

uint32_t ioas_create(int iommufd)
{
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};

	if (ioctl(iommufd, IOMMU_IOAS_ALLOC, &alloc))
		die("IOMMU_IOAS_ALLOC");
	return alloc.out_ioas_id;
}

int64_t ioas_map(int iommufd, uint32_t ioas, void *memory, size_t len)
{
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE,
		.ioas_id = ioas,
		.user_va = (uintptr_t)memory,
		.length = len,
	};

	return ioctl(iommufd, IOMMU_IOAS_MAP, &map) ? -errno : (int64_t)map.iova;
}

int64_t ioas_map_dmabuf(int iommufd, uint32_t ioas, int dmabuf, uint64_t start, uint64_t len, uint64_t iova)
{
	struct iommu_ioas_map_file map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE | (iova ? IOMMU_IOAS_MAP_FIXED_IOVA : 0),
		.ioas_id = ioas,
		.fd = dmabuf,
		.start = start,
		.length = len,
		.iova = iova,
	};

	return ioctl(iommufd, IOMMU_IOAS_MAP_FILE, &map) ? -errno : (int64_t)map.iova;
}

int ioas_unmap(int iommufd, uint32_t ioas, uint64_t iova, uint64_t len)
{
	struct iommu_ioas_unmap unmap = {.size = sizeof(unmap), .ioas_id = ioas, .iova = iova, .length = len};

	return ioctl(iommufd, IOMMU_IOAS_UNMAP, &unmap) ? -errno : 0;
}
