/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/irq_work.h"

_Thread_local struct spin_state spin_state __attribute__((tls_model("initial-exec")));

void irq_work_init(struct irq_work *w, void (*fn)(struct irq_work *w))
{
	w->fn = fn;
	w->next = NULL;
	atomic_init(&w->queued, false);
}

/*
 * The thread's own list needs no lock. `running` keeps work that lets go of a spinlock from starting a second loop on
 * top of this one.
 */
void irq_work_run(void)
{
	struct spin_state *s = &spin_state;
	enum lock_context before;

	if (s->running)
		return;
	s->running = true;
	before = lock_context_enter(LOCK_CONTEXT_INTERRUPT);
	while (s->first) {
		struct irq_work *w = s->first;

		s->first = w->next;
		atomic_store(&w->queued, false);
		w->fn(w);
	}
	lock_context_leave(before);
	s->running = false;
}

bool irq_work_queue(struct irq_work *w)
{
	struct spin_state *s = &spin_state;

	if (atomic_exchange(&w->queued, true))
		return false;
	w->next = NULL;
	if (s->first)
		s->last->next = w;
	else
		s->first = w;
	s->last = w;
	if (!s->held)
		irq_work_run();
	return true;
}
