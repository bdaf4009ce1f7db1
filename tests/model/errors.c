/* SPDX-License-Identifier: BSD-3-Clause */
/* Every way in which a descriptor can fail: the bit in CHANERR, and the exact descriptor. */
#include "rig.h"

#include <linux/pci_regs.h>
#include <unistd.h>

/* Descriptor 0 is good; 1 is what a test makes of it; 2 must not run. */
static struct ioat_descriptor *prepare(struct rig *r)
{
	struct ioat_descriptor *d;

	*(uint64_t *)at(r, SOURCE) = 0x1234;
	memset(at(r, TARGET), 0, 24);
	descriptor(r, 0, IOAT_CTL_COMPL_WRITE, TARGET, SOURCE, 8);
	d = descriptor(r, 1, IOAT_CTL_COMPL_WRITE, TARGET + 8, SOURCE, 8);
	descriptor(r, 2, IOAT_CTL_COMPL_WRITE, TARGET + 16, SOURCE, 8);
	return d;
}

static void expect_halt(struct rig *r, uint32_t error)
{
	wait_for_status(r, IOAT_HALTED);
	assert_int_equal(chanerr(r), error);
	assert_int_equal(pci_config_read(r->engine, IOAT_CFG_CHANERR_INT, 4), error);
	assert_int_equal(chansts(r), descriptor_at(0) | IOAT_HALTED);
	assert_int_equal(completion(r), descriptor_at(0) | IOAT_ACTIVE);
	assert_int_equal(((uint64_t *)at(r, TARGET))[0], 0x1234);
	assert_int_equal(((uint64_t *)at(r, TARGET))[2], 0);
	assert_int_equal(r->nr_irqs, 0);
	/* Halted is halted: a doorbell does nothing, a new chain nothing until the error is cleared. */
	store16(r, IOAT_DMACOUNT, 4);
	start(r, descriptor_at(0), 1);
	usleep(500);
	assert_int_equal(status(r), IOAT_HALTED);
	recover(r);
	assert_int_equal(chanerr(r), 0);
	assert_int_equal(pci_config_read(r->engine, IOAT_CFG_CHANERR_INT, 4), 0);
	start(r, descriptor_at(0), 1);
	wait_for_status(r, IOAT_DONE);
}

static void test_source(void **state)
{
	struct rig *r = *state;

	prepare(r)->src = UNMAPPED_IOVA;
	start(r, RING, 3);
	expect_halt(r, IOAT_ERR_SOURCE_ADDR);
}

static void test_source_ends_in_the_middle(void **state)
{
	struct rig *r = *state;
	struct ioat_descriptor *d = prepare(r);

	d->src = RAM_IOVA + RAM_LEN - 4096;
	d->dst = TARGET + 4096;
	d->size = 8192;
	fill(r, d->src, 4096, 9);
	start(r, RING, 3);
	expect_halt(r, IOAT_ERR_SOURCE_ADDR);
	assert_memory_equal(at(r, d->dst), at(r, d->src), 4096);
}

static void test_destination(void **state)
{
	struct rig *r = *state;

	prepare(r)->dst = UNMAPPED_IOVA;
	start(r, RING, 3);
	expect_halt(r, IOAT_ERR_DEST_ADDR);
}

static void test_next_unmapped(void **state)
{
	struct rig *r = *state;

	prepare(r);
	((struct ioat_descriptor *)at(r, descriptor_at(0)))->next = UNMAPPED_IOVA;
	start(r, RING, 3);
	expect_halt(r, IOAT_ERR_NEXT_ADDR);
}

static void test_next_misaligned(void **state)
{
	struct rig *r = *state;

	prepare(r);
	((struct ioat_descriptor *)at(r, descriptor_at(0)))->next = descriptor_at(1) + 8;
	start(r, RING, 3);
	expect_halt(r, IOAT_ERR_NEXT_ALIGN);
	assert_int_equal(load(r, IOAT_CDAR, 8), descriptor_at(0));
}

static void test_chain_address(void **state)
{
	static const iova_t bad[] = {RING + 8, UNMAPPED_IOVA};
	struct rig *r = *state;

	for (unsigned i = 0; i < 2; i++) {
		start(r, bad[i], 1);
		wait_for_status(r, IOAT_HALTED);
		/* The state before was halted too. */
		while (!chanerr(r))
			sched_yield();
		wait_for_status(r, IOAT_HALTED);
		assert_int_equal(chanerr(r), IOAT_ERR_CHAIN_ADDR);
		assert_int_equal(load(r, IOAT_CDAR, 8), bad[i]);
		recover(r);
	}
}

static void test_unknown_operation(void **state)
{
	struct rig *r = *state;

	prepare(r)->ctl |= 0x87u << 24; /* XOR */
	start(r, RING, 3);
	expect_halt(r, IOAT_ERR_CONTROL);
}

static void test_length(void **state)
{
	struct rig *r = *state;

	prepare(r)->size = (1 << 20) + 1;
	start(r, RING, 3);
	expect_halt(r, IOAT_ERR_LENGTH);
	prepare(r)->size = 0;
	start(r, RING, 3);
	expect_halt(r, IOAT_ERR_LENGTH);
}

