/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Kill storms: threads submit jobs that depend on each other's, on fences that others signal and on two rings; entities
 * are killed and end at any moment; jobs hang, and the rings are reset for no reason. Each job checks itself (rig.c),
 * and in the end nothing is left. Runs for a second, or as long as BARTER_STRESS_SECONDS says.
 */
#include "rig.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { SUBMITTERS = 4, SIGNALLERS = 2, RINGS = 2, POOL = 64, ROUND_JOBS = 24 };

struct storm {
	struct rig *rig[RINGS];
	atomic_bool stop;
	atomic_ulong jobs, killed, done, failed;

	/* Fences that anyone may depend on. By hand: signalled by whoever takes them out, so never for ever pending. */
	struct mutex lock;
	struct dma_fence *pool[POOL];
	struct spinlock shared;
};

struct thread {
	struct storm *storm;
	unsigned seed;
	pthread_t thread;
};

static const struct lock_class pool_class = {.name = "pool of fences", .rank = LOCK_RANK_RESERVATION};

static unsigned below(struct thread *t, unsigned n)
{
	return (unsigned)rand_r(&t->seed) % n;
}

static struct dma_fence *pool_swap(struct storm *s, unsigned i, struct dma_fence *f)
{
	struct dma_fence *old;

	mutex_lock(&s->lock);
	old = s->pool[i];
	s->pool[i] = f;
	mutex_unlock(&s->lock);
	return old;
}

static struct dma_fence *pool_get(struct storm *s, unsigned i)
{
	struct dma_fence *f;

	mutex_lock(&s->lock);
	f = dma_fence_get(s->pool[i]);
	mutex_unlock(&s->lock);
	return f;
}

/* Fences by hand, half of them with one lock, live for a moment in the pool. */
static void *signaller(void *arg)
{
	struct thread *t = arg;
	struct storm *s = t->storm;
	struct dma_fence *mine[8];

	while (!atomic_load(&s->stop)) {
		for (int i = 0; i < 8; i++) {
			mine[i] = hand_fence(below(t, 2) ? &s->shared : NULL);
			dma_fence_put(pool_swap(s, below(t, POOL), dma_fence_get(mine[i])));
		}
		usleep(below(t, 200));
		for (int i = 0; i < 8; i++) {
			dma_fence_signal(mine[i]);
			dma_fence_put(mine[i]);
		}
	}
	return NULL;
}

static enum job_kind any_kind(struct thread *t)
{
	static const enum job_kind kinds[] = {JOB_EMPTY, JOB_EMPTY, JOB_RING, JOB_RING, JOB_RING, JOB_FAILS};

	if (below(t, 100) == 0)
		return JOB_HANGS_ONCE;
	return kinds[below(t, ARRAY_SIZE(kinds))];
}

static struct dma_fence *submit_one(struct thread *t, struct rig *r, struct sched_entity *e)
{
	struct storm *s = t->storm;
	struct test_job *job = rig_job(r, e, 1, any_kind(t));

	for (unsigned n = below(t, 4); n; n--)
		sched_job_add_dependency(&job->base, pool_get(s, below(t, POOL)));
	atomic_fetch_add(&s->jobs, 1);
	return rig_push(job);
}

static void tally(struct storm *s, struct dma_fence *f)
{
	int result = rig_result(f);

	if (result == -ESRCH)
		atomic_fetch_add(&s->killed, 1);
	else
		atomic_fetch_add(result == 1 ? &s->done : &s->failed, 1);
}

