/* SPDX-License-Identifier: BSD-3-Clause */
/* What others export, imported by the driver: a virtual function's window, and everything else. */
#include "rig.h"

#include <fcntl.h>
#include <linux/dma-heap.h>
#include <stdlib.h>

static int two_functions(void **state)
{
	struct rig *r;

	rig_setup(state);
	r = *state;
	return put(r->fx, PF "sriov_numvfs", "2") == 1 ? 0 : -1;
}

static void assert_entry(const struct sgpu_bo *bo, unsigned i, uint64_t addr, uint64_t len)
{
	assert_true(i < bo->nr_entries && bo->entries[i].local);
	assert_int_equal(bo->entries[i].addr, addr);
	assert_int_equal(bo->entries[i].len, len);
}

static void a_window_becomes_local_memory(void **state)
{
	struct rig *r = *state;
	const struct vfio_region_dma_range ranges[] = {
		{WINDOW - GRANULE, GRANULE}, {0, 4096},	   {4096, 8192}, {WINDOW / 2 - 4096, 8192},
		{WINDOW / 2 + 4096, 4096},   {4096, 4096},
	};
	int vf = rig_open(r, "0000:03:00.1"), buffer = rig_export(r, vf, 2, ARRAY_SIZE(ranges), ranges);
	struct drm_sgpu_bo_info info;
	struct sgpu_bo *bo;
	char *bufinfo;
	size_t len;

	assert_int_equal(rig_import(r, buffer, false, &bo), 0);
	info = rig_info(bo);
	assert_int_equal(info.flags, DRM_SGPU_BO_IMPORTED | DRM_SGPU_BO_INTERCONNECT);
	assert_string_equal(info.mapping_type, "IOV");
	assert_int_equal(info.size, GRANULE + 4096 + 8192 + 8192 + 4096 + 4096);
	/* Neighbours are one, also across a seam; what is named twice is there twice. */
	assert_int_equal(info.nr_entries, 5);
	assert_entry(bo, 0, WINDOW + WINDOW / 2 - GRANULE, GRANULE);
	assert_entry(bo, 1, 0, 3 * 4096);
	assert_entry(bo, 2, WINDOW / 2 - 4096, 4096);
	assert_entry(bo, 3, WINDOW, 8192);
	assert_entry(bo, 4, 4096, 4096);
	assert_int_equal(dma_buf_bufinfo(r->fx->m->dma_bufs, true, &bufinfo, &len), 0);
	assert_non_null(strstr(bufinfo, "IOV"));
	free(bufinfo);
	sgpu_bo_put(bo);
	assert_true(rig_reported(r, "\"IOV\""));
}

static void strictly_it_is_a_scatterlist(void **state)
{
	struct rig *r = *state;
	int vf, buffer;
	struct sgpu_bo *bo;

	fake_task(r->fx->ft)->next = false;
	vf = rig_open(r, "0000:03:00.1");
	buffer = rig_export_one(r, vf, 0, GRANULE);
	assert_int_equal(rig_import(r, buffer, false, &bo), 0);
	assert_string_equal(rig_info(bo).mapping_type, "scatterlist");
	assert_int_equal(rig_info(bo).flags, DRM_SGPU_BO_IMPORTED);
	assert_int_equal(bo->nr_entries, 1);
	assert_false(bo->entries[0].local);
	sgpu_bo_put(bo);
}

/* By no way: the scatterlist would reach nothing either. */
static void beyond_the_slice_nothing_is_imported(void **state)
{
	struct rig *r = *state;
	const struct vfio_region_dma_range across[] = {{0, GRANULE}, {GRANULE, 2 * GRANULE}};
	int vf = rig_open(r, "0000:03:00.1"), buffer, inside;
	struct sgpu_bo *bo;

	put(r->fx, PF "sriov_admin/vf0/slice", "0x20000");
	inside = rig_export_one(r, vf, 0, 2 * GRANULE);
	buffer = rig_export(r, vf, 2, 2, across);
	assert_int_equal(rig_import(r, buffer, false, &bo), -EACCES);
	assert_int_equal(rig_import(r, buffer, true, &bo), -EACCES);
	assert_true(rig_reported(r, "in the window of 0000:03:00.1 reach beyond its slice"));
	fake_task_close(r->fx->ft, buffer);
	assert_int_equal(rig_import(r, inside, false, &bo), 0);
	sgpu_bo_put(bo);
	/* Nor when all is gone. */
	put(r->fx, PF "sriov_admin/vf0/slice", "0");
	assert_int_equal(rig_import(r, inside, false, &bo), -ENODEV);
	buffer = rig_export_one(r, vf, 0, 4096);
	assert_int_equal(rig_import(r, buffer, false, &bo), -EACCES);
}

