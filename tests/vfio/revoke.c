/* SPDX-License-Identifier: BSD-3-Clause */
/* Every way in which memory is taken away: what is gone when it returns, and what comes back. */
#include "fixture.h"

#include "memory/section.h"

static void take_mse(struct fixture *x)
{
	set_command(x, 0);
}

static void give_mse(struct fixture *x)
{
	set_command(x, PCI_COMMAND_MEMORY);
}

static void take_power(struct fixture *x)
{
	set_power(x, 3);
}

static void give_power(struct fixture *x)
{
	set_power(x, 0);
}

/* Both sides of a state that lasts: decoding off, D3hot. */
static void lasting(struct fixture *x, void (*take)(struct fixture *x), void (*give)(struct fixture *x))
{
	int64_t addr = map_bar(x, 2, 0, 4096), late;
	struct cpu_mapping *m = mapping_at(x, addr)->mapping;
	int fd = export_one(x, 0, 8192);
	struct dma_buf *b = dma_buf_from_file(fake_task_file(x->ft, fd));
	uint32_t ioas = ioas_alloc(x), word = 0;

	assert_int_equal(map_file(x, ioas, fd, 0, 8192, 0x100000), 0);
	take(x);
	assert_true(m->zapped);
	assert_int_equal(b->state, DMA_BUF_REVOKED);
	assert_int_equal(map_file(x, ioas, fd, 0, 4096, 0x200000), -ENODEV);
	assert_int_equal(fake_task_pread(x->ft, x->device, &word, 4, REGION(2)), -EIO);
	assert_int_equal(fake_task_pwrite(x->ft, x->device, &word, 4, REGION(2)), -EIO);
	/* A region may be mapped and exported meanwhile. */
	late = map_bar(x, 2, 4096, 4096);
	assert_true(late > 0);
	assert_true(mapping_at(x, late)->mapping->zapped);
	assert_true(export_one(x, 0, 4096) >= 0);
	give(x);
	assert_false(m->zapped);
	assert_false(mapping_at(x, late)->mapping->zapped);
	assert_int_equal(b->state, DMA_BUF_USABLE);
	assert_int_equal(unmap(x, ioas, 0x100000, 8192), 0);
	assert_int_equal(map_file(x, ioas, fd, 0, 8192, 0x100000), 0);
}

static void decoding(void **state)
{
	lasting(*state, take_mse, give_mse);
}

static void power(void **state)
{
	lasting(*state, take_power, give_power);
}

static void decoding_and_power_together(void **state)
{
	struct fixture *x = *state;
	int64_t addr = map_bar(x, 2, 0, 4096);
	struct cpu_mapping *m = mapping_at(x, addr)->mapping;

	set_power(x, 3);
	set_command(x, 0);
	set_power(x, 0);
	assert_true(m->zapped);
	set_command(x, PCI_COMMAND_MEMORY);
	assert_false(m->zapped);
}

static void a_reset_revokes_and_gives_back(struct fixture *x, void (*reset)(struct fixture *x))
{
	int64_t addr = map_bar(x, 2, 0, 4096);
	struct fake_mapping *m = mapping_at(x, addr);
	unsigned restores = m->restores;
	int fd = export_one(x, 0, 4096);
	uint32_t ioas = ioas_alloc(x);
	uint64_t drains;

	assert_int_equal(map_file(x, ioas, fd, 0, 4096, 0x100000), 0);
	drains = section_drains(phys_sections(x->tree->space));
	reset(x);
	/* One drain, whatever the number of mappings. */
	assert_int_equal(section_drains(phys_sections(x->tree->space)), drains + 1);
	m = mapping_at(x, addr);
	assert_int_equal(m->zaps, 1);
	assert_int_equal(m->restores, restores + 1);
	assert_false(m->mapping->zapped);
	/* What was mapped for DMA stays away until it is mapped anew. */
	assert_int_equal(map_file(x, ioas, fd, 0, 4096, 0x100000), -EEXIST);
	assert_int_equal(unmap(x, ioas, 0x100000, 4096), 0);
	assert_int_equal(map_file(x, ioas, fd, 0, 4096, 0x100000), 0);
}

static void ioctl_reset(struct fixture *x)
{
	assert_int_equal(device_ioctl(x, VFIO_DEVICE_RESET, NULL), 0);
}

static void config_reset(struct fixture *x)
{
	config_write(x, x->fn->cap_exp + PCI_EXP_DEVCTL, PCI_EXP_DEVCTL_BCR_FLR, 2);
}

static void hot_reset(struct fixture *x)
{
	struct vfio_pci_hot_reset reset = {.argsz = sizeof(reset)};

	assert_int_equal(device_ioctl(x, VFIO_DEVICE_PCI_HOT_RESET, &reset), 0);
}

static void reset_of_the_bus(void **state)
{
	a_reset_revokes_and_gives_back(*state, hot_reset);
}

static void reset_by_ioctl(void **state)
{
	a_reset_revokes_and_gives_back(*state, ioctl_reset);
}

static void reset_by_config_space(void **state)
{
	a_reset_revokes_and_gives_back(*state, config_reset);
}

static void a_reset_does_not_undo_decoding_off(void **state)
{
	struct fixture *x = *state;
	int64_t addr = map_bar(x, 2, 0, 4096);

	set_command(x, 0);
	ioctl_reset(x);
	assert_true(mapping_at(x, addr)->mapping->zapped);
	set_command(x, PCI_COMMAND_MEMORY);
	assert_false(mapping_at(x, addr)->mapping->zapped);
}

static void closing_takes_what_is_mapped_for_dma(void **state)
{
	struct fixture *x = *state;
	int fd = export_one(x, 0, 4096);
	uint32_t ioas = ioas_alloc(x);

	assert_int_equal(map_file(x, ioas, fd, 0, 4096, 0x100000), 0);
	fake_task_close(x->ft, x->device);
	assert_int_equal(dma_buf_from_file(fake_task_file(x->ft, fd))->state, DMA_BUF_REVOKED_FOR_GOOD);
	assert_int_equal(map_file(x, ioas, fd, 0, 4096, 0x200000), -ENODEV);
	assert_int_equal(unmap(x, ioas, 0x100000, 4096), 0);
}

static void other_buffers_are_undisturbed(void **state)
{
	struct fixture *x = *state;
	int other = fixture_open(x, "/dev/vfio/devices/vfio1"), mine = x->device;
	int64_t addr;
	struct fake_mapping *m;

	assert_int_equal(fixture_bind(x, other), 0);
	x->device = other;
	addr = map_bar(x, 2, 0, 4096);
	x->device = mine;
	m = mapping_at(x, addr);
	ioctl_reset(x);
	set_command(x, 0);
	assert_int_equal(m->zaps, 0);
}

static int no_reset_setup(void **state)
{
	const struct tree_options options = {.no_flr = true};

	*state = fixture_create(&options, true);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(decoding, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(power, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(decoding_and_power_together, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(reset_by_ioctl, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(reset_by_config_space, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(reset_of_the_bus, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(reset_by_ioctl, no_reset_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(a_reset_does_not_undo_decoding_off, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(closing_takes_what_is_mapped_for_dma, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(other_buffers_are_undisturbed, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
