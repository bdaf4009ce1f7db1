/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside the scheduler. All that is marked "the worker's" is touched by the thread that runs `run`, or by who has
 * parked it (sched_park()); nothing else may, so there is no lock for it.
 *
 * A stream is what the worker knows of an entity. The entity is its driver's memory and may go at any time; the stream
 * goes with its last job.
 */
#ifndef BARTER_SCHED_PRIV_H
#define BARTER_SCHED_PRIV_H

#include "base/condition.h"
#include "sched/sched.h"

enum sched_note_kind {
	NOTE_PUSHED,	/* a job */
	NOTE_SIGNALLED, /* what a job waits for */
	NOTE_KILL,	/* a stream */
	NOTE_DETACH,	/* a stream */
	NOTE_FAULT	/* of the scheduler */
};

enum sched_job_state {
	JOB_QUEUED,  /* in stream->queue; the first one waits for its dependencies */
	JOB_RUNNING, /* in sched->pending, until its hardware fence signals */
	JOB_LOST,    /* in sched->pending; it will be no more on the hardware: ends with `result` */
	JOB_ENDING,  /* waits for its dependencies, this time to the end */
	JOB_ENDED    /* waits for the one before it in stream->ending */
};

/* A node of the run queue, which is a pairing heap: prev is the parent for a first child, else the left sibling. */
struct sched_heap_node {
	struct sched_heap_node *child, *next, *prev;
};

struct sched_stream {
	struct sched_scheduler *sched;
	struct sched_note kill_note, detach_note; /* the latter comes last of all that is posted for the entity */
	atomic_bool kill_noted;			  /* kill_note is under way */

	/* The worker's. */
	struct sched_entity *entity; /* NULL: detached */
	unsigned refs;		     /* the entity's, its jobs', and of who calls a driver with it in hand */
	bool stopped, guilty;
	struct list queue;  /* jobs that have not gone yet */
	struct list ending; /* those that have, and those that never will; the first ends first */
	bool ready;	    /* in the run queue */
	bool kernel;	    /* of kernel priority when it was put there */
	struct sched_heap_node node;
	uint64_t arrival;  /* in the run queue: who came first of two with the same vruntime */
	uint64_t vruntime; /* hardware time that it had, by its weight */
	uint64_t mean_ns;  /* of a job on the hardware */
};

struct sched_scheduler {
	const struct sched_backend_ops *ops; /* this block is set before anyone sees it */
	char name[SCHED_NAME_SIZE];
	uint32_t credit_limit;
	unsigned hang_limit;
	uint64_t timeout_ns;
	struct work_queue *submit_queue, *timeout_queue;
	bool own_submit_queue, own_timeout_queue;
	struct work run, timeout;

	_Atomic(struct sched_note *) inbox; /* anyone adds, the worker takes all; SCHED_ASLEEP: it wants to be woken */
	atomic_uint wakers;		    /* who is about to do that */
	atomic_int parked;		    /* how many want the worker to stand still */
	atomic_uint waiters;		    /* in sched_wait() */
	atomic_uint jobs;		    /* between sched_job_init() and sched_job_cleanup() */
	_Atomic uint64_t head_since_ns;	    /* since when the oldest job on the hardware is that; 0: there is none */
	atomic_bool fault_noted;	    /* fault_note is under way */
	struct sched_note fault_note;
	atomic_bool fault;	  /* the timeout shall come at once */
	atomic_bool gone;	  /* SCHED_STAT_ENODEV: it never comes again */
	_Atomic pthread_t worker; /* while `running` */
	atomic_bool running;

	/* The worker's. */
	struct sched_heap_node *ready; /* the run queue */
	uint64_t min_vruntime;	       /* of who went last: nobody joins with less */
	uint64_t arrivals;
	struct list pending; /* jobs on the hardware, the oldest first */
	uint32_t credits;    /* of those */
	uint64_t last_end_ns;

	struct mutex lock;
	struct list entities;	/* under lock */
	struct condition moved; /* under lock: what somebody waits for may have happened */
};

/* sched.c */
void sched_post(struct sched_scheduler *s, struct sched_note *note, enum sched_note_kind kind);
void sched_park(struct sched_scheduler *s);
void sched_unpark(struct sched_scheduler *s);
bool sched_on_worker(struct sched_scheduler *s);
/* Until done(arg), which the worker brings about, or the deadline (CLOCK_MONOTONIC): what done() says at the end. */
bool sched_wait(struct sched_scheduler *s, bool (*done)(void *arg), void *arg, uint64_t deadline_ns);
void sched_wake_waiters(struct sched_scheduler *s);
/* All notes, the oldest first. */
struct sched_note *sched_take_notes(struct sched_scheduler *s);
/* False: there are notes. */
bool sched_fall_asleep(struct sched_scheduler *s);
uint64_t sched_now(void);

/* worker.c */
void sched_run(struct work *w);

/* stream.c */
struct sched_stream *sched_stream_create(struct sched_scheduler *s, struct sched_entity *e);
void sched_stream_get(struct sched_stream *st);
void sched_stream_put(struct sched_stream *st);
/* Looks at the first job that has not gone: waits for its next dependency, or makes the stream ready. */
void sched_stream_look(struct sched_stream *st);
/* The first job leaves the queue: it goes, or never will. */
struct sched_job *sched_stream_take(struct sched_stream *st);
void sched_stream_kill(struct sched_stream *st);
/* The entity's memory is its owner's again. */
void sched_stream_detach(struct sched_stream *st);

/* job_end.c */
/* It is not, or no more, on the hardware: it ends with an error or 0 as soon as all that it depends on has. */
void sched_job_end(struct sched_job *job, int result);
void sched_job_look_end(struct sched_job *job);
/* Asks for a NOTE_SIGNALLED; false: the fence has signalled. */
bool sched_job_wait_for(struct sched_job *job, struct dma_fence *f);

/* hardware.c */
void sched_hardware_run(struct sched_job *job);
void sched_hardware_done(struct sched_job *job, int result);
/* Waits for a fence that run_job() gave; true: there is nothing to wait for, and *result is what came of it. */
bool sched_hardware_submit(struct sched_job *job, int *result);

/* run_queue.c */
void sched_ready_add(struct sched_stream *st);
void sched_ready_del(struct sched_stream *st);
struct sched_stream *sched_ready_first(struct sched_scheduler *s);
/* Takes what a job is expected to need from its stream's account; then what it needed. */
void sched_charge(struct sched_stream *st, struct sched_job *job);
void sched_charge_settle(struct sched_stream *st, struct sched_job *job, uint64_t busy_ns);

/* fences.c */
struct sched_fence *sched_fence_create(void *owner);
void sched_fence_destroy(struct sched_fence *f);
void sched_fence_arm(struct sched_fence *f, struct sched_entity *e);
void sched_fence_scheduled(struct sched_fence *f);
void sched_fence_finished(struct sched_fence *f, int result);
/* With a reference, or NULL. Who is neither the worker nor has parked it alone asks so. */
struct dma_fence *sched_fence_get_parent(struct sched_fence *f);
/* Takes over a reference; NULL: none any more. */
void sched_fence_set_parent(struct sched_fence *f, struct dma_fence *parent);

/* recovery.c */
void sched_timed_out(struct work *w);
void sched_clock_start(struct sched_scheduler *s);
void sched_note_fault(struct sched_scheduler *s);

#endif
