/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What /dev/iommu answers about devices: attach, page tables, pinned memory, and device memory as dma-bufs. Needs a
 * memory card with ivshmem's ids and one more function on vfio-pci, each alone in its IOMMU group.
 */
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdbool.h>

#include "devices.h"
#include "iommu_calls.h"

static struct device card, other;
static char *low;

static void open_device(struct device *d)
{
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind), .iommufd = iommu};

	d->fd = open(d->cdev, O_RDWR);
	if (d->fd < 0 || ioctl(d->fd, VFIO_DEVICE_BIND_IOMMUFD, &bind))
		die(d->cdev);
	d->id = bind.out_devid;
}

/*
 * Shorthands
 */

static long attach_to(struct device *d, uint32_t *pt)
{
	struct vfio_device_attach_iommufd_pt a = {.argsz = sizeof(a), .pt_id = *pt};
	long ret = io(d->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &a);

	*pt = a.pt_id;
	return ret;
}

static uint32_t attach(const char *name, struct device *d, uint32_t pt)
{
	uint32_t asked = pt;
	long ret = attach_to(d, &pt);

	say(name, ret, "%s", ret ? "" : pt == asked ? "same id" : "other id");
	return pt;
}

static long detach(struct device *d)
{
	struct vfio_device_detach_iommufd_pt a = {.argsz = sizeof(a)};

	return io(d->fd, VFIO_DEVICE_DETACH_IOMMUFD_PT, &a);
}

/* Units differ in how many address bits they translate; the answers shall not. */
static bool is_aperture(uint64_t last)
{
	return last == (1ull << 39) - 1 || last == (1ull << 48) - 1 || last == (1ull << 57) - 1;
}

static void ranges(const char *name, uint32_t ioas, uint32_t room)
{
	struct iommu_iova_range out[8] = {0};
	struct iommu_ioas_iova_ranges r = {
		.size = sizeof(r), .ioas_id = ioas, .num_iovas = room, .allowed_iovas = (uintptr_t)out};
	long ret = io(iommu, IOMMU_IOAS_IOVA_RANGES, &r);
	char text[256] = "", top[32];

	for (uint32_t i = 0, n = 0; i < r.num_iovas && i < room; i++) {
		snprintf(top, sizeof(top), "%llx", out[i].last);
		n += (uint32_t)snprintf(text + n, sizeof(text) - n, " %llx-%s", out[i].start,
					is_aperture(out[i].last) ? "aperture" : top);
	}
	say(name, ret, "num=%u align=%llu%s", r.num_iovas, r.out_iova_alignment, text);
}

static void allow(const char *name, uint32_t ioas, uint32_t n, uint64_t start, uint64_t last)
{
	struct iommu_iova_range range = {start, last};
	struct iommu_ioas_allow_iovas a = {
		.size = sizeof(a), .ioas_id = ioas, .num_iovas = n, .allowed_iovas = (uintptr_t)&range};
	answer(name, io(iommu, IOMMU_IOAS_ALLOW_IOVAS, &a));
}

/*
 * Attach
 */

static void ask_attach(void)
{
	uint32_t a = new_ioas(), b = new_ioas(), hwpt, second;

	answer("attach.detach_before", detach(&other));
	attach("attach.unknown", &other, 999);
	attach("attach.zero", &other, 0);
	attach("attach.to_device_id", &other, other.id);
	hwpt = attach("attach.ioas", &other, a);
	attach("attach.same_ioas_again", &other, a);
	attach("attach.its_hwpt", &other, hwpt);
	answer("attach.destroy_ioas_in_use", destroy(a));
	answer("attach.destroy_automatic_hwpt_in_use", destroy(hwpt));
	answer("attach.destroy_device", destroy(other.id));
	second = attach("attach.second_device", &card, a);
	say("attach.share_one_hwpt", 0, "%d", hwpt == second);
	second = attach("attach.replace_by_other_ioas", &other, b);
	say("attach.replaced_is_new", 0, "%d", hwpt != second);
	attach("attach.unknown_when_attached", &other, 999);
	attach("attach.automatic_hwpt_of_other_ioas", &other, hwpt);
	answer("attach.destroy_ioas_left", destroy(b));
	answer("attach.detach", detach(&other));
	answer("attach.detach_again", detach(&other));
	answer("attach.destroy_hwpt_other_uses", destroy(hwpt));
	answer("attach.detach_second", detach(&card));
	answer("attach.automatic_hwpt_is_gone", destroy(hwpt));
	answer("attach.destroy_ioas", destroy(a));
}

