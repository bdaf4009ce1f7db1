/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One scenario through every kind of call, run again and again with the first, second, ... allocation failing. Each
 * call may answer ENOMEM and nothing else; then the scenario goes on without its result. At the end nothing may be
 * left: no pin, no fd, no allocation.
 */
#include "iommufd/world.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "fake/allocator.h"

static struct world w;
static char *memory;

/* Did it work? What failed must have failed for want of memory, once. */
static bool ok(long ret)
{
	if (ret == -ENOMEM)
		assert_true(allocator.failed);
	else
		assert_int_equal(ret, 0);
	return ret == 0;
}

static uint32_t ioas_new(void)
{
	struct iommu_ioas_alloc a = {.size = sizeof(a)};

	return ok(world_io(&w, IOMMU_IOAS_ALLOC, &a)) ? a.out_ioas_id : 0;
}

static bool map(uint32_t ioas, uint64_t iova, uint64_t len)
{
	return ok(world_map(&w, ioas, MAP_R | MAP_W | MAP_FIXED_AT, memory, len, &iova));
}

static void bind_one(int i)
{
	struct world_device *d = &w.devices[i];

	ok(iommufd_device_bind(w.ctx, &d->fn, &d->idev, &d->id));
}

static void attach_one(int i, uint32_t pt)
{
	if (w.devices[i].idev)
		ok(world_attach(&w, i, &pt));
}

static void ranges(uint32_t ioas)
{
	struct iommu_iova_range list[4] = {{0x10000, 0xffffff}, {0x10000000, 0x2fffffff}};
	struct iommu_ioas_allow_iovas a = {
		.size = sizeof(a), .ioas_id = ioas, .num_iovas = 2, .allowed_iovas = (uintptr_t)list};
	struct iommu_ioas_iova_ranges r = {
		.size = sizeof(r), .ioas_id = ioas, .num_iovas = 4, .allowed_iovas = (uintptr_t)list};

	ok(world_io(&w, IOMMU_IOAS_ALLOW_IOVAS, &a));
	ok(world_io(&w, IOMMU_IOAS_IOVA_RANGES, &r));
}

static void device_memory(uint32_t a, uint32_t b, struct world_buffer *buffer)
{
	uint64_t iova = 0x10000000;

	if (!ok(world_map_file(&w, a, MAP_R | MAP_FIXED_AT, buffer->fd, 0, 1 << 20, &iova)))
		return;
	ok(world_copy(&w, b, a, MAP_R | MAP_FIXED_AT, PAGE, 0x10000000, 0x10001000));
}

static void explicit_table(uint32_t ioas)
{
	struct iommu_hwpt_alloc h = {.size = sizeof(h), .pt_id = ioas, .dev_id = w.devices[0].id};

	if (w.devices[0].idev)
		ok(world_io(&w, IOMMU_HWPT_ALLOC, &h));
}

static void scenario(struct world_buffer *buffer, int memfd)
{
	uint32_t a = ioas_new(), b = ioas_new();
	uint64_t iova = 0x20000000;

	if (!a || !b)
		return;
	ranges(a);
	map(a, 0x10000, 4 * PAGE);
	for (int i = 0; i < WORLD_FUNCTIONS; i++)
		bind_one(i);
	w.devices[2].fn.iommu_group = 7;
	attach_one(0, a);
	attach_one(1, b);
	attach_one(3, a);
	/* A copy over two areas, if both are there. */
	if (map(a, 0x14000, 2 * PAGE) && allocator.failed == false)
		ok(world_copy(&w, b, a, MAP_R | MAP_FIXED_AT, 6 * PAGE, 0x40000, 0x10000));
	ok(world_map_file(&w, a, MAP_R | MAP_W | MAP_FIXED_AT, memfd, 0, 2 * PAGE, &iova));
	device_memory(a, b, buffer);
	explicit_table(a);
	attach_one(0, b);
	attach_one(0, a);
	pci_gate_shut(&w.card.gate, GATE_DECODE);
	pci_gate_open(&w.card.gate, GATE_DECODE);
}

/* Did an allocation fail? */
static bool run(long n)
{
	struct world_buffer *buffer;
	int memfd;
	bool result;

	allocator.failed = false;
	world_create(&w);
	fake_task(w.fake)->next = true;
	buffer = world_export(&w, 0, 1 << 20, 2);
	memfd = fake_task_memfd(w.fake, 2 * PAGE, true);
	allocator.countdown = n;
	scenario(buffer, memfd);
	allocator.countdown = -1;
	result = allocator.failed;
	world_export_close(&w, buffer);
	fake_task_close(w.fake, memfd);
	world_destroy(&w);
	return result;
}

static void every_allocation_fails_once(void **state)
{
	long before, usual, n = 0;

	memory = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	run(-1); /* what libraries allocate once */
	/* What libc allocates for itself and we free (strdup) is seen from one side only: the same each time. */
	before = allocator.live;
	run(-1);
	usual = allocator.live - before;
	do {
		before = allocator.live;
		if (!run(n++))
			break;
		if (allocator.live - before != usual)
			fail_msg("allocation %ld: %ld allocations are left behind", n - 1,
				 allocator.live - before - usual);
	} while (n < 10000);
	assert_true(n > 40);
	print_message("%ld allocations\n", n - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation_fails_once)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
