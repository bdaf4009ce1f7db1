/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which stream goes next: of those whose first job could go, one of kernel priority if there is any, else the one that
 * has had the least of the hardware. What a stream has had (vruntime) is the time its jobs kept the hardware busy,
 * divided by its weight. A job's time is known when it has ended; until then its stream is charged what its jobs took
 * on average, or one that fills the ring would look as if it had had nothing.
 *
 * A stream that comes back after a while begins where the others are: being idle saves nothing up.
 */
#include "sched/sched_priv.h"

/* An empty job costs something, too: streams of empty jobs take turns. */
#define MINIMUM_NS 1000u

static struct sched_stream *stream_of(struct sched_heap_node *n)
{
	return container_of(n, struct sched_stream, node);
}

static bool before(const struct sched_stream *a, const struct sched_stream *b)
{
	if (a->kernel != b->kernel)
		return a->kernel;
	if (a->vruntime != b->vruntime)
		return a->vruntime < b->vruntime;
	return a->arrival < b->arrival;
}

/* --- a pairing heap --- */

/* Of two trees, both roots without siblings. */
static struct sched_heap_node *meld(struct sched_heap_node *a, struct sched_heap_node *b)
{
	struct sched_heap_node *root = a, *child = b;

	if (!a || !b)
		return a ? a : b;
	if (before(stream_of(b), stream_of(a))) {
		root = b;
		child = a;
	}
	child->prev = root;
	child->next = root->child;
	if (root->child)
		root->child->prev = child;
	root->child = child;
	return root;
}

/* Makes one tree of a row of siblings: pairs from the left, then all from the right. */
static struct sched_heap_node *meld_row(struct sched_heap_node *row)
{
	struct sched_heap_node *pairs = NULL, *root = NULL;

	while (row) {
		struct sched_heap_node *a = row, *b = a->next;

		row = b ? b->next : NULL;
		a->next = a->prev = NULL;
		if (b)
			b->next = b->prev = NULL;
		a = meld(a, b);
		a->next = pairs;
		pairs = a;
	}
	while (pairs) {
		struct sched_heap_node *a = pairs;

		pairs = a->next;
		a->next = NULL;
		root = meld(root, a);
	}
	return root;
}

/* Out of its parent's row. */
static void unlink_node(struct sched_heap_node *n)
{
	if (n->prev->child == n)
		n->prev->child = n->next;
	else
		n->prev->next = n->next;
	if (n->next)
		n->next->prev = n->prev;
	n->next = n->prev = NULL;
}

/* --- the run queue --- */

static enum sched_priority priority_of(const struct sched_stream *st)
{
	if (!st->entity)
		return SCHED_PRIORITY_NORMAL;
	return atomic_load_explicit(&st->entity->priority, memory_order_relaxed);
}

static void insert(struct sched_stream *st)
{
	st->node = (struct sched_heap_node){0};
	st->ready = true;
	st->sched->ready = meld(st->sched->ready, &st->node);
}

void sched_ready_add(struct sched_stream *st)
{
	st->kernel = priority_of(st) == SCHED_PRIORITY_KERNEL;
	st->vruntime = MAX(st->vruntime, st->sched->min_vruntime);
	st->arrival = st->sched->arrivals++;
	insert(st);
}

void sched_ready_del(struct sched_stream *st)
{
	struct sched_scheduler *s = st->sched;
	struct sched_heap_node *rest;

	if (!st->ready)
		return;
	st->ready = false;
	if (s->ready == &st->node)
		s->ready = NULL;
	else
		unlink_node(&st->node);
	rest = meld_row(st->node.child);
	s->ready = meld(s->ready, rest);
}

struct sched_stream *sched_ready_first(struct sched_scheduler *s)
{
	return s->ready ? stream_of(s->ready) : NULL;
}

/* --- accounts --- */

static uint64_t by_weight(const struct sched_stream *st, uint64_t ns)
{
	switch (priority_of(st)) {
	case SCHED_PRIORITY_KERNEL:
	case SCHED_PRIORITY_HIGH:
		return ns / 4;
	case SCHED_PRIORITY_LOW:
		return ns * 4;
	default:
		return ns;
	}
}

void sched_charge(struct sched_stream *st, struct sched_job *job)
{
	if (!st->kernel)
		st->sched->min_vruntime = MAX(st->sched->min_vruntime, st->vruntime);
	job->charged_ns = by_weight(st, MAX(st->mean_ns, MINIMUM_NS));
	st->vruntime += job->charged_ns;
}

void sched_charge_settle(struct sched_stream *st, struct sched_job *job, uint64_t busy_ns)
{
	bool ready = st->ready;
	uint64_t had = by_weight(st, MAX(busy_ns, MINIMUM_NS));

	st->mean_ns = st->mean_ns ? (7 * st->mean_ns + busy_ns) / 8 : busy_ns;
	if (had == job->charged_ns)
		return;
	sched_ready_del(st); /* its key must not change in the heap */
	st->vruntime = st->vruntime - MIN(job->charged_ns, st->vruntime) + had;
	if (ready)
		insert(st);
}
