/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a VFIO device answers to ioctls, above all to those that it refuses. Needs a memory card with ivshmem's ids and
 * one more function with FLR, INTx, MSI-X and its table in BAR 0, each alone in its IOMMU group.
 */
#include <linux/iommufd.h>
#include <linux/vfio.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "answers.h"
#include "devices.h"

#define REGION(index) ((uint64_t)(index) << 40)

static struct device card, other;
static int iommu, event;
static char *low; /* a page, and nothing behind it */

static char name_buf[128];

__attribute__((format(printf, 1, 2))) static const char *name(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(name_buf, sizeof(name_buf), fmt, args);
	va_end(args);
	return name_buf;
}

static long err(long ret)
{
	return ret < 0 ? -errno : ret;
}

/* The number of a new fd is not the question. */
static long closed(long fd)
{
	if (fd < 0)
		return -errno;
	close((int)fd);
	return 0;
}

static int reopen(struct device *d)
{
	d->fd = open(d->cdev, O_RDWR);
	if (d->fd < 0)
		die(d->cdev);
	return d->fd;
}

static long bind_raw(int fd, uint32_t argsz, uint32_t flags, int32_t iommufd, uint64_t token)
{
	struct vfio_device_bind_iommufd b = {
		.argsz = argsz, .flags = flags, .iommufd = iommufd, .token_uuid_ptr = token};

	return io(fd, VFIO_DEVICE_BIND_IOMMUFD, &b);
}

/*
 * Before it is bound
 */

static void ask_unbound(void)
{
	int fd = reopen(&card), ep = epoll_create1(0);
	struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT};
	struct epoll_event ev = {.events = EPOLLIN};
	struct stat st;
	char buf[64] = {0};

	for (unsigned i = 100; i < 124; i++)
		if (i != 118)
			answer(name("unbound.ioctl_%u", i), io(fd, _IO(';', i), buf));
	answer("unbound.ioctl_other_type", io(fd, _IO('a', 1), buf));
	answer("unbound.tcgets", io(fd, 0x5401, buf));
	answer("unbound.read", err(read(fd, buf, 4)));
	answer("unbound.pread", err(pread(fd, buf, 4, 0)));
	answer("unbound.pread_nothing", err(pread(fd, buf, 0, 0)));
	answer("unbound.pwrite", err(pwrite(fd, buf, 4, 0)));
	answer("unbound.mmap", mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED ? -errno : 0);
	answer("unbound.lseek_cur", err(lseek(fd, 0, SEEK_CUR)));
	answer("unbound.lseek_set", err(lseek(fd, 5, SEEK_SET)));
	answer("unbound.poll", err(poll(&p, 1, 0)));
	say("unbound.revents", 0, "0x%x", p.revents);
	answer("unbound.epoll", err(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev)));
	fstat(fd, &st);
	say("unbound.fstat", 0, "%d", S_ISCHR(st.st_mode));
	close(ep);
	close(fd);
}

/*
 * Bind and attach
 */

