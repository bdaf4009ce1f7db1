/* SPDX-License-Identifier: BSD-3-Clause */
/* What /dev/iommu answers when no device is bound: the general ioctl rules, IOAS, map, copy, unmap, options. */
#include "iommu_calls.h"

/*
 * The general rules
 */

/* For each ioctl a structure that gets past the size check with an answer other than EINVAL. */
static struct row {
	const char *name;
	unsigned long cmd;
	uint32_t len; /* of the structure in the 7.3 header */
	union {
		uint32_t words[24];
		struct iommu_ioas_map map;
		struct iommu_ioas_map_file map_file;
		struct iommu_ioas_copy copy;
		struct iommu_ioas_unmap unmap;
		struct iommu_option option;
		struct iommu_hwpt_get_dirty_bitmap bitmap;
		struct iommu_ioas_noiommu_get_pa pa;
	} u;
} rows[] = {
	{"destroy", IOMMU_DESTROY, sizeof(struct iommu_destroy), {{0}}},
	{"ioas_alloc", IOMMU_IOAS_ALLOC, sizeof(struct iommu_ioas_alloc), {{0, 1 /* flags */}}},
	{"ioas_allow_iovas", IOMMU_IOAS_ALLOW_IOVAS, sizeof(struct iommu_ioas_allow_iovas), {{0}}},
	{"ioas_copy", IOMMU_IOAS_COPY, sizeof(struct iommu_ioas_copy), {{0, IOMMU_IOAS_MAP_READABLE}}},
	{"ioas_iova_ranges", IOMMU_IOAS_IOVA_RANGES, sizeof(struct iommu_ioas_iova_ranges), {{0}}},
	{"ioas_map", IOMMU_IOAS_MAP, sizeof(struct iommu_ioas_map), {{0, IOMMU_IOAS_MAP_READABLE}}},
	{"ioas_map_file", IOMMU_IOAS_MAP_FILE, sizeof(struct iommu_ioas_map_file), {{0, IOMMU_IOAS_MAP_READABLE}}},
	{"ioas_unmap", IOMMU_IOAS_UNMAP, sizeof(struct iommu_ioas_unmap), {{0}}},
	{"option", IOMMU_OPTION, sizeof(struct iommu_option), {{0, 77 /* option */}}},
	{"vfio_ioas", IOMMU_VFIO_IOAS, sizeof(struct iommu_vfio_ioas), {{0, 0, IOMMU_VFIO_IOAS_SET}}},
	{"hwpt_alloc", IOMMU_HWPT_ALLOC, sizeof(struct iommu_hwpt_alloc), {{0}}},
	{"get_hw_info", IOMMU_GET_HW_INFO, sizeof(struct iommu_hw_info), {{0}}},
	{"hwpt_set_dirty_tracking", IOMMU_HWPT_SET_DIRTY_TRACKING, sizeof(struct iommu_hwpt_set_dirty_tracking), {{0}}},
	{"hwpt_get_dirty_bitmap", IOMMU_HWPT_GET_DIRTY_BITMAP, sizeof(struct iommu_hwpt_get_dirty_bitmap), {{0}}},
	{"hwpt_invalidate", IOMMU_HWPT_INVALIDATE, sizeof(struct iommu_hwpt_invalidate), {{0}}},
	{"viommu_alloc", IOMMU_VIOMMU_ALLOC, sizeof(struct iommu_viommu_alloc), {{0, 0, 1}}},
	{"vdevice_alloc", IOMMU_VDEVICE_ALLOC, sizeof(struct iommu_vdevice_alloc), {{0}}},
	{"ioas_change_process", IOMMU_IOAS_CHANGE_PROCESS, sizeof(struct iommu_ioas_change_process), {{0, 1}}},
	{"veventq_alloc", IOMMU_VEVENTQ_ALLOC, sizeof(struct iommu_veventq_alloc), {{0}}},
	{"hw_queue_alloc", IOMMU_HW_QUEUE_ALLOC, sizeof(struct iommu_hw_queue_alloc), {{0}}},
	{"ioas_noiommu_get_pa", IOMMU_IOAS_NOIOMMU_GET_PA, sizeof(struct iommu_ioas_noiommu_get_pa), {{0}}},
};

static void ask_sizes(struct row *r)
{
	static char page[8192] __attribute__((aligned(4096)));
	uint32_t *size = (uint32_t *)page;
	char name[96];

	for (uint32_t len = 0; len <= r->len + 8; len += 4) {
		memset(page, 0, sizeof(page));
		memcpy(page, &r->u, sizeof(r->u));
		*size = len;
		snprintf(name, sizeof(name), "general.%s.size_%u", r->name, len);
		answer(name, io(iommu, r->cmd, page));
	}
	memset(page, 0, sizeof(page));
	memcpy(page, &r->u, sizeof(r->u));
	*size = r->len + 4;
	page[r->len + 3] = 1;
	snprintf(name, sizeof(name), "general.%s.garbage_in_tail", r->name);
	answer(name, io(iommu, r->cmd, page));
	*size = r->len + 1;
	page[r->len + 3] = 0;
	page[r->len] = 1;
	snprintf(name, sizeof(name), "general.%s.garbage_in_one_byte", r->name);
	answer(name, io(iommu, r->cmd, page));
	*size = r->len;
	snprintf(name, sizeof(name), "general.%s.garbage_outside", r->name);
	answer(name, io(iommu, r->cmd, page));
}

