/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The job scheduler that DRM drivers use: jobs wait for their dependencies, go to the hardware in a fair order, and
 * end, whatever happens to their hardware or to who submitted them. Names and rules are Linux's, without `drm_`.
 *
 * One worker thread owns a scheduler's state: queues, dependencies, run queue, the list of jobs on the hardware. Nobody
 * else touches it, so no lock guards it; others leave the worker a note, which is one atomic exchange and can be done
 * in any context. A fence's callback does that and nothing more. It takes no lock that a container of dependencies has
 * (there is none), and waits for nothing; the next dependency is waited for by the worker.
 *
 * A job:
 *   sched_job_init()    the driver's memory, one reference of nothing yet; may be given up by sched_job_cleanup()
 *   add dependencies    one thread at a time
 *   sched_job_arm()     the fences exist from here on and must signal: what follows cannot fail, allocates nothing, and
 *                       waits for nothing
 *   sched_job_push()    the scheduler owns it; run_job() once all dependencies have signalled and there is credit
 *   free_job()          exactly once, after the finished fence has signalled; calls sched_job_cleanup()
 *
 * Its fences: `scheduled` signals when the hardware has it, `finished` when it has ended. In that order, always, and
 * before free_job(). `finished` never signals before all dependencies have, nor before that of the job before it in its
 * entity, however the job ends: what it would have written may be in use by those until then. The error of `finished`:
 *   0            done
 *   run_job's    it could not be given to the hardware (ERR), or its hardware fence has that error
 *   -ETIME       it hung more often than the hang limit allows (sched_increase_karma())
 *   -ECANCELED   another job of its entity did that; or it was given up in a recovery, or by sched_destroy()
 *   -ESRCH       its entity was killed before the hardware had it
 *
 * Who may include this: sched/, drm/, tests.
 */
#ifndef BARTER_SCHED_SCHED_H
#define BARTER_SCHED_SCHED_H

#include <stdatomic.h>

#include "base/list.h"
#include "base/work.h"
#include "fence/dma_fence.h"
#include "fence/dma_resv.h"

struct sched_scheduler;
struct sched_entity;
struct sched_job;

/*
 * KERNEL goes before all others. HIGH, NORMAL and LOW share by weight: each gets four times the hardware time of the
 * next, and entities of one priority get the same (sched_entity_init()).
 */
enum sched_priority { SCHED_PRIORITY_KERNEL, SCHED_PRIORITY_HIGH, SCHED_PRIORITY_NORMAL, SCHED_PRIORITY_LOW };

/* What timedout_job() found. */
enum sched_stat {
	SCHED_STAT_RESET,   /* recovered; the clock starts anew */
	SCHED_STAT_NO_HANG, /* it was only slow: it goes on, the clock starts anew */
	SCHED_STAT_ENODEV   /* the device is gone: no job of it will be waited for by the clock any more */
};

/* An error in place of a pointer: what run_job() answers when the hardware did not take a job. */
#define SCHED_MAX_ERRNO 4095
static inline void *sched_err_ptr(int err)
{
	return (void *)(intptr_t)err;
}
static inline bool sched_is_err(const void *p)
{
	return (uintptr_t)p >= (uintptr_t)-SCHED_MAX_ERRNO;
}

/*
 * All but timedout_job() and cancel_job() run on the scheduler's worker, which is in the path of fences: they never
 * wait for a fence, and take no lock under which someone does (no reservation lock). No lock is held when they are
 * called.
 */
struct sched_backend_ops {
	/*
	 * Gives the job to the hardware. Returns a fence of the hardware, with a reference for the scheduler; NULL: it
	 * is done already; sched_err_ptr(): it ends with that error. Again in a recovery, for a fence that is new. A
	 * job whose finished fence has an error is not given to it.
	 */
	struct dma_fence *(*run_job)(struct sched_job *job);
	/*
	 * The oldest job on the hardware did not end in time. On the thread of the timeout queue, which may wait; the
	 * scheduler's worker stands still meanwhile: no job is run, finished or freed. A reset is
	 *   sched_stop(), stop and reset the hardware, sched_increase_karma(), sched_resubmit_jobs(), sched_start(),
	 * for each scheduler that the reset hits. NULL: as if it had answered SCHED_STAT_NO_HANG.
	 */
	enum sched_stat (*timedout_job)(struct sched_job *job);
	/* It has ended and nobody knows it any more: sched_job_cleanup(), then free it. */
	void (*free_job)(struct sched_job *job);
	/*
	 * By sched_destroy(), on its thread: makes the hardware forget the job and its fence signal (with -ECANCELED).
	 * NULL: sched_destroy() waits for what is on the hardware instead.
	 */
	void (*cancel_job)(struct sched_job *job);
};