static void ask_bind(void)
{
	int fd = reopen(&card), second = open(card.cdev, O_RDWR), file = open("/proc/self/exe", O_RDONLY);
	struct vfio_device_bind_iommufd *b = (void *)low;
	char longer[48] = {0}, uuid[16] = {1};

	answer("bind.null", io(fd, VFIO_DEVICE_BIND_IOMMUFD, NULL));
	answer("bind.argsz_8", bind_raw(fd, 8, 2, iommu, 0));
	answer("bind.argsz_15", bind_raw(fd, 15, 0, iommu, 0));
	answer("bind.flags", bind_raw(fd, 24, 2, iommu, 0));
	answer("bind.flags_and_bad_fd", bind_raw(fd, 24, 2, 999, 0));
	answer("bind.fd_negative", bind_raw(fd, 24, 0, -1, 0));
	answer("bind.fd_not_open", bind_raw(fd, 24, 0, 999, 0));
	answer("bind.fd_a_file", bind_raw(fd, 24, 0, file, 0));
	answer("bind.fd_an_eventfd", bind_raw(fd, 24, 0, event, 0));
	answer("bind.fd_itself", bind_raw(fd, 24, 0, fd, 0));
	answer("bind.token_without_room", bind_raw(fd, 16, 1, iommu, 0));
	answer("bind.token_null", bind_raw(fd, 24, 1, iommu, 0));
	answer("bind.token_null_and_bad_fd", bind_raw(fd, 24, 1, 999, 0));
	answer("bind.token", bind_raw(fd, 24, 1, iommu, (uintptr_t)uuid));
	*b = (struct vfio_device_bind_iommufd){.argsz = 24, .iommufd = iommu};
	mprotect(low, 4096, PROT_READ);
	answer("bind.id_unwritable", io(fd, VFIO_DEVICE_BIND_IOMMUFD, b));
	mprotect(low, 4096, PROT_READ | PROT_WRITE);
	answer("bind.not_bound_then", io(fd, VFIO_DEVICE_RESET, NULL));
	b->argsz = sizeof(longer);
	memcpy(longer, b, sizeof(*b));
	longer[40] = 1;
	answer("bind.longer_with_garbage", io(fd, VFIO_DEVICE_BIND_IOMMUFD, longer));
	longer[40] = 0;
	answer("bind.longer", io(fd, VFIO_DEVICE_BIND_IOMMUFD, longer));
	answer("bind.again", bind_raw(fd, 24, 0, iommu, 0));
	answer("bind.again_bad_fd", bind_raw(fd, 24, 0, 999, 0));
	answer("bind.again_argsz_8", bind_raw(fd, 8, 0, iommu, 0));
	answer("bind.second_open", bind_raw(second, 24, 0, iommu, 0));
	answer("bind.second_open_bad_fd", bind_raw(second, 24, 0, 999, 0));
	close(second);
	close(file);
}

static long attach(uint32_t argsz, uint32_t flags, uint32_t pt_id)
{
	struct vfio_device_attach_iommufd_pt a = {.argsz = argsz, .flags = flags, .pt_id = pt_id, .pasid = 1};

	return io(card.fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &a);
}

static long detach(uint32_t argsz, uint32_t flags)
{
	struct vfio_device_detach_iommufd_pt d = {.argsz = argsz, .flags = flags, .pasid = 1};

	return io(card.fd, VFIO_DEVICE_DETACH_IOMMUFD_PT, &d);
}

static void ask_attach(void)
{
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};
	struct vfio_device_attach_iommufd_pt *ro = (void *)low;
	struct iommu_destroy destroy = {.size = sizeof(destroy)};
	uint32_t ioas;

	if (ioctl(iommu, IOMMU_IOAS_ALLOC, &alloc))
		die("IOMMU_IOAS_ALLOC");
	ioas = alloc.out_ioas_id;
	answer("attach.null", io(card.fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, NULL));
	answer("attach.argsz_8", attach(8, 0, ioas));
	answer("attach.flags", attach(12, 2, ioas));
	answer("attach.pasid_without_room", attach(12, 1, ioas));
	answer("attach.pasid", attach(16, 1, ioas));
	answer("attach.nothing", attach(12, 0, 0));
	answer("attach.unknown", attach(12, 0, 999));
	answer("attach", attach(12, 0, ioas));
	answer("attach.again", attach(16, 0, ioas));
	answer("attach.unknown_when_attached", attach(12, 0, 999));
	*ro = (struct vfio_device_attach_iommufd_pt){.argsz = 12, .pt_id = ioas};
	mprotect(low, 4096, PROT_READ);
	answer("attach.id_unwritable", io(card.fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, ro));
	mprotect(low, 4096, PROT_READ | PROT_WRITE);
	answer("detach.null", io(card.fd, VFIO_DEVICE_DETACH_IOMMUFD_PT, NULL));
	answer("detach.argsz_4", detach(4, 0));
	answer("detach.flags", detach(8, 2));
	answer("detach.pasid_without_room", detach(8, 1));
	answer("detach.pasid", detach(12, 1));
	answer("detach", detach(8, 0));
	answer("detach.again", detach(8, 0));
	destroy.id = ioas;
	answer("detach.destroy_ioas", io(iommu, IOMMU_DESTROY, &destroy));
}

/*
 * What there is
 */