static void ask_general(void)
{
	char *pages = memory_at(0x7e9600000000, 3 * 4096, PROT_READ | PROT_WRITE), *p;
	struct iommu_ioas_alloc *alloc;
	struct iommu_destroy destroy = {.size = sizeof(destroy)};
	uint32_t *size;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ask_sizes(&rows[i]);

	answer("general.null_pointer", io(iommu, IOMMU_DESTROY, NULL));
	answer("general.wild_pointer", io(iommu, IOMMU_DESTROY, (void *)0x10));
	answer("general.kernel_pointer", io(iommu, IOMMU_DESTROY, (void *)0xffff888000000000));
	munmap(pages + 8192, 4096);
	size = (uint32_t *)(pages + 8192 - 4);
	*size = 8;
	answer("general.struct_crosses_into_hole", io(iommu, IOMMU_DESTROY, size));
	*size = 4;
	answer("general.short_before_hole", io(iommu, IOMMU_DESTROY, size));
	p = pages + 8192 - 8;
	memset(p, 0, 8);
	*(uint32_t *)p = 16;
	answer("general.tail_in_hole", io(iommu, IOMMU_DESTROY, p));
	p = pages + 8192 - 2;
	answer("general.size_field_crosses_into_hole", io(iommu, IOMMU_DESTROY, p));
	memset(pages, 0, 8192);
	*(uint32_t *)pages = 4096;
	answer("general.size_of_a_page", io(iommu, IOMMU_DESTROY, pages));
	*(uint32_t *)pages = 4097;
	answer("general.size_above_a_page", io(iommu, IOMMU_DESTROY, pages));
	*(uint32_t *)pages = 8192;
	answer("general.size_of_two_pages", io(iommu, IOMMU_DESTROY, pages));
	*(uint32_t *)pages = 0xffffffff;
	answer("general.size_of_4g", io(iommu, IOMMU_DESTROY, pages));
	memset(pages + 1, 0, 64);
	pages[1] = 8;
	answer("general.unaligned_pointer", io(iommu, IOMMU_DESTROY, pages + 1));
	memset(pages, 0, 64);

	answer("general.unknown_0x7f", io(iommu, _IO(IOMMUFD_TYPE, 0x7f), pages));
	answer("general.unknown_0x96", io(iommu, _IO(IOMMUFD_TYPE, 0x96), pages));
	answer("general.unknown_0xff", io(iommu, _IO(IOMMUFD_TYPE, 0xff), pages));
	answer("general.unknown_0", io(iommu, 0, pages));
	answer("general.other_type", io(iommu, _IO('x', 0x80), pages));
	answer("general.with_direction", io(iommu, _IOWR(IOMMUFD_TYPE, 0x80, struct iommu_destroy), pages));
	answer("general.with_direction_null", io(iommu, _IOWR(IOMMUFD_TYPE, 0x80, struct iommu_destroy), NULL));
	answer("general.unknown_null", io(iommu, _IO(IOMMUFD_TYPE, 0xff), NULL));

	/* The answer cannot be written: is the object there afterwards? */
	alloc = (struct iommu_ioas_alloc *)pages;
	memset(pages, 0, 64);
	alloc->size = sizeof(*alloc);
	mprotect(pages, 4096, PROT_READ);
	answer("general.answer_to_read_only", io(iommu, IOMMU_IOAS_ALLOC, alloc));
	mprotect(pages, 4096, PROT_READ | PROT_WRITE);
	destroy.id = 1;
	answer("general.object_of_failed_answer", io(iommu, IOMMU_DESTROY, &destroy));

	char byte;
	answer("file.read", read(iommu, &byte, 1) < 0 ? -errno : 0);
	answer("file.write", write(iommu, &byte, 1) < 0 ? -errno : 0);
	answer("file.lseek", lseek(iommu, 0, SEEK_END) < 0 ? -errno : 0);
	p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, iommu, 0);
	answer("file.mmap", p == MAP_FAILED ? -errno : 0);
	p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, iommu, 0);
	answer("file.mmap_private", p == MAP_FAILED ? -errno : 0);
	munmap(pages, 8192);
}

/*
 * Objects
 */

static void ask_objects(void)
{
	struct iommu_ioas_alloc a = {.size = sizeof(a)};
	uint32_t first, second, third;

	first = new_ioas();
	second = new_ioas();
	third = new_ioas();
	say("object.ids", 0, "%u %u %u", first, second, third);
	answer("object.destroy", destroy(second));
	answer("object.destroy_again", destroy(second));
	answer("object.destroy_0", destroy(0));
	answer("object.destroy_max", destroy(UINT32_MAX));
	answer("object.destroy_unknown", destroy(1000));
	say("object.id_reused", 0, "%d", new_ioas() == second);
	a.flags = 1;
	a.out_ioas_id = 5;
	say("ioas_alloc.flags", io(iommu, IOMMU_IOAS_ALLOC, &a), "out=%u", a.out_ioas_id);
	destroy(first);
	destroy(second);
	destroy(third);
}

/*
 * IOVA ranges
 */

static long ranges(const char *name, uint32_t ioas, uint32_t room, struct iommu_iova_range *out, uint32_t reserved)
{
	struct iommu_ioas_iova_ranges r = {.size = sizeof(r),
					   .ioas_id = ioas,
					   .num_iovas = room,
					   .__reserved = reserved,
					   .allowed_iovas = (uintptr_t)out};
	long ret = io(iommu, IOMMU_IOAS_IOVA_RANGES, &r);
	char text[256] = "";

	for (uint32_t i = 0, n = 0; i < r.num_iovas && i < room && i < 4 && (uintptr_t)out > 4096; i++)
		n += (uint32_t)snprintf(text + n, sizeof(text) - n, " %llx-%llx", out[i].start, out[i].last);
	say(name, ret, "num=%u align=%llu%s", r.num_iovas, r.out_iova_alignment, text);
	return ret;
}

static void allow(const char *name, uint32_t ioas, uint32_t n, struct iommu_iova_range *list, uint32_t reserved)
{
	struct iommu_ioas_allow_iovas a = {.size = sizeof(a),
					   .ioas_id = ioas,
					   .num_iovas = n,
					   .__reserved = reserved,
					   .allowed_iovas = (uintptr_t)list};
	answer(name, io(iommu, IOMMU_IOAS_ALLOW_IOVAS, &a));
}