struct sched_init_args {
	const struct sched_backend_ops *ops;
	const char *name;      /* of the ring, as a timeline is called; copied, at most SCHED_NAME_SIZE - 1 bytes */
	uint32_t credit_limit; /* of all jobs on the hardware together */
	uint64_t timeout_ns;   /* 0: jobs may take for ever */
	unsigned hang_limit;   /* how often a job may hang before its entity is guilty */
	/* NULL: own ones. Several may share each; those that one reset hits share the timeout queue. */
	struct work_queue *submit_queue;  /* runs the ops */
	struct work_queue *timeout_queue; /* runs timedout_job(): never the submit queue */
};

enum { SCHED_NAME_SIZE = 32, SCHED_INLINE_DEPENDENCIES = 4 };

/* What the worker gets from others. */
struct sched_note {
	struct sched_note *next;
	int kind;
};

struct sched_stream; /* what the worker knows of an entity; outlives it while it has jobs */

/* A stream of jobs that go, and end, in order: a context's ring, a VM's page table updates. Members are sched/'s own.
 */
struct sched_entity {
	struct sched_scheduler *sched; /* NULL: it was destroyed, the entity is inert */
	struct sched_stream *stream;
	uint64_t fence_context; /* of scheduled fences; finished ones have the next */
	uint64_t fence_seq;	/* under the driver's lock (sched_job_arm()) */
	_Atomic enum sched_priority priority;
	atomic_int error;	 /* of the job that ended last */
	_Atomic uint64_t pushed; /* jobs; written under the driver's lock */
	_Atomic uint64_t taken;	 /* written by the worker: those that left the queue */
	atomic_bool detached;	 /* the worker's last word */
	struct list node;	 /* of its scheduler's list, under its lock */
};

/*
 * The fences of a job, which outlive it. `lock` is theirs alone. finished is of fence_context + 1.
 */
struct sched_fence {
	struct dma_fence scheduled, finished;
	struct spinlock lock;	  /* LOCK_RANK_FENCE: fences, parent and deadline */
	struct dma_fence *parent; /* the hardware's */
	uint64_t deadline_ns;
	const struct sched_scheduler *sched; /* to compare with, never to look into */
	void *owner;
	char name[SCHED_NAME_SIZE];
};

struct sched_job {
	struct sched_scheduler *sched;
	struct sched_entity *entity; /* until sched_job_push(): it may go before its jobs */
	struct sched_fence *s_fence;
	uint32_t credits;
	bool armed;
	unsigned karma; /* how often it hung; between stop and start */

	/* The submitter's until sched_job_push(), the worker's from then on. */
	struct dma_fence **dependencies;
	unsigned nr_dependencies, max_dependencies;
	struct dma_fence *inline_dependencies[SCHED_INLINE_DEPENDENCIES];

	/* The worker's. */
	struct sched_stream *stream; /* set by sched_job_init() */
	unsigned next_dependency;
	int state, result;
	bool waiting;		/* for a dependency: `cb` is at it, or `note` under way */
	struct list node;	/* in the stream: to go, then to end */
	struct list pending;	/* among those on the hardware */
	uint64_t charged_ns;	/* to the stream's account, before the true time is known */
	struct dma_fence_cb cb; /* one at a time: a dependency, then the hardware's fence */
	struct sched_note note;
};

/* 0, -ENOMEM, -EINVAL: no credits, one queue for both. No thread runs before the first entity. */
int sched_create(const struct sched_init_args *args, struct sched_scheduler **out);
/*
 * Kills what entities still have (they go inert), cancels or waits for what the hardware has, returns when the last job
 * is freed. Not from the ops, not while it is stopped. Process context.
 */