static void ask_info(void)
{
	struct vfio_device_info info;

	for (uint32_t argsz = 0; argsz <= 64; argsz += 4) {
		char bytes[64];
		long ret;

		memset(bytes, 0xee, sizeof(bytes));
		memcpy(bytes, &argsz, 4);
		ret = io(other.fd, VFIO_DEVICE_GET_INFO, bytes);
		memcpy(&info, bytes, sizeof(info));
		say(name("info.argsz_%u", argsz), ret, "argsz=%u flags=0x%x regions=%u irqs=%u cap=0x%x pad=0x%x",
		    info.argsz, info.flags, info.num_regions, info.num_irqs, info.cap_offset, info.pad);
	}
	answer("info.null", io(other.fd, VFIO_DEVICE_GET_INFO, NULL));
	info.argsz = 16;
	low[4096 - 4] = 16;
	answer("info.beyond_memory", io(other.fd, VFIO_DEVICE_GET_INFO, low + 4096 - 4));
}

/* skip: a region that one machine's device has and another's has not. */
static void ask_region_info(struct device *d, const char *which, uint32_t skip)
{
	static const uint32_t sizes[] = {0, 31, 32, 39, 40, 48, 1024};
	union {
		struct vfio_region_info info;
		char bytes[1024];
	} a;

	for (uint32_t i = 0; i < 11; i++) {
		for (size_t n = 0; n < sizeof(sizes) / sizeof(sizes[0]) && i != skip; n++) {
			struct vfio_info_cap_header *cap = NULL;
			long ret;

			memset(&a, 0, sizeof(a));
			a.info.argsz = sizes[n];
			a.info.index = i;
			ret = io(d->fd, VFIO_DEVICE_GET_REGION_INFO, &a);
			if (a.info.cap_offset)
				cap = (void *)(a.bytes + a.info.cap_offset);
			/* Sizes belong to the device, not to the question. */
			say(name("region_%s.%u_argsz_%u", which, i, sizes[n]), ret,
			    "argsz=%u flags=0x%x cap=%u id=%u next=%u offset=0x%llx", a.info.argsz, a.info.flags,
			    a.info.cap_offset, cap ? cap->id : 0, cap ? cap->next : 0,
			    (unsigned long long)a.info.offset);
		}
	}
	answer("region.null", io(d->fd, VFIO_DEVICE_GET_REGION_INFO, NULL));
}

static void ask_irq_info(void)
{
	struct vfio_irq_info info;

	for (uint32_t i = 0; i < 7; i++) {
		long ret;

		/* How many messages there are, and whether it has MSI at all, is the device's. */
		info = (struct vfio_irq_info){.argsz = sizeof(info), .index = i, .flags = 0xffff};
		ret = io(other.fd, VFIO_DEVICE_GET_IRQ_INFO, &info);
		say(name("irq.%u", i), ret, "argsz=%u flags=0x%x any=%d", info.argsz, info.flags,
		    i == VFIO_PCI_MSI_IRQ_INDEX || info.count > 0);
	}
	info = (struct vfio_irq_info){.argsz = 12};
	answer("irq.argsz_12", io(other.fd, VFIO_DEVICE_GET_IRQ_INFO, &info));
	info = (struct vfio_irq_info){.argsz = 100};
	say("irq.argsz_100", io(other.fd, VFIO_DEVICE_GET_IRQ_INFO, &info), "argsz=%u", info.argsz);
	answer("irq.null", io(other.fd, VFIO_DEVICE_GET_IRQ_INFO, NULL));
}

/*
 * Interrupts
 */

enum {
	NONE = VFIO_IRQ_SET_DATA_NONE,
	BOOLS = VFIO_IRQ_SET_DATA_BOOL,
	EVENTS = VFIO_IRQ_SET_DATA_EVENTFD,
	MASK = VFIO_IRQ_SET_ACTION_MASK,
	UNMASK = VFIO_IRQ_SET_ACTION_UNMASK,
	TRIGGER = VFIO_IRQ_SET_ACTION_TRIGGER,
	INTX = VFIO_PCI_INTX_IRQ_INDEX,
	MSIX = VFIO_PCI_MSIX_IRQ_INDEX,
	ERR = VFIO_PCI_ERR_IRQ_INDEX,
	REQ = VFIO_PCI_REQ_IRQ_INDEX,
};

static long set_irqs(uint32_t argsz, uint32_t flags, uint32_t index, uint32_t start, uint32_t count, const void *data,
		     size_t len)
{
	union {
		struct vfio_irq_set set;
		char bytes[512];
	} a = {.set = {argsz ? argsz : (uint32_t)(sizeof(a.set) + len), flags, index, start, count}};

	if (len)
		memcpy(a.set.data, data, len);
	return io(other.fd, VFIO_DEVICE_SET_IRQS, &a);
}

