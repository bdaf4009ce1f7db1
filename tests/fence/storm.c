/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Thousands of fences across threads. Drivers make fences and signal them in order, some under a lock that all of a
 * timeline share, some with an error. Composers make arrays, chains and merges of what they find, and of each other's.
 * Watchers add callbacks and remove them, wait a moment, set deadlines, ask. Each callback runs once or is removed; a
 * composite signals after all that it was made of; in the end no fence is left.
 *
 * Runs for a second, or as long as BARTER_STRESS_SECONDS says.
 */
#include "driver.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fence/dma_fence_unwrap.h"

enum { DRIVERS = 3, COMPOSERS = 3, WATCHERS = 2, THREADS = DRIVERS + COMPOSERS + WATCHERS };
enum { PENDING = 512, FENCES = 1024, COMPOSITES = 256, MEMBERS = 24, LEAVES = 128 };

/* Made of others. Its maker's until it is in the pool, then whose who takes it out. */
struct composite {
	struct dma_fence_cb cb;
	struct dma_fence *fence;
	struct dma_fence *leaves[LEAVES]; /* one reference each */
	unsigned nr;
	bool any; /* signals with the first */
	atomic_int runs;
};

struct storm {
	struct mutex lock;
	struct dma_fence *fences[FENCES];	  /* under lock; may be NULL */
	struct composite *composites[COMPOSITES]; /* under lock; may be NULL */
	atomic_bool stop;
	atomic_ulong signalled, composed, complete, removed, run;
};

/* A driver's; its lock is needed for as long as one of its fences lives. */
struct timeline {
	struct spinlock lock;
	uint64_t context, seqno;
	struct dma_fence *pending[PENDING]; /* a ring */
	unsigned first, nr;
};

struct thread {
	struct storm *storm;
	unsigned seed;
	pthread_t thread;
	struct timeline timeline;
};

static const struct lock_class pool_class = {.name = "pool of fences", .rank = LOCK_RANK_RESERVATION};

static unsigned below(struct thread *t, unsigned n)
{
	return (unsigned)rand_r(&t->seed) % n;
}

static void check(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "fence storm: %s\n", what);
	abort();
}

static struct dma_fence *fence_swap(struct storm *s, unsigned i, struct dma_fence *f)
{
	struct dma_fence *old;

	mutex_lock(&s->lock);
	old = s->fences[i];
	s->fences[i] = f;
	mutex_unlock(&s->lock);
	return old;
}

static struct dma_fence *fence_get(struct storm *s, unsigned i)
{
	struct dma_fence *f;

	mutex_lock(&s->lock);
	f = dma_fence_get(s->fences[i]);
	mutex_unlock(&s->lock);
	return f;
}

static struct composite *composite_swap(struct storm *s, unsigned i, struct composite *c)
{
	struct composite *old;

	mutex_lock(&s->lock);
	old = s->composites[i];
	s->composites[i] = c;
	mutex_unlock(&s->lock);
	return old;
}

/*
 * Drivers
 */

static void timeline_make(struct thread *t, struct timeline *tl, bool own_locks)
{
	struct dma_fence *f = &test_fence_new(own_locks ? NULL : &tl->lock, tl->context, ++tl->seqno)->base;

	tl->pending[(tl->first + tl->nr++) % PENDING] = f;
	dma_fence_put(fence_swap(t->storm, below(t, FENCES), dma_fence_get(f)));
}

static struct dma_fence *timeline_oldest(struct timeline *tl)
{
	struct dma_fence *f = tl->pending[tl->first];

	tl->first = (tl->first + 1) % PENDING;
	tl->nr--;
	return f;
}

/* Some at once under the lock that they share; the references go when the lock is gone. */
static void timeline_signal(struct thread *t, struct timeline *tl, unsigned nr)
{
	struct dma_fence *f[PENDING];
	bool shared = tl->nr && tl->pending[tl->first]->lock == &tl->lock;

	if (shared)
		spin_lock_irq(&tl->lock);
	for (unsigned i = 0; i < nr; i++) {
		f[i] = timeline_oldest(tl);
		if (below(t, 16) == 0)
			dma_fence_set_error(f[i], -EIO);
		check((shared ? dma_fence_signal_locked(f[i]) : dma_fence_signal(f[i])) == 0, "signalled twice");
	}
	if (shared)
		spin_unlock_irq(&tl->lock);
	for (unsigned i = 0; i < nr; i++)
		dma_fence_put(f[i]);
	atomic_fetch_add(&t->storm->signalled, nr);
}

