/* SPDX-License-Identifier: BSD-3-Clause */
/* Jobs that do not end in time: who is asked, who is guilty, what goes on. */
#include "rig.h"

#include <string.h>

#define MS 1000000u

static struct rig *rig_with_clock(struct sched_entity *e, unsigned hang_limit, uint64_t timeout_ns)
{
	struct rig *r = rig_create((struct rig_options){.timeout_ns = timeout_ns, .hang_limit = hang_limit});

	assert_int_equal(sched_entity_init(e, SCHED_PRIORITY_NORMAL, r->sched), 0);
	return r;
}

static void the_guilty_job_ends_and_others_go_on(void **state)
{
	struct sched_entity bad, good;
	struct rig *r = rig_with_clock(&bad, 0, 100 * MS);
	struct dma_fence *hang, *same, *later, *other;

	sched_entity_init(&good, SCHED_PRIORITY_NORMAL, r->sched);
	hang = rig_submit(r, &bad, 1, JOB_HANGS, NULL);
	same = rig_submit(r, &bad, 2, JOB_RING, NULL);
	rig_wait_ring(r, 2);
	other = rig_submit(r, &good, 3, JOB_RING, NULL);
	assert_int_equal(rig_result(hang), -ETIME);
	assert_int_equal(rig_result(same), -ECANCELED);
	rig_wait_ring(r, 1);
	assert_int_equal(ring_complete(&r->ring, 1), 1);
	assert_int_equal(rig_result(other), 1);
	/* Its context is lost, for later jobs, too. */
	later = rig_submit(r, &bad, 4, JOB_RING, NULL);
	assert_int_equal(rig_result(later), -ECANCELED);
	assert_int_equal(sched_entity_error(&bad), -ECANCELED);
	assert_int_equal(sched_entity_error(&good), 0);
	assert_int_equal(atomic_load(&r->timeouts), 1);
	sched_entity_fini(&bad);
	sched_entity_fini(&good);
	assert_string_equal(r->log, "r1 r2 r3 t1 r3 f1 f2 f3 f4 ");
	rig_destroy(r);
}

static void below_the_hang_limit_it_gets_another_try(void **state)
{
	struct sched_entity e;
	struct rig *r = rig_with_clock(&e, 1, 20 * MS);
	struct dma_fence *once, *after;

	once = rig_submit(r, &e, 1, JOB_HANGS_ONCE, NULL);
	after = rig_submit(r, &e, 2, JOB_RING, NULL);
	rig_wait_count(&r->runs, 4);
	assert_int_equal(ring_complete(&r->ring, 2), 2);
	assert_int_equal(rig_result(once), 1);
	assert_int_equal(rig_result(after), 1);
	sched_entity_fini(&e);
	assert_string_equal(r->log, "r1 r2 t1 r1 r2 f1 f2 ");
	rig_destroy(r);
}

static void above_it_not(void **state)
{
	struct sched_entity e;
	struct rig *r = rig_with_clock(&e, 1, 10 * MS);

	assert_int_equal(rig_result(rig_submit(r, &e, 1, JOB_HANGS, NULL)), -ETIME);
	assert_int_equal(atomic_load(&r->timeouts), 2);
	sched_entity_fini(&e);
	rig_destroy(r);
}

static void kernel_jobs_are_never_guilty(void **state)
{
	struct rig *r = rig_create((struct rig_options){.timeout_ns = 10 * MS});
	struct sched_entity e;
	struct dma_fence *f;

	sched_entity_init(&e, SCHED_PRIORITY_KERNEL, r->sched);
	f = rig_submit(r, &e, 1, JOB_HANGS_ONCE, NULL);
	rig_wait_count(&r->runs, 2);
	ring_complete(&r->ring, 1);
	assert_int_equal(rig_result(f), 1);
	sched_entity_fini(&e);
	rig_destroy(r);
}

static void what_nobody_resubmits_is_given_up(void **state)
{
	struct sched_entity e, other;
	struct rig *r = rig_with_clock(&e, 5, 10 * MS);
	struct dma_fence *hang, *lost;

	r->no_resubmit = true;
	sched_entity_init(&other, SCHED_PRIORITY_NORMAL, r->sched);
	hang = rig_submit(r, &e, 1, JOB_HANGS, NULL);
	lost = rig_submit(r, &other, 2, JOB_RING, hang);
	assert_int_equal(rig_result(hang), -ECANCELED);
	assert_int_equal(rig_result(lost), -ECANCELED);
	sched_entity_fini(&e);
	sched_entity_fini(&other);
	rig_destroy(r);
}

static void one_that_is_only_slow_goes_on(void **state)
{
	struct sched_entity e;
	struct rig *r = rig_with_clock(&e, 0, 5 * MS);
	struct dma_fence *f;

	r->stat = SCHED_STAT_NO_HANG;
	f = rig_submit(r, &e, 1, JOB_RING, NULL);
	rig_wait_count(&r->timeouts, 3); /* asked again and again */
	assert_int_equal(ring_complete(&r->ring, 1), 1);
	assert_int_equal(rig_result(f), 1);
	assert_int_equal(atomic_load(&r->runs), 1);
	sched_entity_fini(&e);
	rig_destroy(r);
}

