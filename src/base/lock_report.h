/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the lock checker says, and to whom. For tests, in builds with BARTER_DEBUG: everyone else gets the report on
 * stderr and an abort.
 */
#ifndef BARTER_BASE_LOCK_REPORT_H
#define BARTER_BASE_LOCK_REPORT_H

enum lock_report_kind {
	LOCK_REPORT_RANK,	     /* against the declared order, directly or by way of classes without a rank */
	LOCK_REPORT_CYCLE,	     /* taken in this order here and in the other elsewhere */
	LOCK_REPORT_AGAIN,	     /* the very lock that this thread holds */
	LOCK_REPORT_NESTED,	     /* two of a class that does not nest, or in the wrong order of address */
	LOCK_REPORT_INTERRUPT,	     /* taken by interrupts, and elsewhere with interrupts on */
	LOCK_REPORT_INTERRUPT_ORDER, /* under a lock that interrupts take, one that is taken with interrupts on */
	LOCK_REPORT_WAIT,	     /* a fault or a fence waited for in interrupt context or with interrupts off */
	LOCK_REPORT_HELD,	     /* held where nothing may be, or let go of without being held */
	LOCK_REPORT_FULL,	     /* the checker's own tables: it sees no more than what it has seen */
};

/*
 * Called on the thread that made the finding, before it waits for the lock. When it returns, the thread goes on; the
 * same edge or class is not reported again.
 */
typedef void (*lock_reporter)(enum lock_report_kind kind, const char *text);

/* Returns the one before; NULL: stderr and abort. */
lock_reporter lock_reporter_set(lock_reporter reporter);

#endif
