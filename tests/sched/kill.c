/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An entity is killed at each point of its jobs' lives. What the hardware does not have ends with -ESRCH: scheduled,
 * finished, freed, in that order, and not before all that it depends on, or memory that it was to write would be taken
 * for written while others still write it.
 */
#include "rig.h"

#include <string.h>

enum { NR = 3 };

static struct rig *rig_with_entity(struct sched_entity *e, uint32_t credits)
{
	struct rig *r = rig_create((struct rig_options){.credits = credits});

	r->watch = true;
	r->entity = e;
	assert_int_equal(sched_entity_init(e, SCHED_PRIORITY_NORMAL, r->sched), 0);
	return r;
}

static void end(struct rig *r, struct sched_entity *e, const char *log)
{
	sched_entity_fini(e);
	assert_string_equal(r->log, log);
	rig_destroy(r);
}

static void queued_for_want_of_credits(void **state)
{
	struct sched_entity e, other;
	struct rig *r = rig_with_entity(&e, 1);
	struct dma_fence *running, *queued;

	sched_entity_init(&other, SCHED_PRIORITY_NORMAL, r->sched);
	running = rig_submit(r, &other, 1, JOB_RING, NULL);
	rig_wait_ring(r, 1);
	queued = rig_submit(r, &e, 2, JOB_RING, NULL);
	sched_entity_kill(&e);
	assert_int_equal(rig_result(queued), -ESRCH);
	rig_wait_count(&r->frees, 1);
	assert_int_equal(sched_entity_error(&e), -ESRCH);
	ring_complete(&r->ring, 1);
	assert_int_equal(rig_result(running), 1);
	sched_entity_fini(&other);
	end(r, &e, "r1 s1 s2 e2 f2 e1 f1 ");
}

/* Killed when `before` of its dependencies have signalled; the others signal from the last to the first. */
static void waiting_on_one_of(int before)
{
	struct sched_entity e;
	struct rig *r = rig_with_entity(&e, 1);
	struct dma_fence *dep[NR], *finished;
	struct test_job *job = rig_job(r, &e, 1, JOB_RING);

	for (int i = 0; i < NR; i++) {
		dep[i] = hand_fence(NULL);
		sched_job_add_dependency(&job->base, dma_fence_get(dep[i]));
	}
	finished = rig_push(job);
	for (int i = 0; i < before; i++)
		dma_fence_signal(dep[i]);
	rig_settle();
	sched_entity_kill(&e);
	for (int i = NR - 1; i >= before; i--) {
		rig_settle();
		assert_false(dma_fence_is_signaled(finished));
		assert_string_equal(r->log, "");
		dma_fence_signal(dep[i]);
	}
	assert_int_equal(rig_result(finished), -ESRCH);
	for (int i = 0; i < NR; i++)
		dma_fence_put(dep[i]);
	rig_wait_count(&r->frees, 1);
	end(r, &e, "s1 e1 f1 ");
}

static void waiting_on_each_dependency(void **state)
{
	for (int before = 0; before < NR; before++)
		waiting_on_one_of(before);
}

/* What it waits for may itself be the hardware's: then being scheduled is not enough any more. */
static void waiting_behind_a_job_of_the_same_ring(void **state)
{
	struct sched_entity e, other;
	struct rig *r = rig_with_entity(&e, 1);
	struct dma_fence *first, *killed;

	sched_entity_init(&other, SCHED_PRIORITY_NORMAL, r->sched);
	first = rig_submit(r, &other, 1, JOB_RING, NULL);
	rig_wait_ring(r, 1);
	killed = rig_submit(r, &e, 2, JOB_RING, &to_sched_fence(first)->scheduled);
	sched_entity_kill(&e);
	rig_settle();
	assert_false(dma_fence_is_signaled(killed));
	ring_complete(&r->ring, 1);
	assert_int_equal(rig_result(killed), -ESRCH);
	assert_int_equal(rig_result(first), 1);
	rig_wait_count(&r->frees, 2);
	sched_entity_fini(&other);
	end(r, &e, "r1 s1 e1 f1 s2 e2 f2 ");
}

static void kill_it(struct rig *r, struct test_job *job)
{
	sched_entity_kill(r->entity);
	sched_entity_kill(r->entity);
}

static void being_run(void **state)
{
	struct sched_entity e;
	struct rig *r = rig_with_entity(&e, 1);
	struct dma_fence *f;

	r->in_run = kill_it;
	f = rig_submit(r, &e, 1, JOB_RING, NULL);
	rig_wait_ring(r, 1);
	ring_complete(&r->ring, 1);
	assert_int_equal(rig_result(f), 1);
	rig_wait_count(&r->frees, 1);
	end(r, &e, "r1 s1 e1 f1 ");
}