static void a_device_that_is_gone_is_not_asked_again(void **state)
{
	struct sched_entity e;
	struct rig *r = rig_with_clock(&e, 0, 2 * MS);
	struct dma_fence *f;

	r->stat = SCHED_STAT_ENODEV;
	f = rig_submit(r, &e, 1, JOB_HANGS, NULL);
	rig_wait_count(&r->timeouts, 1);
	rig_settle();
	rig_settle();
	assert_int_equal(atomic_load(&r->timeouts), 1);
	sched_entity_fini(&e);
	/* The end of the scheduler cancels it. */
	sched_destroy(r->sched);
	r->sched = NULL;
	assert_int_equal(rig_result(f), -ECANCELED);
	rig_destroy(r);
}

static void the_clock_is_each_jobs_own(void **state)
{
	struct sched_entity e;
	struct rig *r = rig_with_clock(&e, 0, 200 * MS);
	struct dma_fence *f[4];

	for (int i = 0; i < 4; i++)
		f[i] = rig_submit(r, &e, i, JOB_RING, NULL);
	rig_wait_ring(r, 4);
	/* Together they take longer than one may. */
	for (int i = 0; i < 4; i++) {
		struct timespec t = {.tv_nsec = 60 * MS};

		nanosleep(&t, NULL);
		ring_complete(&r->ring, 1);
		assert_int_equal(rig_result(f[i]), 1);
	}
	assert_int_equal(atomic_load(&r->timeouts), 0);
	sched_entity_fini(&e);
	rig_destroy(r);
}

static void a_fault_does_not_wait_for_the_clock(void **state)
{
	struct sched_entity e;
	struct rig *r = rig_with_clock(&e, 0, 0);
	struct dma_fence *f;

	sched_fault(r->sched); /* nothing is there: nothing happens */
	f = rig_submit(r, &e, 1, JOB_HANGS, NULL);
	rig_wait_ring(r, 1);
	assert_int_equal(atomic_load(&r->timeouts), 0);
	sched_fault(r->sched);
	assert_int_equal(rig_result(f), -ETIME);
	sched_entity_fini(&e);
	rig_destroy(r);
}

/* A reset for another reason: the device's registers, a VFIO reset. */
static void a_reset_without_a_timeout(void **state)
{
	struct sched_entity e;
	struct rig *r = rig_with_clock(&e, 0, 0);
	struct dma_fence *done, *again, *queued;

	done = rig_submit(r, &e, 1, JOB_RING, NULL);
	again = rig_submit(r, &e, 2, JOB_RING, NULL);
	rig_wait_ring(r, 2);
	sched_stop(r->sched);
	sched_stop(r->sched); /* two who reset */
	queued = rig_submit(r, &e, 3, JOB_RING, NULL);
	rig_settle();
	assert_int_equal(atomic_load(&r->runs), 2);
	ring_reset(&r->ring, -EIO);
	sched_resubmit_jobs(r->sched);
	sched_start(r->sched, 0);
	rig_settle();
	assert_int_equal(atomic_load(&r->runs), 4);
	sched_start(r->sched, 0);
	rig_wait_ring(r, 3);
	ring_complete(&r->ring, 3);
	assert_int_equal(rig_result(queued), 1);
	assert_int_equal(rig_result(done), 1);
	assert_int_equal(rig_result(again), 1);
	sched_entity_fini(&e);
	rig_destroy(r);
}

/* It was done when the worker stood still: that is not undone. */
static void one_that_was_done_before_the_stop_stays_done(void **state)
{
	struct sched_entity e;
	struct rig *r = rig_with_clock(&e, 0, 0);
	struct dma_fence *first, *second;

	first = rig_submit(r, &e, 1, JOB_RING, NULL);
	second = rig_submit(r, &e, 2, JOB_RING, NULL);
	rig_wait_ring(r, 2);
	sched_stop(r->sched);
	sched_start(r->sched, -ENODEV); /* both given up */
	assert_int_equal(rig_result(first), -ENODEV);
	assert_int_equal(rig_result(second), -ENODEV);
	ring_reset(&r->ring, -EIO);
	first = rig_submit(r, &e, 3, JOB_RING, NULL);
	rig_wait_ring(r, 1);
	ring_complete(&r->ring, 1);
	sched_stop(r->sched);
	sched_start(r->sched, -ENODEV);
	assert_int_equal(rig_result(first), 1);
	sched_entity_fini(&e);
	rig_destroy(r);
}

static void killed_while_it_hangs(void **state)
{
	struct sched_entity e;
	struct rig *r = rig_with_clock(&e, 0, 100 * MS);
	struct dma_fence *hang, *queued, *dep = hand_fence(NULL);

	hang = rig_submit(r, &e, 1, JOB_HANGS, NULL);
	rig_wait_ring(r, 1);
	queued = rig_submit(r, &e, 2, JOB_RING, dep);
	sched_entity_fini(&e);
	dma_fence_signal(dep);
	dma_fence_put(dep);
	assert_int_equal(rig_result(queued), -ESRCH);
	assert_int_equal(rig_result(hang), -ETIME);
	rig_destroy(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_guilty_job_ends_and_others_go_on),
		cmocka_unit_test(below_the_hang_limit_it_gets_another_try),
		cmocka_unit_test(above_it_not),
		cmocka_unit_test(kernel_jobs_are_never_guilty),
		cmocka_unit_test(what_nobody_resubmits_is_given_up),
		cmocka_unit_test(one_that_is_only_slow_goes_on),
		cmocka_unit_test(a_device_that_is_gone_is_not_asked_again),
		cmocka_unit_test(the_clock_is_each_jobs_own),
		cmocka_unit_test(a_fault_does_not_wait_for_the_clock),
		cmocka_unit_test(a_reset_without_a_timeout),
		cmocka_unit_test(one_that_was_done_before_the_stop_stays_done),
		cmocka_unit_test(killed_while_it_hangs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