static void ask_ranges(void)
{
	uint32_t a = new_ioas();

	attach("ranges.attach", &other, a);
	ranges("ranges.attached", a, 8);
	ranges("ranges.room_for_one", a, 1);
	map("ranges.map_above", a, R | FIXED, low, 0x1000, 1ull << 57);
	map("ranges.map_high", a, R | FIXED, low, 0x1000, (1ull << 39) - 0x1000);
	map("ranges.map_msi", a, R | FIXED, low, 0x1000, 0xfee00000);
	map("ranges.map_msi_last", a, R | FIXED, low, 0x1000, 0xfeeff000);
	map("ranges.map_across_msi", a, R | FIXED, low, 0x2000, 0xfedff000);
	map("ranges.map_before_msi", a, R | FIXED, low, 0x1000, 0xfedff000);
	map("ranges.map_after_msi", a, R | FIXED, low, 0x1000, 0xfef00000);
	map("ranges.map_0", a, R | FIXED, low, 0x1000, 0);
	clear(a);
	allow("allow.below", a, 1, 0x100000, 0x1fffff);
	allow("allow.over_msi", a, 1, 0xfe000000, 0xffffffff);
	allow("allow.above_aperture", a, 1, 1ull << 60, (1ull << 60) + 0xffff);
	map("allow.automatic", a, R, low, 0x1000, 0);
	clear(a);
	answer("allow.detach", detach(&other));
	ranges("ranges.detached", a, 8);
	allow("allow.over_msi_detached", a, 1, 0xfe000000, 0xffffffff);
	attach("allow.attach_conflicting", &other, a);
	ranges("ranges.after_failed_attach", a, 8);
	allow("allow.above_aperture_detached", a, 1, 1ull << 60, (1ull << 60) + 0xffff);
	attach("allow.attach_conflicting_aperture", &other, a);
	allow("allow.none", a, 0, 0, 0);
	answer("ranges.destroy", destroy(a));
}

static void try_attach(const char *name, uint32_t ioas)
{
	attach(name, &other, ioas);
	detach(&other);
	clear(ioas);
}

/* Areas that were mapped before there was a device to object. */
static void ask_late(void)
{
	char *hole = memory_at(0x7e9610000000, 4 * 4096, PROT_READ | PROT_WRITE);
	char *ro = memory_at(0x7e9620000000, 4096, PROT_READ);
	uint32_t a = new_ioas();
	int null = open("/dev/null", O_RDWR);

	munmap(hole + 8192, 4096);
	map("late.map_msi", a, R | FIXED, low, 0x1000, 0xfee00000);
	try_attach("late.msi", a);
	map("late.map_above", a, R | FIXED, low, 0x1000, 1ull << 60);
	try_attach("late.above", a);
	map("late.map_unaligned_iova", a, R | FIXED, low, 0x1000, 0x10800);
	try_attach("late.unaligned_iova", a);
	map("late.map_unaligned_both", a, R | FIXED, low + 0x800, 0x1000, 0x10800);
	try_attach("late.unaligned_both", a);
	map("late.map_unaligned_length", a, R | FIXED, low, 0x800, 0x10000);
	try_attach("late.unaligned_length", a);
	map("late.map_unaligned_va", a, R | FIXED, low + 0x800, 0x1000, 0x10000);
	try_attach("late.unaligned_va", a);
	map("late.map_hole", a, R | FIXED, hole, 4 * 4096, 0x10000);
	try_attach("late.hole", a);
	map("late.map_hole_before", a, R | FIXED, low, 4096, 0x8000);
	map("late.map_hole_2", a, R | FIXED, hole, 4 * 4096, 0x10000);
	try_attach("late.hole_and_good", a);
	map("late.map_read_only", a, R | W | FIXED, ro, 4096, 0x10000);
	try_attach("late.read_only_for_write", a);
	map("late.map_read_only_2", a, R | FIXED, ro, 4096, 0x10000);
	try_attach("late.read_only_for_read", a);
	map_file("late.map_dev_null", a, R, null, 0, 0x1000, 0);
	try_attach("late.dev_null", a);
	ranges("late.ranges", a, 8);
	answer("late.destroy", destroy(a));
	close(null);
	munmap(hole, 4 * 4096);
	munmap(ro, 4096);
}

static void huge(const char *name, uint32_t ioas, uint64_t value)
{
	struct iommu_option o = {.size = sizeof(o),
				 .option_id = IOMMU_OPTION_HUGE_PAGES,
				 .op = IOMMU_OPTION_OP_SET,
				 .object_id = ioas,
				 .val64 = value};

	answer(name, io(iommu, IOMMU_OPTION, &o));
}

static void ask_huge_pages(uint32_t a)
{
	uint32_t detached = new_ioas();

	huge("huge.off_empty", a, 0);
	map("huge.map", a, R | FIXED, low, 0x200000, 0x200000);
	huge("huge.on_with_areas", a, 1);
	huge("huge.off_with_areas", a, 0);
	huge("huge.on_again", a, 1);
	clear(a);
	map("huge.map_odd", detached, R | FIXED, low, 0x801, 0x200000);
	huge("huge.off_with_odd_area", detached, 0);
	clear(detached);
	map("huge.map_detached", detached, R | FIXED, low, 0x1000, 0x200000);
	huge("huge.off_detached", detached, 0);
	answer("huge.destroy", destroy(detached));
}

