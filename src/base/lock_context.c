/* SPDX-License-Identifier: BSD-3-Clause */
/* What a thread runs as, for the lock checker. Debug builds only. */
#include "base/lock.h"

#ifdef BARTER_DEBUG

static _Thread_local enum lock_context context;
static _Thread_local unsigned irqs_off;

enum lock_context lock_context_enter(enum lock_context c)
{
	enum lock_context previous = context;

	context = c;
	return previous;
}

void lock_context_leave(enum lock_context previous)
{
	context = previous;
}

enum lock_context lock_context_now(void)
{
	return context;
}

void lock_irqs_off(void)
{
	irqs_off++;
}

void lock_irqs_on(void)
{
	if (irqs_off-- == 0)
		lock_assert_failed("interrupts are turned on more often than off", __FILE__, __LINE__);
}

void lock_may_fault(const char *where)
{
	(void)where;
}

void lock_may_wait_fence(const char *where)
{
	(void)where;
}

void lock_signalling_begin(const char *where)
{
	(void)where;
}

void lock_signalling_end(void)
{
}

#endif