static long set_none(uint32_t action, uint32_t index, uint32_t start, uint32_t count)
{
	return set_irqs(0, NONE | action, index, start, count, NULL, 0);
}

static long set_bool(uint32_t action, uint32_t index, uint8_t value)
{
	return set_irqs(0, BOOLS | action, index, 0, 1, &value, 1);
}

static long set_fd(uint32_t action, uint32_t index, int32_t fd)
{
	return set_irqs(0, EVENTS | action, index, 0, 1, &fd, 4);
}

static unsigned long long signals(void)
{
	uint64_t n = 0;

	return read(event, &n, 8) == 8 ? n : 0;
}

static void ask_irq_header(void)
{
	int32_t fd = event;

	answer("set_irqs.null", io(other.fd, VFIO_DEVICE_SET_IRQS, NULL));
	answer("set_irqs.argsz_8", set_irqs(8, NONE | TRIGGER, INTX, 0, 0, NULL, 0));
	answer("set_irqs.no_flags", set_irqs(0, 0, INTX, 0, 1, &fd, 4));
	answer("set_irqs.unknown_flag", set_irqs(0, 0x100 | EVENTS | TRIGGER, INTX, 0, 1, &fd, 4));
	answer("set_irqs.two_kinds_of_data", set_irqs(0, NONE | EVENTS | TRIGGER, INTX, 0, 1, &fd, 4));
	answer("set_irqs.two_actions", set_irqs(0, EVENTS | TRIGGER | MASK, INTX, 0, 1, &fd, 4));
	answer("set_irqs.no_action", set_irqs(0, EVENTS, INTX, 0, 1, &fd, 4));
	answer("set_irqs.no_data", set_irqs(0, TRIGGER, INTX, 0, 1, &fd, 4));
	answer("set_irqs.start_beyond", set_irqs(0, EVENTS | TRIGGER, MSIX, 100000, 1, &fd, 4));
	answer("set_irqs.start_wraps", set_irqs(0, EVENTS | TRIGGER, MSIX, UINT32_MAX, 2, &fd, 4));
	answer("set_irqs.count_beyond", set_irqs(0, EVENTS | TRIGGER, MSIX, 0, 65000, NULL, 0));
	answer("set_irqs.argsz_short_for_data", set_irqs(20, EVENTS | TRIGGER, MSIX, 0, 1, NULL, 0));
	answer("set_irqs.index_5", set_fd(TRIGGER, 5, fd));
	answer("set_irqs.index_huge", set_fd(TRIGGER, UINT32_MAX, fd));
	*(struct vfio_irq_set *)(low + 4096 - 20) = (struct vfio_irq_set){24, EVENTS | TRIGGER, MSIX, 0, 1};
	answer("set_irqs.data_beyond_memory", io(other.fd, VFIO_DEVICE_SET_IRQS, low + 4096 - 20));
}

