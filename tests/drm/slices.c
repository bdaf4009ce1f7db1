/* SPDX-License-Identifier: BSD-3-Clause */
/* Slices of local memory: who gets which, and what becomes of them. */
#include "rig.h"

#include <stdio.h>

#define SLICE(n) PF "sriov_admin/vf" #n "/slice"

static void each_has_two_pieces(void **state)
{
	struct rig *r = *state;
	struct sgpu_entry e[4];
	struct pci_function *vf0 = pci_sriov_vf(r->fn, 0), *vf1 = pci_sriov_vf(r->fn, 1);

	assert_string_equal(text(r->fx, SLICE(0)), "0\n");
	assert_int_equal(put(r->fx, PF "sriov_numvfs", "2"), 1);
	assert_string_equal(text(r->fx, SLICE(0)), "1048576\n");
	assert_string_equal(text(r->fx, SLICE(1)), "1048576\n");
	assert_string_equal(text(r->fx, SLICE(2)), "0\n");
	assert_int_equal(sgpu_local_nr_free(r->gpu), LOCAL / 2);
	assert_int_equal(sgpu_slice_translate(r->gpu, vf0, 0, WINDOW, e, 4), 2);
	assert_int_equal(e[0].addr, 0);
	assert_int_equal(e[0].len, WINDOW / 2);
	assert_int_equal(e[1].addr, WINDOW);
	assert_int_equal(e[1].len, WINDOW / 2);
	assert_true(e[0].local && e[1].local);
	assert_int_equal(sgpu_slice_translate(r->gpu, vf1, 0, 1, e, 4), 1);
	assert_int_equal(e[0].addr, WINDOW / 2);
	/* The hardware has it so, too. */
	r->local[WINDOW + 3] = 7;
	assert_int_equal(pci_mmio_read(vf0, 2, WINDOW / 2 + 3, 1), 7);
	assert_int_equal(put(r->fx, PF "sriov_numvfs", "0"), 1);
	assert_string_equal(text(r->fx, SLICE(1)), "0\n");
	assert_int_equal(sgpu_local_nr_free(r->gpu), LOCAL);
}

static void the_seam_is_found_from_anywhere(void **state)
{
	struct rig *r = *state;
	struct pci_function *vf = pci_sriov_vf(r->fn, 0);
	struct sgpu_entry e[4];

	put(r->fx, PF "sriov_numvfs", "2");
	assert_int_equal(sgpu_slice_translate(r->gpu, vf, WINDOW / 2 - 4096, 8192, e, 4), 2);
	assert_int_equal(e[0].addr, WINDOW / 2 - 4096);
	assert_int_equal(e[0].len, 4096);
	assert_int_equal(e[1].addr, WINDOW);
	assert_int_equal(e[1].len, 4096);
	assert_int_equal(sgpu_slice_translate(r->gpu, vf, WINDOW / 2, 4096, e, 4), 1);
	assert_int_equal(e[0].addr, WINDOW);
	assert_int_equal(sgpu_slice_translate(r->gpu, vf, WINDOW - 4096, 4096, e, 4), 1);
	assert_int_equal(e[0].addr, WINDOW + WINDOW / 2 - 4096);
	assert_int_equal(sgpu_slice_translate(r->gpu, vf, WINDOW - 4096, 8192, e, 4), -EACCES);
	assert_int_equal(sgpu_slice_translate(r->gpu, vf, WINDOW, 4096, e, 4), -EACCES);
	assert_int_equal(sgpu_slice_translate(r->gpu, vf, UINT64_MAX - 4095, 4096, e, 4), -EACCES);
	assert_int_equal(sgpu_slice_translate(r->gpu, vf, 0, WINDOW, e, 1), -EACCES);
	assert_true(rig_reported(r, "in the window of 0000:03:00.1 reach beyond its slice"));
}

