/* SPDX-License-Identifier: BSD-3-Clause */
/* What a driver of the I/OAT engine relies on: registers, chains, completions, interrupts, suspend and reset. */
#include "rig.h"

#include <linux/pci_regs.h>
#include <time.h>
#include <unistd.h>

static void test_power_on(void **state)
{
	struct rig *r = *state;

	assert_int_equal(pci_config_read(r->engine, PCI_VENDOR_ID, 4), 0x20218086);
	assert_int_equal(load(r, IOAT_CHANCNT, 1), 1);
	assert_int_equal(load(r, IOAT_XFERCAP, 1), 20);
	assert_int_equal(load(r, IOAT_CBVER, 1), 0x33);
	assert_int_equal(chansts(r), IOAT_HALTED);
	assert_int_equal(chanerr(r), 0);
	store8(r, IOAT_CBVER, 0x99);
	assert_int_equal(load(r, IOAT_CBVER, 1), 0x33);
}

static void test_copy(void **state)
{
	struct rig *r = *state;

	fill(r, SOURCE, 1 << 20, 1);
	descriptor(r, 0, IOAT_CTL_COMPL_WRITE, TARGET + 3, SOURCE + 5, 70001);
	start(r, RING, 1);
	wait_for_status(r, IOAT_DONE);
	assert_int_equal(chansts(r), RING | IOAT_DONE);
	assert_int_equal(completion(r), RING | IOAT_DONE);
	assert_memory_equal(at(r, TARGET + 3), at(r, SOURCE + 5), 70001);
	assert_int_equal(*(char *)at(r, TARGET + 2), 0);
	assert_int_equal(*(char *)at(r, TARGET + 3 + 70001), 0);
	assert_int_equal(r->nr_irqs, 0);
}

static void test_copy_to_card_and_back(void **state)
{
	struct rig *r = *state;

	fill(r, SOURCE, 1 << 20, 2);
	descriptor(r, 0, 0, CARD_IOVA, SOURCE, 1 << 20);
	descriptor(r, 1, 0, TARGET, CARD_IOVA, 1 << 20);
	start(r, RING, 2);
	wait_for_status(r, IOAT_DONE);
	assert_memory_equal(r->card->bars[2].regions[0].host, at(r, SOURCE), 1 << 20);
	assert_memory_equal(at(r, TARGET), at(r, SOURCE), 1 << 20);
}

/* DMACOUNT is absolute: more work is one store, and starts the idle channel where it stopped. */
static void test_append(void **state)
{
	struct rig *r = *state;

	for (unsigned i = 0; i < 8; i++) {
		*(uint64_t *)at(r, SOURCE + i * 8) = i + 1;
		descriptor(r, i, 0, TARGET + i * 8, SOURCE + i * 8, 8);
	}
	start(r, RING, 3);
	wait_for_status(r, IOAT_DONE);
	assert_int_equal(chansts(r), descriptor_at(2) | IOAT_DONE);
	assert_int_equal(((uint64_t *)at(r, TARGET))[3], 0);
	store16(r, IOAT_DMACOUNT, 3);
	assert_int_equal(status(r), IOAT_DONE);
	store16(r, IOAT_DMACOUNT, 8);
	wait_for_status(r, IOAT_DONE);
	assert_int_equal(chansts(r), descriptor_at(7) | IOAT_DONE);
	assert_memory_equal(at(r, TARGET), at(r, SOURCE), 64);
}

/* A store to CHAINADDR, also of the same value, makes the hardware count from zero. */
static void test_same_descriptor_again(void **state)
{
	struct rig *r = *state;
	uint64_t *source = at(r, SOURCE), *target = at(r, TARGET);

	descriptor(r, 0, 0, TARGET, SOURCE, 8)->next = RING;
	for (unsigned i = 1; i < 200; i++) {
		*source = i;
		start(r, RING, 1);
		wait_for_status(r, IOAT_DONE);
		assert_int_equal(*target, i);
		store8(r, IOAT_CHANCMD, IOAT_CHANCMD_SUSPEND);
		assert_int_equal(status(r), IOAT_SUSPENDED);
	}
}

static void test_null_moves_nothing(void **state)
{
	struct rig *r = *state;

	descriptor(r, 0, IOAT_CTL_NULL | IOAT_CTL_COMPL_WRITE, UNMAPPED_IOVA, UNMAPPED_IOVA, 1);
	start(r, RING, 1);
	wait_for_status(r, IOAT_DONE);
	assert_int_equal(completion(r), RING | IOAT_DONE);
}

