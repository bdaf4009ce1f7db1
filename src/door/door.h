/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The preload door: barter inside the program's own process. Its state is one object, `door`, the only global of the
 * project; everything else is reached from a task or a rack.
 *
 * A program that never names a path of ours pays for the library being loaded and for one comparison a call: no rack is
 * built, no thread started, no signal handler installed before the first need (door_machine(), signals_install()).
 *
 * Two halves: what touches the program's memory and signals (uaccess.c, signals.c, mm_*.c, trap.c, pin.c), and what
 * names files and fds (path_*.c, fd_table.c, task_fd.c). task.c joins them into one struct task_ops. The thunks that
 * libc's callers reach are in thunk_*.c and do nothing but decide whether a call is ours.
 *
 * Who may include this: door/, tests/door.
 */
#ifndef BARTER_DOOR_DOOR_H
#define BARTER_DOOR_DOOR_H

#include <stdatomic.h>

#include "base/lock.h"
#include "base/types.h"
#include "door/call.h"
#include "door/real.h"
#include "door/signals.h"
#include "file/task.h"

struct fd_table;
struct machine;
struct mm;
struct ns;
struct rack_desc;

struct door {
	struct task task;
	pid_t pid; /* of the process that the state belongs to; 0 before door_init() */
	/* The program was started with a rack; without one every call goes on unchanged. Immutable after init. */
	bool has_rack;
	const struct rack_desc *desc;
	/* Built at first use, under build_lock; NULL before. */
	_Atomic(struct machine *) machine;
	pthread_mutex_t build_lock;
	bool build_failed; /* guarded by build_lock */
	/* Each half's own; NULL until its first use, so that the thunks look no further. */
	_Atomic(struct fd_table *) fds;
	_Atomic(struct mm *) mm;
	/* A page that the kernel clears in every child, however it was forked. 1 in the process that mapped it. */
	_Atomic uint32_t *alive;
	struct signals signals;
};

extern struct door door;

/* The constructor's work; harmless when called again. Thunks that run before it see has_rack == false. */
void door_init(void);

/* Before the process ends: stops devices and writes the timeline and the report. Once. */
void door_exit(void);

/* The machine, built now if need be; NULL without a rack or when it cannot be built. Not in a signal handler. */
struct machine *door_machine(void);
/* The paths of ours, or NULL. Builds the machine. */
struct ns *door_ns(void);

static inline struct task *door_task(void)
{
	return &door.task;
}

/* We are a child of the process that used barter, by whatever kind of fork. Lock-free, for signal handlers too. */
static inline bool door_is_forked(void)
{
	return door.alive && atomic_load_explicit(door.alive, memory_order_relaxed) == 0;
}

/* Makes door.alive. False: out of memory. */
bool door_mark_alive(void);
/* We are a child made by vfork(), on our parent's memory: what is kept there is the parent's. */
bool door_is_borrowed(void);

/* -errno to errno and -1, as libc does; errno stays as it was on success. */
static inline long door_return(int64_t result)
{
	if (result < 0) {
		errno = (int)-result;
		return -1;
	}
	return (long)result;
}

/* The visible thunks. Everything else is hidden. */
#define DOOR_EXPORT __attribute__((visibility("default")))

/* Joined from both halves in task.c. */
extern const struct task_ops door_task_ops;

#endif