static void on_the_hardware(void **state)
{
	struct sched_entity e;
	struct rig *r = rig_with_entity(&e, 1);
	struct dma_fence *f[3];

	for (int i = 0; i < 3; i++)
		f[i] = rig_submit(r, &e, i, JOB_RING, NULL);
	rig_wait_ring(r, 1);
	sched_entity_kill(&e);
	rig_settle();
	assert_false(dma_fence_is_signaled(f[1])); /* not before the one before it */
	ring_complete(&r->ring, 1);
	assert_int_equal(rig_result(f[0]), 1);
	assert_int_equal(rig_result(f[1]), -ESRCH);
	assert_int_equal(rig_result(f[2]), -ESRCH);
	rig_wait_count(&r->frees, 3);
	end(r, &e, "r0 s0 e0 f0 s1 e1 f1 s2 e2 f2 ");
}

static void finished_or_freed(void **state)
{
	struct sched_entity e;
	struct rig *r = rig_with_entity(&e, 1);

	assert_int_equal(rig_result(rig_submit(r, &e, 1, JOB_EMPTY, NULL)), 1);
	sched_entity_kill(&e);
	rig_wait_count(&r->frees, 1);
	sched_entity_kill(&e);
	end(r, &e, "r1 s1 e1 f1 ");
}

static void pushed_afterwards(void **state)
{
	struct sched_entity e;
	struct rig *r = rig_with_entity(&e, 1);
	struct dma_fence *dep = hand_fence(NULL), *first, *second;

	sched_entity_kill(&e);
	first = rig_submit(r, &e, 1, JOB_EMPTY, dep);
	second = rig_submit(r, &e, 2, JOB_EMPTY, NULL);
	rig_settle();
	assert_false(dma_fence_is_signaled(second));
	dma_fence_signal(dep);
	dma_fence_put(dep);
	assert_int_equal(rig_result(first), -ESRCH);
	assert_int_equal(rig_result(second), -ESRCH);
	rig_wait_count(&r->frees, 2);
	end(r, &e, "s1 e1 f1 s2 e2 f2 ");
}

static void one_that_waits_for_another_killed_one(void **state)
{
	struct sched_entity e, other;
	struct rig *r = rig_with_entity(&e, 1);
	struct dma_fence *dep = hand_fence(NULL), *first, *second;

	sched_entity_init(&other, SCHED_PRIORITY_NORMAL, r->sched);
	first = rig_submit(r, &e, 1, JOB_EMPTY, dep);
	second = rig_submit(r, &other, 2, JOB_EMPTY, first);
	sched_entity_kill(&other);
	sched_entity_kill(&e);
	rig_settle();
	assert_false(dma_fence_is_signaled(second));
	dma_fence_signal(dep);
	dma_fence_put(dep);
	assert_int_equal(rig_result(second), -ESRCH);
	assert_int_equal(rig_result(first), -ESRCH);
	rig_wait_count(&r->frees, 2);
	sched_entity_fini(&other);
	end(r, &e, "s1 e1 f1 s2 e2 f2 ");
}

/* The entity's memory goes while its jobs still wait. */
static void jobs_outlive_their_entity(void **state)
{
	struct sched_entity *e = malloc(sizeof(*e));
	struct rig *r = rig_with_entity(e, 1);
	struct dma_fence *dep = hand_fence(NULL), *f;

	f = rig_submit(r, e, 1, JOB_EMPTY, dep);
	sched_entity_destroy(e, 1000000);
	free(e);
	assert_false(dma_fence_is_signaled(f));
	assert_int_equal(sched_nr_jobs(r->sched), 1);
	dma_fence_signal(dep);
	dma_fence_put(dep);
	assert_int_equal(rig_result(f), -ESRCH);
	rig_wait_count(&r->frees, 1);
	rig_destroy(r);
}

static void end_entity(struct rig *r, struct test_job *job)
{
	struct sched_entity *e = r->entity;

	if (!e)
		return;
	r->entity = NULL;
	sched_entity_kill(e); /* its note is under way when the entity goes */
	sched_entity_fini(e);
	memset(e, 0xa5, sizeof(*e));
	free(e);
}