/* A descriptor whose completion cannot be written has moved its data, and is the last. */
static void test_completion_address(void **state)
{
	static const iova_t bad[] = {UNMAPPED_IOVA, COMPLETION + 4};
	struct rig *r = *state;

	for (unsigned i = 0; i < 2; i++) {
		prepare(r);
		start(r, RING, 0);
		store64(r, IOAT_CHANCMP, bad[i]);
		store16(r, IOAT_DMACOUNT, 3);
		while (!chanerr(r))
			sched_yield();
		wait_for_status(r, IOAT_HALTED);
		assert_int_equal(chanerr(r), IOAT_ERR_COMPLETION_ADDR);
		assert_int_equal(((uint64_t *)at(r, TARGET))[0], 0x1234);
		assert_int_equal(((uint64_t *)at(r, TARGET))[1], 0);
		recover(r);
	}
}

static void test_bad_command(void **state)
{
	struct rig *r = *state;

	descriptor(r, 0, IOAT_CTL_NULL, 0, 0, 1)->next = RING;
	start(r, RING, 65000);
	store8(r, IOAT_CHANCMD, 0x14);
	wait_for_status(r, IOAT_HALTED);
	assert_int_equal(chanerr(r), IOAT_ERR_CHANCMD);
	recover(r);
}

/* The card does not decode memory: nobody answers. */
static void test_nobody_answers(void **state)
{
	struct rig *r = *state;

	pci_config_write(r->card, PCI_COMMAND, 0, 2);
	prepare(r)->src = CARD_IOVA;
	start(r, RING, 3);
	expect_halt(r, IOAT_ERR_READ_DATA);
	assert_int_equal(pci_config_read(r->engine, IOAT_CFG_DMAUNCERRSTS, 4), IOAT_DMAUNC_READ_DECODE);
	pci_config_write(r->engine, IOAT_CFG_DMAUNCERRSTS, UINT32_MAX, 4);
	assert_int_equal(pci_config_read(r->engine, IOAT_CFG_DMAUNCERRSTS, 4), 0);
	prepare(r)->dst = CARD_IOVA;
	start(r, RING, 3);
	expect_halt(r, IOAT_ERR_WRITE_DATA);
}

static void test_bus_master_off(void **state)
{
	struct rig *r = *state;

	prepare(r);
	pci_config_write(r->engine, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	start(r, RING, 1);
	while (!chanerr(r))
		sched_yield();
	wait_for_status(r, IOAT_HALTED);
	assert_int_equal(chanerr(r), IOAT_ERR_CHAIN_ADDR);
	assert_int_equal(((uint64_t *)at(r, TARGET))[0], 0);
}

/* A masked error is logged, and the channel goes on. */
static void test_masked(void **state)
{
	struct rig *r = *state;

	prepare(r)->src = UNMAPPED_IOVA;
	store32(r, IOAT_CHANERR_MASK, IOAT_ERR_SOURCE_ADDR);
	start(r, RING, 3);
	wait_for_status(r, IOAT_DONE);
	assert_int_equal(chanerr(r), IOAT_ERR_SOURCE_ADDR);
	assert_int_equal(((uint64_t *)at(r, TARGET))[2], 0x1234);
	/* Without its descriptor it cannot go on. */
	recover(r);
	prepare(r);
	store32(r, IOAT_CHANERR_MASK, IOAT_ERR_ALL);
	((struct ioat_descriptor *)at(r, descriptor_at(0)))->next = UNMAPPED_IOVA;
	start(r, RING, 3);
	wait_for_status(r, IOAT_HALTED);
}

static void test_reported_as_asked(void **state)
{
	struct rig *r = *state;

	prepare(r)->src = UNMAPPED_IOVA;
	start(r, RING, 0);
	store16(r, IOAT_CHANCTRL,
		IOAT_CHANCTRL_INT_DISABLE | IOAT_CHANCTRL_ANY_ERR_ABORT_EN | IOAT_CHANCTRL_ERR_COMPLETION_EN |
			IOAT_CHANCTRL_ERR_INT_EN);
	store16(r, IOAT_DMACOUNT, 3);
	while (!chanerr(r))
		sched_yield();
	wait_for_status(r, IOAT_HALTED);
	assert_int_equal(completion(r), descriptor_at(0) | IOAT_HALTED);
	while (!r->nr_irqs)
		sched_yield();
}

#define RIG_TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(test_source),
		RIG_TEST(test_source_ends_in_the_middle),
		RIG_TEST(test_destination),
		RIG_TEST(test_next_unmapped),
		RIG_TEST(test_next_misaligned),
		RIG_TEST(test_chain_address),
		RIG_TEST(test_unknown_operation),
		RIG_TEST(test_length),
		RIG_TEST(test_completion_address),
		RIG_TEST(test_bad_command),
		RIG_TEST(test_nobody_answers),
		RIG_TEST(test_bus_master_off),
		RIG_TEST(test_masked),
		RIG_TEST(test_reported_as_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
