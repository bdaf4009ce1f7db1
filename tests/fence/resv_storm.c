/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reservations under many hands: submitters lock some of them in any order and add the fence of a job, one locks all of
 * them each time, some lock one without a context or try to, readers look without a lock, and fences signal meanwhile.
 * Nobody starves: who wants all gets all, however many want one. In the end no fence is left.
 *
 * Runs for a second, or as long as BARTER_STRESS_SECONDS says.
 */
#include "driver.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fence/dma_fence_array.h"
#include "fence/dma_resv.h"

enum { OBJECTS = 12, SUBMITTERS = 4, SINGLES = 2, READERS = 1, PENDING = 128 };
enum { THREADS = 1 + SUBMITTERS + SINGLES + READERS };

struct object {
	struct dma_resv resv;
	int holder; /* plain on purpose: the lock guards it */
};

struct storm {
	struct object objects[OBJECTS];
	atomic_bool stop;
	atomic_ulong backed_off, added, tried;
};

struct thread {
	struct storm *storm;
	unsigned seed;
	int id;
	pthread_t thread;
	void (*round)(struct thread *t);
	unsigned long rounds;
	uint64_t context, seqno;
	struct dma_fence *pending[PENDING]; /* the jobs of this thread: a ring */
};

static unsigned below(struct thread *t, unsigned n)
{
	return (unsigned)rand_r(&t->seed) % n;
}

static void check(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "reservation storm: %s\n", what);
	abort();
}

static void shuffle(struct thread *t, unsigned *which)
{
	for (unsigned i = 0; i < OBJECTS; i++)
		which[i] = i;
	for (unsigned i = OBJECTS; i > 1; i--) {
		unsigned j = below(t, i), swap = which[j];

		which[j] = which[i - 1];
		which[i - 1] = swap;
	}
}

/* From the one that was lost, then the others. */
static void lock_all(struct storm *s, unsigned *which, unsigned nr, struct ww_acquire_ctx *ctx)
{
	for (unsigned i = 0; i < nr; i++) {
		unsigned lost = which[i];

		if (!dma_resv_lock(&s->objects[lost].resv, ctx))
			continue;
		atomic_fetch_add(&s->backed_off, 1);
		for (unsigned j = 0; j < i; j++)
			dma_resv_unlock(&s->objects[which[j]].resv);
		dma_resv_lock_slow(&s->objects[lost].resv, ctx);
		which[i] = which[0];
		which[0] = lost;
		i = 0;
	}
}

/* Locked; lets go. */
static void use_object(struct thread *t, struct object *o, struct dma_fence *job)
{
	check(o->holder == 0, "an object has two holders");
	o->holder = t->id;
	if (job && !dma_resv_reserve_fences(&o->resv, 1)) {
		dma_resv_add_fence(&o->resv, job, (enum dma_resv_usage)below(t, 4));
		atomic_fetch_add(&t->storm->added, 1);
	}
	check(o->holder == t->id, "an object has two holders");
	o->holder = 0;
	dma_resv_unlock(&o->resv);
}

static void job_end(struct dma_fence **slot)
{
	if (*slot)
		dma_fence_signal(*slot);
	dma_fence_put(*slot);
	*slot = NULL;
}

/* The next job, of the thread's timeline or one of its own; the one that was that long ago ends. */
static struct dma_fence *job_new(struct thread *t)
{
	uint64_t context = below(t, 4) ? t->context : dma_fence_context_alloc(1);
	struct dma_fence **slot = &t->pending[++t->seqno % PENDING];

	job_end(slot);
	*slot = &test_fence_new(NULL, context, t->seqno)->base;
	return *slot;
}

