/* SPDX-License-Identifier: BSD-3-Clause */
/* A job's ordinary life: dependencies, order, credits, ends; and what is refused. */
#include "rig.h"

#include <string.h>

static void jobs_go_and_end_in_order(void **state)
{
	struct rig *r = rig_create((struct rig_options){.credits = 2});
	struct sched_entity e;
	struct dma_fence *f[3];

	assert_int_equal(sched_entity_init(&e, SCHED_PRIORITY_NORMAL, r->sched), 0);
	for (int i = 0; i < 3; i++)
		f[i] = rig_submit(r, &e, i, JOB_RING, NULL);
	rig_wait_ring(r, 2);
	rig_settle();
	assert_int_equal(atomic_load(&r->runs), 2); /* the credits */
	assert_false(dma_fence_is_signaled(f[0]));
	assert_int_equal(ring_complete(&r->ring, 1), 1);
	assert_int_equal(rig_result(f[0]), 1);
	rig_wait_ring(r, 2);
	assert_false(dma_fence_is_signaled(f[1]));
	ring_complete(&r->ring, 2);
	assert_int_equal(rig_result(f[1]), 1);
	assert_int_equal(rig_result(f[2]), 1);
	assert_int_equal(sched_entity_error(&e), 0);
	sched_entity_fini(&e);
	assert_string_equal(r->log, "r0 r1 f0 r2 f1 f2 ");
	rig_destroy(r);
}

static void a_job_without_a_hardware_fence_is_done_at_once(void **state)
{
	struct rig *r = rig_create((struct rig_options){0});
	struct sched_entity e;

	sched_entity_init(&e, SCHED_PRIORITY_NORMAL, r->sched);
	assert_int_equal(rig_result(rig_submit(r, &e, 1, JOB_EMPTY, NULL)), 1);
	assert_int_equal(rig_result(rig_submit(r, &e, 2, JOB_FAILS, NULL)), -EIO);
	rig_wait_count(&r->frees, 2);
	assert_int_equal(sched_entity_error(&e), -EIO);
	sched_entity_fini(&e);
	rig_destroy(r);
}

/* The finished fences of an entity are one timeline: who waits for a later one has waited for all. */
static void ends_do_not_overtake_each_other(void **state)
{
	struct rig *r = rig_create((struct rig_options){0});
	struct sched_entity e;
	struct dma_fence *slow, *quick, *failed;

	sched_entity_init(&e, SCHED_PRIORITY_NORMAL, r->sched);
	slow = rig_submit(r, &e, 1, JOB_RING, NULL);
	quick = rig_submit(r, &e, 2, JOB_EMPTY, NULL);
	failed = rig_submit(r, &e, 3, JOB_FAILS, NULL);
	rig_wait_count(&r->runs, 3);
	rig_settle();
	assert_false(dma_fence_is_signaled(quick));
	assert_false(dma_fence_is_signaled(failed));
	ring_complete(&r->ring, 1);
	assert_int_equal(rig_result(failed), -EIO);
	assert_int_equal(rig_result(slow), 1);
	assert_int_equal(rig_result(quick), 1);
	sched_entity_fini(&e);
	rig_destroy(r);
}

static void dependencies_are_waited_for_one_after_the_other(void **state)
{
	struct rig *r = rig_create((struct rig_options){0});
	struct dma_fence *dep[6], *finished;
	struct sched_entity e;
	struct test_job *job;

	sched_entity_init(&e, SCHED_PRIORITY_NORMAL, r->sched);
	job = rig_job(r, &e, 1, JOB_EMPTY);
	for (int i = 0; i < 6; i++) {
		dep[i] = hand_fence(NULL);
		assert_int_equal(sched_job_add_dependency(&job->base, dma_fence_get(dep[i])), 0);
	}
	assert_true(sched_job_has_dependency(&job->base, dep[5]));
	finished = rig_push(job);
	for (int i = 5; i > 0; i--)
		dma_fence_signal(dep[i]);
	rig_settle();
	assert_int_equal(atomic_load(&r->runs), 0);
	dma_fence_signal(dep[0]);
	assert_int_equal(rig_result(finished), 1);
	for (int i = 0; i < 6; i++)
		dma_fence_put(dep[i]);
	sched_entity_fini(&e);
	rig_destroy(r);
}