static void ask_ranges(void)
{
	struct iommu_iova_range got[8] = {0}, list[4] = {0};
	uint32_t ioas = new_ioas();

	ranges("ranges.fresh", ioas, 8, got, 0);
	ranges("ranges.no_room", ioas, 0, got, 0);
	ranges("ranges.no_room_null", ioas, 0, NULL, 0);
	ranges("ranges.null", ioas, 8, NULL, 0);
	ranges("ranges.reserved_set", ioas, 8, got, 1);
	ranges("ranges.unknown_ioas", 999, 8, got, 0);
	ranges("ranges.unknown_ioas_and_reserved", 999, 8, got, 1);
	ranges("ranges.ioas_0", 0, 8, got, 0);

	allow("allow.reserved_set", ioas, 0, NULL, 1);
	allow("allow.unknown_ioas", 999, 0, NULL, 0);
	allow("allow.unknown_and_reserved", 999, 0, NULL, 1);
	allow("allow.null", ioas, 1, NULL, 0);
	list[0] = (struct iommu_iova_range){0x10000, 0x8000};
	allow("allow.last_below_start", ioas, 1, list, 0);
	list[0] = (struct iommu_iova_range){0x10000, 0x10000};
	allow("allow.one_byte", ioas, 1, list, 0);
	list[0] = (struct iommu_iova_range){0x10001, 0x1ffff};
	allow("allow.unaligned_start", ioas, 1, list, 0);
	list[0] = (struct iommu_iova_range){0x10000, 0x1fffe};
	allow("allow.unaligned_last", ioas, 1, list, 0);
	list[0] = (struct iommu_iova_range){0x10000, 0x1ffff};
	list[1] = (struct iommu_iova_range){0x18000, 0x2ffff};
	allow("allow.overlapping", ioas, 2, list, 0);
	list[1] = (struct iommu_iova_range){0x20000, 0x2ffff};
	allow("allow.adjacent", ioas, 2, list, 0);
	ranges("ranges.after_allow", ioas, 8, got, 0);
	list[0] = (struct iommu_iova_range){0, UINT64_MAX};
	allow("allow.everything", ioas, 1, list, 0);
	list[0] = (struct iommu_iova_range){0x100000, 0x1fffff};
	list[1] = (struct iommu_iova_range){0x40000000, 0x7fffffff};
	allow("allow.descending_is_fine", ioas, 2, (struct iommu_iova_range[]){list[1], list[0]}, 0);
	allow("allow.none", ioas, 0, NULL, 0);
	allow("allow.none_again", ioas, 0, NULL, 0);
	allow("allow.too_many", ioas, UINT32_MAX, list, 0);
	destroy(ioas);
}

/*
 * Maps
 */

static char *low; /* readable and writable memory */

static void ask_map_refusals(uint32_t ioas)
{
	uint64_t iova = 0;

	answer("map.reserved_set", map_raw(ioas, R, 1, (uintptr_t)low, 4096, &iova));
	map("map.unknown_flag", ioas, R | 8, low, 4096, 0);
	map("map.unknown_flag_unknown_ioas", 999, R | 8, low, 4096, 0);
	map("map.no_permission", ioas, 0, low, 4096, 0);
	map("map.no_permission_unknown_ioas", 999, 0, low, 4096, 0);
	map("map.no_permission_length_max", ioas, 0, low, UINT64_MAX, 0);
	map("map.unknown_ioas", 999, R, low, 4096, 0);
	map("map.unknown_ioas_length_0", 999, R, low, 0, 0);
	map("map.length_0", ioas, R, low, 0, 0);
	map("map.length_0_fixed", ioas, R | FIXED, low, 0, 0x10000);
	map("map.length_1", ioas, R, low, 1, 0);
	map("map.length_1_fixed", ioas, R | FIXED, low, 1, 0x10000);
	map("map.length_4097", ioas, R, low, 4097, 0);
	clear(ioas);
	map("map.unaligned_va", ioas, R, low + 8, 4096, 0);
	map("map.unaligned_va_fixed", ioas, R | FIXED, low + 8, 4096, 0x10000);
	map("map.unaligned_va_and_iova", ioas, R | FIXED, low + 8, 4096, 0x10008);
	map("map.unaligned_iova", ioas, R | FIXED, low, 4096, 0x10008);
	clear(ioas);
	map("map.length_max", ioas, R, low, UINT64_MAX, 0);
	map("map.length_max_less_page", ioas, R, low, UINT64_MAX - 4095, 0);
	map("map.length_half", ioas, R, low, 1ull << 63, 0);
	map("map.length_half_fixed", ioas, R | FIXED, low, 1ull << 63, 0x10000);
	map("map.length_2_62", ioas, R, low, 1ull << 62, 0);
	map("map.iova_max", ioas, R | FIXED, low, 4096, UINT64_MAX);
	map("map.iova_last_page", ioas, R | FIXED, low, 4096, UINT64_MAX - 4095);
	map("map.iova_last_page_two", ioas, R | FIXED, low, 8192, UINT64_MAX - 4095);
	map("map.iova_last_but_one", ioas, R | FIXED, low, 4096, UINT64_MAX - 8191);
	clear(ioas);
	map("map.iova_max_not_fixed", ioas, R, low, 4096, UINT64_MAX);
	map("map.iova_0_fixed", ioas, R | FIXED, low, 4096, 0);
	clear(ioas);
	map("map.va_0", ioas, R, NULL, 4096, 0);
	map("map.va_0_fixed", ioas, R | FIXED, NULL, 4096, 0x10000);
	map("map.va_kernel", ioas, R, (void *)0xffff888000000000, 4096, 0);
	map("map.va_kernel_fixed", ioas, R | FIXED, (void *)0xffff888000000000, 4096, 0x10000);
	map("map.va_last_page", ioas, R, (void *)(UINT64_MAX - 4095), 4096, 0);
	map("map.va_wraps", ioas, R, (void *)(UINT64_MAX - 4095), 8192, 0);
	map("map.va_wraps_fixed", ioas, R | FIXED, (void *)(UINT64_MAX - 4095), 8192, 0x10000);
	clear(ioas);
	map("map.overlap_first", ioas, R | FIXED, low, 0x4000, 0x10000);
	map("map.overlap_same", ioas, R | FIXED, low, 0x4000, 0x10000);
	map("map.overlap_inside", ioas, R | FIXED, low, 0x1000, 0x11000);
	map("map.overlap_tail", ioas, R | FIXED, low, 0x4000, 0x13000);
	map("map.overlap_head", ioas, R | FIXED, low, 0x4000, 0xd000);
	map("map.overlap_and_hole", ioas, R | FIXED, (void *)0x1000, 0x4000, 0xd000);
	map("map.adjacent", ioas, R | FIXED, low, 0x1000, 0x14000);
	clear(ioas);
}