/* Each index goes through the same questions: while it is off, while it is on, and when it is off again. */
static void ask_irq_index(uint32_t index, const char *n)
{
	int32_t second = eventfd(0, EFD_NONBLOCK);

	answer(name("%s.off.none_0", n), set_none(TRIGGER, index, 0, 0));
	answer(name("%s.off.none_1", n), set_none(TRIGGER, index, 0, 1));
	answer(name("%s.off.mask", n), set_none(MASK, index, 0, 1));
	answer(name("%s.off.mask_0", n), set_none(MASK, index, 0, 0));
	answer(name("%s.off.unmask", n), set_none(UNMASK, index, 0, 1));
	answer(name("%s.off.bool", n), set_bool(TRIGGER, index, 1));
	answer(name("%s.off.mask_bool", n), set_bool(MASK, index, 1));
	answer(name("%s.off.mask_fd", n), set_fd(MASK, index, event));
	answer(name("%s.off.unmask_fd", n), set_fd(UNMASK, index, event));
	answer(name("%s.off.fd_none", n), set_irqs(0, EVENTS | TRIGGER, index, 0, 0, NULL, 0));
	answer(name("%s.fd_not_open", n), set_fd(TRIGGER, index, 999));
	answer(name("%s.fd_not_an_eventfd", n), set_fd(TRIGGER, index, other.fd));
	answer(name("%s.on", n), set_fd(TRIGGER, index, second));
	answer(name("%s.replace", n), set_fd(TRIGGER, index, event));
	signals();
	answer(name("%s.try", n), set_none(TRIGGER, index, 0, 1));
	say(name("%s.tried", n), 0, "%llu", signals());
	answer(name("%s.try_bool", n), set_bool(TRIGGER, index, 1));
	answer(name("%s.try_bool_0", n), set_bool(TRIGGER, index, 0));
	say(name("%s.tried_bool", n), 0, "%llu", signals());
	answer(name("%s.mask", n), set_none(MASK, index, 0, 1));
	answer(name("%s.mask_bool", n), set_bool(MASK, index, 1));
	answer(name("%s.mask_fd", n), set_fd(MASK, index, event));
	answer(name("%s.unmask_bool", n), set_bool(UNMASK, index, 1));
	answer(name("%s.unmask", n), set_none(UNMASK, index, 0, 1));
	answer(name("%s.unmask_fd", n), set_fd(UNMASK, index, second));
	answer(name("%s.unmask_fd_again", n), set_fd(UNMASK, index, second));
	answer(name("%s.unmask_fd_bad", n), set_fd(UNMASK, index, other.fd));
	answer(name("%s.unmask_fd_none", n), set_fd(UNMASK, index, -1));
	answer(name("%s.intx_as_well", n), set_fd(TRIGGER, INTX, index == INTX ? event : second));
	answer(name("%s.msix_as_well", n), set_fd(TRIGGER, MSIX, index == MSIX ? event : second));
	answer(name("%s.fd_minus_1", n), set_fd(TRIGGER, index, -1));
	answer(name("%s.try_without", n), set_none(TRIGGER, index, 0, 1));
	say(name("%s.tried_without", n), 0, "%llu", signals());
	answer(name("%s.off", n), set_none(TRIGGER, index, 0, 0));
	answer(name("%s.off_again", n), set_none(TRIGGER, index, 0, 0));
	set_none(TRIGGER, INTX, 0, 0);
	set_none(TRIGGER, MSIX, 0, 0);
	close(second);
}

static void ask_msix_vectors(void)
{
	struct vfio_irq_info info = {.argsz = sizeof(info), .index = MSIX};
	int32_t fds[2] = {event, other.fd};

	if (ioctl(other.fd, VFIO_DEVICE_GET_IRQ_INFO, &info))
		die("VFIO_DEVICE_GET_IRQ_INFO");
	answer("vectors.one_bad_of_many", info.count < 2 ? -EINVAL : set_irqs(0, EVENTS | TRIGGER, MSIX, 0, 2, fds, 8));
	answer("vectors.past_the_last", set_irqs(0, EVENTS | TRIGGER, MSIX, info.count, 1, fds, 4));
	answer("vectors.last", set_irqs(0, EVENTS | TRIGGER, MSIX, info.count - 1, 1, fds, 4));
	answer("vectors.first_too", set_irqs(0, EVENTS | TRIGGER, MSIX, 0, 1, fds, 4));
	answer("vectors.try", set_none(TRIGGER, MSIX, info.count - 1, 1));
	say("vectors.tried", 0, "%llu", signals());
	answer("vectors.reset", io(other.fd, VFIO_DEVICE_RESET, NULL));
	answer("vectors.off", set_none(TRIGGER, MSIX, 0, 0));
}

/*
 * Features
 */

static long feature(int fd, uint32_t flags, uint32_t argsz)
{
	union {
		struct vfio_device_feature f;
		char bytes[256];
	} a = {.f = {.argsz = argsz, .flags = flags}};

	return io(fd, VFIO_DEVICE_FEATURE, &a);
}