static void a_reset_is_over_at_the_next_use(void **state)
{
	struct rig *r = *state;
	int vf = rig_open(r, "0000:03:00.1"), buffer = rig_export_one(r, vf, 0, WINDOW);
	struct sgpu_bo *dynamic, *pinned;

	assert_int_equal(rig_import(r, buffer, false, &dynamic), 0);
	assert_int_equal(rig_import(r, buffer, true, &pinned), 0);
	assert_int_equal(rig_info(pinned).flags, DRM_SGPU_BO_IMPORTED | DRM_SGPU_BO_INTERCONNECT | DRM_SGPU_BO_PINNED);
	assert_int_equal(fake_task_ioctl(r->fx->ft, vf, VFIO_DEVICE_RESET, NULL), 0);
	assert_int_equal(dynamic->invalidations, 1);
	assert_int_equal(rig_info(dynamic).nr_entries, 0);
	assert_int_equal(rig_info(dynamic).flags & DRM_SGPU_BO_REVOKED, 0);
	assert_int_equal(rig_validate(dynamic), 0);
	assert_int_equal(rig_info(dynamic).nr_entries, 2);
	/* The other one has lost it. */
	assert_int_equal(rig_info(pinned).nr_entries, 0);
	assert_int_equal(rig_info(pinned).flags & DRM_SGPU_BO_REVOKED, DRM_SGPU_BO_REVOKED);
	assert_int_equal(rig_validate(pinned), -ENODEV);
	assert_true(rig_reported(r, "a pinned import of vfio_pci_core was revoked"));
	sgpu_bo_put(dynamic);
	sgpu_bo_put(pinned);
}

/* The physical function's own registers turn all windows off and on. */
static void decoding_comes_and_goes(void **state)
{
	struct rig *r = *state;
	int vf = rig_open(r, "0000:03:00.1"), buffer = rig_export_one(r, vf, 0, WINDOW);
	unsigned control = r->fn->cap_sriov + PCI_SRIOV_CTRL;
	struct sgpu_bo *bo, *none;

	assert_int_equal(rig_import(r, buffer, false, &bo), 0);
	pci_config_write(r->fn, control, PCI_SRIOV_CTRL_VFE, 2);
	assert_int_equal(rig_info(bo).flags & DRM_SGPU_BO_REVOKED, DRM_SGPU_BO_REVOKED);
	assert_int_equal(rig_validate(bo), -ENODEV);
	assert_int_equal(rig_import(r, buffer, false, &none), -ENODEV);
	pci_config_write(r->fn, control, PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE, 2);
	assert_int_equal(rig_validate(bo), 0);
	assert_int_equal(bo->nr_entries, 2);
	sgpu_bo_put(bo);
}

