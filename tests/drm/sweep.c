/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Buffer objects, imports, slices, and the driver's beginning, again and again, with the first, second, ... allocation
 * failing. A call works or is ENOMEM, and in the end nothing is left of it.
 */
#include "rig.h"

#include <stdio.h>

#include "fake/allocator.h"
#include "memory/section.h"
#include "pci/topology.h"

enum { PIECES = 12 };

static bool ok(long ret)
{
	if (ret == -ENOMEM)
		assert_true(allocator.failed);
	else if (ret < 0)
		fail_msg("a call answered %ld", ret);
	return ret >= 0;
}

static void use_object(struct rig *r, bool local)
{
	struct sgpu_bo *bo;

	if (ok(sgpu_bo_create(r->gpu, 3 * 4096, local, &bo)))
		sgpu_bo_put(bo);
}

/* An import that cannot be made again is there all the same: the next use tries anew. */
static void use_import(struct rig *r, int vf, int buffer, bool pinned)
{
	struct sgpu_bo *bo;
	bool reset;

	if (!ok(rig_import(r, buffer, pinned, &bo)))
		return;
	reset = ok(fake_task_ioctl(r->fx->ft, vf, VFIO_DEVICE_RESET, NULL));
	if (reset && pinned)
		assert_int_equal(rig_validate(bo), -ENODEV);
	else if (!ok(rig_validate(bo)))
		assert_int_equal(rig_validate(bo), 0);
	sgpu_bo_put(bo);
}

/* DMA addresses that rest are given back by the next who asks for one. */
static void settle(struct rig *r)
{
	section_drain(phys_sections(r->fn->root->space));
	use_object(r, false);
}

static void sweep(struct rig *r, void (*scenario)(struct rig *r, int vf, int buffer), int vf, int buffer,
		  unsigned least)
{
	uint64_t free_before;
	long before;
	unsigned nr = 0;

	scenario(r, vf, buffer); /* what is made once and kept */
	settle(r);
	before = allocator.live;
	free_before = sgpu_local_nr_free(r->gpu);
	do {
		allocator.failed = false;
		allocator.countdown = (long)nr++;
		scenario(r, vf, buffer);
		allocator.countdown = -1;
		assert_int_equal(sgpu_local_nr_free(r->gpu), free_before);
		settle(r);
		if (allocator.live > before)
			fail_msg("allocation %u: %ld blocks before, %ld after", nr - 1, before, allocator.live);
	} while (allocator.failed);
	assert_true(nr > least);
}

static void local_object(struct rig *r, int vf, int buffer)
{
	use_object(r, true);
}

static void system_object(struct rig *r, int vf, int buffer)
{
	use_object(r, false);
}

static void imports(struct rig *r, int vf, int buffer)
{
	use_import(r, vf, buffer, false);
	use_import(r, vf, buffer, true);
}

static void everything_fails_once(void **state)
{
	struct rig *r = *state;
	struct vfio_region_dma_range pieces[PIECES];
	int vf, buffer;

	assert_int_equal(put(r->fx, PF "sriov_numvfs", "1"), 1);
	vf = rig_open(r, "0000:03:00.1");
	for (unsigned i = 0; i < PIECES; i++)
		pieces[i] = (struct vfio_region_dma_range){i * 8192, 4096};
	buffer = rig_export(r, vf, 2, PIECES, pieces);
	assert_true(buffer >= 0);
	sweep(r, local_object, vf, buffer, 6);
	sweep(r, system_object, vf, buffer, 6);
	sweep(r, imports, vf, buffer, 6);
}

/* Bound or not, and when not then without a trace. */
static void the_driver_begins_or_does_not(void **state)
{
	struct rig *r = *state;
	const char *sgpu = "/sys/bus/pci/drivers/sgpu/";
	char bind[64];
	long before, bound = 0;
	unsigned nr = 0;

	snprintf(bind, sizeof(bind), "%sbind", sgpu);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(put(r->fx, PF "driver/unbind", "0000:03:00.0"), 12);
		before = allocator.live;
		if (!i)
			assert_int_equal(put(r->fx, bind, "0000:03:00.0"), 12);
	}
	while (bound != 12) {
		allocator.failed = false;
		allocator.countdown = (long)nr++;
		bound = put(r->fx, bind, "0000:03:00.0");
		allocator.countdown = -1;
		assert_true(bound == 12 || bound == -ENOMEM);
		if (bound < 0 && allocator.live > before)
			fail_msg("allocation %u: %ld blocks before, %ld after", nr - 1, before, allocator.live);
	}
	assert_true(nr > 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(everything_fails_once, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(the_driver_begins_or_does_not, rig_setup, rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