/* Without a device nothing is pinned: holes are found when a domain comes. */
static void ask_map_memory(uint32_t ioas)
{
	char *hole = memory_at(0x7e9610000000, 4 * 4096, PROT_READ | PROT_WRITE);
	char *ro = memory_at(0x7e9620000000, 4096, PROT_READ);
	char *none = memory_at(0x7e9630000000, 4096, PROT_NONE);

	munmap(hole + 8192, 4096);
	map("map.hole", ioas, R | FIXED, hole, 4 * 4096, 0x100000);
	map("map.nothing_there", ioas, R | FIXED, (void *)0x7e9640000000, 4096, 0x200000);
	map("map.read_only_for_write", ioas, R | W | FIXED, ro, 4096, 0x300000);
	map("map.read_only_for_read", ioas, R | FIXED, ro, 4096, 0x400000);
	map("map.no_access", ioas, R | FIXED, none, 4096, 0x500000);
	map("map.write_only", ioas, W | FIXED, low, 4096, 0x600000);
	unmap("unmap.all_of_them", ioas, 0, UINT64_MAX);
	munmap(hole, 4 * 4096);
	munmap(ro, 4096);
	munmap(none, 4096);
}

static void automatic(const char *name, uint32_t ioas, uintptr_t va, uint64_t len)
{
	uint64_t iova = 0;
	long ret = map_raw(ioas, R, 0, va, len, &iova);

	say(name, ret, "iova=%llx", (unsigned long long)iova);
}

static void ask_automatic(uint32_t ioas)
{
	struct iommu_iova_range list[3];
	char name[64];
	uint64_t lens[] = {0x1000,   0x2000,   0x3000,	 0x8000,     0x100000,
			   0x1ff000, 0x200000, 0x201000, 0x40000000, 0x40200000};
	uint64_t offsets[] = {0, 0x1000, 0x2000, 0x3000, 0x100000, 0x200000, 0x201000, 0x40000000};

	for (size_t i = 0; i < 8; i++)
		for (size_t j = 0; j < 10; j++) {
			snprintf(name, sizeof(name), "automatic.offset_%llx.length_%llx",
				 (unsigned long long)offsets[i], (unsigned long long)lens[j]);
			automatic(name, ioas, 0x700000000000 + offsets[i], lens[j]);
		}
	clear(ioas);
	automatic("automatic.low_alignment.1", ioas, 0x700000001000, 0x1000);
	automatic("automatic.low_alignment.2", ioas, 0x700000001000, 0x1000);
	automatic("automatic.fills_hole", ioas, 0x700000000000, 0x2000);
	automatic("automatic.byte_offset", ioas, 0x700000000123, 0x1000);
	automatic("automatic.byte_offset_short", ioas, 0x700000000fff, 0x1);
	automatic("automatic.byte_offset_two", ioas, 0x700000000fff, 0x2);
	automatic("automatic.va_0_length_2m", ioas, 0, 0x200000);
	automatic("automatic.va_0_length_3m", ioas, 0, 0x300000);
	clear(ioas);
	list[0] = (struct iommu_iova_range){0x10000, 0x1ffff};
	list[1] = (struct iommu_iova_range){0x40001000, 0x7fffffff};
	allow("automatic.allow", ioas, 2, list, 0);
	automatic("automatic.allowed.first", ioas, 0x700000000000, 0x10000);
	automatic("automatic.allowed.second", ioas, 0x700000000000, 0x10000);
	automatic("automatic.allowed.2m", ioas, 0x700000000000, 0x200000);
	automatic("automatic.allowed.too_long", ioas, 0x700000000000, 0x40000000);
	map("automatic.fixed_outside_allowed", ioas, R | FIXED, low, 0x1000, 0x90000000);
	unmap("automatic.unmap_1", ioas, 0x10000, 0x10000);
	automatic("automatic.allowed.fills_freed", ioas, 0x700000001000, 0xf000);
	list[0] = (struct iommu_iova_range){0xa0000000, 0xa0000fff};
	allow("automatic.allow_other", ioas, 1, list, 0);
	automatic("automatic.other.one", ioas, 0x700000000000, 0x1000);
	automatic("automatic.other.full", ioas, 0x700000000000, 0x1000);
	allow("automatic.allow_none", ioas, 0, NULL, 0);
	clear(ioas);
	list[0] = (struct iommu_iova_range){0x10800, 0x107ff + 0x1000};
	allow("automatic.allow_unaligned", ioas, 1, list, 0);
	automatic("automatic.unaligned", ioas, 0x700000000000, 0x1000);
	automatic("automatic.unaligned_short", ioas, 0x700000000000, 0x800);
	allow("automatic.allow_none_2", ioas, 0, NULL, 0);
	clear(ioas);
}