static void test_count_of_65535(void **state)
{
	struct rig *r = *state;

	descriptor(r, 0, IOAT_CTL_NULL, 0, 0, 1)->next = RING;
	start(r, RING, 65535);
	wait_for_status(r, IOAT_DONE);
	assert_int_equal(load(r, IOAT_DMACOUNT, 2), 65535);
}

static void run_one(struct rig *r, uint32_t ctl)
{
	descriptor(r, 0, ctl | IOAT_CTL_NULL, 0, 0, 1);
	store64(r, IOAT_CHAINADDR, RING);
	store16(r, IOAT_DMACOUNT, 1);
	wait_for_status(r, IOAT_DONE);
}

/* One interrupt each time that it is armed. */
static void test_interrupt_msix(void **state)
{
	struct rig *r = *state;

	start(r, RING, 0);
	run_one(r, IOAT_CTL_INT_EN);
	while (r->nr_irqs != 1)
		sched_yield();
	assert_int_equal(load(r, IOAT_CHANCTRL, 2) & IOAT_CHANCTRL_INT_DISABLE, 1);
	run_one(r, IOAT_CTL_INT_EN);
	usleep(1000);
	assert_int_equal(r->nr_irqs, 1);
	/* The byte beside it does not rearm. */
	store8(r, IOAT_CHANCTRL + 1, 0);
	assert_int_equal(load(r, IOAT_CHANCTRL, 2) & IOAT_CHANCTRL_INT_DISABLE, 1);
	store16(r, IOAT_CHANCTRL, IOAT_CHANCTRL_INT_DISABLE);
	assert_int_equal(load(r, IOAT_CHANCTRL, 2) & IOAT_CHANCTRL_INT_DISABLE, 0);
	run_one(r, IOAT_CTL_INT_EN);
	while (r->nr_irqs != 2)
		sched_yield();
}

static void test_interrupt_intx(void **state)
{
	struct rig *r = *state;

	pci_irq_disable(r->engine);
	start(r, RING, 0);
	store8(r, IOAT_INTRCTRL, IOAT_INTRCTRL_MASTER_EN);
	run_one(r, IOAT_CTL_INT_EN);
	while (!pci_intx_pending(r->engine))
		sched_yield();
	assert_int_equal(load(r, IOAT_ATTNSTATUS, 4), 1);
	assert_int_equal(load(r, IOAT_INTRCTRL, 1), 7);
	store8(r, IOAT_INTRCTRL, load(r, IOAT_INTRCTRL, 1));
	assert_false(pci_intx_pending(r->engine));
	assert_int_equal(load(r, IOAT_ATTNSTATUS, 4), 0);
	/* While the master enable is off an interrupt waits. */
	store8(r, IOAT_INTRCTRL, 0);
	store16(r, IOAT_CHANCTRL, IOAT_CHANCTRL_INT_DISABLE);
	run_one(r, IOAT_CTL_INT_EN);
	while (!load(r, IOAT_ATTNSTATUS, 4))
		sched_yield();
	assert_false(pci_intx_pending(r->engine));
	store8(r, IOAT_INTRCTRL, IOAT_INTRCTRL_MASTER_EN);
	assert_true(pci_intx_pending(r->engine));
}

/*
 * Long enough to be met in the middle, also by a thread that has lost its processor for a while: the same megabyte
 * again and again, for seconds.
 */
enum { LONG = 60000 };

static void start_long(struct rig *r, uint16_t count)
{
	descriptor(r, 0, 0, TARGET, SOURCE, 1 << 20)->next = RING;
	start(r, RING, count);
	assert_int_equal(status(r), IOAT_ACTIVE);
}

