/* SPDX-License-Identifier: BSD-3-Clause */
/* Fences: from a signal to who waits, a fence added to a reservation object, and chains of a million links. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"
#include "fence/dma_fence_unwrap.h"
#include "fence/dma_resv.h"

static const char *bench_name(struct dma_fence *f)
{
	return "bench";
}

static const struct dma_fence_ops ops = {.get_driver_name = bench_name, .get_timeline_name = bench_name};

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "bench: %s failed\n", what);
	exit(1);
}

static void *must_have(void *p)
{
	must(p, "an allocation");
	return p;
}

static struct dma_fence *fence_new(uint64_t context, uint64_t seqno)
{
	struct dma_fence *f = must_have(malloc(sizeof(*f)));

	dma_fence_init(f, &ops, NULL, context, seqno);
	return f;
}

/* A signal and its waiter: two threads take turns, each time with the next fence. */
enum { PASSES = 200, BURSTS = 10 };

static void await(struct dma_fence *f)
{
	dma_fence_wait_timeout(f, DMA_FENCE_FOREVER);
}

static void *partner(void *arg)
{
	struct dma_fence **f = arg;

	for (int i = 0; i < PASSES; i++) {
		await(f[2 * i]);
		dma_fence_signal(f[2 * i + 1]);
	}
	return NULL;
}

static double burst_passes(void)
{
	struct dma_fence *f[2 * PASSES];
	pthread_t thread;
	double start;

	for (int i = 0; i < 2 * PASSES; i++)
		f[i] = fence_new(1, (uint64_t)i);
	pthread_create(&thread, NULL, partner, f);
	start = now_ns();
	for (int i = 0; i < PASSES; i++) {
		dma_fence_signal(f[2 * i]);
		await(f[2 * i + 1]);
	}
	start = (now_ns() - start) / PASSES / 2;
	pthread_join(thread, NULL);
	for (int i = 0; i < 2 * PASSES; i++)
		dma_fence_put(f[i]);
	return start;
}

static double less(double a, double b)
{
	return a < b ? a : b;
}

/* Bursts of both in turn: what else runs on the machine disturbs them alike. */
static void row_signal(struct bench *b)
{
	struct samples ns = {0}, ratio = {0};

	for (unsigned i = 0; i < b->repetitions; i++) {
		double ours = burst_passes(), wake = burst_futex_wake();

		for (int j = 1; j < BURSTS; j++) {
			ours = less(ours, burst_passes());
			wake = less(wake, burst_futex_wake());
		}
		samples_add(&ns, ours);
		samples_add(&ratio, ours / wake);
	}
	bench_detail(bench_row(b, "fence: from the signal to who waits for it", "x futex wake", 2, false, &ratio),
		     "%.1f us", samples_median(&ns) / 1000);
}

/* A buffer that some engines use in turn, each on its own timeline: each job locks the buffer and adds its fence. */
enum { ENGINES = 4, JOBS = 4000 };

static double burst_adds(void)
{
	struct dma_fence **f = must_have(malloc(JOBS * sizeof(*f)));
	struct dma_resv resv;
	double start, ns;

	dma_resv_init(&resv);
	for (int i = 0; i < JOBS; i++)
		f[i] = fence_new(1 + (uint64_t)i % ENGINES, (uint64_t)i);
	start = now_ns();
	for (int i = 0; i < JOBS; i++) {
		dma_resv_lock(&resv, NULL);
		must(dma_resv_reserve_fences(&resv, 1) == 0, "dma_resv_reserve_fences");
		dma_resv_add_fence(&resv, f[i], i % 2 ? DMA_RESV_USAGE_READ : DMA_RESV_USAGE_WRITE);
		dma_resv_unlock(&resv);
	}
	ns = (now_ns() - start) / JOBS;
	for (int i = 0; i < JOBS; i++) {
		dma_fence_signal(f[i]);
		dma_fence_put(f[i]);
	}
	dma_resv_fini(&resv);
	free(f);
	return ns;
}