static void ask_unmap(uint32_t ioas)
{
	map("unmap.map_1", ioas, R | FIXED, low, 0x4000, 0x10000);
	map("unmap.map_2", ioas, R | FIXED, low, 0x2000, 0x14000);
	map("unmap.map_3", ioas, R | FIXED, low, 0x1000, 0x20000);
	unmap("unmap.unknown_ioas", 999, 0x10000, 0x4000);
	unmap("unmap.length_0", ioas, 0x10000, 0);
	unmap("unmap.length_0_unknown", 999, 0x10000, 0);
	unmap("unmap.nothing_there", ioas, 0x30000, 0x1000);
	unmap("unmap.part_head", ioas, 0x10000, 0x1000);
	unmap("unmap.part_tail", ioas, 0x13000, 0x1000);
	unmap("unmap.part_middle", ioas, 0x11000, 0x1000);
	unmap("unmap.whole_and_part", ioas, 0x10000, 0x5000);
	unmap("unmap.part_and_whole", ioas, 0x12000, 0x4000);
	unmap("unmap.one_byte_short", ioas, 0x20000, 0xfff);
	unmap("unmap.iova_max_length_0", ioas, UINT64_MAX, 0);
	unmap("unmap.iova_max_unknown", 999, UINT64_MAX, 1);
	unmap("unmap.wraps_unknown", 999, 0x20000, UINT64_MAX);
	unmap("unmap.wraps", ioas, 0x20000, UINT64_MAX);
	unmap("unmap.wraps_at_end", ioas, UINT64_MAX - 4095, 8192);
	unmap("unmap.iova_max", ioas, UINT64_MAX, 1);
	unmap("unmap.max_max", ioas, UINT64_MAX, UINT64_MAX);
	unmap("unmap.exact", ioas, 0x20000, 0x1000);
	unmap("unmap.exact_again", ioas, 0x20000, 0x1000);
	unmap("unmap.two_and_gaps", ioas, 0x8000, 0x20000);
	map("unmap.map_4", ioas, R | FIXED, low, 0x1000, 0x10000);
	map("unmap.map_5", ioas, R | FIXED, low, 0x1000, 0x20000);
	unmap("unmap.zero_to_max", ioas, 0, UINT64_MAX);
	unmap("unmap.zero_to_max_empty", ioas, 0, UINT64_MAX);
	map("unmap.map_short", ioas, R | FIXED, low, 0x800, 0x10000);
	unmap("unmap.short_exact", ioas, 0x10000, 0x800);
	map("unmap.map_6", ioas, R | FIXED, low, 0x1000, 0x10000);
	unmap("unmap.all_less_one", ioas, 0, UINT64_MAX - 1);
	unmap("unmap.from_1_to_max", ioas, 1, UINT64_MAX - 1);
}

static void ask_copy(uint32_t src, uint32_t dst)
{
	map("copy.source", src, R | W | FIXED, low, 0x4000, 0x10000);
	map("copy.source_next", src, R | W | FIXED, low + 0x8000, 0x4000, 0x14000);
	map("copy.source_read_only", src, R | FIXED, low, 0x1000, 0x20000);
	map("copy.source_write_only", src, W | FIXED, low, 0x1000, 0x22000);
	copy("copy.unknown_flag", dst, src, R | 8, 0x4000, 0, 0x10000);
	copy("copy.no_permission", dst, src, 0, 0x4000, 0, 0x10000);
	copy("copy.no_permission_unknown", 999, 998, 0, 0x4000, 0, 0x10000);
	copy("copy.unknown_source", dst, 999, R, 0x4000, 0, 0x10000);
	copy("copy.unknown_destination", 999, src, R, 0x4000, 0, 0x10000);
	copy("copy.unknown_source_length_0", dst, 999, R, 0, 0, 0x10000);
	copy("copy.length_0", dst, src, R, 0, 0, 0x10000);
	copy("copy.length_max", dst, src, R, UINT64_MAX, 0, 0x10000);
	copy("copy.length_max_unknown", 999, 998, R, UINT64_MAX, 0, 0x10000);
	copy("copy.destination_max", dst, src, R | FIXED, 0x1000, UINT64_MAX, 0x10000);
	copy("copy.source_wraps", dst, src, R, 0x2000, 0, UINT64_MAX - 4095);
	copy("copy.source_max", dst, src, R, 1, 0, UINT64_MAX);
	copy("copy.source_max_unknown", dst, 999, R, 1, 0, UINT64_MAX);
	copy("copy.source_wraps_no_destination", 999, src, R, 0x2000, 0, UINT64_MAX - 4095);
	copy("copy.length_0_no_destination", 999, src, R, 0, 0, 0x10000);
	copy("copy.no_write_no_destination", 999, src, R | W, 0x1000, 0, 0x20000);
	copy("copy.nothing_there_no_destination", 999, src, R, 0x1000, 0, 0x40000);
	copy("copy.destination_wraps", dst, src, R | FIXED, 0x2000, UINT64_MAX - 4095, 0x10000);
	copy("copy.nothing_there", dst, src, R, 0x1000, 0, 0x40000);
	copy("copy.beyond_end", dst, src, R, 0x5000, 0, 0x14000);
	copy("copy.before_begin", dst, src, R, 0x2000, 0, 0xf000);
	copy("copy.no_write", dst, src, R | W, 0x1000, 0, 0x20000);
	copy("copy.read_of_write_only", dst, src, R, 0x1000, 0, 0x22000);
	copy("copy.unaligned_source", dst, src, R, 0x1000, 0, 0x10800);
	copy("copy.unaligned_length", dst, src, R, 0x800, 0, 0x10000);
	copy("copy.unaligned_destination", dst, src, R | FIXED, 0x1000, 0x10800, 0x10000);
	clear(dst);
	copy("copy.whole", dst, src, R | W, 0x4000, 0, 0x10000);
	copy("copy.fixed", dst, src, R | W | FIXED, 0x4000, 0x80000, 0x10000);
	copy("copy.fixed_taken", dst, src, R | W | FIXED, 0x4000, 0x80000, 0x10000);
	copy("copy.part", dst, src, R, 0x1000, 0, 0x11000);
	copy("copy.part_at_end", dst, src, R, 0x1000, 0, 0x13000);
	copy("copy.two_areas", dst, src, R, 0x8000, 0, 0x10000);
	copy("copy.across_two_areas", dst, src, R, 0x2000, 0, 0x13000);
	copy("copy.to_itself", src, src, R | FIXED, 0x4000, 0x100000, 0x10000);
	copy("copy.to_itself_onto_itself", src, src, R | FIXED, 0x4000, 0x10000, 0x10000);
	copy("copy.of_copy_wider", dst, dst, R | W | FIXED, 0x4000, 0x200000, 0x80000);
	copy("copy.of_narrowed", dst, dst, R | W | FIXED, 0x1000, 0x300000, 0x2000);
	unmap("copy.unmap_source", src, 0x10000, 0x4000);
	copy("copy.of_copy_after_source", src, dst, R | W | FIXED, 0x4000, 0x10000, 0x80000);
	unmap("copy.unmap_across_copies", dst, 0x80000, 0x1000);
	unmap("copy.unmap_all", dst, 0, UINT64_MAX);
	clear(src);
}

