/* SPDX-License-Identifier: BSD-3-Clause */
/* What a thread runs as and waits for besides locks, for the lock checker. */
#include "base/lock_check_priv.h"

/* The door's handlers come here: a thread's first access must not allocate. */
_Thread_local struct lock_thread lock_thread __attribute__((tls_model("initial-exec")));

const struct lock_class lock_fence_class = {.name = "<fence>"}, lock_fault_class = {.name = "<fault>"};

bool lock_irqs_are_on(void)
{
	return lock_thread.context != LOCK_CONTEXT_INTERRUPT && !lock_thread.irqs_off;
}

enum lock_context lock_context_enter(enum lock_context context)
{
	enum lock_context previous = lock_thread.context;

	lock_thread.context = context;
	lock_thread.level++;
	return previous;
}

void lock_context_leave(enum lock_context previous)
{
	struct lock_thread *t = &lock_thread;

	if (t->nr_held && t->held[t->nr_held - 1].level == t->level)
		lock_report_held(&t->held[t->nr_held - 1], "the end of a context");
	t->context = previous;
	t->level--;
}

enum lock_context lock_context_now(void)
{
	return lock_thread.context;
}

void lock_irqs_off(void)
{
	lock_thread.irqs_off++;
}

void lock_irqs_on(void)
{
	if (lock_thread.irqs_off-- == 0)
		lock_assert_failed("interrupts are turned on more often than off", __FILE__, __LINE__);
}

/* --- faults and fences: locks that are taken and let go of at once, or held throughout a section --- */

static void report_wait(const char *what, const char *where)
{
	char text[LOCK_TEXT_SIZE];
	struct lock_text t = {text, text + sizeof(text)};
	struct lock_thread *me = &lock_thread;

	lock_text_add(&t, "%s %s\n", what,
		      me->context == LOCK_CONTEXT_INTERRUPT ? "in interrupt context" : "with interrupts off");
	lock_text_add(&t, "  in %s\n", where);
	for (unsigned i = 0; i < me->nr_held; i++) {
		struct lock_event e;

		lock_event_of_held(&e, &me->held[i]);
		lock_text_event(&t, me->held[i].node, &e, true);
	}
	lock_report(LOCK_REPORT_WAIT, text);
}

/*
 * A fault may wait for a revocation, which waits for fences: known from the start, not only once it was seen. The edge
 * is taken as seen by whoever comes first.
 */
static void know_that_faults_wait_for_fences(void)
{
	unsigned fault = lock_node(&lock_fault_class), fence = lock_node(&lock_fence_class);
	struct lock_held from = {.class = &lock_fault_class, .node = fault, .where = "any fault"};
	struct lock_event to = {.where = "a revocation"};

	if (!lock_edge_known(fault, fence))
		lock_edge_add(&from, fence, &to);
}

static void wait_for(const struct lock_class *class, const char *what, const char *where, const void *caller)
{
	struct lock_at at = {.caller = caller};

	know_that_faults_wait_for_fences();
	if (!lock_irqs_are_on())
		report_wait(what, where);
	lock_order_check(lock_node(class), &at, where);
}

void lock_may_wait_fence(const char *where)
{
	wait_for(&lock_fence_class, "a fence may be waited for", where, __builtin_return_address(0));
}

void lock_may_fault(const char *where)
{
	wait_for(&lock_fault_class, "a program's memory may fault", where, __builtin_return_address(0));
}

/* The beginning waits for nothing, so it comes after any lock. */
static void section_begin(unsigned *depth, const struct lock_class *class, const char *where, const void *caller)
{
	if ((*depth)++ == 0)
		lock_held_push(class, NULL, lock_node(class), (struct lock_at){.caller = caller}, where);
}

static void section_end(unsigned *depth, const struct lock_class *class)
{
	if (*depth == 0)
		lock_assert_failed("a section is left that was not entered", __FILE__, __LINE__);
	if (--*depth == 0)
		lock_held_pop(class, NULL);
}

void lock_signalling_begin(const char *where)
{
	section_begin(&lock_thread.signalling, &lock_fence_class, where, __builtin_return_address(0));
}

void lock_signalling_end(void)
{
	section_end(&lock_thread.signalling, &lock_fence_class);
}

void lock_fault_begin(const char *where)
{
	section_begin(&lock_thread.faulting, &lock_fault_class, where, __builtin_return_address(0));
}

void lock_fault_end(void)
{
	section_end(&lock_thread.faulting, &lock_fault_class);
}