static void of_one_context_the_latest_is_kept(void **state)
{
	struct rig *r = rig_create((struct rig_options){0});
	struct dma_fence *early = hand_fence(NULL), *late = hand_fence(NULL);
	struct sched_entity e;
	struct test_job *job;

	late->context = early->context;
	late->seqno = 2;
	sched_entity_init(&e, SCHED_PRIORITY_NORMAL, r->sched);
	job = rig_job(r, &e, 1, JOB_EMPTY);
	assert_int_equal(sched_job_add_dependency(&job->base, dma_fence_get(early)), 0);
	assert_int_equal(sched_job_add_dependency(&job->base, dma_fence_get(late)), 0);
	assert_int_equal(sched_job_add_dependency(&job->base, dma_fence_get(early)), 0);
	assert_int_equal(sched_job_add_dependency(&job->base, NULL), 0);
	assert_int_equal(job->base.nr_dependencies, 1);
	assert_true(sched_job_has_dependency(&job->base, late));
	assert_false(sched_job_has_dependency(&job->base, early));
	assert_int_equal(atomic_load(&early->refs), 1);
	/* Given up before it was armed: as if it had never been. */
	sched_job_cleanup(&job->base);
	free(job);
	dma_fence_signal(early);
	dma_fence_signal(late);
	dma_fence_put(early);
	dma_fence_put(late);
	sched_entity_fini(&e);
	rig_destroy(r);
}

/* On one ring a job may follow the one that it depends on without waiting for its end. */
static void a_dependency_on_the_same_ring_is_pipelined(void **state)
{
	struct rig *r = rig_create((struct rig_options){0});
	struct sched_entity a, b;
	struct dma_fence *first, *second, *third;

	sched_entity_init(&a, SCHED_PRIORITY_NORMAL, r->sched);
	sched_entity_init(&b, SCHED_PRIORITY_NORMAL, r->sched);
	first = rig_submit(r, &a, 1, JOB_RING, NULL);
	second = rig_submit(r, &b, 2, JOB_RING, first);
	third = rig_submit(r, &b, 3, JOB_EMPTY, first);
	rig_wait_ring(r, 2);
	rig_wait_count(&r->runs, 3);
	rig_settle();
	assert_false(dma_fence_is_signaled(third)); /* it ends after what it depends on, hardware or not */
	ring_complete(&r->ring, 2);
	assert_int_equal(rig_result(third), 1);
	assert_int_equal(rig_result(second), 1);
	assert_int_equal(rig_result(first), 1);
	sched_entity_fini(&a);
	sched_entity_fini(&b);
	rig_destroy(r);
}

static void a_dependency_on_another_ring_is_waited_for(void **state)
{
	struct rig *r = rig_create((struct rig_options){0}), *other = rig_create((struct rig_options){0});
	struct sched_entity a, b;
	struct dma_fence *first, *second;

	sched_entity_init(&a, SCHED_PRIORITY_NORMAL, other->sched);
	sched_entity_init(&b, SCHED_PRIORITY_NORMAL, r->sched);
	first = rig_submit(other, &a, 1, JOB_RING, NULL);
	second = rig_submit(r, &b, 2, JOB_RING, first);
	rig_wait_ring(other, 1);
	rig_settle();
	assert_int_equal(atomic_load(&r->runs), 0);
	ring_complete(&other->ring, 1);
	rig_wait_ring(r, 1);
	ring_complete(&r->ring, 1);
	assert_int_equal(rig_result(second), 1);
	assert_int_equal(rig_result(first), 1);
	sched_entity_fini(&a);
	sched_entity_fini(&b);
	r->fences = other->fences = 0;
	rig_destroy(other);
	rig_destroy(r);
}

static void reservations_give_dependencies_by_usage(void **state)
{
	struct rig *r = rig_create((struct rig_options){0});
	struct dma_fence *write = hand_fence(NULL), *read = hand_fence(NULL);
	struct sched_entity e;
	struct dma_resv resv;
	struct test_job *reader, *writer;

	dma_resv_init(&resv);
	sched_entity_init(&e, SCHED_PRIORITY_NORMAL, r->sched);
	reader = rig_job(r, &e, 1, JOB_EMPTY);
	writer = rig_job(r, &e, 2, JOB_EMPTY);
	dma_resv_lock(&resv, NULL);
	assert_int_equal(dma_resv_reserve_fences(&resv, 2), 0);
	dma_resv_add_fence(&resv, write, DMA_RESV_USAGE_WRITE);
	dma_resv_add_fence(&resv, read, DMA_RESV_USAGE_READ);
	assert_int_equal(sched_job_add_implicit_dependencies(&reader->base, &resv, false), 0);
	assert_int_equal(sched_job_add_implicit_dependencies(&writer->base, &resv, true), 0);
	dma_resv_unlock(&resv);
	assert_int_equal(reader->base.nr_dependencies, 1);
	assert_true(sched_job_has_dependency(&reader->base, write));
	assert_int_equal(writer->base.nr_dependencies, 2);
	sched_job_cleanup(&reader->base);
	sched_job_cleanup(&writer->base);
	free(reader);
	free(writer);
	dma_fence_signal(write);
	dma_fence_signal(read);
	dma_resv_fini(&resv);
	dma_fence_put(write);
	dma_fence_put(read);
	sched_entity_fini(&e);
	rig_destroy(r);
}

static int find(void *table, uint32_t handle, uint64_t point, struct dma_fence **out)
{
	if (handle != 7)
		return -ENOENT;
	*out = dma_fence_get(table);
	return 0;
}