static void ask_alignment(uint32_t a)
{
	map("attached.unaligned_va", a, R, low + 8, 0x1000, 0);
	map("attached.unaligned_va_page", a, R | FIXED, low + 8, 0x1000, 0x10000);
	map("attached.unaligned_iova", a, R | FIXED, low, 0x1000, 0x10008);
	map("attached.unaligned_both", a, R | FIXED, low + 8, 0x1000, 0x10008);
	map("attached.unaligned_length", a, R, low, 0x1001, 0);
	map("attached.unaligned_length_fixed", a, R | FIXED, low, 0x1001, 0x10000);
	map("attached.length_short", a, R, low, 0x10, 0);
	map("attached.length_short_fixed", a, R | FIXED, low, 0x10, 0x10000);
	map("attached.unaligned_and_above", a, R | FIXED, low, 0x1001, 1ull << 60);
	map("attached.va_wraps", a, R, (void *)(UINT64_MAX - 4095), 0x2000, 0);
	map("attached.too_long", a, R, low, 1ull << 62, 0);
	map("attached.va_0", a, R, NULL, 0x1000, 0);
	map("attached.va_kernel", a, R, (void *)0xffff888000000000, 0x1000, 0);
	clear(a);
}

static void ask_memory(uint32_t a)
{
	char *hole = memory_at(0x7e9610000000, 4 * 4096, PROT_READ | PROT_WRITE);
	char *ro = memory_at(0x7e9620000000, 4096, PROT_READ);
	char *none = memory_at(0x7e9630000000, 4096, PROT_NONE);
	char *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char *zero = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, open("/dev/zero", O_RDWR), 0);
	char *exe = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, open("/proc/self/exe", O_RDONLY), 0);

	munmap(hole + 8192, 4096);
	map("memory.good", a, R | W | FIXED, hole, 8192, 0x10000);
	map("memory.hole", a, R | W | FIXED, hole, 4 * 4096, 0x100000);
	map("memory.hole_left_nothing", a, R | W | FIXED, low, 4 * 4096, 0x100000);
	map("memory.hole_automatic", a, R | W, hole, 4 * 4096, 0);
	map("memory.nothing_there", a, R | FIXED, (void *)0x7e9640000000, 4096, 0x200000);
	map("memory.nothing_there_taken", a, R | FIXED, (void *)0x7e9640000000, 4096, 0x10000);
	map("memory.read_only_for_write", a, R | W | FIXED, ro, 4096, 0x300000);
	map("memory.read_only_for_write_only", a, W | FIXED, ro, 4096, 0x300000);
	map("memory.read_only_for_read", a, R | FIXED, ro, 4096, 0x300000);
	map("memory.no_access", a, R | FIXED, none, 4096, 0x400000);
	map("memory.no_access_write", a, W | FIXED, none, 4096, 0x400000);
	map("memory.write_only", a, W | FIXED, low, 4096, 0x500000);
	map("memory.shared", a, R | W | FIXED, shared, 4096, 0x600000);
	map("memory.private_file", a, R | W | FIXED, zero, 4096, 0x700000);
	map("memory.program_text", a, R | FIXED, exe, 4096, 0x800000);
	map("memory.program_text_write", a, R | W | FIXED, exe, 4096, 0x900000);
	map("memory.stack", a, R | W | FIXED, (void *)((uintptr_t)&hole & ~4095ul), 4096, 0xa00000);
	copy("memory.copy_write_of_read_only", a, a, R | W, 4096, 0, 0x300000);
	copy("memory.copy_read_of_write_only", a, a, R | FIXED, 4096, 0xb00000, 0x500000);
	munmap(hole, 8192);
	copy("memory.copy_after_munmap", a, a, R | W | FIXED, 8192, 0xc00000, 0x10000);
	copy("memory.copy_unaligned", a, a, R | W, 0x800, 0, 0x10000);
	copy("memory.copy_unaligned_source", a, a, R | W, 0x1000, 0, 0x10800);
	copy("memory.copy_unaligned_fixed", a, a, R | W | FIXED, 0x1000, 0xd00800, 0x10000);
	unmap("memory.unmap_part", a, 0x10000, 0x1000);
	unmap("memory.unmap_all", a, 0, UINT64_MAX);
	munmap(hole + 3 * 4096, 4096);
	munmap(ro, 4096);
	munmap(none, 4096);
	munmap(shared, 4096);
}

static void ask_memfd(uint32_t a)
{
	int memfd = memfd_create("m", MFD_ALLOW_SEALING), pipes[2], null = open("/dev/null", O_RDWR), ro;
	char link[64];

	if (memfd < 0 || ftruncate(memfd, 0x400000) || pipe(pipes))
		die("memfd");
	snprintf(link, sizeof(link), "/proc/self/fd/%d", memfd);
	ro = open(link, O_RDONLY);
	map_file("memfd.whole", a, R | W | FIXED, memfd, 0, 0x400000, 0x10000000);
	map_file("memfd.slice", a, R | W | FIXED, memfd, 0x3ff000, 0x1000, 0x20000000);
	map_file("memfd.taken", a, R | W | FIXED, memfd, 0, 0x1000, 0x10000000);
	map_file("memfd.beyond_end", a, R | FIXED, memfd, 0x400000, 0x1000, 0x30000000);
	map_file("memfd.across_end", a, R | FIXED, memfd, 0x3ff000, 0x2000, 0x31000000);
	map_file("memfd.far_beyond", a, R | FIXED, memfd, 1ull << 40, 0x1000, 0x32000000);
	map_file("memfd.negative", a, R | FIXED, memfd, 1ull << 63, 0x1000, 0x33000000);
	map_file("memfd.unaligned_start", a, R, memfd, 0x800, 0x1000, 0);
	map_file("memfd.unaligned_start_fixed", a, R | FIXED, memfd, 0x800, 0x1000, 0x34000000);
	map_file("memfd.unaligned_length", a, R, memfd, 0, 0x800, 0);
	map_file("memfd.unaligned_length_fixed", a, R | FIXED, memfd, 0, 0x800, 0x34000000);
	map_file("memfd.pipe", a, R | FIXED, pipes[0], 0, 0x1000, 0x35000000);
	map_file("memfd.dev_null", a, R | FIXED, null, 0, 0x1000, 0x35000000);
	map_file("memfd.dev_null_automatic", a, R, null, 0, 0x1000, 0);
	map_file("memfd.iommufd", a, R | FIXED, iommu, 0, 0x1000, 0x35000000);
	map_file("memfd.vfio_device", a, R | FIXED, other.fd, 0, 0x1000, 0x35000000);
	map_file("memfd.read_only_fd_read", a, R | FIXED, ro, 0, 0x1000, 0x36000000);
	map_file("memfd.read_only_fd_write", a, R | W | FIXED, ro, 0, 0x1000, 0x37000000);
	copy("memfd.copy", a, a, R | W | FIXED, 0x1000, 0x38000000, 0x10001000);
	unmap("memfd.unmap", a, 0, UINT64_MAX);
	close(ro), close(null), close(pipes[0]), close(pipes[1]), close(memfd);
}

