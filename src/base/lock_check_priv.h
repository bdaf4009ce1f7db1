/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside of the lock checker.
 *
 * Words: a *node* is the number of a class, an *event* is one taking of a lock, as it is told later, an *edge* a -> b
 * says that b was taken while a was held, and keeps the two events of the first time.
 *
 * No table has a lock and nothing is allocated: the checker runs under every lock, in the handler that traps register
 * stores, and in a child after fork. A record is filled in and then published by an atomic; who publishes looks for
 * what it completes only then. So of two threads that each add half of a finding at least one sees the whole.
 */
#ifndef BARTER_BASE_LOCK_CHECK_PRIV_H
#define BARTER_BASE_LOCK_CHECK_PRIV_H

#include <stdarg.h>

#include "base/lock.h"
#include "base/lock_report.h"

enum { LOCK_NODES = 256, LOCK_EDGES = 4096, LOCK_DEPTH = 64 };

struct lock_event {
	struct lock_at at;
	const char *where; /* a wait or a section: its name, else NULL */
	enum lock_context context;
	bool irqs_on;
	int tid;
	char thread[16];
};

struct lock_edge {
	struct lock_event from, to; /* by one thread */
};

/* What a thread holds. */
struct lock_held {
	const struct lock_class *class;
	const void *lock; /* NULL: a section, not a lock */
	struct lock_at at;
	const char *where;
	unsigned node;
	unsigned level; /* of contexts */
	enum lock_context context;
	bool irqs_on;
};

/* --- lock_context.c: this thread --- */

struct lock_thread {
	struct lock_held held[LOCK_DEPTH];
	unsigned nr_held;
	enum lock_context context;
	unsigned level, irqs_off, signalling, faulting;
};
extern _Thread_local struct lock_thread lock_thread __attribute__((tls_model("initial-exec")));
extern const struct lock_class lock_fence_class, lock_fault_class;

bool lock_irqs_are_on(void);

/* --- lock_check.c --- */

void lock_held_push(const struct lock_class *class, const void *lock, unsigned node, struct lock_at at,
		    const char *where);
/* The topmost entry of this class and lock. */
void lock_held_pop(const struct lock_class *class, const void *lock);
/* Edges from all that is held. */
void lock_order_check(unsigned node, const struct lock_at *at, const char *where);

/* --- lock_node.c: classes and how interrupts meet them --- */

enum lock_use { LOCK_USE_IN_INTERRUPT, LOCK_USE_INTERRUPTS_ON, LOCK_USES };

/* LOCK_NODES when the table is full. */
unsigned lock_node(const struct lock_class *class);
const struct lock_class *lock_node_class(unsigned node);
/* The first event of this use, or NULL. */
const struct lock_event *lock_node_use(unsigned node, enum lock_use use);
void lock_node_used(unsigned node, const struct lock_at *at);
/* True the first time. */
bool lock_node_report_nesting(unsigned node);

/* --- lock_graph.c --- */

bool lock_edge_known(unsigned from, unsigned to);
const struct lock_edge *lock_edge_get(unsigned from, unsigned to);
void lock_edge_add(const struct lock_held *from, unsigned to, const struct lock_event *event);
/* A node that now takes part in interrupts: is there a way between it and one of the other use? */
void lock_graph_check_use(unsigned node, enum lock_use use);

/* --- lock_report.c --- */

struct lock_text {
	char *end, *limit;
};
void lock_event_now(struct lock_event *e, const struct lock_at *at, const char *where);
void lock_event_of_held(struct lock_event *e, const struct lock_held *h);

/* Reports are built under a name and given away: text_begin ... text_end(kind). */
#define LOCK_TEXT_SIZE 6000
void lock_text_add(struct lock_text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void lock_text_event(struct lock_text *t, unsigned node, const struct lock_event *e, bool is_from);
void lock_text_edge(struct lock_text *t, unsigned from, unsigned to);
void lock_report(enum lock_report_kind kind, const char *text);

void lock_report_again(const struct lock_held *held, const struct lock_event *now);
void lock_report_nested(const struct lock_held *held, const struct lock_event *now, bool backwards);
void lock_report_held(const struct lock_held *held, const char *where);

#endif
