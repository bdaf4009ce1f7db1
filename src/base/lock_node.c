/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table of lock classes, found by address, and what interrupts have to do with each.
 *
 * A class that interrupts take must be taken with interrupts off by everyone else, or the interrupt could come while
 * its own processor's lock is held. Both halves need not come in this order, nor at the same time.
 */
#include "base/lock_check_priv.h"

enum { USE_NONE, USE_WRITING, USE_SEEN };

static struct node {
	_Atomic(const struct lock_class *) class;
	_Atomic unsigned seen[LOCK_USES];
	struct lock_event uses[LOCK_USES]; /* the first; constant once seen */
	_Atomic bool interrupt_reported, nesting_reported;
} nodes[LOCK_NODES];

static void report_full(void)
{
	static _Atomic bool reported;

	if (!atomic_exchange(&reported, true))
		lock_report(LOCK_REPORT_FULL, "more lock classes than the checker has room for\n");
}

static unsigned hash(const struct lock_class *class)
{
	return (unsigned)(((uintptr_t) class >> 3) * 0x9e3779b97f4a7c15ull >> 56) % LOCK_NODES;
}

unsigned lock_node(const struct lock_class *class)
{
	unsigned first = hash(class);

	for (unsigned i = 0; i < LOCK_NODES; i++) {
		struct node *n = &nodes[(first + i) % LOCK_NODES];
		const struct lock_class *found = atomic_load_explicit(&n->class, memory_order_relaxed);

		if (!found && atomic_compare_exchange_strong(&n->class, &found, class))
			found = class;
		if (found == class)
			return (unsigned)(n - nodes);
	}
	report_full();
	return LOCK_NODES;
}

const struct lock_class *lock_node_class(unsigned node)
{
	static const struct lock_class unknown = {.name = "<unknown>"};

	return node < LOCK_NODES ? atomic_load_explicit(&nodes[node].class, memory_order_relaxed) : &unknown;
}

const struct lock_event *lock_node_use(unsigned node, enum lock_use use)
{
	return atomic_load(&nodes[node].seen[use]) == USE_SEEN ? &nodes[node].uses[use] : NULL;
}

bool lock_node_report_nesting(unsigned node)
{
	return node < LOCK_NODES && !atomic_exchange(&nodes[node].nesting_reported, true);
}

static void report_interrupt(unsigned node)
{
	char text[LOCK_TEXT_SIZE];
	struct lock_text t = {text, text + sizeof(text)};
	const char *name = lock_node_class(node)->name;

	if (atomic_exchange(&nodes[node].interrupt_reported, true))
		return;
	lock_text_add(&t, "\"%s\" is taken by interrupts, and elsewhere with interrupts on\n", name);
	lock_text_add(&t, "by an interrupt:\n");
	lock_text_event(&t, node, lock_node_use(node, LOCK_USE_IN_INTERRUPT), true);
	lock_text_add(&t, "with interrupts on:\n");
	lock_text_event(&t, node, lock_node_use(node, LOCK_USE_INTERRUPTS_ON), true);
	lock_text_add(&t,
		      "how it deadlocks: an interrupt comes while \"%s\" is held, and waits for it on the same "
		      "processor\n",
		      name);
	lock_report(LOCK_REPORT_INTERRUPT, text);
}

/* Publish, then look for the other half: whoever comes second finds it. */
static void use_first_seen(unsigned node, enum lock_use use, const struct lock_at *at)
{
	struct node *n = &nodes[node];
	unsigned none = USE_NONE;

	if (!atomic_compare_exchange_strong(&n->seen[use], &none, USE_WRITING))
		return;
	lock_event_now(&n->uses[use], at, NULL);
	atomic_store(&n->seen[use], USE_SEEN);
	if (lock_node_use(node, LOCK_USE_IN_INTERRUPT) && lock_node_use(node, LOCK_USE_INTERRUPTS_ON))
		report_interrupt(node);
	else
		lock_graph_check_use(node, use);
}

void lock_node_used(unsigned node, const struct lock_at *at)
{
	enum lock_use use;

	if (lock_thread.context == LOCK_CONTEXT_INTERRUPT)
		use = LOCK_USE_IN_INTERRUPT;
	else if (!lock_thread.irqs_off)
		use = LOCK_USE_INTERRUPTS_ON;
	else
		return;
	if (likely(node < LOCK_NODES) &&
	    unlikely(atomic_load_explicit(&nodes[node].seen[use], memory_order_relaxed) == USE_NONE))
		use_first_seen(node, use, at);
}