static void ask_features(void)
{
	const uint32_t probe = VFIO_DEVICE_FEATURE_PROBE, get = VFIO_DEVICE_FEATURE_GET, set = VFIO_DEVICE_FEATURE_SET;

	for (uint32_t i = 0; i < 20; i++) {
		answer(name("feature.%u.probe", i), feature(card.fd, probe | i, 8));
		answer(name("feature.%u.probe_get", i), feature(card.fd, probe | get | i, 8));
		answer(name("feature.%u.probe_set", i), feature(card.fd, probe | set | i, 8));
		answer(name("feature.%u.probe_both", i), feature(card.fd, probe | get | set | i, 8));
		answer(name("feature.%u.neither", i), feature(card.fd, i, 64));
		answer(name("feature.%u.both", i), feature(card.fd, get | set | i, 64));
		answer(name("feature.%u.get_short", i), feature(card.fd, get | i, 8));
	}
	answer("feature.argsz_4", feature(card.fd, probe | 11, 4));
	answer("feature.reserved_flag", feature(card.fd, probe | 1u << 20 | 11, 8));
	answer("feature.reserved_flag_unknown", feature(card.fd, 1u << 20 | 77, 8));
	answer("feature.null", io(card.fd, VFIO_DEVICE_FEATURE, NULL));
	answer("feature.dma_buf_set", feature(card.fd, set | 11, 64));
}

static long export_raw(uint32_t region, uint32_t open_flags, uint32_t flags, uint32_t nr,
		       const struct vfio_region_dma_range *ranges)
{
	union {
		struct vfio_device_feature f;
		char bytes[128];
	} a = {.f = {.argsz = 24 + 48, .flags = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_BUF}};
	struct vfio_device_feature_dma_buf get = {region, open_flags, flags, nr};

	memcpy(a.f.data, &get, sizeof(get));
	memcpy(a.f.data + sizeof(get), ranges, 3 * sizeof(*ranges));
	return closed(ioctl(card.fd, VFIO_DEVICE_FEATURE, &a));
}

