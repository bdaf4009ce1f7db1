/* SPDX-License-Identifier: BSD-3-Clause */
/* Local memory, and the buffer objects that are made of it. */
#include "rig.h"

#include <sys/mman.h>

static void a_run_is_as_long_as_it_can_be(void **state)
{
	struct rig *r = *state;
	struct pci_fragment a[4], b[4], c[4], d[4];
	unsigned nr;

	assert_int_equal(sgpu_local_nr_free(r->gpu), LOCAL);
	assert_int_equal(sgpu_local_alloc(r->gpu, 1, a, 4, &nr), 0);
	assert_int_equal(nr, 1);
	assert_int_equal(a[0].len, GRANULE);
	assert_int_equal(sgpu_local_alloc(r->gpu, 2 * GRANULE, b, 4, &nr), 0);
	assert_int_equal(sgpu_local_alloc(r->gpu, GRANULE, c, 4, &nr), 0);
	assert_int_equal(c[0].offset, 3 * GRANULE);
	sgpu_local_free(r->gpu, b, 1);
	/* The hole of two, and what lies behind. */
	assert_int_equal(sgpu_local_alloc(r->gpu, 5 * GRANULE - 1, d, 4, &nr), 0);
	assert_int_equal(nr, 2);
	assert_int_equal(d[0].offset, GRANULE);
	assert_int_equal(d[0].len, 2 * GRANULE);
	assert_int_equal(d[1].offset, 4 * GRANULE);
	assert_int_equal(d[1].len, 3 * GRANULE);
	assert_int_equal(sgpu_local_nr_free(r->gpu), LOCAL - 7 * GRANULE);
	sgpu_local_free(r->gpu, d, nr);
	sgpu_local_free(r->gpu, a, 1);
	sgpu_local_free(r->gpu, c, 1);
	assert_int_equal(sgpu_local_nr_free(r->gpu), LOCAL);
}

static void what_does_not_fit_takes_nothing(void **state)
{
	struct rig *r = *state;
	struct pci_fragment all[LOCAL / SGPU_GRANULE], runs[4];
	unsigned nr;

	assert_int_equal(sgpu_local_alloc(r->gpu, LOCAL + 1, runs, 4, &nr), -ENOSPC);
	assert_int_equal(sgpu_local_alloc(r->gpu, UINT64_MAX, runs, 4, &nr), -ENOSPC);
	assert_int_equal(sgpu_local_nr_free(r->gpu), LOCAL);
	for (unsigned i = 0; i < ARRAY_SIZE(all); i++)
		assert_int_equal(sgpu_local_alloc(r->gpu, GRANULE, &all[i], 1, &nr), 0);
	assert_int_equal(sgpu_local_alloc(r->gpu, 1, runs, 4, &nr), -ENOSPC);
	for (unsigned i = 0; i < ARRAY_SIZE(all); i += 2)
		sgpu_local_free(r->gpu, &all[i], 1);
	/* There is enough, in more pieces than are wanted. */
	assert_int_equal(sgpu_local_alloc(r->gpu, 5 * GRANULE, runs, 4, &nr), -ENOSPC);
	assert_int_equal(sgpu_local_nr_free(r->gpu), LOCAL / 2);
	for (unsigned i = 1; i < ARRAY_SIZE(all); i += 2)
		sgpu_local_free(r->gpu, &all[i], 1);
}

static void nobody_sees_what_was_there_before(void **state)
{
	struct rig *r = *state;
	struct sgpu_bo *bo;

	memset(r->local, 0x5a, LOCAL);
	assert_int_equal(sgpu_bo_create(r->gpu, GRANULE + 4096, true, &bo), 0);
	for (unsigned i = 0; i < 2 * GRANULE; i++)
		assert_int_equal(r->local[i], 0);
	assert_int_equal(r->local[2 * GRANULE], 0x5a);
	sgpu_bo_put(bo);
}

static void an_object_has_the_size_that_was_asked(void **state)
{
	struct rig *r = *state;
	struct pci_fragment hole;
	struct drm_sgpu_bo_info info;
	struct sgpu_bo *bo;
	unsigned nr;

	assert_int_equal(sgpu_local_alloc(r->gpu, GRANULE, &hole, 1, &nr), 0);
	assert_int_equal(sgpu_bo_create(r->gpu, GRANULE, true, &bo), 0);
	sgpu_local_free(r->gpu, &hole, 1);
	sgpu_bo_put(bo);
	assert_int_equal(sgpu_local_alloc(r->gpu, GRANULE, &hole, 1, &nr), 0);
	assert_int_equal(hole.offset, 0);
	assert_int_equal(sgpu_bo_create(r->gpu, GRANULE + 4096, true, &bo), 0);
	info = rig_info(bo);
	assert_int_equal(info.flags, DRM_SGPU_BO_LOCAL);
	assert_int_equal(info.size, GRANULE + 4096);
	assert_int_equal(info.nr_entries, 1);
	assert_string_equal(info.mapping_type, "");
	assert_int_equal(bo->entries[0].addr, GRANULE);
	assert_int_equal(bo->entries[0].len, GRANULE + 4096);
	assert_true(bo->entries[0].local);
	assert_int_equal(sgpu_local_nr_free(r->gpu), LOCAL - 3 * GRANULE);
	sgpu_bo_put(bo);
	sgpu_local_free(r->gpu, &hole, 1);
	assert_int_equal(sgpu_local_nr_free(r->gpu), LOCAL);
	assert_int_equal(sgpu_bo_create(r->gpu, LOCAL + 4096, true, &bo), -ENOSPC);
	assert_true(rig_reported(r, "local memory has not as much free"));
}

