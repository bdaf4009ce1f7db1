/* SPDX-License-Identifier: BSD-3-Clause */
/* Who goes next: kernel jobs first, the others by weight and by what they have had. */
#include "rig.h"

#include <string.h>
#include <unistd.h>

enum { JOBS = 40 };

/* A ring that takes one job at a time, and all entities' jobs there before the first goes. */
struct race {
	struct rig *r;
	struct sched_entity blocker, e[3];
	struct dma_fence *first;
	int went[3];
	struct timespec takes[3];
};

static struct race *now_running;

static void count(struct rig *r, struct test_job *job)
{
	if (job->id >= 0)
		now_running->went[job->id]++;
}

static void race_begin(struct race *race, const enum sched_priority *priority, int nr)
{
	*race = (struct race){.r = rig_create((struct rig_options){.credits = 1})};
	now_running = race;
	race->r->in_run = count;
	sched_entity_init(&race->blocker, SCHED_PRIORITY_NORMAL, race->r->sched);
	race->first = rig_submit(race->r, &race->blocker, -1, JOB_RING, NULL);
	rig_wait_ring(race->r, 1);
	for (int i = 0; i < nr; i++)
		sched_entity_init(&race->e[i], priority[i], race->r->sched);
	for (int n = 0; n < JOBS; n++)
		for (int i = 0; i < nr; i++)
			dma_fence_put(rig_submit(race->r, &race->e[i], i, JOB_RING, NULL));
}

/* One job of the ring, with the time that it takes. */
static void race_step(struct race *race)
{
	int before[3], who = -1, runs = atomic_load(&race->r->runs);

	memcpy(before, race->went, sizeof(before));
	ring_complete(&race->r->ring, 1);
	rig_wait_count(&race->r->runs, runs + 1);
	rig_wait_ring(race->r, 1);
	for (int i = 0; i < 3; i++)
		if (race->went[i] != before[i])
			who = i;
	if (who >= 0 && race->takes[who].tv_nsec)
		nanosleep(&race->takes[who], NULL);
}

static void race_end(struct race *race, int nr)
{
	for (int i = 0; i < nr; i++)
		sched_entity_fini(&race->e[i]);
	sched_entity_fini(&race->blocker);
	dma_fence_put(race->first);
	rig_destroy(race->r);
}

static void equals_take_turns(void **state)
{
	struct race race;

	race_begin(&race, (enum sched_priority[]){SCHED_PRIORITY_NORMAL, SCHED_PRIORITY_NORMAL}, 2);
	race.takes[0].tv_nsec = race.takes[1].tv_nsec = 1000000;
	for (int i = 0; i < 20; i++)
		race_step(&race);
	assert_in_range(race.went[0], 7, 13);
	assert_in_range(race.went[1], 7, 13);
	race_end(&race, 2);
}

static void long_jobs_do_not_get_more_time(void **state)
{
	struct race race;

	race_begin(&race, (enum sched_priority[]){SCHED_PRIORITY_NORMAL, SCHED_PRIORITY_NORMAL}, 2);
	race.takes[0].tv_nsec = 8000000;
	race.takes[1].tv_nsec = 1000000;
	for (int i = 0; i < 36; i++)
		race_step(&race);
	/* 4 and 32 in theory. */
	assert_true(race.went[0] >= 2);
	assert_true(race.went[1] >= 3 * race.went[0]);
	race_end(&race, 2);
}

static void priorities_are_weights(void **state)
{
	struct race race;

	race_begin(&race, (enum sched_priority[]){SCHED_PRIORITY_LOW, SCHED_PRIORITY_NORMAL, SCHED_PRIORITY_HIGH}, 3);
	for (int i = 0; i < 3; i++)
		race.takes[i].tv_nsec = 1000000;
	for (int i = 0; i < 42; i++)
		race_step(&race);
	/* 2, 8 and 32 in theory. */
	assert_true(race.went[0] >= 1); /* nobody starves */
	assert_true(race.went[1] > race.went[0]);
	assert_true(race.went[2] > 2 * race.went[1]);
	race_end(&race, 3);
}

static void kernel_jobs_go_first(void **state)
{
	struct race race;

	race_begin(&race, (enum sched_priority[]){SCHED_PRIORITY_HIGH, SCHED_PRIORITY_KERNEL}, 2);
	for (int i = 0; i < JOBS; i++)
		race_step(&race);
	assert_int_equal(race.went[1], JOBS);
	assert_int_equal(race.went[0], 0);
	sched_entity_set_priority(&race.e[1], SCHED_PRIORITY_LOW);
	race_step(&race);
	assert_int_equal(race.went[0], 1);
	race_end(&race, 2);
}

/* Who was away does not get all that the others had meanwhile. */
static void being_idle_saves_nothing_up(void **state)
{
	struct race race;

	race_begin(&race, (enum sched_priority[]){SCHED_PRIORITY_NORMAL}, 1);
	race.takes[0].tv_nsec = race.takes[1].tv_nsec = 2000000;
	for (int i = 0; i < 10; i++)
		race_step(&race);
	sched_entity_init(&race.e[1], SCHED_PRIORITY_NORMAL, race.r->sched);
	for (int n = 0; n < JOBS; n++)
		dma_fence_put(rig_submit(race.r, &race.e[1], 1, JOB_RING, NULL));
	for (int i = 0; i < 12; i++)
		race_step(&race);
	assert_in_range(race.went[1], 4, 8);
	race_end(&race, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equals_take_turns),	       cmocka_unit_test(long_jobs_do_not_get_more_time),
		cmocka_unit_test(priorities_are_weights),      cmocka_unit_test(kernel_jobs_go_first),
		cmocka_unit_test(being_idle_saves_nothing_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