static void ask_map_file(uint32_t ioas)
{
	int memfd = memfd_create("m", MFD_ALLOW_SEALING), pipes[2], null = open("/dev/null", O_RDWR), ro;
	int self = open("/proc/self/exe", O_RDONLY), dir = open("/", O_RDONLY), path;
	char link[64];

	if (memfd < 0 || ftruncate(memfd, 0x400000) || pipe(pipes))
		die("memfd");
	snprintf(link, sizeof(link), "/proc/self/fd/%d", memfd);
	ro = open(link, O_RDONLY);
	path = open(link, O_PATH);
	map_file("map_file.unknown_flag", ioas, R | 8, memfd, 0, 0x1000, 0);
	map_file("map_file.no_permission", ioas, 0, memfd, 0, 0x1000, 0);
	map_file("map_file.unknown_ioas", 999, R, memfd, 0, 0x1000, 0);
	map_file("map_file.unknown_ioas_bad_fd", 999, R, -1, 0, 0x1000, 0);
	map_file("map_file.length_max_bad_fd", ioas, R, -1, 0, UINT64_MAX, 0);
	map_file("map_file.bad_fd", ioas, R, -1, 0, 0x1000, 0);
	map_file("map_file.bad_fd_length_0", ioas, R, -1, 0, 0, 0);
	map_file("map_file.closed_fd", ioas, R, 999, 0, 0x1000, 0);
	map_file("map_file.pipe", ioas, R, pipes[0], 0, 0x1000, 0);
	map_file("map_file.dev_null", ioas, R, null, 0, 0x1000, 0);
	map_file("map_file.directory", ioas, R, dir, 0, 0x1000, 0);
	map_file("map_file.itself", ioas, R, iommu, 0, 0x1000, 0);
	map_file("map_file.o_path", ioas, R, path, 0, 0x1000, 0);
	map_file("map_file.read_only_fd_read", ioas, R, ro, 0, 0x1000, 0);
	map_file("map_file.read_only_fd_write", ioas, R | W, ro, 0, 0x1000, 0);
	clear(ioas);
	map_file("map_file.length_0", ioas, R, memfd, 0, 0, 0);
	map_file("map_file.length_max", ioas, R, memfd, 0, UINT64_MAX, 0);
	map_file("map_file.start_wraps", ioas, R, memfd, UINT64_MAX - 4095, 0x2000, 0);
	map_file("map_file.start_max", ioas, R, memfd, UINT64_MAX, 0x1, 0);
	map_file("map_file.start_negative", ioas, R, memfd, 1ull << 63, 0x1000, 0);
	clear(ioas);
	map_file("map_file.beyond_end", ioas, R, memfd, 0x400000, 0x1000, 0);
	map_file("map_file.across_end", ioas, R, memfd, 0x3ff000, 0x2000, 0);
	map_file("map_file.unaligned_start", ioas, R, memfd, 0x800, 0x1000, 0);
	map_file("map_file.unaligned_start_fixed", ioas, R | FIXED, memfd, 0x800, 0x1000, 0x10000);
	map_file("map_file.short", ioas, R, memfd, 0, 0x10, 0);
	clear(ioas);
	map_file("map_file.whole", ioas, R | W, memfd, 0, 0x400000, 0);
	map_file("map_file.slice", ioas, R | W, memfd, 0x201000, 0x3000, 0);
	map_file("map_file.aligned_slice", ioas, R | W, memfd, 0x200000, 0x200000, 0);
	map_file("map_file.fixed", ioas, R | W | FIXED, memfd, 0, 0x1000, 0x10000000);
	map_file("map_file.fixed_taken", ioas, R | W | FIXED, memfd, 0, 0x1000, 0x10000000);
	copy("map_file.copy", ioas, ioas, R | W | FIXED, 0x1000, 0x20000000, 0x10000000);
	unmap("map_file.unmap_part", ioas, 0x200000, 0x1000);
	unmap("map_file.unmap", ioas, 0, UINT64_MAX);
	if (fcntl(memfd, F_ADD_SEALS, F_SEAL_WRITE) == 0) {
		map_file("map_file.sealed_read", ioas, R, memfd, 0, 0x1000, 0);
		map_file("map_file.sealed_write", ioas, R | W, memfd, 0, 0x1000, 0);
	}
	clear(ioas);
	close(ro), close(path), close(null), close(dir), close(self), close(pipes[0]), close(pipes[1]), close(memfd);
}

/*
 * Options and what is not there
 */

static void option(const char *name, uint32_t id, uint16_t op, uint16_t reserved, uint32_t object, uint64_t value)
{
	struct iommu_option o = {.size = sizeof(o),
				 .option_id = id,
				 .op = op,
				 .__reserved = reserved,
				 .object_id = object,
				 .val64 = value};
	long ret = io(iommu, IOMMU_OPTION, &o);

	say(name, ret, "value=%llx", o.val64);
}