static void row_add(struct bench *b)
{
	struct samples ns = {0};

	for (unsigned i = 0; i < b->repetitions; i++) {
		double best = burst_adds();

		for (int j = 1; j < BURSTS; j++)
			best = less(best, burst_adds());
		samples_add(&ns, best);
	}
	bench_detail(bench_row(b, "reservation object: lock, add a fence, unlock", "ns", 100, false, &ns),
		     "with the fences of %d timelines", ENGINES);
}

/*
 * A chain: taken apart while it is pending; then all its fences signal, with someone who waits for the last link, and
 * the links are freed. Newest first, the waiting link is told of each and waits for the next.
 */
enum { FEW = 10000, MANY = 1000000 };
enum { UNWRAP, OLDEST_FIRST, NEWEST_FIRST, COSTS };

struct costs {
	double ns[COSTS]; /* a link */
};

static struct dma_fence *chain_new(struct dma_fence **f, unsigned links)
{
	struct dma_fence *head = NULL;

	for (unsigned i = 0; i < links; i++) {
		struct dma_fence_chain *link = must_have(dma_fence_chain_alloc());

		f[i] = fence_new(dma_fence_context_alloc(1), 1);
		dma_fence_chain_init(link, head, dma_fence_get(f[i]), i + 1);
		head = &link->base;
	}
	return head;
}

static double unwrap_ns(struct dma_fence *head, unsigned links)
{
	struct dma_fence_unwrap cursor;
	struct dma_fence *f;
	unsigned nr = 0;
	double start = now_ns();

	dma_fence_unwrap_for_each (f, &cursor, head)
		nr++;
	must(nr == links, "a walk through a chain");
	return (now_ns() - start) / links;
}

static void chain_done(struct dma_fence *f, struct dma_fence_cb *cb)
{
	cb->func = NULL;
}

/* Gives up the reference to head. */
static double signal_ns(struct dma_fence *head, struct dma_fence **f, unsigned links, bool newest_first)
{
	struct dma_fence_cb cb;
	double start;

	dma_fence_add_callback(head, &cb, chain_done);
	start = now_ns();
	for (unsigned i = 0; i < links; i++)
		dma_fence_signal(f[newest_first ? links - 1 - i : i]);
	dma_fence_put(head);
	must(!cb.func, "the signal of a chain");
	return (now_ns() - start) / links;
}

static void chain_measure(unsigned links, struct costs *sum)
{
	struct dma_fence **f = must_have(malloc(links * sizeof(struct dma_fence *)));

	for (int newest_first = 0; newest_first < 2; newest_first++) {
		struct dma_fence *head = chain_new(f, links);

		if (!newest_first)
			sum->ns[UNWRAP] += unwrap_ns(head, links);
		sum->ns[newest_first ? NEWEST_FIRST : OLDEST_FIRST] += signal_ns(head, f, links, newest_first);
		for (unsigned i = 0; i < links; i++)
			dma_fence_put(f[i]);
	}
	free(f);
}

static void rows_chain(struct bench *b)
{
	static const char *const names[] = {"taken apart", "signalled, oldest first", "signalled, newest first"};
	struct samples ns[COSTS] = {0}, ratio[COSTS] = {0};

	for (unsigned i = 0; i < b->repetitions; i++) {
		struct costs few = {0}, many = {0};

		for (unsigned j = 0; j < MANY / FEW; j++)
			chain_measure(FEW, &few);
		chain_measure(MANY, &many);
		for (int c = 0; c < COSTS; c++) {
			samples_add(&ns[c], many.ns[c]);
			samples_add(&ratio[c], many.ns[c] / (few.ns[c] / (MANY / FEW)));
		}
	}
	for (int c = 0; c < COSTS; c++) {
		char name[64];

		snprintf(name, sizeof(name), "chain of a million fences: %s", names[c]);
		bench_detail(bench_row(b, name, "x a link of 10,000", 2, false, &ratio[c]), "%.0f ns a link",
			     samples_median(&ns[c]));
	}
}

void rows_fence(struct bench *b)
{
	row_signal(b);
	row_add(b);
	rows_chain(b);
}