static void submit_to(struct thread *t, unsigned nr)
{
	struct dma_fence *job = job_new(t);
	unsigned which[OBJECTS];
	struct ww_acquire_ctx ctx;

	shuffle(t, which);
	ww_acquire_init(&ctx);
	lock_all(t->storm, which, nr, &ctx);
	for (unsigned i = 0; i < nr; i++)
		use_object(t, &t->storm->objects[which[i]], job);
	ww_acquire_fini(&ctx);
}

static void submit_to_all(struct thread *t)
{
	submit_to(t, OBJECTS);
}

static void submit(struct thread *t)
{
	submit_to(t, 1 + below(t, 5));
}

static void single(struct thread *t)
{
	struct object *o = &t->storm->objects[below(t, OBJECTS)];

	if (below(t, 4)) {
		dma_resv_lock(&o->resv, NULL);
		use_object(t, o, NULL);
	} else if (dma_resv_trylock(&o->resv)) {
		atomic_fetch_add(&t->storm->tried, 1);
		use_object(t, o, NULL);
	}
}

static void read_all(struct dma_resv *r, enum dma_resv_usage usage)
{
	struct dma_fence **fences, *one;
	unsigned nr;

	check(dma_resv_get_fences(r, usage, &nr, &fences) == 0, "no memory");
	while (nr)
		dma_fence_put(fences[--nr]);
	free(fences);
	check(dma_resv_get_singleton(r, usage, &one) == 0, "no memory");
	dma_fence_put(one);
}

static void reader(struct thread *t)
{
	struct dma_resv *r = &t->storm->objects[below(t, OBJECTS)].resv;
	enum dma_resv_usage usage = (enum dma_resv_usage)below(t, 4);
	char text[512];
	FILE *out = fmemopen(text, sizeof(text), "w");

	read_all(r, usage);
	dma_resv_test_signaled(r, usage);
	dma_resv_wait_timeout(r, usage, below(t, 50000));
	check(dma_resv_describe(r, out) == 0, "no memory");
	fclose(out);
}

static void *run(void *arg)
{
	struct thread *t = arg;

	for (; !atomic_load(&t->storm->stop); t->rounds++)
		t->round(t);
	for (unsigned i = 0; i < PENDING; i++)
		job_end(&t->pending[i]);
	return NULL;
}

static void thread_start_as(struct thread *t, struct storm *s, int id)
{
	t->storm = s;
	t->id = id;
	t->seed = (unsigned)id;
	t->context = dma_fence_context_alloc(1);
	t->round = id == 1			    ? submit_to_all
		   : id <= 1 + SUBMITTERS	    ? submit
		   : id <= 1 + SUBMITTERS + SINGLES ? single
						    : reader;
	assert_int_equal(pthread_create(&t->thread, NULL, run, t), 0);
}

static unsigned stress_seconds(void)
{
	const char *text = getenv("BARTER_STRESS_SECONDS");

	return text ? (unsigned)atoi(text) : 1;
}

static void a_storm_of_reservations(void **state)
{
	static struct storm s;
	static struct thread threads[THREADS];
	unsigned long all = 0;

	for (unsigned i = 0; i < OBJECTS; i++)
		dma_resv_init(&s.objects[i].resv);
	for (int i = 0; i < THREADS; i++)
		thread_start_as(&threads[i], &s, i + 1);
	sleep(stress_seconds());
	atomic_store(&s.stop, true);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i].thread, NULL);
	for (unsigned i = 0; i < THREADS; i++) {
		all += threads[i].rounds;
		assert_true(threads[i].rounds > 0);
	}
	for (unsigned i = 0; i < OBJECTS; i++) {
		assert_true(dma_resv_test_signaled(&s.objects[i].resv, DMA_RESV_USAGE_BOOKKEEP));
		dma_resv_fini(&s.objects[i].resv);
	}
	print_message("%lu rounds, %lu of them for all objects; %lu fences added, backed off %lu times, tried %lu\n",
		      all, threads[0].rounds, s.added, s.backed_off, s.tried);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(a_storm_of_reservations)};

	return run_fence_tests(tests);
}