static void *driver(void *arg)
{
	struct thread *t = arg;
	struct timeline *tl = &t->timeline;
	bool own_locks = t->seed % DRIVERS == 0;

	tl->context = dma_fence_context_alloc(1);
	while (!atomic_load(&t->storm->stop)) {
		for (unsigned n = below(t, 64); n && tl->nr < PENDING; n--)
			timeline_make(t, tl, own_locks);
		if (tl->nr)
			timeline_signal(t, tl, 1 + below(t, MIN(tl->nr, 64u)));
	}
	timeline_signal(t, tl, tl->nr);
	for (unsigned i = 0; i < FENCES; i++)
		dma_fence_put(fence_swap(t->storm, i, NULL));
	return NULL;
}

/*
 * Composers
 */

static void composite_signalled(struct dma_fence *f, struct dma_fence_cb *cb)
{
	struct composite *c = container_of(cb, struct composite, cb);
	unsigned signalled = 0;

	for (unsigned i = 0; i < c->nr; i++)
		signalled += dma_fence_is_signaled(c->leaves[i]);
	check(c->any ? signalled > 0 : signalled == c->nr, "a composite signalled before its parts");
	check(atomic_fetch_add(&c->runs, 1) == 0, "a callback ran twice");
}

/* Takes over the reference. */
static void leaf_add(struct composite *c, struct dma_fence *f)
{
	check(c->nr < LEAVES, "too many leaves");
	c->leaves[c->nr++] = f;
}

static unsigned leaves_gather(struct thread *t, struct composite *c, unsigned most)
{
	for (unsigned n = 1 + below(t, most); n; n--) {
		struct dma_fence *f = fence_get(t->storm, below(t, FENCES));

		if (f)
			leaf_add(c, f);
	}
	return c->nr;
}

static struct dma_fence *array_of(struct dma_fence **members, unsigned nr, bool any)
{
	struct dma_fence **fences = malloc(nr * sizeof(struct dma_fence *));
	struct dma_fence_array *array;

	check(fences, "no memory");
	for (unsigned i = 0; i < nr; i++)
		fences[i] = dma_fence_get(members[i]);
	array = dma_fence_array_create(nr, fences, dma_fence_context_alloc(1), 1, any);
	check(array, "no memory");
	return &array->base;
}

/* Links of one fence each, and one with all the rest as an array. */
static struct dma_fence *chain_of(struct thread *t, struct composite *c)
{
	unsigned singles = below(t, c->nr);
	struct dma_fence *head = NULL;

	for (unsigned i = 0; i <= singles; i++) {
		struct dma_fence_chain *link = dma_fence_chain_alloc();

		check(link, "no memory");
		dma_fence_chain_init(
			link, head,
			i < singles ? dma_fence_get(c->leaves[i]) : array_of(c->leaves + i, c->nr - i, false), i + 1);
		head = &link->base;
	}
	return head;
}

/* With another composite, whose leaves it has then, too. */
static struct dma_fence *merge_of(struct thread *t, struct composite *c)
{
	struct storm *s = t->storm;
	struct dma_fence *parts[LEAVES + 1], *merged;
	struct composite *other;
	unsigned nr = c->nr;

	memcpy(parts, c->leaves, nr * sizeof(parts[0]));
	mutex_lock(&s->lock);
	other = s->composites[below(t, COMPOSITES)];
	if (other && other->nr + nr <= LEAVES) {
		parts[nr++] = dma_fence_get(other->fence);
		for (unsigned i = 0; i < other->nr; i++)
			leaf_add(c, dma_fence_get(other->leaves[i]));
	} else {
		other = NULL;
	}
	mutex_unlock(&s->lock);
	merged = dma_fence_unwrap_merge(nr, parts);
	check(merged, "no memory");
	if (other)
		dma_fence_put(parts[nr - 1]);
	return merged;
}

static void composite_free(struct composite *c)
{
	for (unsigned i = 0; i < c->nr; i++)
		dma_fence_put(c->leaves[i]);
	dma_fence_put(c->fence);
	free(c);
}

/* It has signalled, or its callback is taken back: never both, never neither. */
static void composite_end(struct storm *s, struct composite *c)
{
	bool removed;

	if (!c)
		return;
	removed = dma_fence_remove_callback(c->fence, &c->cb);
	check(atomic_load(&c->runs) == !removed, "a callback ran and was removed, or neither");
	atomic_fetch_add(&s->complete, !removed);
	composite_free(c);
}

