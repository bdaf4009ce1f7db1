/* SPDX-License-Identifier: BSD-3-Clause */
/* Races between a program's stores and the engine: no doorbell is lost, no completion is early, polled or trapped. */
#include "rig.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/trace.h"

#define RING_LEN 1024u

/* Threads that ring for one more descriptor each; who rings last has the highest count. */
struct storm {
	struct rig *r;
	pthread_mutex_t lock;
	unsigned issued, total, pause;
};

static void *ring_doorbells(void *arg)
{
	struct storm *s = arg;

	for (bool more = true; more;) {
		pthread_mutex_lock(&s->lock);
		more = s->issued < s->total;
		if (more)
			store16(s->r, IOAT_DMACOUNT, (uint16_t)++s->issued);
		pthread_mutex_unlock(&s->lock);
		for (unsigned i = rand() % (s->pause + 1); i; i--)
			__asm__ volatile("" ::: "memory");
	}
	return NULL;
}

static void storm(struct rig *r, unsigned total, unsigned pause)
{
	struct storm s = {.r = r, .lock = PTHREAD_MUTEX_INITIALIZER, .total = total, .pause = pause};
	uint64_t *counter = at(r, SOURCE);
	pthread_t threads[3];

	/* A descriptor adds nothing, so count in the ring: each moves its own number to one place. */
	for (unsigned i = 0; i < RING_LEN; i++) {
		counter[i] = i;
		descriptor(r, i, IOAT_CTL_COMPL_WRITE, TARGET, SOURCE + i * 8, 8);
	}
	((struct ioat_descriptor *)at(r, descriptor_at(RING_LEN - 1)))->next = RING;
	start(r, RING, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_create(&threads[i], NULL, ring_doorbells, &s);
	for (unsigned i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	wait_for_status(r, IOAT_DONE);
	assert_int_equal(chansts(r), descriptor_at((total - 1) % RING_LEN) | IOAT_DONE);
	assert_int_equal(completion(r), descriptor_at((total - 1) % RING_LEN) | IOAT_DONE);
	assert_int_equal(*(uint64_t *)at(r, TARGET), (total - 1) % RING_LEN);
	assert_false(phys_is_polled(&r->engine->bars[0].regions[0], 0));
}

static void test_storm(void **state)
{
	struct rig *r = *state;

	storm(r, 20000, 0);
	storm(r, 5000, 3000);
	storm(r, 500, 100000);
}

/* The last doorbell of a burst comes at every point of the engine's way from busy to done. */
static void test_bursts(void **state)
{
	struct rig *r = *state;
	unsigned rung = 0;

	for (unsigned i = 0; i < RING_LEN; i++)
		descriptor(r, i, IOAT_CTL_NULL, 0, 0, 1);
	((struct ioat_descriptor *)at(r, descriptor_at(RING_LEN - 1)))->next = RING;
	start(r, RING, 0);
	for (unsigned i = 0; i < 3000; i++) {
		time_t end = time(NULL) + 5;

		for (unsigned k = 0; k < 3; k++)
			store16(r, IOAT_DMACOUNT, (uint16_t)++rung);
		while ((chansts(r) & ~63ull) != descriptor_at((rung - 1) % RING_LEN))
			;
		for (uint64_t pause = trace_now() + rand() % 6000; trace_now() < pause;)
			;
		store16(r, IOAT_DMACOUNT, (uint16_t)++rung);
		while (chansts(r) != (descriptor_at((rung - 1) % RING_LEN) | IOAT_DONE)) {
			assert_true(time(NULL) < end);
			sched_yield();
		}
	}
}

/* Each one waits for the one before: the engine is about to go to sleep when the next comes. */
static void test_one_at_a_time(void **state)
{
	struct rig *r = *state;

	for (unsigned i = 0; i < RING_LEN; i++)
		descriptor(r, i, IOAT_CTL_COMPL_WRITE | IOAT_CTL_NULL, 0, 0, 1);
	start(r, RING, 0);
	for (unsigned i = 0; i < RING_LEN; i++) {
		store16(r, IOAT_DMACOUNT, (uint16_t)(i + 1));
		while ((completion(r) & ~63ull) != descriptor_at(i))
			;
		if (i % 3 == 0)
			usleep(rand() % 40);
	}
	wait_for_status(r, IOAT_DONE);
}

/* When the completion is there, so is every byte. */
static void test_data_before_completion(void **state)
{
	struct rig *r = *state;
	enum { LEN = 4096 };

	for (unsigned i = 0; i < RING_LEN; i++)
		descriptor(r, i, IOAT_CTL_COMPL_WRITE, TARGET + i % 64 * LEN, SOURCE + i % 64 * LEN, LEN);
	for (unsigned i = 0; i < 64; i++)
		memset(at(r, SOURCE + i * LEN), (int)i + 1, LEN);
	start(r, RING, 0);
	for (unsigned i = 0; i < RING_LEN; i++) {
		unsigned char *target = at(r, TARGET + i % 64 * LEN);

		target[0] = target[LEN - 1] = 0;
		store16(r, IOAT_DMACOUNT, (uint16_t)(i + 1));
		while ((completion(r) & ~63ull) != descriptor_at(i))
			;
		assert_int_equal(target[0], i % 64 + 1);
		assert_int_equal(target[LEN - 1], i % 64 + 1);
	}
}

static void make_polled(struct rig *r)
{
	descriptor(r, 0, 0, TARGET, SOURCE, 1 << 20)->next = RING;
	start(r, RING, 20000);
	/* It takes more of them each time that polling has not paid. */
	for (unsigned i = 1; i <= 256 && !phys_is_polled(&r->engine->bars[0].regions[0], 0); i++)
		store16(r, IOAT_DMACOUNT, (uint16_t)(20000 + i));
	assert_true(phys_is_polled(&r->engine->bars[0].regions[0], 0));
}

/* Commands through a polled page: taken after a chunk or a descriptor, and the page traps again before it shows. */
static void test_commands_while_polled(void **state)
{
	struct rig *r = *state;

	make_polled(r);
	store8(r, IOAT_CHANCMD, IOAT_CHANCMD_SUSPEND);
	wait_for_status(r, IOAT_SUSPENDED);
	assert_false(phys_is_polled(&r->engine->bars[0].regions[0], 0));
	assert_int_equal(load(r, IOAT_CHANCMD, 1), 0);

	make_polled(r);
	store8(r, IOAT_CHANCMD, IOAT_CHANCMD_RESET);
	while (load(r, IOAT_CHANCMD, 1) & IOAT_CHANCMD_RESET)
		sched_yield();
	assert_int_equal(chansts(r), IOAT_HALTED);
	assert_false(phys_is_polled(&r->engine->bars[0].regions[0], 0));
}

/* What a program scribbles over read-only registers of a polled page is gone when the page traps again. */
static void test_scribbles_while_polled(void **state)
{
	struct rig *r = *state;

	make_polled(r);
	store8(r, IOAT_CBVER, 0xff);
	store8(r, IOAT_XFERCAP, 0);
	store32(r, IOAT_CHANERR, UINT32_MAX);
	store64(r, IOAT_CHANSTS, UINT64_MAX);
	store16(r, IOAT_CHANCTRL, 0xffff);
	store8(r, IOAT_CHANCMD, IOAT_CHANCMD_SUSPEND);
	wait_for_status(r, IOAT_SUSPENDED);
	assert_int_equal(load(r, IOAT_CBVER, 1), 0x33);
	assert_int_equal(load(r, IOAT_XFERCAP, 1), 20);
	assert_int_equal(chanerr(r), 0);
	assert_int_equal(chansts(r), RING | IOAT_SUSPENDED);
	assert_int_equal(load(r, IOAT_CHANCTRL, 2), IOAT_CHANCTRL_WRITABLE);
}

/* A function reset and a close take the page back too. */
static void test_function_reset_while_polled(void **state)
{
	struct rig *r = *state;

	make_polled(r);
	assert_int_equal(pci_reset_function(r->engine), 0);
	assert_false(phys_is_polled(&r->engine->bars[0].regions[0], 0));
	assert_int_equal(chansts(r), IOAT_HALTED);
}

/* The interrupt has to be armed again by a store that must not be missed: the page traps first. */
static void test_interrupts_while_polled(void **state)
{
	struct rig *r = *state;
	unsigned rung = 0;

	for (unsigned i = 0; i < RING_LEN; i++)
		descriptor(r, i, IOAT_CTL_NULL | (i % 4 == 3 ? IOAT_CTL_INT_EN : 0), 0, 0, 1);
	((struct ioat_descriptor *)at(r, descriptor_at(RING_LEN - 1)))->next = RING;
	start(r, RING, 0);
	for (unsigned i = 1; i <= 2000; i++) {
		while (rung < i * 4)
			store16(r, IOAT_DMACOUNT, (uint16_t)++rung);
		for (unsigned spins = 0; r->nr_irqs != i; spins++)
			if (spins > 1000000)
				sched_yield();
		store16(r, IOAT_CHANCTRL, IOAT_CHANCTRL_INT_DISABLE);
	}
	wait_for_status(r, IOAT_DONE);
	assert_int_equal(r->nr_irqs, 2000);
}

#define RIG_TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(test_storm),
		RIG_TEST(test_bursts),
		RIG_TEST(test_one_at_a_time),
		RIG_TEST(test_data_before_completion),
		RIG_TEST(test_commands_while_polled),
		RIG_TEST(test_scribbles_while_polled),
		RIG_TEST(test_function_reset_while_polled),
		RIG_TEST(test_interrupts_while_polled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
