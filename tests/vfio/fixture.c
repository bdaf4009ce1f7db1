/* SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <fcntl.h>

struct fixture *fixture_create(const struct tree_options *options, bool traced)
{
	static const struct tree_options defaults;
	struct fixture *x = calloc(1, sizeof(*x));
	struct ns_node *dir;

	x->tree = tree_create(options ? options : &defaults);
	x->card = &x->tree->cards[0];
	x->fn = &x->card->fn;
	x->ns = ns_create();
	x->ft = fake_task_create();
	x->trace = traced ? trace_create(true) : NULL;
	x->dma_bufs = dma_buf_registry_create(x->trace);
	fake_task(x->ft)->trace = x->trace;
	assert_int_equal(iommufd_register(x->ns, x->tree->space, x->trace, &x->iommufd_system), 0);
	dir = ns_make_path(x->ns, "/sys/devices/pci0000:00/0000:03:00.0", false);
	assert_int_equal(vfio_device_register(x->ns, dir, x->fn, 0, x->trace, x->dma_bufs, &x->devices[0]), 0);
	dir = ns_make_path(x->ns, "/sys/devices/pci0000:00/0000:06:00.0", false);
	assert_int_equal(
		vfio_device_register(x->ns, dir, &x->tree->cards[3].fn, 1, x->trace, x->dma_bufs, &x->devices[1]), 0);
	x->iommufd = fixture_open(x, "/dev/iommu");
	x->device = fixture_open(x, "/dev/vfio/devices/vfio0");
	assert_int_equal(fixture_bind(x, x->device), 0);
	return x;
}

void fixture_destroy(struct fixture *x)
{
	fake_task_destroy(x->ft);
	/* Aborts when an open, a buffer or a mapping still holds the device. */
	vfio_device_unregister(x->devices[0]);
	vfio_device_unregister(x->devices[1]);
	iommufd_unregister(x->iommufd_system);
	ns_destroy(x->ns);
	tree_destroy(x->tree);
	dma_buf_registry_destroy(x->dma_bufs);
	trace_destroy(x->trace);
	free(x);
}

int fixture_setup(void **state)
{
	*state = fixture_create(NULL, true);
	return 0;
}

int fixture_teardown(void **state)
{
	fixture_destroy(*state);
	return 0;
}

int fixture_open(struct fixture *x, const char *path)
{
	struct ns_node *node = ns_get(ns_root(x->ns));
	struct file *f;
	int err;

	for (const char *p = path + 1; *p;) {
		size_t len = strcspn(p, "/");
		struct ns_node *next = ns_lookup(x->ns, node, p, len);

		ns_put(node);
		if (!next)
			return -ENOENT;
		node = next;
		p += len + (p[len] == '/');
	}
	err = ns_open(node, fake_task(x->ft), O_RDWR, &f);
	ns_put(node);
	return err ? err : fake_task_install(x->ft, f);
}

long fixture_bind(struct fixture *x, int device)
{
	struct vfio_device_bind_iommufd b = {.argsz = sizeof(b), .iommufd = x->iommufd};

	return fake_task_ioctl(x->ft, device, VFIO_DEVICE_BIND_IOMMUFD, &b);
}

long device_ioctl(struct fixture *x, unsigned long cmd, void *arg)
{
	return fake_task_ioctl(x->ft, x->device, cmd, arg);
}

uint32_t config_read(struct fixture *x, unsigned offset, unsigned len)
{
	uint32_t value = 0;

	assert_int_equal(fake_task_pread(x->ft, x->device, &value, len, REGION(7) + offset), len);
	return value;
}

void config_write(struct fixture *x, unsigned offset, uint32_t value, unsigned len)
{
	assert_int_equal(fake_task_pwrite(x->ft, x->device, &value, len, REGION(7) + offset), len);
}

void set_command(struct fixture *x, uint16_t command)
{
	config_write(x, PCI_COMMAND, command, 2);
}

void set_power(struct fixture *x, unsigned state)
{
	config_write(x, x->fn->cap_pm + PCI_PM_CTRL, state, 2);
}

int64_t map_bar(struct fixture *x, unsigned bar, uint64_t offset, uint64_t len)
{
	return fake_task_mmap(x->ft, x->device, len, PROT_READ | PROT_WRITE, MAP_SHARED, REGION(bar) + offset);
}

struct fake_mapping *mapping_at(struct fixture *x, int64_t addr)
{
	for (size_t i = 0; i < fake_task_nr_mappings(x->ft); i++)
		if (fake_task_mapping(x->ft, i)->addr == (uaddr_t)addr)
			return fake_task_mapping(x->ft, i);
	fail_msg("nothing is mapped at 0x%llx", (long long)addr);
	return NULL;
}

int export_ranges(struct fixture *x, uint32_t region, uint32_t open_flags, uint32_t flags, uint32_t nr,
		  const struct vfio_region_dma_range *ranges)
{
	union {
		struct vfio_device_feature feature;
		uint8_t bytes[8 + 16 + 16 * 16];
	} arg = {.feature = {.argsz = sizeof(arg), .flags = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_BUF}};
	struct vfio_device_feature_dma_buf *get = (void *)arg.feature.data;

	get->region_index = region;
	get->open_flags = open_flags;
	get->flags = flags;
	get->nr_ranges = nr;
	memcpy(get->dma_ranges, ranges, (nr < 16 ? nr : 16) * sizeof(*ranges));
	return (int)device_ioctl(x, VFIO_DEVICE_FEATURE, &arg);
}

int export_one(struct fixture *x, uint64_t offset, uint64_t len)
{
	struct vfio_region_dma_range range = {.offset = offset, .length = len};

	return export_ranges(x, 2, O_CLOEXEC, 0, 1, &range);
}

uint32_t ioas_alloc(struct fixture *x)
{
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};

	assert_int_equal(fake_task_ioctl(x->ft, x->iommufd, IOMMU_IOAS_ALLOC, &alloc), 0);
	return alloc.out_ioas_id;
}

long map_file(struct fixture *x, uint32_t ioas, int fd, uint64_t start, uint64_t len, uint64_t iova)
{
	struct iommu_ioas_map_file map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE,
		.ioas_id = ioas,
		.fd = fd,
		.start = start,
		.length = len,
		.iova = iova,
	};

	return fake_task_ioctl(x->ft, x->iommufd, IOMMU_IOAS_MAP_FILE, &map);
}

long unmap(struct fixture *x, uint32_t ioas, uint64_t iova, uint64_t len)
{
	struct iommu_ioas_unmap unmap = {.size = sizeof(unmap), .ioas_id = ioas, .iova = iova, .length = len};

	return fake_task_ioctl(x->ft, x->iommufd, IOMMU_IOAS_UNMAP, &unmap);
}

long set_irqs(struct fixture *x, uint32_t flags, uint32_t index, uint32_t start, uint32_t count, const void *data,
	      size_t data_len)
{
	union {
		struct vfio_irq_set set;
		uint8_t bytes[sizeof(struct vfio_irq_set) + 256];
	} arg = {.set = {.argsz = (uint32_t)(sizeof(arg.set) + data_len),
			 .flags = flags,
			 .index = index,
			 .start = start,
			 .count = count}};

	if (data_len)
		memcpy(arg.set.data, data, data_len);
	return device_ioctl(x, VFIO_DEVICE_SET_IRQS, &arg);
}