static void compose(struct thread *t)
{
	struct composite *c = calloc(1, sizeof(*c));
	unsigned kind = below(t, 4);

	check(c, "no memory");
	if (!leaves_gather(t, c, MEMBERS)) {
		free(c);
		return;
	}
	c->any = kind == 0;
	c->fence = kind < 2 ? array_of(c->leaves, c->nr, c->any) : kind == 2 ? chain_of(t, c) : merge_of(t, c);
	atomic_fetch_add(&t->storm->composed, 1);
	if (below(t, 2))
		dma_fence_set_deadline(c->fence, 1);
	if (dma_fence_add_callback(c->fence, &c->cb, composite_signalled)) {
		composite_signalled(c->fence, &c->cb);
		atomic_fetch_add(&t->storm->complete, 1);
		composite_free(c);
		return;
	}
	composite_end(t->storm, composite_swap(t->storm, below(t, COMPOSITES), c));
}

static void *composer(void *arg)
{
	struct thread *t = arg;

	while (!atomic_load(&t->storm->stop))
		compose(t);
	return NULL;
}

/*
 * Watchers
 */

static struct dma_fence *any_fence(struct thread *t)
{
	struct storm *s = t->storm;
	struct dma_fence *f = NULL;
	struct composite *c;

	if (below(t, 2))
		return fence_get(s, below(t, FENCES));
	mutex_lock(&s->lock);
	c = s->composites[below(t, COMPOSITES)];
	if (c)
		f = dma_fence_get(c->fence);
	mutex_unlock(&s->lock);
	return f;
}

static void watch(struct thread *t, struct dma_fence *f)
{
	struct test_cb cb[3] = {0};
	bool added[3];

	for (unsigned i = 0; i < 3; i++)
		added[i] = dma_fence_add_callback(f, &cb[i].base, test_cb_count) == 0;
	if (below(t, 4) == 0)
		dma_fence_wait_timeout(f, below(t, 100000));
	if (below(t, 4) == 0)
		dma_fence_set_deadline(f, below(t, 1000));
	dma_fence_get_status(f);
	for (unsigned i = 3; i-- > 0;) {
		bool removed = dma_fence_remove_callback(f, &cb[i].base);

		check(cb[i].runs == (added[i] && !removed), "a watcher's callback ran and was removed, or neither");
		atomic_fetch_add(removed ? &t->storm->removed : &t->storm->run, added[i]);
	}
}

static void *watcher(void *arg)
{
	struct thread *t = arg;

	while (!atomic_load(&t->storm->stop)) {
		struct dma_fence *f = any_fence(t);

		if (f)
			watch(t, f);
		dma_fence_put(f);
	}
	return NULL;
}

static unsigned stress_seconds(void)
{
	const char *text = getenv("BARTER_STRESS_SECONDS");

	return text ? (unsigned)atoi(text) : 1;
}

static void a_storm_of_fences(void **state)
{
	static struct storm s;
	static struct thread threads[THREADS];

	mutex_init(&s.lock, &pool_class);
	for (unsigned i = 0; i < THREADS; i++) {
		threads[i].storm = &s;
		threads[i].seed = i + 1;
		spin_lock_init(&threads[i].timeline.lock, &test_timeline_class);
		pthread_create(&threads[i].thread, NULL,
			       i < DRIVERS		 ? driver
			       : i < DRIVERS + COMPOSERS ? composer
							 : watcher,
			       &threads[i]);
	}
	sleep(stress_seconds());
	atomic_store(&s.stop, true);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i].thread, NULL);
	/* All fences have signalled, so what is made of them has. */
	for (unsigned i = 0; i < COMPOSITES; i++) {
		if (s.composites[i])
			assert_int_equal(s.composites[i]->runs, 1);
		composite_end(&s, s.composites[i]);
	}
	for (unsigned i = 0; i < FENCES; i++)
		dma_fence_put(s.fences[i]);
	for (unsigned i = 0; i < THREADS; i++)
		spin_lock_fini(&threads[i].timeline.lock);
	mutex_fini(&s.lock);
	print_message("%lu fences, %lu composites (%lu seen to signal), %lu callbacks ran, %lu removed\n", s.signalled,
		      s.composed, s.complete, s.run, s.removed);
	assert_true(s.complete && s.run && s.removed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(a_storm_of_fences)};

	return run_fence_tests(tests);
}