/*
 * Page tables and hardware information
 */

static struct iommu_hwpt_alloc hwpt_for(uint32_t dev, uint32_t pt)
{
	return (struct iommu_hwpt_alloc){.size = sizeof(struct iommu_hwpt_alloc), .dev_id = dev, .pt_id = pt};
}

static void hwpt_flags(const char *name, uint32_t ioas, uint32_t flags)
{
	struct iommu_hwpt_alloc h = hwpt_for(other.id, ioas);
	long ret;

	h.flags = flags;
	ret = io(iommu, IOMMU_HWPT_ALLOC, &h);
	answer(name, ret);
	if (!ret)
		destroy(h.out_hwpt_id);
}

static void ask_hwpt(void)
{
	uint32_t a = new_ioas(), b = new_ioas(), automatic;
	struct iommu_hwpt_alloc h = hwpt_for(other.id, a), h2;
	struct iommu_hwpt_set_dirty_tracking track = {.size = sizeof(track)};
	struct iommu_hwpt_get_dirty_bitmap bitmap = {.size = sizeof(bitmap), .length = 0x1000, .page_size = 0x1000};
	struct iommu_hwpt_invalidate invalidate = {.size = sizeof(invalidate)};
	struct iommu_viommu_alloc viommu = {.size = sizeof(viommu), .type = 1, .dev_id = other.id};
	struct iommu_vdevice_alloc vdevice = {.size = sizeof(vdevice), .dev_id = other.id};
	uint64_t word, iova = 0x10000;

	hwpt_flags("hwpt.nest_parent", a, IOMMU_HWPT_ALLOC_NEST_PARENT);
	hwpt_flags("hwpt.dirty_tracking", a, IOMMU_HWPT_ALLOC_DIRTY_TRACKING);
	hwpt_flags("hwpt.fault_id", a, IOMMU_HWPT_FAULT_ID_VALID);
	hwpt_flags("hwpt.pasid", a, IOMMU_HWPT_ALLOC_PASID);
	hwpt_flags("hwpt.pasid_dirty", a, IOMMU_HWPT_ALLOC_PASID | IOMMU_HWPT_ALLOC_DIRTY_TRACKING);
	hwpt_flags("hwpt.unknown_flag", a, 1u << 31);
	hwpt_flags("hwpt.unknown_flag_4", a, 1u << 4);
	hwpt_flags("hwpt.unknown_flag_on_device", other.id, 1u << 31);
	hwpt_flags("hwpt.unknown_pt", 999, 0);
	hwpt_flags("hwpt.unknown_pt_flags", 999, 1u << 31);
	hwpt_flags("hwpt.device_as_pt", other.id, 0);
	h.data_type = IOMMU_HWPT_DATA_VTD_S1;
	answer("hwpt.data_type_without_data", io(iommu, IOMMU_HWPT_ALLOC, &h));
	h.data_len = 8, h.data_uptr = (uintptr_t)&word;
	answer("hwpt.data_type_with_data", io(iommu, IOMMU_HWPT_ALLOC, &h));
	h = hwpt_for(other.id, a), h.data_uptr = (uintptr_t)&word;
	answer("hwpt.pointer_without_length", io(iommu, IOMMU_HWPT_ALLOC, &h));
	destroy(h.out_hwpt_id);
	h = hwpt_for(other.id, a), h.data_type = 77;
	answer("hwpt.unknown_data_type", io(iommu, IOMMU_HWPT_ALLOC, &h));
	h = hwpt_for(other.id, a), h.__reserved2 = 1;
	answer("hwpt.reserved2", io(iommu, IOMMU_HWPT_ALLOC, &h));
	destroy(h.out_hwpt_id);
	h = hwpt_for(other.id, a), h.fault_id = 1;
	answer("hwpt.fault_id_without_flag", io(iommu, IOMMU_HWPT_ALLOC, &h));
	destroy(h.out_hwpt_id);
	h = hwpt_for(other.id, a);
	answer("hwpt.alloc", io(iommu, IOMMU_HWPT_ALLOC, &h));
	ranges("hwpt.ranges", a, 8);
	answer("hwpt.destroy_ioas", destroy(a));
	map("hwpt.map_in_msi", a, R | FIXED, low, 0x1000, 0xfee00000);
	clear(a);
	map("hwpt.map_above", a, R | FIXED, low, 0x1000, 1ull << 60);
	map("hwpt.map_nothing_there", a, R | FIXED, (void *)0x7e9640000000, 0x1000, iova);
	map("hwpt.map", a, R | FIXED, low, 0x1000, iova);
	h2 = hwpt_for(other.id, h.out_hwpt_id);
	answer("hwpt.on_hwpt", io(iommu, IOMMU_HWPT_ALLOC, &h2));
	h2 = hwpt_for(other.id, h.out_hwpt_id), h2.data_type = 1, h2.data_len = 8, h2.data_uptr = (uintptr_t)&word;
	answer("hwpt.nested_on_hwpt", io(iommu, IOMMU_HWPT_ALLOC, &h2));
	attach("hwpt.attach", &other, h.out_hwpt_id);
	attach("hwpt.attach_ioas_instead", &other, a);
	attach("hwpt.attach_back", &other, h.out_hwpt_id);
	answer("hwpt.destroy_in_use", destroy(h.out_hwpt_id));
	ranges("hwpt.ranges_attached", a, 8);
	automatic = attach("hwpt.second_device_ioas", &card, a);
	say("hwpt.second_takes_it", 0, "%d", automatic == h.out_hwpt_id);
	answer("hwpt.detach_second", detach(&card));
	attach("hwpt.second_device_hwpt", &card, h.out_hwpt_id);
	answer("hwpt.detach_second_again", detach(&card));
	answer("hwpt.detach", detach(&other));
	track.hwpt_id = h.out_hwpt_id;
	answer("hwpt.set_dirty", io(iommu, IOMMU_HWPT_SET_DIRTY_TRACKING, &track));
	track.flags = 1;
	answer("hwpt.set_dirty_enable", io(iommu, IOMMU_HWPT_SET_DIRTY_TRACKING, &track));
	track.__reserved = 1;
	answer("hwpt.set_dirty_reserved", io(iommu, IOMMU_HWPT_SET_DIRTY_TRACKING, &track));
	bitmap.hwpt_id = h.out_hwpt_id, bitmap.data = (uintptr_t)&word;
	answer("hwpt.dirty_bitmap", io(iommu, IOMMU_HWPT_GET_DIRTY_BITMAP, &bitmap));
	bitmap.flags = 2;
	answer("hwpt.dirty_bitmap_flags", io(iommu, IOMMU_HWPT_GET_DIRTY_BITMAP, &bitmap));
	bitmap.flags = 0, bitmap.__reserved = 1;
	answer("hwpt.dirty_bitmap_reserved", io(iommu, IOMMU_HWPT_GET_DIRTY_BITMAP, &bitmap));
	invalidate.hwpt_id = h.out_hwpt_id;
	answer("hwpt.invalidate", io(iommu, IOMMU_HWPT_INVALIDATE, &invalidate));
	invalidate.entry_num = 1;
	answer("hwpt.invalidate_one", io(iommu, IOMMU_HWPT_INVALIDATE, &invalidate));
	invalidate.__reserved = 1;
	answer("hwpt.invalidate_reserved", io(iommu, IOMMU_HWPT_INVALIDATE, &invalidate));
	answer("viommu.no_hwpt", io(iommu, IOMMU_VIOMMU_ALLOC, &viommu));
	viommu.hwpt_id = h.out_hwpt_id;
	answer("viommu.hwpt", io(iommu, IOMMU_VIOMMU_ALLOC, &viommu));
	viommu.type = 0;
	answer("viommu.type_default", io(iommu, IOMMU_VIOMMU_ALLOC, &viommu));
	viommu.flags = 1;
	answer("viommu.flags", io(iommu, IOMMU_VIOMMU_ALLOC, &viommu));
	viommu.flags = 0, viommu.__reserved = 1;
	answer("viommu.reserved", io(iommu, IOMMU_VIOMMU_ALLOC, &viommu));
	viommu.__reserved = 0, viommu.dev_id = 999;
	answer("viommu.unknown_device_type_default", io(iommu, IOMMU_VIOMMU_ALLOC, &viommu));
	vdevice.viommu_id = a;
	answer("vdevice.ioas_as_viommu", io(iommu, IOMMU_VDEVICE_ALLOC, &vdevice));
	vdevice.virt_id = 1ull << 40;
	answer("vdevice.virt_id", io(iommu, IOMMU_VDEVICE_ALLOC, &vdevice));
	answer("hwpt.destroy", destroy(h.out_hwpt_id));
	ranges("hwpt.ranges_destroyed", a, 8);
	h = hwpt_for(other.id, a);
	map("hwpt.map_hole_first", a, R | FIXED, (void *)0x7e9640000000, 0x1000, 0x500000);
	answer("hwpt.alloc_with_hole", io(iommu, IOMMU_HWPT_ALLOC, &h));
	clear(a);
	h = hwpt_for(other.id, a);
	h.size = 24;
	answer("hwpt.alloc_min_size", io(iommu, IOMMU_HWPT_ALLOC, &h));
	answer("hwpt.destroy_2", destroy(h.out_hwpt_id));
	answer("hwpt.destroy_ioas_a", destroy(a));
	answer("hwpt.destroy_ioas_b", destroy(b));
}

