/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who goes next: kernel jobs first, the others by weight and by what they have had. What a job takes is measured where
 * the scheduler does, so the figures hold on a machine that has other things to do.
 */
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
	int running;
	uint64_t since_ns, had_ns[3], longest_ns;
};

static struct race *now_running;

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

/* On the worker: one has ended, the next goes. */
static void next_goes(struct rig *r, struct test_job *job)
{
	struct race *race = now_running;
	uint64_t now = now_ns(), took = now - race->since_ns;

	if (race->running >= 0) {
		race->had_ns[race->running] += took;
		race->longest_ns = MAX(race->longest_ns, took);
	}
	race->since_ns = now;
	race->running = job->id;
	if (job->id >= 0)
		race->went[job->id]++;
}

/* What they had, by weight, is the same but for what one job takes, here and there. */
static void assert_shares(const struct race *race, int nr, const double *weight)
{
	for (int i = 0; i < nr; i++) {
		for (int j = 0; j < i; j++) {
			double a = (double)race->had_ns[i] / weight[i], b = (double)race->had_ns[j] / weight[j];
			double least = weight[i] < weight[j] ? weight[i] : weight[j];

			if (a - b > 3 * (double)race->longest_ns / least ||
			    b - a > 3 * (double)race->longest_ns / least)
				fail_msg("of weight %g: %g ms, of weight %g: %g ms, the longest job %g ms", weight[i],
					 (double)race->had_ns[i] / 1e6, weight[j], (double)race->had_ns[j] / 1e6,
					 (double)race->longest_ns / 1e6);
		}
	}
}

static void race_begin(struct race *race, const enum sched_priority *priority, int nr)
{
	*race = (struct race){.r = rig_create((struct rig_options){.credits = 1}), .running = -1};
	now_running = race;
	race->r->in_run = next_goes;
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
	assert_shares(&race, 2, (double[]){1, 1});
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
	assert_shares(&race, 2, (double[]){1, 1}); /* 4 and 32 jobs when nothing disturbs */
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
	assert_shares(&race, 3, (double[]){0.25, 1, 4}); /* 2, 8 and 32 jobs when nothing disturbs */
	assert_true(race.went[0] >= 1);			 /* nobody starves */
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
	sched_entity_init(&race.e[1], SCHED_PRIORITY_NORMAL, race.r->sched);
	for (int i = 0; i < 10; i++)
		race_step(&race);
	for (int n = 0; n < JOBS; n++)
		dma_fence_put(rig_submit(race.r, &race.e[1], 1, JOB_RING, NULL));
	memset(race.had_ns, 0, sizeof(race.had_ns));
	for (int i = 0; i < 12; i++)
		race_step(&race);
	assert_shares(&race, 2, (double[]){1, 1});
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
