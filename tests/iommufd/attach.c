/* SPDX-License-Identifier: BSD-3-Clause */
/* Devices, groups and page tables: what a device reaches after each step, and what is pinned. */
#include "iommufd/world.h"

#include <string.h>
#include <sys/mman.h>

static struct world w;
static char *memory; /* 8 MiB, aligned to 2 MiB */

enum { MEMORY = 8 << 20 };

static int setup(void **state)
{
	char *p = mmap(NULL, MEMORY + (2 << 20), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	memory = (char *)align_up((uintptr_t)p, 2 << 20);
	world_create(&w);
	return 0;
}

static int teardown(void **state)
{
	world_destroy(&w);
	return 0;
}

static void map_ok(uint32_t ioas, uint32_t flags, const void *va, uint64_t len, uint64_t iova)
{
	assert_int_equal(world_map(&w, ioas, flags | MAP_FIXED_AT, va, len, &iova), 0);
}

static void attaching_fills(void **state)
{
	uint32_t ioas = world_ioas(&w), pt = ioas;
	struct iommu_leaf leaf;

	map_ok(ioas, MAP_R | MAP_W, memory, 4 * PAGE, 0x10000);
	map_ok(ioas, MAP_R, memory + 8 * PAGE, PAGE, 0x20000);
	assert_int_equal(fake_task_nr_pins(w.fake), 0);
	world_bind(&w, 0);
	assert_false(world_walk(&w, 0, 0x10000, &leaf));
	assert_int_equal(world_attach(&w, 0, &pt), 0);
	assert_true(pt != ioas);
	assert_int_equal(fake_task_nr_pins(w.fake), 2);
	assert_true(world_reaches(&w, 0, 0x10000, memory, 4 * PAGE));
	assert_true(world_reaches(&w, 0, 0x20000, memory + 8 * PAGE, PAGE));
	assert_true(world_walk(&w, 0, 0x20000, &leaf));
	assert_int_equal(leaf.prot, IOMMU_READ);
	assert_false(world_walk(&w, 0, 0x14000, &leaf));
	/* What is mapped later is there at once, and gone at once. */
	map_ok(ioas, MAP_W, memory, PAGE, 0x14000);
	assert_true(world_walk(&w, 0, 0x14000, &leaf));
	assert_int_equal(leaf.prot, IOMMU_WRITE);
	assert_int_equal(world_unmap(&w, ioas, 0x14000, PAGE), 0);
	assert_false(world_walk(&w, 0, 0x14000, &leaf));
	assert_int_equal(fake_task_nr_pins(w.fake), 2);
}

static void detaching_lets_go(void **state)
{
	uint32_t ioas = world_ioas(&w), pt = ioas, again = ioas;
	struct iommu_leaf leaf;

	world_bind(&w, 0);
	assert_int_equal(world_attach(&w, 0, &pt), 0);
	map_ok(ioas, MAP_R, memory, 4 * PAGE, 0x10000);
	iommufd_device_detach(w.devices[0].idev);
	assert_false(world_walk(&w, 0, 0x10000, &leaf));
	assert_int_equal(fake_task_nr_pins(w.fake), 0);
	assert_int_equal(world_object_destroy(&w, pt), -ENOENT);
	/* The area stayed, and is looked at anew. */
	assert_int_equal(world_attach(&w, 0, &again), 0);
	assert_true(world_reaches(&w, 0, 0x10000, memory, 4 * PAGE));
	iommufd_device_detach(w.devices[0].idev);
	fake_task_fault(w.fake, (uaddr_t)memory, PAGE);
	again = ioas;
	assert_int_equal(world_attach(&w, 0, &again), -EFAULT);
	assert_int_equal(fake_task_nr_pins(w.fake), 0);
	assert_int_equal(world_object_destroy(&w, ioas), 0);
}

/* One to leave the device; what is not shared needs no more. */
static void detaching_drains_once(void **state)
{
	uint32_t ioas = world_ioas(&w), other = world_ioas(&w), pt = ioas;
	uint64_t before;

	for (uint64_t i = 0; i < 1000; i++)
		map_ok(ioas, MAP_R, memory, PAGE, 0x100000 + i * PAGE);
	world_bind(&w, 0);
	assert_int_equal(world_attach(&w, 0, &pt), 0);
	assert_int_equal(world_copy(&w, other, ioas, MAP_R | MAP_FIXED_AT, PAGE, 0x10000, 0x100000), 0);
	before = section_drains(phys_sections(w.space));
	iommufd_device_detach(w.devices[0].idev);
	assert_int_equal(fake_task_nr_pins(w.fake), 0);
	assert_true(section_drains(phys_sections(w.space)) - before <= 3);
}

static void one_table_a_unit(void **state)
{
	uint32_t ioas = world_ioas(&w), pt[4];

	map_ok(ioas, MAP_R, memory, PAGE, 0x10000);
	for (int i = 0; i < 4; i++) {
		world_bind(&w, i);
		pt[i] = ioas;
		assert_int_equal(world_attach(&w, i, &pt[i]), 0);
		assert_true(world_reaches(&w, i, 0x10000, memory, PAGE));
	}
	assert_int_equal(pt[0], pt[1]);
	assert_int_equal(pt[0], pt[2]);
	assert_true(pt[0] != pt[3]);
	assert_int_equal(fake_task_nr_pins(w.fake), 1);
	/* The other unit's table does not fit. */
	assert_int_equal(world_attach(&w, 0, &pt[3]), -EINVAL);
	iommufd_device_detach(w.devices[0].idev);
	iommufd_device_detach(w.devices[1].idev);
	assert_true(world_reaches(&w, 2, 0x10000, memory, PAGE));
	assert_int_equal(world_object_destroy(&w, pt[2]), -EBUSY);
}

static void large_leaves(void **state)
{
	uint32_t ioas = world_ioas(&w), pt = ioas;
	uint64_t iova = 0;
	struct iommu_walk_levels levels;
	struct iommu_option small = {.size = sizeof(small),
				     .option_id = IOMMU_OPTION_HUGE_PAGES,
				     .op = IOMMU_OPTION_OP_SET,
				     .object_id = ioas};

	world_bind(&w, 0);
	assert_int_equal(world_attach(&w, 0, &pt), 0);
	assert_int_equal(world_map(&w, ioas, MAP_R, memory, MEMORY, &iova), 0);
	assert_true(is_aligned(iova, 2 << 20));
	assert_true(iommu_walk_levels(w.devices[0].fn.iommu.domain, iova, &levels));
	assert_int_equal(levels.entry[3], 0);
	assert_true(levels.entry[2] != 0);
	assert_int_equal(world_io(&w, IOMMU_OPTION, &small), -EINVAL);
	assert_int_equal(world_unmap_all(&w, ioas), 0);

	assert_int_equal(world_io(&w, IOMMU_OPTION, &small), 0);
	assert_int_equal(world_map(&w, ioas, MAP_R, memory, MEMORY, &iova), 0);
	assert_true(iommu_walk_levels(w.devices[0].fn.iommu.domain, iova, &levels));
	assert_true(levels.entry[3] != 0);
	assert_true(world_reaches(&w, 0, iova, memory, MEMORY));
}

static void replacing(void **state)
{
	uint32_t a = world_ioas(&w), b = world_ioas(&w), pt = a, first, c;
	struct iommu_leaf leaf;

	map_ok(a, MAP_R, memory, PAGE, 0x10000);
	map_ok(b, MAP_R, memory + PAGE, PAGE, 0x10000);
	world_bind(&w, 0);
	assert_int_equal(world_attach(&w, 0, &pt), 0);
	first = pt;
	pt = b;
	assert_int_equal(world_attach(&w, 0, &pt), 0);
	assert_true(world_reaches(&w, 0, 0x10000, memory + PAGE, PAGE));
	assert_int_equal(world_object_destroy(&w, first), -ENOENT);
	assert_int_equal(world_object_destroy(&w, a), 0);
	/* A replacement that fails leaves everything as it was. */
	c = world_ioas(&w);
	map_ok(c, MAP_R, memory, PAGE, 0xfee00000);
	first = pt;
	pt = c;
	assert_int_equal(world_attach(&w, 0, &pt), -EADDRINUSE);
	assert_int_equal(pt, c);
	assert_true(world_reaches(&w, 0, 0x10000, memory + PAGE, PAGE));
	assert_int_equal(world_object_destroy(&w, c), 0);
	assert_int_equal(world_object_destroy(&w, first), -EBUSY);
	iommufd_device_detach(w.devices[0].idev);
	assert_false(world_walk(&w, 0, 0x10000, &leaf));
	assert_int_equal(world_object_destroy(&w, b), 0);
}

static void groups(void **state)
{
	uint32_t a = world_ioas(&w), b = world_ioas(&w), pt = a, id;
	struct iommufd_device *idev;
	struct iommufd_ctx *other;
	int fd = world_open_iommu(&w);

	w.devices[1].fn.iommu_group = w.devices[0].fn.iommu_group;
	map_ok(a, MAP_R, memory, PAGE, 0x10000);
	map_ok(b, MAP_R, memory + PAGE, PAGE, 0x10000);
	world_bind(&w, 0);
	other = iommufd_ctx_from_file(fake_task_file(w.fake, fd));
	assert_int_equal(iommufd_device_bind(other, &w.devices[0].fn, &idev, &id), -EBUSY);
	assert_int_equal(iommufd_device_bind(other, &w.devices[1].fn, &idev, &id), -EPERM);
	assert_int_equal(iommufd_device_bind(other, &w.devices[2].fn, &idev, &id), 0);
	iommufd_device_unbind(idev);
	iommufd_ctx_put(other);
	fake_task_close(w.fake, fd);
	world_bind(&w, 1);

	assert_int_equal(world_attach(&w, 0, &pt), 0);
	pt = b;
	assert_int_equal(world_attach(&w, 1, &pt), -EINVAL);
	assert_int_equal(world_object_destroy(&w, b), 0);
	pt = a;
	assert_int_equal(world_attach(&w, 1, &pt), 0);
	/* Replacing for one replaces for all. */
	b = world_ioas(&w);
	map_ok(b, MAP_R, memory + PAGE, PAGE, 0x10000);
	pt = b;
	assert_int_equal(world_attach(&w, 1, &pt), 0);
	assert_true(world_reaches(&w, 0, 0x10000, memory + PAGE, PAGE));
	assert_true(world_reaches(&w, 1, 0x10000, memory + PAGE, PAGE));
	assert_int_equal(world_object_destroy(&w, a), 0);
	iommufd_device_detach(w.devices[0].idev);
	assert_true(world_reaches(&w, 1, 0x10000, memory + PAGE, PAGE));
	/* The first reservation went with its device, the second is still there. */
	pt = 0xfee00000;
	assert_int_equal(world_map(&w, b, MAP_R | MAP_FIXED_AT, memory, PAGE, &(uint64_t){0xfee00000}), -EINVAL);
	iommufd_device_detach(w.devices[1].idev);
	assert_int_equal(world_map(&w, b, MAP_R | MAP_FIXED_AT, memory, PAGE, &(uint64_t){0xfee00000}), 0);
}

static void failed_attach_leaves_nothing(void **state)
{
	uint32_t ioas = world_ioas(&w), pt = ioas;
	struct iommu_ioas_iova_ranges r = {.size = sizeof(r), .ioas_id = ioas};

	map_ok(ioas, MAP_R, memory, PAGE, 0x10000);
	map_ok(ioas, MAP_R, memory + PAGE, PAGE, 0x20000);
	map_ok(ioas, MAP_R, memory + 2 * PAGE, PAGE, 0x30000);
	fake_task_fault(w.fake, (uaddr_t)memory + 2 * PAGE, PAGE);
	world_bind(&w, 0);
	assert_int_equal(world_attach(&w, 0, &pt), -EFAULT);
	assert_int_equal(fake_task_nr_pins(w.fake), 0);
	assert_int_equal(world_io(&w, IOMMU_IOAS_IOVA_RANGES, &r), -EMSGSIZE);
	assert_int_equal(r.num_iovas, 1);
	assert_int_equal(r.out_iova_alignment, 1);
	assert_int_equal(world_unmap(&w, ioas, 0x30000, PAGE), 0);
	assert_int_equal(world_attach(&w, 0, &pt), 0);
	assert_int_equal(fake_task_nr_pins(w.fake), 2);
}

static void copies_share_a_pin(void **state)
{
	uint32_t a = world_ioas(&w), b = world_ioas(&w), pt = a;

	world_bind(&w, 0);
	assert_int_equal(world_attach(&w, 0, &pt), 0);
	map_ok(a, MAP_R | MAP_W, memory, 4 * PAGE, 0x10000);
	map_ok(a, MAP_R | MAP_W, memory + 8 * PAGE, 4 * PAGE, 0x14000);
	assert_int_equal(world_copy(&w, b, a, MAP_R | MAP_FIXED_AT, 4 * PAGE, 0x40000, 0x12000), 0);
	assert_int_equal(fake_task_nr_pins(w.fake), 2);
	/* The source goes; nobody shows the copy, so its memory is let go of, too. */
	assert_int_equal(world_unmap_all(&w, a), 0);
	assert_int_equal(fake_task_nr_pins(w.fake), 0);
	pt = b;
	assert_int_equal(world_attach(&w, 0, &pt), 0);
	assert_true(world_reaches(&w, 0, 0x40000, memory + 2 * PAGE, 2 * PAGE));
	assert_true(world_reaches(&w, 0, 0x42000, memory + 8 * PAGE, 2 * PAGE));
	assert_int_equal(world_copy(&w, b, b, MAP_R | MAP_FIXED_AT, PAGE, 0x80000, 0x43000), 0);
	assert_int_equal(world_unmap(&w, b, 0x42000, 2 * PAGE), 0);
	assert_true(world_reaches(&w, 0, 0x80000, memory + 9 * PAGE, PAGE));
}

static void explicit_tables(void **state)
{
	uint32_t ioas = world_ioas(&w), pt;
	struct iommu_hwpt_alloc h = {.size = sizeof(h), .pt_id = ioas};
	struct iommu_leaf leaf;

	world_bind(&w, 0);
	h.dev_id = w.devices[0].id;
	assert_int_equal(world_io(&w, IOMMU_HWPT_ALLOC, &h), 0);
	map_ok(ioas, MAP_R, memory, PAGE, 0x10000);
	assert_int_equal(fake_task_nr_pins(w.fake), 1);
	pt = h.out_hwpt_id;
	assert_int_equal(world_attach(&w, 0, &pt), 0);
	assert_int_equal(pt, h.out_hwpt_id);
	assert_true(world_reaches(&w, 0, 0x10000, memory, PAGE));
	iommufd_device_detach(w.devices[0].idev);
	assert_false(world_walk(&w, 0, 0x10000, &leaf));
	/* It outlives the attachment, and keeps the memory. */
	assert_int_equal(fake_task_nr_pins(w.fake), 1);
	assert_int_equal(world_object_destroy(&w, h.out_hwpt_id), 0);
	assert_int_equal(fake_task_nr_pins(w.fake), 0);
}

/* The program closes /dev/iommu first: the device keeps the context until it is closed, too. */
static void close_order(void **state)
{
	uint32_t pt = 77;
	struct iommufd_ctx *ctx;
	struct iommufd_device *idev;
	uint32_t id;
	int fd = world_open_iommu(&w);

	ctx = iommufd_ctx_from_file(fake_task_file(w.fake, fd));
	assert_null(iommufd_ctx_from_file(&(struct file){0}));
	assert_int_equal(iommufd_device_bind(ctx, &w.devices[0].fn, &idev, &id), 0);
	assert_int_equal(iommufd_device_attach(idev, &pt), -ENOENT);
	pt = id;
	assert_int_equal(iommufd_device_attach(idev, &pt), -EINVAL);
	fake_task_close(w.fake, fd);
	iommufd_device_unbind(idev);
	iommufd_ctx_put(ctx);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(attaching_fills),
		T(detaching_lets_go),
		T(detaching_drains_once),
		T(one_table_a_unit),
		T(large_leaves),
		T(replacing),
		T(groups),
		T(copies_share_a_pin),
		T(explicit_tables),
		T(failed_attach_leaves_nothing),
		T(close_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