static void hw_info(const char *name, uint32_t flags, uint32_t type, void *buf, uint32_t len)
{
	struct iommu_hw_info i = {.size = sizeof(i),
				  .flags = flags,
				  .dev_id = other.id,
				  .data_len = len,
				  .data_uptr = (uintptr_t)buf,
				  .in_data_type = type,
				  .out_max_pasid_log2 = 9,
				  .out_capabilities = 77};
	long ret = io(iommu, IOMMU_GET_HW_INFO, &i);

	say(name, ret, "type=%u len=%u pasid=%u caps=%llx", i.out_data_type, i.data_len, i.out_max_pasid_log2,
	    i.out_capabilities);
}

static void ask_hw_info(void)
{
	struct iommu_hw_info i = {.size = sizeof(i), .dev_id = other.id};
	unsigned char buf[64];

	hw_info("hw_info.no_buffer", 0, 0, NULL, 0);
	hw_info("hw_info.no_length", 0, 0, buf, 0);
	hw_info("hw_info.length_without_buffer", 0, 0, NULL, 24);
	memset(buf, 0xaa, sizeof(buf));
	hw_info("hw_info.long_buffer", 0, 0, buf, 64);
	say("hw_info.long_buffer_tail", 0, "%x %x %x", buf[24], buf[63], buf[0]);
	if (getenv("SHOW_REGISTERS"))
		printf("cap %llx ecap %llx\n", *(unsigned long long *)(buf + 8), *(unsigned long long *)(buf + 16));
	memset(buf, 0xaa, sizeof(buf));
	hw_info("hw_info.short_buffer", 0, 0, buf, 8);
	say("hw_info.short_buffer_tail", 0, "%x %x", buf[7], buf[8]);
	hw_info("hw_info.bad_buffer", 0, 0, (void *)0x10, 24);
	hw_info("hw_info.type_ignored", 0, 77, buf, 24);
	hw_info("hw_info.type_default", IOMMU_HW_INFO_FLAG_INPUT_TYPE, 0, buf, 24);
	hw_info("hw_info.type_vtd", IOMMU_HW_INFO_FLAG_INPUT_TYPE, IOMMU_HW_INFO_TYPE_INTEL_VTD, buf, 24);
	hw_info("hw_info.type_arm", IOMMU_HW_INFO_FLAG_INPUT_TYPE, IOMMU_HW_INFO_TYPE_ARM_SMMUV3, buf, 24);
	hw_info("hw_info.type_unknown", IOMMU_HW_INFO_FLAG_INPUT_TYPE, 77, buf, 24);
	hw_info("hw_info.unknown_flag", 2, 0, buf, 24);
	i.__reserved[2] = 1;
	answer("hw_info.reserved", io(iommu, IOMMU_GET_HW_INFO, &i));
	i.__reserved[2] = 0, i.size = 32;
	answer("hw_info.min_size", io(iommu, IOMMU_GET_HW_INFO, &i));
}

