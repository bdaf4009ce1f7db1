/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ring: jobs of all queues go through it one after the other, as the scheduler gives them.
 *
 * sgpu_ring.c puts commands there and signals their fences from the interrupt; sgpu_recovery.c stops it, makes an end
 * of what cannot go on, and starts it with the rest.
 */
#ifndef BARTER_DRM_SGPU_RING_H
#define BARTER_DRM_SGPU_RING_H

#include "drm/sgpu_priv.h"
#include "sched/sched.h"

/* Commands of the jobs that are on the ring together, and of one. */
enum { SGPU_RING_ENTRIES = 4096, SGPU_RING_ROOM = SGPU_RING_ENTRIES - 1 };

struct sgpu_command {
	uint32_t opcode, flags;
	uint64_t source, target, length, sequence, reserved[3];
};
_Static_assert(sizeof(struct sgpu_command) == GPU_COMMAND_SIZE, "as the ring has them");

struct sgpu_job_buffer {
	struct sgpu_bo *bo;
	bool write;
	bool locked;		/* by this job, not by another name of the same reservation object */
	unsigned invalidations; /* of the object when the commands were made */
};

struct sgpu_job {
	struct sched_job base;
	struct work free_work;
	atomic_int refs; /* the scheduler's, the submitter's */
	struct sgpu_ring *ring;
	struct sgpu_job_buffer *buffers;
	unsigned nr_buffers;
	struct sgpu_command *commands;
	unsigned nr_commands, max_commands;
};

struct sgpu_ring {
	struct sgpu *gpu; /* this block is set before anyone sees it */
	struct sched_scheduler *sched;
	struct work_queue *recovery; /* all that stops the ring takes turns here */
	struct work_queue *cleanup;  /* buffers are let go of here: not in the path of fences */
	struct dma_coherent commands, done;
	uint64_t fence_context;

	/* The function's gate: somebody resets it, or turns its decoding off. */
	struct gate_client client;
	struct work reset;
	atomic_bool shut; /* as the gate is */
	atomic_bool dead; /* and has been for long: jobs end with an error */

	/* Of the scheduler's worker, or who has stopped it. */
	uint32_t tail;
	uint64_t sequence;

	struct spinlock fence_lock; /* of the fences, and guards */
	struct list pending;	    /* those that have not signalled, in the order of the ring */

	/* The recovery queue's: where the ring was when the clock struck last. */
	uint32_t seen_head;
	uint64_t seen_sequence;
};

/*
 * A ring of the function, from probe to remove. Between enter and leave it is there; NULL: the driver has let go of the
 * function. Destroying ends all jobs, and waits for those that somebody else's fence keeps from ending.
 */
int sgpu_ring_create(struct sgpu *gpu);
void sgpu_ring_destroy(struct sgpu *gpu);
struct sgpu_ring *sgpu_ring_enter(struct sgpu *gpu);
void sgpu_ring_leave(struct sgpu *gpu);
/* After enter has answered NULL: until nobody touches what the ring was used with. */
void sgpu_ring_wait_gone(struct sgpu *gpu);

/* From here on for sgpu_recovery.c. Nothing of the ring moves when stop returns; what was done has been signalled. */
void sgpu_ring_stop(struct sgpu_ring *r);
/* Empty, and running. The scheduler stands still. */
void sgpu_ring_start(struct sgpu_ring *r);
/* The job at the head ends with an error, unless it may begin anew. */
void sgpu_ring_fail_first(struct sgpu_ring *r, int (*verdict)(const struct sgpu_job *job));
/* Fences of what is not on the ring any more. */
void sgpu_ring_abandon(struct sgpu_ring *r);
uint64_t sgpu_ring_first_sequence(struct sgpu_ring *r); /* 0: none */

/* sgpu_recovery.c */
enum sched_stat sgpu_job_timed_out(struct sched_job *base);
void sgpu_job_cancel(struct sched_job *base);
void sgpu_recovery_init(struct sgpu_ring *r);
void sgpu_recovery_start(struct sgpu_ring *r); /* the gate speaks to it */
void sgpu_recovery_end(struct sgpu_ring *r);   /* and does not any more */

/* sgpu_job.c: one reference. */
struct sgpu_job *sgpu_job_create(struct sgpu_ring *ring);
void sgpu_job_get(struct sgpu_job *job);
void sgpu_job_put(struct sgpu_job *job); /* lets go of its buffers: without locks, not by the scheduler's worker */
/* -ENODEV: a buffer was taken away since the commands were made. Any context. */
int sgpu_job_check(const struct sgpu_job *job);

#endif