static void sizes_are_refused_before_anything_goes(void **state)
{
	struct rig *r = *state;
	struct pci_fragment most;
	unsigned nr;

	put(r->fx, PF "sriov_numvfs", "1");
	assert_int_equal(put(r->fx, SLICE(0), "all"), -EINVAL);
	assert_int_equal(put(r->fx, SLICE(0), "-65536"), -EINVAL);
	assert_int_equal(put(r->fx, SLICE(0), "65536x"), -EINVAL);
	assert_int_equal(put(r->fx, SLICE(0), "99999999999999999999"), -EINVAL);
	assert_int_equal(put(r->fx, SLICE(0), "4096"), -EINVAL);
	assert_int_equal(put(r->fx, SLICE(0), "0x110000"), -EINVAL);
	assert_string_equal(text(r->fx, SLICE(0)), "1048576\n");
	assert_int_equal(put(r->fx, SLICE(0), "0x20000"), 7);
	assert_int_equal(sgpu_local_alloc(r->gpu, LOCAL - WINDOW, &most, 1, &nr), 0);
	assert_int_equal(put(r->fx, SLICE(1), "0x100000"), -ENOSPC);
	assert_int_equal(put(r->fx, SLICE(0), "0x100000"), 8);
	assert_int_equal(put(r->fx, SLICE(0), "0\n"), 2);
	sgpu_local_free(r->gpu, &most, 1);
	assert_int_equal(sgpu_local_nr_free(r->gpu), LOCAL);
	assert_int_equal(put(r->fx, PF "sriov_admin/vf3/slice", "0"), -ENOENT);
}

/* An administrator's sizes are kept, and nobody reads what another has left. */
static void what_was_set_before_is_kept(void **state)
{
	struct rig *r = *state;

	memset(r->local, 0x5a, LOCAL);
	assert_int_equal(put(r->fx, SLICE(1), "65536"), 5);
	assert_int_equal(put(r->fx, PF "sriov_numvfs", "3"), 1);
	assert_string_equal(text(r->fx, SLICE(0)), "655360\n");
	assert_string_equal(text(r->fx, SLICE(1)), "65536\n");
	assert_int_equal(pci_mmio_read(pci_sriov_vf(r->fn, 1), 2, 0, 8), 0);
	assert_int_equal(pci_mmio_read(pci_sriov_vf(r->fn, 1), 2, GRANULE, 8), UINT64_MAX);
	assert_int_equal(pci_mmio_read(pci_sriov_vf(r->fn, 0), 2, 0, 8), 0);
	put(r->fx, PF "sriov_numvfs", "0");
	assert_string_equal(text(r->fx, SLICE(1)), "0\n");
	assert_int_equal(sgpu_local_nr_free(r->gpu), LOCAL);
}

static void without_memory_there_are_no_functions(void **state)
{
	struct rig *r = *state;
	struct pci_fragment most;
	unsigned nr;

	assert_int_equal(sgpu_local_alloc(r->gpu, LOCAL - 3 * GRANULE, &most, 1, &nr), 0);
	assert_int_equal(put(r->fx, PF "sriov_numvfs", "2"), -ENOSPC);
	assert_int_equal(sgpu_local_nr_free(r->gpu), 3 * GRANULE);
	assert_string_equal(text(r->fx, PF "sriov_numvfs"), "0\n");
	assert_string_equal(text(r->fx, SLICE(0)), "0\n");
	sgpu_local_free(r->gpu, &most, 1);
	assert_int_equal(put(r->fx, PF "sriov_numvfs", "2"), 1);
}

/* The hardware forgets slices, the driver does not; the memory is what it was. */
static void a_reset_gives_them_back(void **state)
{
	struct rig *r = *state;
	struct pci_function *vf = pci_sriov_vf(r->fn, 0);

	put(r->fx, PF "sriov_numvfs", "2");
	pci_mmio_write(vf, 2, WINDOW / 2, 0x1234, 4);
	assert_int_equal(put(r->fx, PF "reset", "1"), 1);
	assert_string_equal(text(r->fx, PF "sriov_numvfs"), "2\n");
	assert_int_equal(pci_mmio_read(vf, 2, WINDOW / 2, 4), 0x1234);
	assert_int_equal(put(r->fx, VF(1) "reset", "1"), 1);
	assert_int_equal(pci_mmio_read(vf, 2, WINDOW / 2, 4), 0x1234);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_has_two_pieces),
		TEST(the_seam_is_found_from_anywhere),
		TEST(sizes_are_refused_before_anything_goes),
		TEST(what_was_set_before_is_kept),
		TEST(without_memory_there_are_no_functions),
		TEST(a_reset_gives_them_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