static void ask_options(uint32_t ioas)
{
	uint32_t tmp;

	option("option.unknown", 2, IOMMU_OPTION_OP_GET, 0, 0, 0);
	option("option.unknown_op", IOMMU_OPTION_HUGE_PAGES, 2, 0, ioas, 0);
	option("option.reserved_set", IOMMU_OPTION_HUGE_PAGES, IOMMU_OPTION_OP_GET, 1, ioas, 0);
	option("option.huge.get", IOMMU_OPTION_HUGE_PAGES, IOMMU_OPTION_OP_GET, 0, ioas, 7);
	option("option.huge.unknown_ioas", IOMMU_OPTION_HUGE_PAGES, IOMMU_OPTION_OP_GET, 0, 999, 7);
	option("option.huge.unknown_ioas_bad_op", IOMMU_OPTION_HUGE_PAGES, 5, 0, 999, 7);
	option("option.huge.set_2", IOMMU_OPTION_HUGE_PAGES, IOMMU_OPTION_OP_SET, 0, ioas, 2);
	option("option.huge.set_0", IOMMU_OPTION_HUGE_PAGES, IOMMU_OPTION_OP_SET, 0, ioas, 0);
	option("option.huge.get_0", IOMMU_OPTION_HUGE_PAGES, IOMMU_OPTION_OP_GET, 0, ioas, 7);
	automatic("option.huge.off_automatic_2m", ioas, 0x700000000000, 0x200000);
	automatic("option.huge.off_unaligned_length", ioas, 0x700000000000, 0x1800);
	automatic("option.huge.off_unaligned_va", ioas, 0x700000000800, 0x1000);
	option("option.huge.set_1_with_areas", IOMMU_OPTION_HUGE_PAGES, IOMMU_OPTION_OP_SET, 0, ioas, 1);
	automatic("option.huge.on_automatic_2m", ioas, 0x700000000000, 0x200000);
	option("option.huge.set_0_with_areas", IOMMU_OPTION_HUGE_PAGES, IOMMU_OPTION_OP_SET, 0, ioas, 0);
	clear(ioas);
	map("option.huge.odd", ioas, R | FIXED, low, 0x801, 0x10000);
	option("option.huge.set_0_with_odd", IOMMU_OPTION_HUGE_PAGES, IOMMU_OPTION_OP_SET, 0, ioas, 0);
	option("option.huge.set_1", IOMMU_OPTION_HUGE_PAGES, IOMMU_OPTION_OP_SET, 0, ioas, 1);
	clear(ioas);
	option("option.rlimit.get", IOMMU_OPTION_RLIMIT_MODE, IOMMU_OPTION_OP_GET, 0, 0, 7);
	option("option.rlimit.object", IOMMU_OPTION_RLIMIT_MODE, IOMMU_OPTION_OP_GET, 0, ioas, 7);
	option("option.rlimit.bad_op", IOMMU_OPTION_RLIMIT_MODE, 2, 0, 0, 7);
	option("option.rlimit.set_with_objects", IOMMU_OPTION_RLIMIT_MODE, IOMMU_OPTION_OP_SET, 0, 0, 1);
	option("option.rlimit.set_2_with_objects", IOMMU_OPTION_RLIMIT_MODE, IOMMU_OPTION_OP_SET, 0, 0, 2);
	tmp = (uint32_t)iommu;
	iommu = open("/dev/iommu", O_RDWR);
	option("option.rlimit.set_1", IOMMU_OPTION_RLIMIT_MODE, IOMMU_OPTION_OP_SET, 0, 0, 1);
	option("option.rlimit.get_1", IOMMU_OPTION_RLIMIT_MODE, IOMMU_OPTION_OP_GET, 0, 0, 7);
	option("option.rlimit.set_2", IOMMU_OPTION_RLIMIT_MODE, IOMMU_OPTION_OP_SET, 0, 0, 2);
	option("option.rlimit.set_0", IOMMU_OPTION_RLIMIT_MODE, IOMMU_OPTION_OP_SET, 0, 0, 0);
	option("option.rlimit.get_0", IOMMU_OPTION_RLIMIT_MODE, IOMMU_OPTION_OP_GET, 0, 0, 7);
	close(iommu);
	iommu = (int)tmp;
}

static void vfio_ioas(const char *name, uint32_t ioas, uint16_t op, uint16_t reserved)
{
	struct iommu_vfio_ioas v = {.size = sizeof(v), .ioas_id = ioas, .op = op, .__reserved = reserved};
	long ret = io(iommu, IOMMU_VFIO_IOAS, &v);

	say(name, ret, "ioas=%u", v.ioas_id);
}

