/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The order graph. An edge is looked at once, when it is new: what can be reached from its end, and what reaches its
 * beginning, tell whether it completes a cycle, goes against the declared ranks, or leads from a lock that interrupts
 * take to one that is held with interrupts on.
 */
#include "base/lock_check_priv.h"

static _Atomic uint16_t edge_of[LOCK_NODES][LOCK_NODES]; /* 1 + index into edges; 0: not seen */
static struct lock_edge edges[LOCK_EDGES];		 /* constant once edge_of says so */
static _Atomic unsigned nr_edges;
static _Atomic uint64_t edges_from[LOCK_NODES][LOCK_NODES / 64], edges_to[LOCK_NODES][LOCK_NODES / 64]; /* for search */

bool lock_edge_known(unsigned from, unsigned to)
{
	/* What has no place in the tables is not checked. */
	if (unlikely(from >= LOCK_NODES || to >= LOCK_NODES))
		return true;
	return atomic_load_explicit(&edge_of[from][to], memory_order_relaxed);
}

const struct lock_edge *lock_edge_get(unsigned from, unsigned to)
{
	unsigned index = atomic_load(&edge_of[from][to]);

	return index ? &edges[index - 1] : NULL;
}

/* --- search --- */

enum { NOT_REACHED = 0xffff };

struct search {
	uint16_t parent[LOCK_NODES]; /* the node it was reached by; its own number for the first */
	uint16_t order[LOCK_NODES];  /* nearest first */
	unsigned nr;
};

static void search_reach(struct search *s, unsigned node, unsigned parent)
{
	if (s->parent[node] != NOT_REACHED)
		return;
	s->parent[node] = (uint16_t)parent;
	s->order[s->nr++] = (uint16_t)node;
}

static void search_word(struct search *s, unsigned node, unsigned word, bool forward)
{
	uint64_t bits = atomic_load(forward ? &edges_from[node][word] : &edges_to[node][word]);

	for (; bits; bits &= bits - 1)
		search_reach(s, word * 64 + (unsigned)__builtin_ctzll(bits), node);
}

/* All that can be reached from the first node along edges, or against them. */
static void search(struct search *s, unsigned first, bool forward)
{
	for (unsigned i = 0; i < LOCK_NODES; i++)
		s->parent[i] = NOT_REACHED;
	s->nr = 0;
	search_reach(s, first, first);
	for (unsigned i = 0; i < s->nr; i++)
		for (unsigned word = 0; word < LOCK_NODES / 64; word++)
			search_word(s, s->order[i], word, forward);
}

static void text_path_to(struct lock_text *t, const struct search *forward, unsigned node)
{
	unsigned parent = forward->parent[node];

	if (parent == node)
		return;
	text_path_to(t, forward, parent);
	lock_text_edge(t, parent, node);
}

static void text_path_from(struct lock_text *t, const struct search *backward, unsigned node)
{
	for (; backward->parent[node] != node; node = backward->parent[node])
		lock_text_edge(t, node, backward->parent[node]);
}

/* --- what a new edge completes --- */

static const char *name(unsigned node)
{
	return lock_node_class(node)->name;
}

static void report_cycle(unsigned from, unsigned to, const struct search *forward)
{
	char text[LOCK_TEXT_SIZE];
	struct lock_text t = {text, text + sizeof(text)};

	lock_text_add(&t, "\"%s\" is taken while \"%s\" is held, but elsewhere it comes before it: a cycle\n", name(to),
		      name(from));
	lock_text_add(&t, "now, by this thread:\n");
	lock_text_edge(&t, from, to);
	if (from != to) {
		lock_text_add(&t, "before:\n");
		text_path_to(&t, forward, from);
	}
	lock_report(LOCK_REPORT_CYCLE, text);
}

static bool against_rank(unsigned first, unsigned second)
{
	enum lock_rank a = lock_node_class(first)->rank, b = lock_node_class(second)->rank;

	return a && b && a >= b;
}

/* A way between two nodes by this edge: what led to it, the edge, and where it leads. */
struct way {
	unsigned first, from, to, last;
	const struct search *backward, *forward;
};

static void text_way(struct lock_text *t, const struct way *w)
{
	text_path_from(t, w->backward, w->first);
	if (w->from != w->to)
		lock_text_edge(t, w->from, w->to);
	text_path_to(t, w->forward, w->last);
}