static void test_suspend_and_resume(void **state)
{
	struct rig *r = *state;

	start_long(r, LONG);
	store8(r, IOAT_CHANCMD, IOAT_CHANCMD_SUSPEND);
	wait_for_status(r, IOAT_SUSPENDED);
	assert_int_equal(load(r, IOAT_CHANCMD, 1), 0);
	/* It does not go on by itself, nor by a doorbell. */
	memset(at(r, TARGET), 0x55, 8);
	store16(r, IOAT_DMACOUNT, LONG + 1);
	usleep(2000);
	assert_int_equal(status(r), IOAT_SUSPENDED);
	assert_int_equal(*(unsigned char *)at(r, TARGET), 0x55);
	store8(r, IOAT_CHANCMD, IOAT_CHANCMD_RESUME);
	assert_int_equal(status(r), IOAT_ACTIVE);
	store8(r, IOAT_CHANCMD, IOAT_CHANCMD_SUSPEND);
	wait_for_status(r, IOAT_SUSPENDED);
	/* A new chain starts it too. */
	descriptor(r, 0, 0, TARGET, SOURCE, 8);
	start(r, RING, 1);
	wait_for_status(r, IOAT_DONE);
	assert_int_equal(chansts(r), RING | IOAT_DONE);
}

static void expect_quiet(struct rig *r)
{
	memset(at(r, TARGET), 0x55, 1 << 20);
	usleep(2000);
	for (unsigned i = 0; i < 1 << 20; i++)
		assert_int_equal(((unsigned char *)at(r, TARGET))[i], 0x55);
}

/* When the store returns nothing moves, and the channel takes new work at once. */
static void test_reset_in_the_middle(void **state)
{
	struct rig *r = *state;

	for (unsigned i = 0; i < 20; i++) {
		start_long(r, LONG);
		usleep(i * 50);
		store8(r, IOAT_CHANCMD, IOAT_CHANCMD_RESET);
		assert_int_equal(chansts(r), IOAT_HALTED);
		assert_int_equal(load(r, IOAT_CHANCMD, 1), 0);
		if (i % 5 == 0)
			expect_quiet(r);
		*(uint64_t *)at(r, SOURCE) = i + 1;
		descriptor(r, 1, 0, TARGET, SOURCE, 8);
		start(r, descriptor_at(1), 1);
		wait_for_status(r, IOAT_DONE);
		assert_int_equal(*(uint64_t *)at(r, TARGET), i + 1);
	}
}

static void test_function_reset_in_the_middle(void **state)
{
	struct rig *r = *state;

	start_long(r, LONG);
	usleep(300);
	assert_int_equal(pci_reset_function(r->engine), 0);
	assert_int_equal(chansts(r), IOAT_HALTED);
	assert_int_equal(load(r, IOAT_CHAINADDR, 8), 0);
	assert_int_equal(load(r, IOAT_CHANCMP, 8), 0);
	expect_quiet(r);
}

/* Destroyed while it runs: nothing to check but that it ends, and leaves nothing (sanitizers). */
static void test_destroy_while_running(void **state)
{
	struct rig *r = rig_create(NULL, 0);

	(void)state;
	start_long(r, LONG);
	rig_destroy(r);
}

static void test_settings(void **state)
{
	const struct device_setting settings[] = {{"xfercap", "12"}};
	struct rig *r = rig_create(settings, 1);

	(void)state;
	assert_int_equal(load(r, IOAT_XFERCAP, 1), 12);
	descriptor(r, 0, 0, TARGET, SOURCE, 4097);
	start(r, RING, 1);
	wait_for_status(r, IOAT_HALTED);
	assert_int_equal(chanerr(r), IOAT_ERR_LENGTH);
	rig_destroy(r);
}

static void test_idle_uses_no_cpu(void **state)
{
	struct timespec before, after;
	struct rig *r = *state;

	run_one(r, 0);
	usleep(10000);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	usleep(100000);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	assert_true((after.tv_sec - before.tv_sec) * 1000000000ll + after.tv_nsec - before.tv_nsec < 1000000);
}

#define RIG_TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(test_power_on),
		RIG_TEST(test_copy),
		RIG_TEST(test_copy_to_card_and_back),
		RIG_TEST(test_append),
		RIG_TEST(test_same_descriptor_again),
		RIG_TEST(test_null_moves_nothing),
		RIG_TEST(test_count_of_65535),
		RIG_TEST(test_interrupt_msix),
		RIG_TEST(test_interrupt_intx),
		RIG_TEST(test_suspend_and_resume),
		RIG_TEST(test_reset_in_the_middle),
		RIG_TEST(test_function_reset_in_the_middle),
		cmocka_unit_test(test_destroy_while_running),
		cmocka_unit_test(test_settings),
		RIG_TEST(test_idle_uses_no_cpu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