/* One context's life, which ends early more often than not. */
static void one_round(struct thread *t)
{
	struct rig *r = t->storm->rig[below(t, RINGS)];
	unsigned nr = 1 + below(t, ROUND_JOBS), kill_at = below(t, 2 * ROUND_JOBS);
	struct sched_entity *e = malloc(sizeof(*e));
	struct dma_fence *fences[ROUND_JOBS];

	assert_non_null(e);
	assert_int_equal(sched_entity_init(e, (enum sched_priority)below(t, 4), r->sched), 0);
	for (unsigned i = 0; i < nr; i++) {
		if (i == kill_at)
			sched_entity_kill(e);
		fences[i] = submit_one(t, r, e);
		dma_fence_put(pool_swap(t->storm, below(t, POOL), dma_fence_get(fences[i])));
	}
	if (below(t, 3) == 0)
		sched_entity_flush(e, below(t, 1000) * 1000u);
	sched_entity_fini(e);
	free(e);
	for (unsigned i = 0; i < nr; i++)
		tally(t->storm, fences[i]);
}

static void *submitter(void *arg)
{
	struct thread *t = arg;

	while (!atomic_load(&t->storm->stop))
		one_round(t);
	return NULL;
}

struct resetter {
	struct work work;
	struct storm *storm;
	struct work_queue *queue;
	unsigned nr;
};

static void reset_one(struct work *w)
{
	struct resetter *r = container_of(w, struct resetter, work);

	rig_reset(r->storm->rig[r->nr++ % RINGS]);
	if (!atomic_load(&r->storm->stop))
		work_queue_add(r->queue, w, 3000000);
}

static void start(struct thread *t, struct storm *s, unsigned seed, void *(*fn)(void *arg))
{
	t->storm = s;
	t->seed = seed;
	assert_int_equal(pthread_create(&t->thread, NULL, fn, t), 0);
}

static void empty_pool(struct storm *s)
{
	for (unsigned i = 0; i < POOL; i++)
		dma_fence_put(pool_swap(s, i, NULL));
}

static unsigned stress_seconds(void)
{
	const char *text = getenv("BARTER_STRESS_SECONDS");

	return text ? (unsigned)atoi(text) : 1;
}

static void storm(void **state)
{
	struct work_queue *queue = work_queue_create("storm-resets");
	int64_t fences = dma_fence_count();
	struct thread threads[SUBMITTERS + SIGNALLERS];
	struct storm s = {0};
	struct resetter resetter = {.storm = &s, .queue = queue};

	mutex_init(&s.lock, &pool_class);
	spin_lock_init(&s.shared, &hand_class);
	for (int i = 0; i < RINGS; i++)
		s.rig[i] = rig_create((struct rig_options){
			.credits = 4, .timeout_ns = 20000000, .hang_limit = 1, .thread = true, .timeout_queue = queue});
	for (unsigned i = 0; i < SUBMITTERS + SIGNALLERS; i++)
		start(&threads[i], &s, i + 1, i < SUBMITTERS ? submitter : signaller);
	work_init(&resetter.work, reset_one);
	work_queue_start(queue);
	work_queue_add(queue, &resetter.work, 1000000);
	sleep(stress_seconds());
	atomic_store(&s.stop, true);
	for (unsigned i = 0; i < SUBMITTERS + SIGNALLERS; i++)
		pthread_join(threads[i].thread, NULL);
	work_cancel_sync(queue, &resetter.work);
	empty_pool(&s);
	for (int i = 0; i < RINGS; i++) {
		sched_destroy(s.rig[i]->sched);
		s.rig[i]->sched = NULL;
	}
	for (int i = 0; i < RINGS; i++) {
		ring_fini(&s.rig[i]->ring);
		free(s.rig[i]);
	}
	work_queue_destroy(queue);
	assert_int_equal(dma_fence_count(), fences);
	print_message("%lu jobs: %lu done, %lu failed, %lu killed\n", atomic_load(&s.jobs), atomic_load(&s.done),
		      atomic_load(&s.failed), atomic_load(&s.killed));
	assert_int_equal(atomic_load(&s.jobs), atomic_load(&s.done) + atomic_load(&s.failed) + atomic_load(&s.killed));
	assert_true(atomic_load(&s.killed) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(storm)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
