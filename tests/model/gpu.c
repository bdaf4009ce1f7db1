/* SPDX-License-Identifier: BSD-3-Clause */
/* The gpu's ring: every command, every error at its command, interrupts, resets in the middle. */
#include "gpu_rig.h"

#include <linux/pci_regs.h>
#include <time.h>
#include <unistd.h>

enum {
	BOTH = GPU_COMMAND_SOURCE_LOCAL | GPU_COMMAND_TARGET_LOCAL,
	HALTED = GPU_RING_HALTED,
};

static void identity(void **state)
{
	struct gpu_rig *r = *state;

	assert_int_equal(pci_config_read(r->gpu, PCI_VENDOR_ID, 4), GPU_DEVICE_ID << 16 | GPU_VENDOR_ID);
	assert_int_equal(reg(r, GPU_ID), GPU_ID_VALUE);
	assert_int_equal(reg(r, GPU_VERSION), 1);
	assert_int_equal(pci_mmio_read(r->gpu, 0, GPU_LOCAL_MEMORY_SIZE, 8), LOCAL_LEN);
	assert_int_equal(pci_mmio_read(r->gpu, 0, GPU_VF_BAR_SIZE, 8), VF_LEN);
	assert_int_equal(reg(r, GPU_TOTAL_VFS), 3);
	assert_int_equal(reg(r, GPU_SLICE_GRANULE), GRANULE);
	assert_int_equal(reg(r, GPU_RING_STATUS), GPU_RING_IDLE);
	set(r, GPU_ID, 0);
	assert_int_equal(reg(r, GPU_ID), GPU_ID_VALUE);
	/* Halves of a 64-bit register. */
	pci_mmio_write(r->gpu, 0, GPU_RING_BASE, 0x89abcd00, 4);
	pci_mmio_write(r->gpu, 0, GPU_RING_BASE + 4, 0x4567, 4);
	assert_int_equal(pci_mmio_read(r->gpu, 0, GPU_RING_BASE, 8), 0x456789abcd00);
}

static void copies(void **state)
{
	struct gpu_rig *r = *state;
	const uint64_t len = 200000;

	fill_random(ram_at(r, SOURCE), len, 1);
	command(r, 0,
		(struct gpu_command){.opcode = GPU_COMMAND_COPY,
				     .flags = GPU_COMMAND_TARGET_LOCAL,
				     .source = SOURCE,
				     .target = 0x1001,
				     .length = len});
	command(r, 1,
		(struct gpu_command){.opcode = GPU_COMMAND_COPY,
				     .flags = BOTH,
				     .source = 0x1001,
				     .target = 0x200000,
				     .length = len});
	command(r, 2,
		(struct gpu_command){.opcode = GPU_COMMAND_COPY,
				     .flags = GPU_COMMAND_SOURCE_LOCAL,
				     .source = 0x200000,
				     .target = CARD_IOVA,
				     .length = len});
	command(r, 3,
		(struct gpu_command){.opcode = GPU_COMMAND_COPY,
				     .flags = GPU_COMMAND_FENCE,
				     .source = CARD_IOVA,
				     .target = TARGET,
				     .length = len,
				     .sequence = 77});
	command(r, 4, (struct gpu_command){.opcode = GPU_COMMAND_NOP, .flags = GPU_COMMAND_IRQ});
	ring_start(r);
	set(r, GPU_RING_TAIL, 5);
	wait_for_status(r, GPU_RING_IDLE);
	assert_memory_equal(r->local + 0x1001, ram_at(r, SOURCE), len);
	assert_memory_equal(r->local + 0x200000, ram_at(r, SOURCE), len);
	assert_memory_equal(ram_at(r, TARGET), ram_at(r, SOURCE), len);
	assert_int_equal(fence(r), 77);
	assert_int_equal(reg(r, GPU_RING_HEAD), 5);
	assert_int_equal(r->nr_irqs[0], 1);
	assert_int_equal(reg(r, GPU_IRQ_STATUS), GPU_IRQ_FENCE);
	set(r, GPU_IRQ_STATUS, GPU_IRQ_FENCE);
	assert_int_equal(reg(r, GPU_IRQ_STATUS), 0);
}