/* The last reference to a context is often its job's: the worker itself ends the entity. */
static void the_entity_ends_in_free_job(void **state)
{
	struct sched_entity *e = malloc(sizeof(*e));
	struct rig *r = rig_with_entity(e, 1);
	struct dma_fence *dep = hand_fence(NULL), *first, *second, *third;

	r->in_free = end_entity;
	first = rig_submit(r, e, 1, JOB_EMPTY, dep);
	second = rig_submit(r, e, 2, JOB_RING, NULL);
	third = rig_submit(r, e, 3, JOB_EMPTY, dep);
	dma_fence_signal(dep);
	dma_fence_put(dep);
	assert_int_equal(rig_result(first), 1);
	rig_settle();
	ring_complete(&r->ring, 1);
	rig_wait(second); /* it may have gone before */
	assert_int_equal(rig_result(third), -ESRCH);
	dma_fence_put(second);
	rig_wait_count(&r->frees, 3);
	rig_destroy(r);
}

static void *start_later(void *arg)
{
	struct rig *r = arg;

	rig_settle();
	sched_start(r->sched, 0);
	return NULL;
}

/* The worker learns of all of it at once, and frees nothing that it has yet to read. */
static void killed_pushed_and_ended_before_the_worker_looks(void **state)
{
	struct sched_entity *e = malloc(sizeof(*e));
	struct rig *r = rig_with_entity(e, 1);
	struct dma_fence *f;
	pthread_t thread;

	sched_stop(r->sched);
	sched_entity_kill(e);
	f = rig_submit(r, e, 1, JOB_EMPTY, NULL);
	pthread_create(&thread, NULL, start_later, r);
	sched_entity_fini(e);
	free(e);
	assert_int_equal(rig_result(f), -ESRCH);
	pthread_join(thread, NULL);
	rig_destroy(r);
}

static struct dma_fence *pushed_in_free;

static void push_and_end(struct rig *r, struct test_job *job)
{
	struct sched_entity *e = r->entity;

	if (job->id != 1)
		return;
	pushed_in_free = rig_submit(r, e, 2, JOB_EMPTY, NULL);
	end_entity(r, job);
}

static void pushed_and_ended_by_the_worker_itself(void **state)
{
	struct sched_entity *e = malloc(sizeof(*e));
	struct rig *r = rig_with_entity(e, 1);

	r->in_free = push_and_end;
	assert_int_equal(rig_result(rig_submit(r, e, 1, JOB_EMPTY, NULL)), 1);
	rig_wait_count(&r->frees, 2);
	assert_int_equal(rig_result(pushed_in_free), -ESRCH);
	rig_destroy(r);
}

static void the_scheduler_goes_first(void **state)
{
	struct sched_entity e;
	struct rig *r = rig_with_entity(&e, 1);
	struct dma_fence *running, *queued;
	int64_t fences = r->fences;

	running = rig_submit(r, &e, 1, JOB_RING, NULL);
	queued = rig_submit(r, &e, 2, JOB_RING, NULL);
	rig_wait_ring(r, 1);
	r->fences += 4;
	rig_destroy(r);
	assert_int_equal(rig_result(running), -ECANCELED);
	assert_int_equal(rig_result(queued), -ESRCH);
	assert_int_equal(dma_fence_count(), fences);
	/* Inert. */
	sched_entity_kill(&e);
	assert_true(sched_entity_flush(&e, 1) > 0);
	sched_entity_fini(&e);
}

static void *complete_later(void *arg)
{
	struct rig *r = arg;

	rig_settle();
	ring_complete(&r->ring, 1);
	return NULL;
}

static void without_cancel_job_the_scheduler_waits(void **state)
{
	struct rig *r = rig_create((struct rig_options){.no_cancel = true});
	struct sched_entity e;
	struct dma_fence *f;
	pthread_t thread;

	sched_entity_init(&e, SCHED_PRIORITY_NORMAL, r->sched);
	f = rig_submit(r, &e, 1, JOB_RING, NULL);
	rig_wait_ring(r, 1);
	pthread_create(&thread, NULL, complete_later, r);
	sched_entity_fini(&e);
	sched_destroy(r->sched);
	r->sched = NULL;
	assert_int_equal(rig_result(f), 1);
	pthread_join(thread, NULL);
	rig_destroy(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(queued_for_want_of_credits),
		cmocka_unit_test(waiting_on_each_dependency),
		cmocka_unit_test(waiting_behind_a_job_of_the_same_ring),
		cmocka_unit_test(being_run),
		cmocka_unit_test(on_the_hardware),
		cmocka_unit_test(finished_or_freed),
		cmocka_unit_test(pushed_afterwards),
		cmocka_unit_test(one_that_waits_for_another_killed_one),
		cmocka_unit_test(jobs_outlive_their_entity),
		cmocka_unit_test(the_entity_ends_in_free_job),
		cmocka_unit_test(killed_pushed_and_ended_before_the_worker_looks),
		cmocka_unit_test(pushed_and_ended_by_the_worker_itself),
		cmocka_unit_test(the_scheduler_goes_first),
		cmocka_unit_test(without_cancel_job_the_scheduler_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