static void ask_absent(uint32_t ioas)
{
	struct iommu_hwpt_alloc h = {.size = sizeof(h), .dev_id = 999, .pt_id = ioas};
	struct iommu_hw_info info = {.size = sizeof(info), .dev_id = 999};
	struct iommu_viommu_alloc viommu = {.size = sizeof(viommu), .type = 1, .dev_id = 999};
	struct iommu_hwpt_set_dirty_tracking track = {.size = sizeof(track), .hwpt_id = ioas};
	struct iommu_ioas_change_process change = {.size = sizeof(change)};
	struct iommu_veventq_alloc queue = {.size = sizeof(queue), .viommu_id = 999};
	struct iommu_hw_queue_alloc hw_queue = {.size = sizeof(hw_queue), .viommu_id = 999};
	struct iommu_hwpt_invalidate invalidate = {.size = sizeof(invalidate), .hwpt_id = 999, .entry_num = 1};
	struct iommu_ioas_noiommu_get_pa pa = {.size = sizeof(pa), .ioas_id = ioas, .iova = 0x10000, .length = 0x1000};

	vfio_ioas("vfio_ioas.get", 0, IOMMU_VFIO_IOAS_GET, 0);
	vfio_ioas("vfio_ioas.set", ioas, IOMMU_VFIO_IOAS_SET, 0);
	vfio_ioas("vfio_ioas.get_again", 0, IOMMU_VFIO_IOAS_GET, 0);
	vfio_ioas("vfio_ioas.clear", 0, IOMMU_VFIO_IOAS_CLEAR, 0);
	vfio_ioas("vfio_ioas.clear_again", 0, IOMMU_VFIO_IOAS_CLEAR, 0);
	vfio_ioas("vfio_ioas.unknown_op", 0, 3, 0);
	vfio_ioas("vfio_ioas.reserved", ioas, IOMMU_VFIO_IOAS_SET, 1);
	vfio_ioas("vfio_ioas.set_unknown", 999, IOMMU_VFIO_IOAS_SET, 0);
	answer("vfio_ioas.destroy_set_ioas", (vfio_ioas("vfio_ioas.set_2", ioas, IOMMU_VFIO_IOAS_SET, 0), 0));
	vfio_ioas("vfio_ioas.clear_2", 0, IOMMU_VFIO_IOAS_CLEAR, 0);

	answer("hwpt_alloc.unknown_device", io(iommu, IOMMU_HWPT_ALLOC, &h));
	h.dev_id = ioas;
	answer("hwpt_alloc.ioas_as_device", io(iommu, IOMMU_HWPT_ALLOC, &h));
	h.flags = 1u << 31;
	answer("hwpt_alloc.flags_before_device", io(iommu, IOMMU_HWPT_ALLOC, &h));
	h.flags = 0, h.__reserved = 1;
	answer("hwpt_alloc.reserved_before_device", io(iommu, IOMMU_HWPT_ALLOC, &h));
	h.__reserved = 0, h.__reserved2 = 1;
	answer("hwpt_alloc.reserved2_before_device", io(iommu, IOMMU_HWPT_ALLOC, &h));
	h.__reserved2 = 0, h.data_len = 8;
	answer("hwpt_alloc.data_len_before_device", io(iommu, IOMMU_HWPT_ALLOC, &h));
	h.data_len = 0, h.fault_id = 5;
	answer("hwpt_alloc.fault_id_before_device", io(iommu, IOMMU_HWPT_ALLOC, &h));

	answer("hw_info.unknown_device", io(iommu, IOMMU_GET_HW_INFO, &info));
	info.dev_id = ioas;
	answer("hw_info.ioas_as_device", io(iommu, IOMMU_GET_HW_INFO, &info));
	info.flags = 2;
	answer("hw_info.flags_before_device", io(iommu, IOMMU_GET_HW_INFO, &info));
	info.flags = 0, info.__reserved[0] = 1;
	answer("hw_info.reserved_before_device", io(iommu, IOMMU_GET_HW_INFO, &info));
	answer("viommu.unknown_device", io(iommu, IOMMU_VIOMMU_ALLOC, &viommu));
	answer("dirty_tracking.ioas_as_hwpt", io(iommu, IOMMU_HWPT_SET_DIRTY_TRACKING, &track));
	track.flags = 2;
	answer("dirty_tracking.flags", io(iommu, IOMMU_HWPT_SET_DIRTY_TRACKING, &track));
	answer("change_process.empty", io(iommu, IOMMU_IOAS_CHANGE_PROCESS, &change));
	map("change_process.map", ioas, R | FIXED, low, 0x1000, 0x10000);
	answer("change_process.user_memory", io(iommu, IOMMU_IOAS_CHANGE_PROCESS, &change));
	answer("noiommu_get_pa", io(iommu, IOMMU_IOAS_NOIOMMU_GET_PA, &pa));
	clear(ioas);
	answer("veventq.type", io(iommu, IOMMU_VEVENTQ_ALLOC, &queue));
	queue.type = 1;
	answer("veventq.depth", io(iommu, IOMMU_VEVENTQ_ALLOC, &queue));
	queue.veventq_depth = 1;
	answer("veventq.unknown_viommu", io(iommu, IOMMU_VEVENTQ_ALLOC, &queue));
	queue.flags = 1;
	answer("veventq.flags", io(iommu, IOMMU_VEVENTQ_ALLOC, &queue));
	answer("hw_queue.type", io(iommu, IOMMU_HW_QUEUE_ALLOC, &hw_queue));
	hw_queue.type = 1;
	answer("hw_queue.length", io(iommu, IOMMU_HW_QUEUE_ALLOC, &hw_queue));
	hw_queue.length = 4096;
	answer("hw_queue.unknown_viommu", io(iommu, IOMMU_HW_QUEUE_ALLOC, &hw_queue));
	hw_queue.flags = 1;
	answer("hw_queue.flags", io(iommu, IOMMU_HW_QUEUE_ALLOC, &hw_queue));
	answer("hwpt_invalidate.unknown_entries", io(iommu, IOMMU_HWPT_INVALIDATE, &invalidate));
	invalidate.data_uptr = (uintptr_t)low, invalidate.entry_len = 8;
	answer("hwpt_invalidate.unknown", io(iommu, IOMMU_HWPT_INVALIDATE, &invalidate));
	invalidate.hwpt_id = ioas;
	answer("hwpt_invalidate.ioas", io(iommu, IOMMU_HWPT_INVALIDATE, &invalidate));
}

int main(int argc, char **argv)
{
	uint32_t a, b;

	if (answers_begin(argc, argv))
		return 2;
	iommu = open("/dev/iommu", O_RDWR);
	if (iommu < 0)
		die("/dev/iommu");
	low = memory_at(0x7e9500000000, 0x100000, PROT_READ | PROT_WRITE);
	ask_general();
	ask_objects();
	ask_ranges();
	a = new_ioas();
	b = new_ioas();
	ask_map_refusals(a);
	ask_map_memory(a);
	ask_automatic(a);
	ask_unmap(a);
	ask_copy(a, b);
	ask_map_file(a);
	ask_options(a);
	ask_absent(a);
	vfio_ioas("vfio_ioas.set_3", a, IOMMU_VFIO_IOAS_SET, 0);
	answer("end.destroy_with_areas", (map("end.map", a, R, low, 0x1000, 0), destroy(a)));
	vfio_ioas("vfio_ioas.get_destroyed", 0, IOMMU_VFIO_IOAS_GET, 0);
	return answers_end();
}