static void fills(void **state)
{
	struct gpu_rig *r = *state;

	command(r, 0,
		(struct gpu_command){.opcode = GPU_COMMAND_FILL,
				     .flags = GPU_COMMAND_TARGET_LOCAL,
				     .source = 0x5a,
				     .target = 3,
				     .length = 100000});
	command(r, 1,
		(struct gpu_command){
			.opcode = GPU_COMMAND_FILL, .flags = 0, .source = 0x1a5, .target = TARGET + 1, .length = 9000});
	command(r, 2,
		(struct gpu_command){
			.opcode = GPU_COMMAND_FILL, .flags = 0, .source = 1, .target = TARGET, .length = 0});
	ring_start(r);
	set(r, GPU_RING_TAIL, 3);
	wait_for_status(r, GPU_RING_IDLE);
	for (unsigned i = 0; i < 100010; i++)
		assert_int_equal(r->local[i], i >= 3 && i < 100003 ? 0x5a : 0);
	for (unsigned i = 0; i < 9010; i++)
		assert_int_equal(((uint8_t *)ram_at(r, TARGET))[i], i >= 1 && i < 9001 ? 0xa5 : 0);
}

/* The ring turns around; what was queued while it was off runs when it is enabled. */
static void wraps(void **state)
{
	struct gpu_rig *r = *state;

	ring_start(r);
	for (unsigned i = 0; i < 3 * RING_ENTRIES; i++) {
		command(r, i % RING_ENTRIES, (struct gpu_command){.flags = GPU_COMMAND_FENCE, .sequence = i + 1});
		set(r, GPU_RING_TAIL, (i + 1) % RING_ENTRIES);
		wait_for_status(r, GPU_RING_IDLE);
		assert_int_equal(fence(r), i + 1);
	}
	set(r, GPU_RING_CONTROL, 0);
	command(r, 0, (struct gpu_command){.flags = GPU_COMMAND_FENCE, .sequence = 999});
	set(r, GPU_RING_TAIL, 1);
	usleep(500);
	assert_int_equal(reg(r, GPU_RING_HEAD), 0);
	/* While it is off, and only then, it can be moved. */
	set(r, GPU_RING_CONTROL, GPU_RING_ENABLE);
	set(r, GPU_RING_BASE, 0);
	assert_int_equal(pci_mmio_read(r->gpu, 0, GPU_RING_BASE, 8), RING);
	wait_for_status(r, GPU_RING_IDLE);
	assert_int_equal(fence(r), 999);
}

static void expect_halt(struct gpu_rig *r, unsigned i, unsigned error)
{
	unsigned before = r->nr_irqs[1];

	set(r, GPU_RING_TAIL, i + 1);
	wait_for_status(r, HALTED | error << 8);
	assert_int_equal(reg(r, GPU_RING_HEAD), i);
	for (unsigned tries = 0; r->nr_irqs[1] == before && tries < 1000; tries++)
		usleep(100);
	assert_int_equal(r->nr_irqs[1], before + 1);
	/* Halted is halted. */
	set(r, GPU_RING_TAIL, i + 2);
	usleep(200);
	assert_int_equal(reg(r, GPU_RING_STATUS), HALTED | error << 8);
	set(r, GPU_RING_CONTROL, GPU_RING_RESET);
	assert_int_equal(reg(r, GPU_RING_STATUS), GPU_RING_IDLE);
	assert_int_equal(reg(r, GPU_RING_HEAD) | reg(r, GPU_RING_TAIL) | reg(r, GPU_RING_CONTROL), 0);
	set(r, GPU_RING_CONTROL, GPU_RING_ENABLE);
}

