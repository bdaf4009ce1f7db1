/* SPDX-License-Identifier: BSD-3-Clause */
/* The job scheduler: what a job costs that does nothing, from its allocation until it is freed. */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"
#include "sched/sched.h"

/* A driver's window: so many jobs are submitted, then the last one is waited for. */
enum { WINDOW = 1024, WINDOWS = 200 };

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "bench: %s failed\n", what);
	exit(1);
}

static struct dma_fence *run_job(struct sched_job *job)
{
	return NULL;
}

static void free_job(struct sched_job *job)
{
	sched_job_cleanup(job);
	free(job);
}

static struct dma_fence *submit(struct sched_entity *e)
{
	struct sched_job *job = malloc(sizeof(*job));
	struct dma_fence *finished;

	must(job && sched_job_init(job, e, 1, NULL) == 0, "sched_job_init");
	sched_job_arm(job);
	finished = dma_fence_get(&job->s_fence->finished);
	sched_job_push(job);
	return finished;
}

static void run_window(struct sched_entity *e)
{
	for (int i = 1; i < WINDOW; i++)
		dma_fence_put(submit(e));
	struct dma_fence *last = submit(e);
	dma_fence_wait_timeout(last, DMA_FENCE_FOREVER);
	dma_fence_put(last);
}

/* Millions of jobs a second. */
static double measure(void)
{
	static const struct sched_backend_ops ops = {.run_job = run_job, .free_job = free_job};
	struct sched_init_args args = {.ops = &ops, .name = "bench", .credit_limit = 64};
	struct sched_scheduler *s;
	struct sched_entity e;
	double start;

	must(sched_create(&args, &s) == 0, "sched_create");
	must(sched_entity_init(&e, SCHED_PRIORITY_NORMAL, s) == 0, "sched_entity_init");
	run_window(&e);
	start = now_ns();
	for (int i = 0; i < WINDOWS; i++)
		run_window(&e);
	start = now_ns() - start;
	sched_entity_fini(&e);
	sched_destroy(s);
	return 1000.0 * WINDOW * WINDOWS / start;
}

/* The submitter and the scheduler's worker share a core: this is what both cost together. */
void rows_sched(struct bench *b)
{
	struct samples rate = {0};
	struct bench_row *row;
	cpu_set_t all, one;

	sched_getaffinity(0, sizeof(all), &all);
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	sched_setaffinity(0, sizeof(one), &one);
	for (unsigned i = 0; i < b->repetitions; i++)
		samples_add(&rate, measure());
	sched_setaffinity(0, sizeof(all), &all);
	row = bench_row(b, "job scheduler: empty jobs on one core", "million jobs a second", 1.0, true, &rate);
	bench_detail(row, "%.0f ns a job, allocation to free", 1000.0 / samples_median(&rate));
}