static int64_t map_at(struct rig *r, struct sgpu_bo *bo, uint64_t offset, int flags)
{
	const struct mmap_request req = {.len = 4096, .prot = PROT_READ | PROT_WRITE, .flags = flags};

	return sgpu_bo_mmap(bo, fake_task(r->fx->ft), &req, offset);
}

static void a_mapping_keeps_the_object(void **state)
{
	struct rig *r = *state;
	struct sgpu_bo *bo;
	int64_t addr;

	assert_int_equal(sgpu_bo_create(r->gpu, 8192, false, &bo), 0);
	assert_int_equal(map_at(r, bo, 0, MAP_PRIVATE), -EINVAL);
	assert_int_equal(map_at(r, bo, 8192, MAP_SHARED), -EINVAL);
	addr = map_at(r, bo, 4096, MAP_SHARED);
	assert_true(addr > 0);
	sgpu_bo_put(bo);
	assert_int_equal(fake_task_munmap(r->fx->ft, (uaddr_t)addr), 0);
}

/* A reset takes local memory away for a while, the end of the driver for good. System memory stays. */
static void local_memory_goes_with_its_function(void **state)
{
	struct rig *r = *state;
	struct sgpu_bo *local, *system, *none;
	struct fake_mapping *m;
	int64_t addr;

	assert_int_equal(sgpu_bo_create(r->gpu, 8192, true, &local), 0);
	assert_int_equal(sgpu_bo_create(r->gpu, 8192, false, &system), 0);
	addr = map_at(r, local, 0, MAP_SHARED);
	m = fake_task_mapping(r->fx->ft, 0);
	assert_int_equal(put(r->fx, PF "reset", "1"), 1);
	assert_int_equal(m->zaps, 1);
	assert_int_equal(m->restores, 2);
	assert_int_equal(rig_validate(local), 0);

	/* Decoding is off, for instance by an administrator. */
	pci_config_write(r->fn, PCI_COMMAND, PCI_COMMAND_MASTER, 2);
	assert_int_equal(rig_validate(local), -ENODEV);
	assert_int_equal(rig_info(local).flags, DRM_SGPU_BO_LOCAL | DRM_SGPU_BO_REVOKED);
	assert_int_equal(rig_validate(system), 0);
	assert_int_equal(sgpu_bo_create(r->gpu, 4096, true, &none), 0);
	assert_int_equal(rig_validate(none), -ENODEV);
	pci_config_write(r->fn, PCI_COMMAND, PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY, 2);
	assert_int_equal(rig_validate(none), 0);
	sgpu_bo_put(none);
	assert_int_equal(rig_validate(local), 0);

	sgpu_get(r->gpu);
	assert_int_equal(put(r->fx, PF "driver/unbind", "0000:03:00.0"), 12);
	assert_true(m->mapping->zapped);
	assert_int_equal(rig_validate(local), -ENODEV);
	assert_int_equal(sgpu_bo_create(r->gpu, 4096, true, &none), -ENODEV);
	/* The next driver is not disturbed by what is left. */
	assert_int_equal(put(r->fx, PF "driver_override", "vfio-pci"), 8);
	assert_int_equal(put(r->fx, "/sys/bus/pci/drivers/vfio-pci/bind", "0000:03:00.0"), 12);
	fake_task_close(r->fx->ft, rig_open(r, "0000:03:00.0"));
	assert_int_equal(put(r->fx, PF "driver/unbind", "0000:03:00.0"), 12);
	assert_int_equal(put(r->fx, PF "driver_override", "\n"), 1);
	assert_int_equal(put(r->fx, "/sys/bus/pci/drivers/sgpu/bind", "0000:03:00.0"), 12);
	assert_int_equal(rig_validate(local), -ENODEV);
	assert_int_equal(fake_task_munmap(r->fx->ft, (uaddr_t)addr), 0);
	sgpu_bo_put(local);
	sgpu_bo_put(system);
	sgpu_put(r->gpu);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_run_is_as_long_as_it_can_be),	 TEST(what_does_not_fit_takes_nothing),
		TEST(nobody_sees_what_was_there_before), TEST(an_object_has_the_size_that_was_asked),
		TEST(a_mapping_keeps_the_object),	 TEST(local_memory_goes_with_its_function),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