static void ask_export(void)
{
	struct vfio_region_info info = {.argsz = sizeof(info), .index = 2};
	const uint64_t page = 4096, half = 1ull << 63;

	if (ioctl(card.fd, VFIO_DEVICE_GET_REGION_INFO, &info))
		die("VFIO_DEVICE_GET_REGION_INFO");
	const uint64_t size = info.size;
	const struct {
		const char *name;
		uint32_t region, open_flags, flags, nr;
		struct vfio_region_dma_range ranges[3];
	} cases[] = {
		{"whole", 2, O_CLOEXEC, 0, 1, {{0, size}}},
		{"three_that_overlap", 2, O_RDWR, 0, 3, {{page, page}, {0, 2 * page}, {0, 2 * page}}},
		{"open_flags_high", 2, 0xff000000, 0, 1, {{0, page}}},
		{"open_flags_creat_trunc", 2, O_CREAT | O_TRUNC, 0, 1, {{0, page}}},
		{"open_flags_accmode_3", 2, 3, 0, 1, {{0, page}}},
		{"no_ranges", 2, 0, 0, 0, {{0, page}}},
		{"flags", 2, 0, 1, 1, {{0, page}}},
		{"flags_no_ranges", 2, 0, 1, 0, {{0, page}}},
		{"bar_1", 1, 0, 0, 1, {{0, page}}},
		{"bar_3", 3, 0, 0, 1, {{0, page}}},
		{"bar_5", 5, 0, 0, 1, {{0, page}}},
		{"rom", 6, 0, 0, 1, {{0, page}}},
		{"config", 7, 0, 0, 1, {{0, page}}},
		{"vga", 8, 0, 0, 1, {{0, page}}},
		{"region_9", 9, 0, 0, 1, {{0, page}}},
		{"region_huge", UINT32_MAX, 0, 0, 1, {{0, page}}},
		{"bar_5_no_ranges", 5, 0, 0, 0, {{0, page}}},
		{"bar_5_flags", 5, 0, 1, 1, {{0, page}}},
		{"bar_5_misaligned", 5, 0, 0, 1, {{5, page}}},
		{"bar_5_many", 5, 0, 0, 1u << 24, {{0, page}}},
		{"many", 2, 0, 0, 1u << 24, {{0, page}}},
		{"empty", 2, 0, 0, 1, {{0, 0}}},
		{"length_100", 2, 0, 0, 1, {{0, 100}}},
		{"offset_5", 2, 0, 0, 1, {{5, page}}},
		{"beyond", 2, 0, 0, 1, {{size, page}}},
		{"across_the_end", 2, 0, 0, 1, {{size - page, 2 * page}}},
		{"wraps_to_0", 2, 0, 0, 1, {{-page, page}}},
		{"wraps", 2, 0, 0, 1, {{-page, 2 * page}}},
		{"length_huge", 2, 0, 0, 1, {{0, -page}}},
		{"both_huge", 2, 0, 0, 1, {{-page, -page}}},
		{"half", 2, 0, 0, 1, {{0, half}}},
		{"half_and_half", 2, 0, 0, 1, {{half, half}}},
		{"half_and_almost_half", 2, 0, 0, 1, {{half, half - page}}},
		{"sum_wraps", 2, 0, 0, 2, {{0, half}, {0, half}}},
		{"sum_is_half", 2, 0, 0, 2, {{0, half / 2}, {0, half / 2}}},
		{"sum_wraps_first_wraps", 2, 0, 0, 2, {{-page, -page}, {0, 2 * page}}},
		{"second_misaligned", 2, 0, 0, 2, {{0, page}, {5, page}}},
		{"second_empty_and_far", 2, 0, 0, 2, {{0, page}, {-page, 0}}},
		{"wraps_then_misaligned", 2, 0, 0, 2, {{-page, 2 * page}, {5, page}}},
		{"beyond_then_misaligned", 2, 0, 0, 2, {{size, page}, {5, page}}},
		{"beyond_then_wraps", 2, 0, 0, 2, {{size, page}, {-page, 2 * page}}},
		{"wraps_then_beyond", 2, 0, 0, 2, {{-page, 2 * page}, {size, page}}},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		answer(name("export.%s", cases[i].name),
		       export_raw(cases[i].region, cases[i].open_flags, cases[i].flags, cases[i].nr, cases[i].ranges));
}

static void ask_export_memory(void)
{
	struct vfio_device_feature *f = (void *)(low + 4096 - 40);
	struct vfio_device_feature_dma_buf *get = (void *)f->data;
	struct vfio_region_dma_range range = {0, 4096};
	struct rlimit limit, small;

	*f = (struct vfio_device_feature){.argsz = 56, .flags = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_BUF};
	*get = (struct vfio_device_feature_dma_buf){.region_index = 2, .nr_ranges = 2};
	memcpy(get + 1, &range, sizeof(range));
	answer("export.ranges_beyond_memory", closed(ioctl(card.fd, VFIO_DEVICE_FEATURE, f)));
	get->region_index = 5;
	answer("export.ranges_beyond_memory_bar_5", closed(ioctl(card.fd, VFIO_DEVICE_FEATURE, f)));
	f = memmove(low + 4096 - 12, f, 12);
	answer("export.struct_beyond_memory", closed(ioctl(card.fd, VFIO_DEVICE_FEATURE, f)));
	getrlimit(RLIMIT_NOFILE, &limit);
	small = limit;
	small.rlim_cur = (rlim_t)dup(0);
	close((int)small.rlim_cur);
	setrlimit(RLIMIT_NOFILE, &small);
	struct vfio_region_dma_range ranges[3] = {{0, 4096}};
	answer("export.no_fd", export_raw(2, 0, 0, 1, ranges));
	ranges[0].offset = 5;
	answer("export.no_fd_misaligned", export_raw(2, 0, 0, 1, ranges));
	setrlimit(RLIMIT_NOFILE, &limit);
	ranges[0].offset = 0;
	answer("export.fd_again", export_raw(2, 0, 0, 1, ranges));
}

/*
 * The rest
 */

static long ioeventfd(uint32_t argsz, uint32_t flags, uint64_t offset, uint64_t data, int32_t fd)
{
	struct vfio_device_ioeventfd a = {.argsz = argsz, .flags = flags, .offset = offset, .data = data, .fd = fd};

	return io(other.fd, VFIO_DEVICE_IOEVENTFD, &a);
}

static void ask_ioeventfd(void)
{
	answer("ioeventfd.null", io(other.fd, VFIO_DEVICE_IOEVENTFD, NULL));
	answer("ioeventfd.argsz_4", ioeventfd(4, 4, 0, 0, event));
	answer("ioeventfd.no_size", ioeventfd(40, 0, 0, 0, event));
	answer("ioeventfd.two_sizes", ioeventfd(40, 3, 0, 0, event));
	answer("ioeventfd.unknown_flag", ioeventfd(40, 0x14, 0, 0, event));
	answer("ioeventfd.fd_minus_2", ioeventfd(40, 4, 0, 0, -2));
	answer("ioeventfd.remove_none", ioeventfd(40, 4, 0, 0, -1));
	answer("ioeventfd.fd_not_open", ioeventfd(40, 4, 0, 0, 999));
	answer("ioeventfd.fd_not_an_eventfd", ioeventfd(40, 4, 0, 0, other.fd));
	answer("ioeventfd.config", ioeventfd(40, 4, REGION(7), 0, event));
	answer("ioeventfd.rom", ioeventfd(40, 4, REGION(6), 0, event));
	answer("ioeventfd.absent_bar", ioeventfd(40, 4, REGION(5), 0, event));
	answer("ioeventfd.beyond", ioeventfd(40, 4, 0x4000, 0, event));
	answer("ioeventfd.across_the_end", ioeventfd(40, 4, 0x3ffe, 0, event));
	answer("ioeventfd.msix_table", ioeventfd(40, 4, 0x2000, 0, event));
	answer("ioeventfd.add", ioeventfd(40, 4, 0x3800, 7, event));
	answer("ioeventfd.add_again", ioeventfd(40, 4, 0x3800, 7, event));
	answer("ioeventfd.add_other_data", ioeventfd(40, 4, 0x3800, 8, event));
	answer("ioeventfd.remove_other_size", ioeventfd(40, 2, 0x3800, 7, -1));
	answer("ioeventfd.remove", ioeventfd(40, 4, 0x3800, 7, -1));
	answer("ioeventfd.remove_again", ioeventfd(40, 4, 0x3800, 7, -1));
}

static void ask_hot_reset(void)
{
	struct {
		struct vfio_pci_hot_reset h;
		int32_t fds[4];
	} r = {.h.argsz = 8};
	struct vfio_pci_hot_reset_info info = {.argsz = 8};

	answer("hot_reset_info.null", io(other.fd, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, NULL));
	answer("hot_reset_info.argsz_8", io(other.fd, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, &info));
	answer("hot_reset.null", io(other.fd, VFIO_DEVICE_PCI_HOT_RESET, NULL));
	answer("hot_reset.argsz_8", io(other.fd, VFIO_DEVICE_PCI_HOT_RESET, &r));
	r.h.argsz = sizeof(r);
	r.h.flags = 1;
	answer("hot_reset.flags", io(other.fd, VFIO_DEVICE_PCI_HOT_RESET, &r));
	r.h.flags = 0;
	r.h.count = 1;
	r.fds[0] = other.fd;
	answer("hot_reset.by_fds", io(other.fd, VFIO_DEVICE_PCI_HOT_RESET, &r));
	r.h.count = 1000;
	answer("hot_reset.count_huge", io(other.fd, VFIO_DEVICE_PCI_HOT_RESET, &r));
}

static void ask_bound(void)
{
	int fd = open(other.cdev, O_RDWR);

	for (unsigned i = 100; i < 130; i++)
		answer(name("bound.ioctl_%u_null", i), io(other.fd, _IO(';', i), NULL));
	answer("bound.other_type", io(other.fd, _IO('a', 1), NULL));
	answer("bound.second_open_info", io(fd, VFIO_DEVICE_GET_INFO, low));
	close(fd);
	close(other.fd);
	fd = open(other.cdev, O_RDWR);
	answer("bound.after_close", bind_raw(fd, 24, 0, iommu, 0));
	close(fd);
}

int main(int argc, char **argv)
{
	if (answers_begin(argc, argv))
		return 2;
	find_devices();
	iommu = open("/dev/iommu", O_RDWR);
	if (iommu < 0 || !choose(&card, true) || !choose(&other, false)) {
		fprintf(stderr, "needs /dev/iommu, a memory card and another function on vfio-pci\n");
		return 2;
	}
	event = eventfd(0, EFD_NONBLOCK);
	low = memory_at(0x10000000, 4096, PROT_READ | PROT_WRITE);
	ask_unbound();
	ask_bind();
	ask_attach();
	if (bind_raw(reopen(&other), 24, 0, iommu, 0))
		die(other.cdev);
	ask_info();
	ask_region_info(&card, "card", UINT32_MAX);
	ask_region_info(&other, "other", 2);
	ask_irq_info();
	ask_irq_header();
	ask_irq_index(INTX, "intx");
	ask_irq_index(MSIX, "msix");
	ask_irq_index(ERR, "error");
	ask_irq_index(REQ, "request");
	ask_msix_vectors();
	ask_features();
	ask_export();
	ask_export_memory();
	ask_ioeventfd();
	ask_hot_reset();
	ask_bound();
	return answers_end();
}
