/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every taking of a lock comes here first. What has been seen before costs a look at each lock that is held: the edge
 * from it is known. Reader-writer locks count as mutexes, for readers too: a writer that waits between two readers
 * makes the second wait for the first.
 */
#include "base/lock_check_priv.h"

void lock_held_push(const struct lock_class *class, const void *lock, unsigned node, struct lock_at at,
		    const char *where)
{
	struct lock_thread *t = &lock_thread;

	if (t->nr_held == LOCK_DEPTH)
		lock_assert_failed("too many locks held", __FILE__, __LINE__);
	t->held[t->nr_held++] = (struct lock_held){
		.class = class,
		.lock = lock,
		.at = at,
		.where = where,
		.node = node,
		.level = t->level,
		.context = t->context,
		.irqs_on = lock_irqs_are_on(),
	};
}

static struct lock_held *held_find(const struct lock_class *class, const void *lock)
{
	struct lock_thread *t = &lock_thread;

	for (unsigned i = t->nr_held; i-- > 0;)
		if (t->held[i].lock == lock && (lock || t->held[i].class == class))
			return &t->held[i];
	return NULL;
}

void lock_held_pop(const struct lock_class *class, const void *lock)
{
	struct lock_thread *t = &lock_thread;
	struct lock_held *h = held_find(class, lock);

	if (!h)
		lock_assert_failed("released a lock that this thread does not hold", __FILE__, __LINE__);
	t->nr_held--;
	for (; h < &t->held[t->nr_held]; h++)
		h[0] = h[1];
}

static void check_same_class(const struct lock_held *h, const void *lock, const struct lock_at *at)
{
	bool in_order = h->class->nests == LOCK_NESTS_BACKING_OFF || (h->class->nests && h->lock < lock);
	struct lock_event now;

	if (likely(in_order && h->lock != lock))
		return;
	lock_event_now(&now, at, NULL);
	if (h->lock == lock)
		lock_report_again(h, &now);
	else if (lock_node_report_nesting(h->node))
		lock_report_nested(h, &now, h->class->nests);
}

void lock_order_check(unsigned node, const struct lock_at *at, const char *where)
{
	struct lock_thread *t = &lock_thread;
	struct lock_event now;
	bool have_now = false;

	for (unsigned i = 0; i < t->nr_held; i++) {
		const struct lock_held *h = &t->held[i];

		if (likely(lock_edge_known(h->node, node)) || (h->node == node && h->lock))
			continue;
		if (!have_now)
			lock_event_now(&now, at, where);
		have_now = true;
		lock_edge_add(h, node, &now);
	}
}

void lock_check_acquire_at(const struct lock_class *class, const void *lock, struct lock_at at)
{
	struct lock_thread *t = &lock_thread;
	unsigned node = lock_node(class);

	for (unsigned i = 0; i < t->nr_held; i++)
		if (t->held[i].class == class)
			check_same_class(&t->held[i], lock, &at);
	lock_node_used(node, &at);
	lock_order_check(node, &at, NULL);
	lock_held_push(class, lock, node, at, NULL);
}

void lock_check_tried_at(const struct lock_class *class, const void *lock, struct lock_at at)
{
	unsigned node = lock_node(class);

	lock_node_used(node, &at);
	lock_held_push(class, lock, node, at, NULL);
}

void lock_check_release(const struct lock_class *class, const void *lock)
{
	lock_held_pop(class, lock);
}

bool lock_check_held(const void *lock)
{
	return held_find(NULL, lock);
}

static const struct lock_held *last_lock_held(void)
{
	struct lock_thread *t = &lock_thread;

	for (unsigned i = t->nr_held; i-- > 0;)
		if (t->held[i].lock)
			return &t->held[i];
	return NULL;
}

void lock_check_none_held(const char *where)
{
	const struct lock_held *h = last_lock_held();

	if (h || !lock_irqs_are_on())
		lock_report_held(h, where);
}

void lock_check_none_held_from(int rank, const char *where)
{
	const struct lock_thread *t = &lock_thread;
	const struct lock_held *found = NULL;

	for (unsigned i = 0; i < t->nr_held; i++)
		if (t->held[i].lock && (int)t->held[i].class->rank >= rank)
			found = &t->held[i];
	if (found || !lock_irqs_are_on())
		lock_report_held(found, where);
}

unsigned lock_check_nr_held(void)
{
	return lock_thread.nr_held;
}

void lock_check_still_held(unsigned nr, const char *where)
{
	if (lock_thread.nr_held != nr)
		lock_report_held(last_lock_held(), where);
}
