/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct lock_class log_class = {.name = "test log", .rank = LOCK_RANK_LEAF};
const struct lock_class hand_class = {.name = "fences by hand", .rank = LOCK_RANK_FENCE};

static struct test_job *to_test(struct sched_job *job)
{
	return container_of(job, struct test_job, base);
}

void rig_log(struct rig *r, const char *event, int id)
{
	size_t len;

	spin_lock_irq(&r->log_lock);
	len = strlen(r->log);
	snprintf(r->log + len, sizeof(r->log) - len, "%s%d ", event, id);
	spin_unlock_irq(&r->log_lock);
}

/* --- the driver --- */

/* To go: everything it depends on has signalled, or is before it on the same ring. */
static void check_may_go(struct sched_job *job)
{
	for (unsigned i = 0; i < job->nr_dependencies; i++) {
		struct dma_fence *f = job->dependencies[i];
		struct sched_fence *pair = to_sched_fence(f);

		if (pair && pair->sched == job->sched)
			assert_true(dma_fence_is_signaled(&pair->scheduled));
		else
			assert_true(dma_fence_is_signaled(f));
	}
	assert_int_equal(job->s_fence->finished.error, 0);
	assert_false(dma_fence_is_signaled(&job->s_fence->finished));
}

static struct dma_fence *run_job(struct sched_job *base)
{
	struct test_job *job = to_test(base);
	struct rig *r = job->rig;
	bool hangs = job->kind == JOB_HANGS || (job->kind == JOB_HANGS_ONCE && !job->hung);

	check_may_go(base);
	rig_log(r, "r", job->id);
	atomic_fetch_add(&r->runs, 1);
	job->hung += hangs;
	if (r->in_run)
		r->in_run(r, job);
	switch (job->kind) {
	case JOB_EMPTY:
		return NULL;
	case JOB_FAILS:
		return sched_err_ptr(-EIO);
	default:
		return ring_submit(&r->ring, hangs);
	}
}

static enum sched_stat timedout_job(struct sched_job *bad)
{
	struct rig *r = to_test(bad)->rig;

	rig_log(r, "t", to_test(bad)->id);
	atomic_fetch_add(&r->timeouts, 1);
	if (r->stat != SCHED_STAT_RESET)
		return r->stat;
	sched_stop(r->sched);
	ring_reset(&r->ring, -EIO);
	sched_increase_karma(bad);
	if (!r->no_resubmit)
		sched_resubmit_jobs(r->sched);
	sched_start(r->sched, 0);
	return SCHED_STAT_RESET;
}

static void check_has_ended(struct sched_job *job)
{
	struct sched_fence *f = job->s_fence;

	assert_true(dma_fence_is_signaled(&f->scheduled));
	assert_true(dma_fence_is_signaled(&f->finished));
	assert_true(f->scheduled.timestamp_ns <= f->finished.timestamp_ns);
	for (unsigned i = 0; i < job->nr_dependencies; i++) {
		struct sched_fence *pair = to_sched_fence(job->dependencies[i]);

		assert_true(dma_fence_is_signaled(pair ? &pair->finished : job->dependencies[i]));
	}
}

static void free_job(struct sched_job *base)
{
	struct test_job *job = to_test(base);
	struct rig *r = job->rig;

	check_has_ended(base);
	rig_log(r, "f", job->id);
	if (r->in_free)
		r->in_free(r, job);
	sched_job_cleanup(base);
	free(job);
	atomic_fetch_add(&r->frees, 1);
}

static void cancel_job(struct sched_job *base)
{
	ring_reset(&to_test(base)->rig->ring, -ECANCELED);
}

static const struct sched_backend_ops ops = {
	.run_job = run_job, .timedout_job = timedout_job, .free_job = free_job, .cancel_job = cancel_job};
static const struct sched_backend_ops ops_no_cancel = {
	.run_job = run_job, .timedout_job = timedout_job, .free_job = free_job};

/* --- the rig --- */