static void report_rank(const struct way *w)
{
	char text[LOCK_TEXT_SIZE];
	struct lock_text t = {text, text + sizeof(text)};

	lock_text_add(&t, "\"%s\" (rank %d) is taken while \"%s\" (rank %d) is held%s: against the declared order\n",
		      name(w->last), lock_node_class(w->last)->rank, name(w->first), lock_node_class(w->first)->rank,
		      w->first == w->from && w->last == w->to ? "" : ", by way of others");
	text_way(&t, w);
	lock_report(LOCK_REPORT_RANK, text);
}

static void report_interrupt_order(const struct way *w)
{
	const char *irq = name(w->first), *other = name(w->last);
	char text[LOCK_TEXT_SIZE];
	struct lock_text t = {text, text + sizeof(text)};

	lock_text_add(&t, "\"%s\" is taken by interrupts, and under it \"%s\", which is taken with interrupts on\n",
		      irq, other);
	lock_text_add(&t, "by an interrupt:\n");
	lock_text_event(&t, w->first, lock_node_use(w->first, LOCK_USE_IN_INTERRUPT), true);
	lock_text_add(&t, "with interrupts on:\n");
	lock_text_event(&t, w->last, lock_node_use(w->last, LOCK_USE_INTERRUPTS_ON), true);
	lock_text_add(&t, "one under the other:\n");
	text_way(&t, w);
	lock_text_add(&t,
		      "how it deadlocks:\n"
		      "  one processor                   another\n"
		      "  takes \"%s\"\n"
		      "                                  interrupts off\n"
		      "                                  takes \"%s\"\n"
		      "                                  waits for \"%s\"\n"
		      "  <interrupt>\n"
		      "    waits for \"%s\"\n",
		      other, irq, other, irq);
	lock_report(LOCK_REPORT_INTERRUPT_ORDER, text);
}

typedef bool (*pair_test)(unsigned first, unsigned last);

static bool interrupt_pair(unsigned first, unsigned last)
{
	return first != last && lock_node_use(first, LOCK_USE_IN_INTERRUPT) &&
	       lock_node_use(last, LOCK_USE_INTERRUPTS_ON);
}

/* The nearest pair of what leads to the edge and what it leads to. */
static bool find_pair(struct way *w, pair_test test)
{
	for (unsigned i = 0; i < w->backward->nr; i++) {
		for (unsigned j = 0; j < w->forward->nr; j++) {
			w->first = w->backward->order[i];
			w->last = w->forward->order[j];
			if (test(w->first, w->last))
				return true;
		}
	}
	return false;
}

static void check_edge(unsigned from, unsigned to)
{
	struct search forward, backward;
	struct way w = {.from = from, .to = to, .forward = &forward, .backward = &backward};

	search(&forward, to, true);
	search(&backward, from, false);
	if (against_rank(from, to)) {
		w.first = from;
		w.last = to;
		report_rank(&w);
	} else if (forward.parent[from] != NOT_REACHED) {
		report_cycle(from, to, &forward);
	} else if (find_pair(&w, against_rank)) {
		report_rank(&w);
	}
	if (find_pair(&w, interrupt_pair))
		report_interrupt_order(&w);
}

void lock_graph_check_use(unsigned node, enum lock_use use)
{
	struct search forward, backward;
	struct way w = {.from = node, .to = node, .forward = &forward, .backward = &backward};

	search(&forward, node, true);
	search(&backward, node, false);
	if (use == LOCK_USE_IN_INTERRUPT)
		backward.nr = 1; /* itself */
	else
		forward.nr = 1;
	if (find_pair(&w, interrupt_pair))
		report_interrupt_order(&w);
}

/* --- edges --- */

static struct lock_edge *edge_alloc(unsigned *index)
{
	*index = atomic_fetch_add(&nr_edges, 1);
	if (*index < LOCK_EDGES)
		return &edges[*index];
	atomic_store(&nr_edges, LOCK_EDGES + 1);
	if (*index == LOCK_EDGES)
		lock_report(LOCK_REPORT_FULL, "more edges between locks than the checker has room for\n");
	return NULL;
}

/* Of two threads that add the same edge the first is remembered; the record of the other is lost. */
void lock_edge_add(const struct lock_held *from, unsigned to, const struct lock_event *event)
{
	uint16_t none = 0;
	unsigned index;
	struct lock_edge *e = edge_alloc(&index);

	if (!e)
		return;
	lock_event_of_held(&e->from, from);
	e->to = *event;
	if (!atomic_compare_exchange_strong(&edge_of[from->node][to], &none, (uint16_t)(index + 1)))
		return;
	atomic_fetch_or(&edges_from[from->node][to / 64], 1ull << (to % 64));
	atomic_fetch_or(&edges_to[to][from->node / 64], 1ull << (from->node % 64));
	check_edge(from->node, to);
}