/*
 * Device memory
 */

enum { CARD_BAR = VFIO_PCI_BAR2_REGION_INDEX };

static int export(uint32_t flags, uint32_t nr, const struct vfio_region_dma_range *list)
{
	uint64_t room[16] = {0};
	struct vfio_device_feature *feature = (struct vfio_device_feature *)room;
	struct vfio_device_feature_dma_buf *get = (struct vfio_device_feature_dma_buf *)feature->data;
	int fd;

	feature->argsz = sizeof(room);
	feature->flags = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_BUF;
	get->region_index = CARD_BAR;
	get->open_flags = flags;
	get->nr_ranges = nr;
	memcpy(get->dma_ranges, list, nr * sizeof(*list));
	fd = ioctl(card.fd, VFIO_DEVICE_FEATURE, feature);
	return fd < 0 ? -errno : fd;
}

static void decode(bool on)
{
	struct vfio_region_info info = {.argsz = sizeof(info), .index = VFIO_PCI_CONFIG_REGION_INDEX};
	uint16_t command;

	if (ioctl(card.fd, VFIO_DEVICE_GET_REGION_INFO, &info) ||
	    pread(card.fd, &command, 2, (off_t)info.offset + PCI_COMMAND) != 2)
		die("config");
	command = on ? command | PCI_COMMAND_MEMORY : command & ~PCI_COMMAND_MEMORY;
	if (pwrite(card.fd, &command, 2, (off_t)info.offset + PCI_COMMAND) != 2)
		die("config");
}