struct rig *rig_create(struct rig_options options)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct sched_init_args args = {
		.ops = options.no_cancel ? &ops_no_cancel : &ops,
		.name = "test ring 0",
		.credit_limit = options.credits ? options.credits : 16,
		.timeout_ns = options.timeout_ns,
		.hang_limit = options.hang_limit,
		.timeout_queue = options.timeout_queue,
	};

	assert_non_null(r);
	r->fences = dma_fence_count();
	spin_lock_init(&r->log_lock, &log_class);
	ring_init(&r->ring);
	if (options.thread)
		ring_start(&r->ring);
	assert_int_equal(sched_create(&args, &r->sched), 0);
	return r;
}

void rig_destroy(struct rig *r)
{
	sched_destroy(r->sched);
	ring_fini(&r->ring);
	assert_int_equal(dma_fence_count(), r->fences);
	spin_lock_fini(&r->log_lock);
	free(r);
}

struct test_job *rig_job(struct rig *r, struct sched_entity *e, int id, enum job_kind kind)
{
	struct test_job *job = calloc(1, sizeof(*job));

	assert_non_null(job);
	assert_int_equal(sched_job_init(&job->base, e, 1, r), 0);
	job->rig = r;
	job->id = id;
	job->kind = kind;
	return job;
}

static void log_scheduled(struct dma_fence *f, struct dma_fence_cb *cb)
{
	struct test_job *job = container_of(cb, struct test_job, scheduled);

	rig_log(job->rig, "s", job->id);
}

static void log_finished(struct dma_fence *f, struct dma_fence_cb *cb)
{
	struct test_job *job = container_of(cb, struct test_job, finished);

	rig_log(job->rig, "e", job->id);
}

static void watch(struct test_job *job)
{
	assert_int_equal(dma_fence_add_callback(&job->base.s_fence->scheduled, &job->scheduled, log_scheduled), 0);
	assert_int_equal(dma_fence_add_callback(&job->base.s_fence->finished, &job->finished, log_finished), 0);
}

struct dma_fence *rig_push(struct test_job *job)
{
	struct dma_fence *finished;

	sched_job_arm(&job->base);
	if (job->rig->watch)
		watch(job);
	finished = dma_fence_get(&job->base.s_fence->finished);
	sched_job_push(&job->base);
	return finished;
}

struct dma_fence *rig_submit(struct rig *r, struct sched_entity *e, int id, enum job_kind kind, struct dma_fence *after)
{
	struct test_job *job = rig_job(r, e, id, kind);

	assert_int_equal(sched_job_add_dependency(&job->base, dma_fence_get(after)), 0);
	return rig_push(job);
}

void rig_wait(struct dma_fence *f)
{
	assert_true(dma_fence_wait_timeout(f, 20000000000u) > 0);
}

int rig_result(struct dma_fence *f)
{
	int status;

	rig_wait(f);
	status = dma_fence_get_status(f);
	dma_fence_put(f);
	return status;
}

void rig_wait_ring(struct rig *r, unsigned nr)
{
	while (ring_length(&r->ring) != nr)
		usleep(100);
}

void rig_wait_count(atomic_int *counter, int nr)
{
	while (atomic_load(counter) < nr)
		usleep(100);
}

void rig_settle(void)
{
	usleep(5000);
}

void rig_reset(struct rig *r)
{
	sched_stop(r->sched);
	ring_reset(&r->ring, -EIO);
	sched_resubmit_jobs(r->sched);
	sched_start(r->sched, 0);
}

static const char *hand_name(struct dma_fence *f)
{
	return "by-hand";
}

static const struct dma_fence_ops hand_ops = {.get_driver_name = hand_name, .get_timeline_name = hand_name};

struct dma_fence *hand_fence(struct spinlock *lock)
{
	struct dma_fence *f = malloc(sizeof(*f));

	assert_non_null(f);
	dma_fence_init(f, &hand_ops, lock, dma_fence_context_alloc(1), 1);
	return f;
}