static void a_slice_that_goes_takes_it_for_good(void **state)
{
	struct rig *r = *state;
	int vf = rig_open(r, "0000:03:00.1"), buffer = rig_export_one(r, vf, 0, GRANULE);
	int neighbour = rig_export_one(r, rig_open(r, "0000:03:00.2"), 0, GRANULE);
	struct sgpu_bo *bo, *other;

	assert_int_equal(rig_import(r, buffer, false, &bo), 0);
	assert_int_equal(rig_import(r, neighbour, false, &other), 0);
	assert_int_equal(put(r->fx, PF "sriov_admin/vf0/slice", "0x20000"), 7);
	assert_int_equal(bo->buf->state, DMA_BUF_REVOKED_FOR_GOOD);
	assert_int_equal(rig_validate(bo), -ENODEV);
	assert_int_equal(rig_info(bo).flags & DRM_SGPU_BO_REVOKED, DRM_SGPU_BO_REVOKED);
	assert_int_equal(other->invalidations, 0);
	/* A reset of the physical function takes all. */
	assert_int_equal(put(r->fx, PF "reset", "1"), 1);
	assert_int_equal(rig_validate(other), -ENODEV);
	sgpu_bo_put(bo);
	sgpu_bo_put(other);
	buffer = rig_export_one(r, vf, 0, GRANULE);
	assert_int_equal(rig_import(r, buffer, false, &bo), 0);
	sgpu_bo_put(bo);
}

/* Functions go with sriov_numvfs, and with the driver; an import outlives them. */
static void the_last_close_takes_it_for_good(void **state)
{
	struct rig *r = *state;
	int vf = rig_open(r, "0000:03:00.1"), buffer = rig_export_one(r, vf, 0, GRANULE);
	struct sgpu_bo *bo;

	assert_int_equal(rig_import(r, buffer, false, &bo), 0);
	fake_task_close(r->fx->ft, vf);
	assert_int_equal(rig_validate(bo), -ENODEV);
	assert_int_equal(put(r->fx, PF "driver/unbind", "0000:03:00.0"), 12);
	assert_int_equal(rig_info(bo).flags & DRM_SGPU_BO_REVOKED, DRM_SGPU_BO_REVOKED);
	sgpu_bo_put(bo);
}

static int heap_buffer(struct rig *r, uint64_t len)
{
	struct dma_heap_allocation_data alloc = {.len = len, .fd_flags = O_RDWR | O_CLOEXEC};
	int heap = open_path(r->fx, "/dev/dma_heap/system", O_RDWR);

	assert_int_equal(fake_task_ioctl(r->fx->ft, heap, DMA_HEAP_IOCTL_ALLOC, &alloc), 0);
	fake_task_close(r->fx->ft, heap);
	return (int)alloc.fd;
}

static void others_memory_is_a_scatterlist(void **state)
{
	struct rig *r = *state;
	int card = rig_export_one(r, rig_open(r, "0000:05:00.0"), 0x10000, GRANULE);
	int registers = rig_export(r, rig_open(r, "0000:03:00.1"), 0, 1, &(struct vfio_region_dma_range){0, 4096});
	int fds[] = {heap_buffer(r, 3 * 4096), card, registers};

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		struct sgpu_bo *bo;

		assert_true(fds[i] >= 0);
		assert_int_equal(rig_import(r, fds[i], i == 0, &bo), 0);
		assert_string_equal(rig_info(bo).mapping_type, "scatterlist");
		assert_int_equal(bo->nr_entries, 1);
		assert_int_equal(bo->entries[0].len, bo->size);
		assert_false(bo->entries[0].local);
		sgpu_bo_put(bo);
	}
}

static void own_objects_are_known_again(void **state)
{
	struct rig *r = *state;
	struct sgpu_bo *bo;
	int heap = heap_buffer(r, 4096);

	assert_int_equal(sgpu_bo_create(r->gpu, 4096, true, &bo), 0);
	assert_ptr_equal(sgpu_bo_from_file(r->gpu, bo->buf->file), bo);
	assert_null(sgpu_bo_from_file(r->gpu, fake_task_file(r->fx->ft, heap)));
	assert_null(sgpu_bo_from_file(r->gpu, fake_task_file(r->fx->ft, r->iommufd)));
	sgpu_bo_put(bo);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, two_functions, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_window_becomes_local_memory),
		TEST(strictly_it_is_a_scatterlist),
		TEST(beyond_the_slice_nothing_is_imported),
		TEST(a_reset_is_over_at_the_next_use),
		TEST(decoding_comes_and_goes),
		TEST(a_slice_that_goes_takes_it_for_good),
		TEST(the_last_close_takes_it_for_good),
		TEST(others_memory_is_a_scatterlist),
		TEST(own_objects_are_known_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