void sched_destroy(struct sched_scheduler *s);
/* Jobs that are not cleaned up: for leak checks. */
unsigned sched_nr_jobs(struct sched_scheduler *s);

/* An entity starts where the others stand: it is owed nothing for the time when it was not there. 0 or -errno. */
int sched_entity_init(struct sched_entity *e, enum sched_priority priority, struct sched_scheduler *s);
void sched_entity_set_priority(struct sched_entity *e, enum sched_priority priority);
/* Waits until all its jobs were given to the hardware: nanoseconds left (at least 1), 0: timed out. */
uint64_t sched_entity_flush(struct sched_entity *e, uint64_t timeout_ns);
/*
 * What the hardware does not have yet ends with -ESRCH: in order, each after all that it depends on and after the one
 * before it. Does not wait for that. Any context.
 */
void sched_entity_kill(struct sched_entity *e);
/*
 * Kills it, and returns when the scheduler does not know it any more: its memory is the caller's. Its jobs live on. Not
 * between stop and start; from the ops that run on the worker it may be called.
 */
void sched_entity_fini(struct sched_entity *e);
/* Flush for at most a while, then fini: what closing a file does. */
void sched_entity_destroy(struct sched_entity *e, uint64_t timeout_ns);
/* Of the job that ended last: 0 or -errno. */
int sched_entity_error(struct sched_entity *e);

/* owner: who submits, for s_fence->owner; may be NULL. -EINVAL, -ENOMEM, -ENOENT: scheduler gone. */
int sched_job_init(struct sched_job *job, struct sched_entity *e, uint32_t credits, void *owner);
/*
 * The job waits for it. Takes over the reference, also when it fails; NULL is no fence. Of one context only the latest
 * is kept. 0 or -ENOMEM.
 */
int sched_job_add_dependency(struct sched_job *job, struct dma_fence *fence);
/* Those up to a usage. The reservation is locked, as for whoever adds this job's fence to it next. */
int sched_job_add_resv_dependencies(struct sched_job *job, struct dma_resv *resv, enum dma_resv_usage usage);
/* As one who reads or writes a buffer that is shared implicitly. */
int sched_job_add_implicit_dependencies(struct sched_job *job, struct dma_resv *resv, bool write);
/* A handle that stands for a fence, in a table of the driver's: find() answers with a reference or an error. */
int sched_job_add_syncobj_dependency(struct sched_job *job,
				     int (*find)(void *table, uint32_t handle, uint64_t point, struct dma_fence **out),
				     void *table, uint32_t handle, uint64_t point);
bool sched_job_has_dependency(const struct sched_job *job, const struct dma_fence *fence);
/*
 * job->s_fence->finished (and scheduled) may be shown to others after it. Arm and push are under one hold of a lock
 * of the driver's, for each entity: the seqnos have to be in the order of the queue.
 */
void sched_job_arm(struct sched_job *job);
void sched_job_push(struct sched_job *job);
/* Gives up one that was not armed; in free_job() one that was. */
void sched_job_cleanup(struct sched_job *job);

/* The pair that a scheduled or finished fence belongs to; NULL: not a fence of a scheduler. */
struct sched_fence *to_sched_fence(struct dma_fence *f);

/*
 * Recovery. Between stop and start the worker stands still, and no job is freed. Stops nest. In worker or process
 * context, without locks; one recovery of a scheduler at a time: a reset that no timeout asked for is best queued on
 * the timeout queue.
 *
 * sched_stop() lets go of the hardware's fences of all jobs that have not ended; those that have are dealt with after
 * sched_start(). sched_resubmit_jobs() runs the others again. sched_start() gives up those that nobody ran again: they
 * end with err, or -ECANCELED when it is 0.
 */
void sched_stop(struct sched_scheduler *s);
void sched_resubmit_jobs(struct sched_scheduler *s);
void sched_start(struct sched_scheduler *s, int err);
/*
 * The job hung once more. Above the hang limit its entity is guilty (never one of kernel priority): the job ends with
 * -ETIME, the others of the entity with -ECANCELED, now and later. Between stop and start.
 */
void sched_increase_karma(struct sched_job *bad);
/* The hardware says that it hangs: the timeout comes now. Any context. */
void sched_fault(struct sched_scheduler *s);

#endif