static void handles_give_dependencies(void **state)
{
	struct rig *r = rig_create((struct rig_options){0});
	struct dma_fence *f = hand_fence(NULL);
	struct sched_entity e;
	struct test_job *job;

	sched_entity_init(&e, SCHED_PRIORITY_NORMAL, r->sched);
	job = rig_job(r, &e, 1, JOB_EMPTY);
	assert_int_equal(sched_job_add_syncobj_dependency(&job->base, find, f, 1, 0), -ENOENT);
	assert_int_equal(sched_job_add_syncobj_dependency(&job->base, find, f, 7, 0), 0);
	assert_true(sched_job_has_dependency(&job->base, f));
	sched_job_cleanup(&job->base);
	free(job);
	dma_fence_signal(f);
	dma_fence_put(f);
	sched_entity_fini(&e);
	rig_destroy(r);
}

static void what_is_refused(void **state)
{
	struct rig *r = rig_create((struct rig_options){.credits = 4});
	struct sched_init_args args = {.ops = NULL, .name = "x"};
	struct sched_scheduler *s;
	struct sched_entity e;
	struct sched_job job;
	struct test_job *big;

	assert_int_equal(sched_create(&args, &s), -EINVAL);
	args.credit_limit = 1;
	args.submit_queue = args.timeout_queue = work_queue_create("both");
	assert_int_equal(sched_create(&args, &s), -EINVAL);
	work_queue_destroy(args.submit_queue);
	sched_entity_init(&e, SCHED_PRIORITY_NORMAL, r->sched);
	assert_int_equal(sched_job_init(&job, &e, 0, NULL), -EINVAL);
	/* More than there is would wait for ever. */
	big = calloc(1, sizeof(*big));
	*big = (struct test_job){.rig = r, .id = 1, .kind = JOB_EMPTY};
	assert_int_equal(sched_job_init(&big->base, &e, 100, NULL), 0);
	assert_int_equal(rig_result(rig_push(big)), 1);
	sched_entity_fini(&e);
	assert_int_equal(sched_job_init(&job, &e, 1, NULL), -ENOENT);
	rig_destroy(r);
}

static void flush_waits_for_the_hardware_to_have_everything(void **state)
{
	struct rig *r = rig_create((struct rig_options){0});
	struct dma_fence *dep = hand_fence(NULL), *f;
	struct sched_entity e;

	sched_entity_init(&e, SCHED_PRIORITY_NORMAL, r->sched);
	f = rig_submit(r, &e, 1, JOB_RING, dep);
	assert_int_equal(sched_entity_flush(&e, 1000000), 0);
	dma_fence_signal(dep);
	dma_fence_put(dep);
	assert_true(sched_entity_flush(&e, 20000000000u) > 0);
	assert_int_equal(atomic_load(&r->runs), 1);
	assert_false(dma_fence_is_signaled(f));
	assert_int_equal(sched_entity_flush(&e, DMA_FENCE_FOREVER) > 0, 1);
	ring_complete(&r->ring, 1);
	assert_int_equal(rig_result(f), 1);
	sched_entity_destroy(&e, 1000);
	rig_destroy(r);
}

static void deadlines_reach_the_hardware(void **state)
{
	struct rig *r = rig_create((struct rig_options){0});
	struct dma_fence *dep = hand_fence(NULL), *f;
	struct sched_entity e;

	sched_entity_init(&e, SCHED_PRIORITY_NORMAL, r->sched);
	f = rig_submit(r, &e, 1, JOB_RING, dep);
	assert_string_equal(dma_fence_timeline_name(f), "test ring 0");
	dma_fence_set_deadline(f, 1000);
	dma_fence_set_deadline(f, 2000);
	assert_int_equal(to_sched_fence(f)->deadline_ns, 1000);
	assert_null(to_sched_fence(dep));
	dma_fence_signal(dep);
	dma_fence_put(dep);
	rig_wait_ring(r, 1);
	dma_fence_set_deadline(f, 500);
	ring_complete(&r->ring, 1);
	assert_int_equal(rig_result(f), 1);
	sched_entity_fini(&e);
	rig_destroy(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jobs_go_and_end_in_order),
		cmocka_unit_test(a_job_without_a_hardware_fence_is_done_at_once),
		cmocka_unit_test(ends_do_not_overtake_each_other),
		cmocka_unit_test(dependencies_are_waited_for_one_after_the_other),
		cmocka_unit_test(of_one_context_the_latest_is_kept),
		cmocka_unit_test(a_dependency_on_the_same_ring_is_pipelined),
		cmocka_unit_test(a_dependency_on_another_ring_is_waited_for),
		cmocka_unit_test(reservations_give_dependencies_by_usage),
		cmocka_unit_test(handles_give_dependencies),
		cmocka_unit_test(what_is_refused),
		cmocka_unit_test(flush_waits_for_the_hardware_to_have_everything),
		cmocka_unit_test(deadlines_reach_the_hardware),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