static void errors(void **state)
{
	static const struct {
		struct gpu_command c;
		unsigned error;
	} cases[] = {
		{{.opcode = 4}, GPU_ERROR_OPCODE},
		{{.opcode = GPU_COMMAND_NOP, .flags = 0x10}, GPU_ERROR_OPCODE},
		{{.opcode = GPU_COMMAND_FILL,
		  .flags = GPU_COMMAND_SOURCE_LOCAL,
		  .source = 0,
		  .target = TARGET,
		  .length = 1},
		 GPU_ERROR_OPCODE},
		{{.opcode = GPU_COMMAND_NOP, .flags = GPU_COMMAND_TARGET_LOCAL}, GPU_ERROR_OPCODE},
		{{.opcode = GPU_COMMAND_COPY, .flags = 0, .source = UNMAPPED_IOVA, .target = TARGET, .length = 8},
		 GPU_ERROR_SOURCE},
		{{.opcode = GPU_COMMAND_COPY, .flags = 0, .source = SOURCE, .target = UNMAPPED_IOVA, .length = 8},
		 GPU_ERROR_TARGET},
		{{.opcode = GPU_COMMAND_COPY,
		  .flags = GPU_COMMAND_TARGET_LOCAL,
		  .source = UNMAPPED_IOVA,
		  .target = 0,
		  .length = 8},
		 GPU_ERROR_SOURCE},
		{{.opcode = GPU_COMMAND_COPY,
		  .flags = GPU_COMMAND_SOURCE_LOCAL,
		  .source = 0,
		  .target = UNMAPPED_IOVA,
		  .length = 8},
		 GPU_ERROR_TARGET},
		{{.opcode = GPU_COMMAND_COPY,
		  .flags = GPU_COMMAND_SOURCE_LOCAL,
		  .source = LOCAL_LEN - 7,
		  .target = TARGET,
		  .length = 8},
		 GPU_ERROR_SOURCE},
		{{.opcode = GPU_COMMAND_COPY, .flags = BOTH, .source = UINT64_MAX, .target = 0, .length = 2},
		 GPU_ERROR_SOURCE},
		{{.opcode = GPU_COMMAND_COPY, .flags = BOTH, .source = 0, .target = LOCAL_LEN, .length = 1},
		 GPU_ERROR_TARGET},
		{{.opcode = GPU_COMMAND_FILL,
		  .flags = GPU_COMMAND_TARGET_LOCAL,
		  .source = 0,
		  .target = 1,
		  .length = LOCAL_LEN},
		 GPU_ERROR_TARGET},
		{{.opcode = GPU_COMMAND_FILL,
		  .flags = 0,
		  .source = 0,
		  .target = RAM_IOVA + RAM_LEN - 4096,
		  .length = 8192},
		 GPU_ERROR_TARGET},
	};
	struct gpu_rig *r = *state;

	ring_start(r);
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		command(r, 0, (struct gpu_command){.opcode = GPU_COMMAND_NOP});
		command(r, 1, cases[i].c);
		expect_halt(r, 1, cases[i].error);
	}
	command(r, 0, (struct gpu_command){.flags = GPU_COMMAND_FENCE});
	set(r, GPU_FENCE_ADDRESS, FENCE + 4);
	expect_halt(r, 0, GPU_ERROR_FENCE);
	set(r, GPU_FENCE_ADDRESS, UNMAPPED_IOVA);
	expect_halt(r, 0, GPU_ERROR_FENCE);
	iommu_unmap(r->domain, CARD_IOVA, CARD_LEN);
	set(r, GPU_RING_CONTROL, 0);
	set(r, GPU_RING_BASE, UNMAPPED_IOVA);
	set(r, GPU_RING_CONTROL, GPU_RING_ENABLE);
	expect_halt(r, 0, GPU_ERROR_RING);
}