static void ask_dmabuf_maps(uint32_t a, uint32_t detached, int fd, int read_only, int several)
{
	map_file("dmabuf.whole", a, R | W | FIXED, fd, 0, 0x400000, 0x10000000);
	map_file("dmabuf.slice", a, R | W | FIXED, fd, 0x3ff000, 0x1000, 0x20000000);
	map_file("dmabuf.taken", a, R | W | FIXED, fd, 0, 0x1000, 0x10000000);
	map_file("dmabuf.read", a, R | FIXED, fd, 0, 0x1000, 0x21000000);
	map_file("dmabuf.write", a, W | FIXED, fd, 0, 0x1000, 0x22000000);
	map_file("dmabuf.unknown_flag", a, R | 8, fd, 0, 0x1000, 0);
	map_file("dmabuf.no_permission", a, 0, fd, 0, 0x1000, 0);
	map_file("dmabuf.length_0", a, R, fd, 0, 0, 0);
	map_file("dmabuf.beyond_end", a, R | FIXED, fd, 0x400000, 0x1000, 0x30000000);
	map_file("dmabuf.across_end", a, R | FIXED, fd, 0x3ff000, 0x2000, 0x31000000);
	map_file("dmabuf.far_beyond", a, R | FIXED, fd, 1ull << 40, 0x1000, 0x32000000);
	map_file("dmabuf.wraps", a, R | FIXED, fd, UINT64_MAX - 4095, 0x2000, 0x33000000);
	map_file("dmabuf.at_max", a, R | FIXED, fd, UINT64_MAX - 4095, 0x1000, 0x33000000);
	map_file("dmabuf.unaligned_start", a, R, fd, 0x800, 0x1000, 0);
	map_file("dmabuf.unaligned_start_fixed", a, R | FIXED, fd, 0x800, 0x1000, 0x34000000);
	map_file("dmabuf.unaligned_length", a, R, fd, 0, 0x800, 0);
	map_file("dmabuf.unaligned_length_fixed", a, R | FIXED, fd, 0, 0x800, 0x34000000);
	map_file("dmabuf.unaligned_both", a, R | FIXED, fd, 0x800, 0x800, 0x34000800);
	map_file("dmabuf.automatic", a, R | W, fd, 0, 0x200000, 0);
	map_file("dmabuf.automatic_slice", a, R | W, fd, 0x1000, 0x3000, 0);
	map_file("dmabuf.read_only_fd_read", a, R | FIXED, read_only, 0, 0x1000, 0x35000000);
	map_file("dmabuf.read_only_fd_write", a, R | W | FIXED, read_only, 0, 0x1000, 0x36000000);
	map_file("dmabuf.several_ranges", a, R | FIXED, several, 0, 0x2000, 0x37000000);
	map_file("dmabuf.several_ranges_first", a, R | FIXED, several, 0, 0x1000, 0x38000000);
	map_file("dmabuf.several_ranges_beyond", a, R | FIXED, several, 0x100000, 0x1000, 0x38000000);
	copy("dmabuf.copy", a, a, R | W | FIXED, 0x400000, 0x40000000, 0x10000000);
	copy("dmabuf.copy_part", a, a, R | W | FIXED, 0x1000, 0x41000000, 0x10001000);
	copy("dmabuf.copy_write_of_read", a, a, R | W | FIXED, 0x1000, 0x42000000, 0x21000000);
	copy("dmabuf.copy_to_detached", detached, a, R | W | FIXED, 0x400000, 0x40000000, 0x10000000);
	unmap("dmabuf.unmap_part", a, 0x10000000, 0x1000);
	unmap("dmabuf.unmap_whole", a, 0x10000000, 0x400000);
	copy("dmabuf.copy_of_copy", a, a, R | W | FIXED, 0x1000, 0x43000000, 0x40001000);
	unmap("dmabuf.unmap_all", a, 0, UINT64_MAX);
	copy("dmabuf.copy_from_detached", a, detached, R | W | FIXED, 0x1000, 0x43000000, 0x40001000);
	clear(a);
	clear(detached);
}

static void ask_dmabuf_detached(uint32_t detached, int fd, int several)
{
	map_file("dmabuf.detached.whole", detached, R | W | FIXED, fd, 0, 0x400000, 0x10000000);
	map_file("dmabuf.detached.beyond_end", detached, R | FIXED, fd, 0x400000, 0x1000, 0x30000000);
	map_file("dmabuf.detached.unaligned_start", detached, R | FIXED, fd, 0x800, 0x1000, 0x34000000);
	map_file("dmabuf.detached.unaligned_length", detached, R | FIXED, fd, 0, 0x800, 0x35000000);
	map_file("dmabuf.detached.automatic_unaligned", detached, R, fd, 0x800, 0x800, 0);
	map_file("dmabuf.detached.several_ranges", detached, R | FIXED, several, 0, 0x2000, 0x37000000);
	unmap("dmabuf.detached.unmap", detached, 0, UINT64_MAX);
}

static void ask_dmabuf_attach(uint32_t detached, int fd)
{
	map_file("dmabuf.late.map", detached, R | W | FIXED, fd, 0, 0x400000, 0x10000000);
	attach("dmabuf.late.attach", &card, detached);
	answer("dmabuf.late.detach", detach(&card));
	clear(detached);
}