static void bad_rings(void **state)
{
	static const struct {
		uint64_t base;
		uint32_t entries, tail;
	} cases[] = {{RING + 32, 16, 0}, {RING, 0, 0}, {RING, 1, 0}, {RING, 24, 0}, {RING, 131072, 0}, {RING, 16, 16}};
	struct gpu_rig *r = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		set(r, GPU_RING_BASE, cases[i].base);
		set(r, GPU_RING_ENTRIES, cases[i].entries);
		set(r, GPU_RING_CONTROL, GPU_RING_ENABLE);
		set(r, GPU_RING_TAIL, cases[i].tail);
		assert_int_equal(reg(r, GPU_RING_STATUS), HALTED | GPU_ERROR_RING << 8);
		set(r, GPU_RING_CONTROL, GPU_RING_RESET);
	}
}

static void hang_until_reset(void **state)
{
	struct gpu_rig *r = *state;

	command(r, 0, (struct gpu_command){.opcode = GPU_COMMAND_HANG, .flags = GPU_COMMAND_FENCE, .sequence = 5});
	command(r, 1, (struct gpu_command){.flags = GPU_COMMAND_FENCE, .sequence = 6});
	ring_start(r);
	set(r, GPU_RING_TAIL, 2);
	usleep(2000);
	assert_int_equal(reg(r, GPU_RING_STATUS), 0);
	assert_int_equal(reg(r, GPU_RING_HEAD), 0);
	assert_int_equal(fence(r), 0);
	set(r, GPU_RING_CONTROL, GPU_RING_RESET | GPU_RING_ENABLE);
	assert_int_equal(reg(r, GPU_RING_CONTROL), GPU_RING_ENABLE);
	command(r, 0, (struct gpu_command){.flags = GPU_COMMAND_FENCE, .sequence = 7});
	set(r, GPU_RING_TAIL, 1);
	wait_for_status(r, GPU_RING_IDLE);
	assert_int_equal(fence(r), 7);
}

/* After the reset nothing of the old commands moves. */
static void reset_in_the_middle(void **state)
{
	struct gpu_rig *r = *state;

	for (unsigned round = 0; round < 60; round++) {
		char *target = ram_at(r, TARGET);

		memset(target, 0, 512 << 10);
		ring_start(r);
		for (unsigned i = 0; i < 8; i++)
			command(r, i,
				(struct gpu_command){.opcode = GPU_COMMAND_FILL,
						     .flags = 0,
						     .source = 0xff,
						     .target = TARGET + i * 65536,
						     .length = 65536});
		set(r, GPU_RING_TAIL, 8);
		usleep(round);
		if (round % 2) {
			assert_int_equal(pci_reset_function(r->gpu), 0);
			pci_config_write(r->gpu, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
		} else {
			set(r, GPU_RING_CONTROL, GPU_RING_RESET);
		}
		memset(target, 0, 512 << 10);
		assert_int_equal(reg(r, GPU_RING_STATUS), GPU_RING_IDLE);
		usleep(50);
		for (unsigned i = 0; i < 512 << 10; i += 512)
			assert_int_equal(target[i], 0);
	}
}

static void idle_takes_no_cpu(void **state)
{
	struct gpu_rig *r = *state;
	struct timespec before, after;

	command(r, 0, (struct gpu_command){.opcode = GPU_COMMAND_HANG});
	ring_start(r);
	set(r, GPU_RING_TAIL, 1);
	usleep(2000);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	usleep(50000);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	assert_true((after.tv_sec - before.tv_sec) * 1000000000ll + after.tv_nsec - before.tv_nsec < 10000000);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, gpu_rig_setup, gpu_rig_teardown)
	const struct CMUnitTest tests[] = {
		TEST(identity),
		TEST(copies),
		TEST(fills),
		TEST(wraps),
		TEST(errors),
		TEST(bad_rings),
		TEST(hang_until_reset),
		TEST(reset_in_the_middle),
		TEST(idle_takes_no_cpu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