static void ask_dmabuf_revoked(uint32_t a, uint32_t detached, int fd)
{
	map_file("revoked.before", a, R | W | FIXED, fd, 0, 0x400000, 0x10000000);
	map_file("revoked.before_detached", detached, R | W | FIXED, fd, 0, 0x400000, 0x10000000);
	decode(false);
	map_file("revoked.map", a, R | W | FIXED, fd, 0, 0x1000, 0x20000000);
	map_file("revoked.map_beyond_end", a, R | W | FIXED, fd, 0x400000, 0x1000, 0x20000000);
	map_file("revoked.map_taken", a, R | W | FIXED, fd, 0, 0x1000, 0x10000000);
	map_file("revoked.map_unaligned", a, R | W | FIXED, fd, 0x800, 0x1000, 0x20000000);
	map_file("revoked.map_automatic", a, R | W, fd, 0, 0x1000, 0);
	map_file("revoked.map_detached", detached, R | W | FIXED, fd, 0, 0x1000, 0x20000000);
	copy("revoked.copy", a, a, R | W | FIXED, 0x1000, 0x21000000, 0x10000000);
	copy("revoked.copy_to_detached", detached, a, R | W | FIXED, 0x1000, 0x21000000, 0x10000000);
	copy("revoked.copy_from_detached", a, detached, R | W | FIXED, 0x1000, 0x22000000, 0x10000000);
	attach("revoked.attach", &card, detached);
	answer("revoked.detach", detach(&card));
	map("revoked.iova_still_taken", a, R | FIXED, low, 0x1000, 0x10000000);
	unmap("revoked.unmap_part", a, 0x10000000, 0x1000);
	decode(true);
	map_file("revoked.map_again", a, R | W | FIXED, fd, 0, 0x1000, 0x20000000);
	copy("revoked.copy_when_back", a, a, R | W | FIXED, 0x1000, 0x23000000, 0x10000000);
	unmap("revoked.unmap", a, 0x10000000, 0x400000);
	map_file("revoked.map_whole_again", a, R | W | FIXED, fd, 0, 0x400000, 0x10000000);
	unmap("revoked.unmap_all", a, 0, UINT64_MAX);
	unmap("revoked.unmap_all_detached", detached, 0, UINT64_MAX);
}

/* The device file is closed: its buffers are revoked for good. */
static void ask_dmabuf_gone(uint32_t a, int fd)
{
	map_file("gone.before", a, R | W | FIXED, fd, 0, 0x400000, 0x10000000);
	close(card.fd);
	map_file("gone.map", a, R | W | FIXED, fd, 0, 0x1000, 0x20000000);
	copy("gone.copy", a, a, R | W | FIXED, 0x1000, 0x21000000, 0x10000000);
	unmap("gone.unmap", a, 0x10000000, 0x400000);
	open_device(&card);
	map_file("gone.map_after_reopen", a, R | W | FIXED, fd, 0, 0x1000, 0x20000000);
	clear(a);
}

static void ask_bar_mapping(uint32_t a)
{
	struct vfio_region_info info = {.argsz = sizeof(info), .index = CARD_BAR};
	char *bar;

	if (ioctl(card.fd, VFIO_DEVICE_GET_REGION_INFO, &info))
		die("region");
	bar = mmap(NULL, 0x10000, PROT_READ | PROT_WRITE, MAP_SHARED, card.fd, (off_t)info.offset);
	map("bar.map_address", a, R | W | FIXED, bar, 0x1000, 0x10000000);
	map("bar.map_address_read", a, R | FIXED, bar, 0x1000, 0x10000000);
	munmap(bar, 0x10000);
}

static void ask_dmabufs(uint32_t a)
{
	struct vfio_region_dma_range whole = {0, 0x400000}, two[2] = {{0, 0x1000}, {0x8000, 0x1000}};
	uint32_t detached = new_ioas();
	int fd, read_only, several;

	decode(true);
	fd = export(O_RDWR | O_CLOEXEC, 1, &whole);
	read_only = export(O_RDONLY | O_CLOEXEC, 1, &whole);
	several = export(O_RDWR | O_CLOEXEC, 2, two);
	say("dmabuf.export", 0, "%d %d %d", fd >= 0, read_only >= 0, several >= 0);
	ask_bar_mapping(a);
	ask_dmabuf_maps(a, detached, fd, read_only, several);
	ask_dmabuf_detached(detached, fd, several);
	ask_dmabuf_attach(detached, fd);
	ask_dmabuf_revoked(a, detached, fd);
	ask_dmabuf_gone(a, fd);
	answer("dmabuf.destroy_detached", destroy(detached));
	close(fd), close(read_only), close(several);
}

int main(int argc, char **argv)
{
	uint32_t a;

	if (answers_begin(argc, argv))
		return 2;
	find_devices();
	if (!choose(&card, true) || !choose(&other, false)) {
		printf("needs a memory card and another function, each alone in its group\n");
		return 77;
	}
	iommu = open("/dev/iommu", O_RDWR);
	if (iommu < 0)
		die("/dev/iommu");
	open_device(&card);
	open_device(&other);
	low = memory_at(0x7e9500000000, 0x400000, PROT_READ | PROT_WRITE);
	ask_attach();
	ask_ranges();
	ask_late();
	a = new_ioas();
	attach("attached.attach", &other, a);
	ask_huge_pages(a);
	ask_alignment(a);
	ask_memory(a);
	ask_memfd(a);
	ask_dmabufs(a);
	answer("attached.detach", detach(&other));
	ask_hwpt();
	ask_hw_info();
	answer("attached.destroy", destroy(a));
	attach("close.attach", &other, new_ioas());
	answer("close.iommufd", close(iommu) ? -errno : 0);
	answer("close.detach_after", detach(&other));
	return answers_end();
}
