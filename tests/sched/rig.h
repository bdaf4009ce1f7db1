/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A driver over the test ring, and jobs that say what they do. Every job is checked as it goes: it runs after its
 * dependencies, ends after them and after the one before it, its fences signal in order, it is freed once.
 */
#ifndef BARTER_TESTS_SCHED_RIG_H
#define BARTER_TESTS_SCHED_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ring.h"
#include "sched/sched.h"

enum job_kind {
	JOB_EMPTY, /* run_job() answers NULL */
	JOB_RING,  /* goes to the ring */
	JOB_HANGS, /* goes to the ring and hangs there, each time */
	JOB_HANGS_ONCE,
	JOB_FAILS /* run_job() answers -EIO */
};

enum { LOG_SIZE = 256 };

struct test_job;

struct rig {
	struct sched_scheduler *sched;
	struct ring ring;
	struct spinlock log_lock;
	char log[LOG_SIZE]; /* "r1 s1 e1 f1 ": job 1 was run, scheduled, finished, freed; "t1 ": timed out */
	atomic_int runs, frees, timeouts;
	enum sched_stat stat; /* what timedout_job() answers without a reset when it is not RESET */
	bool watch;	      /* the fences of jobs are in the log, too */
	bool no_resubmit;     /* nor does a reset run jobs again */
	void (*in_run)(struct rig *r, struct test_job *job); /* may be NULL */
	void (*in_free)(struct rig *r, struct test_job *job);
	struct sched_entity *entity; /* theirs */
	int64_t fences;		     /* before */
};

struct rig_options {
	uint32_t credits;
	uint64_t timeout_ns;
	unsigned hang_limit;
	bool no_cancel, thread;
	struct work_queue *timeout_queue;
};

struct test_job {
	struct sched_job base;
	struct rig *rig;
	int id;
	enum job_kind kind;
	int hung;
	struct dma_fence_cb scheduled, finished;
};

struct rig *rig_create(struct rig_options options);
/* Nothing is left: no job, no fence. */
void rig_destroy(struct rig *r);

struct test_job *rig_job(struct rig *r, struct sched_entity *e, int id, enum job_kind kind);
/* Arms and pushes; the finished fence, with a reference. */
struct dma_fence *rig_push(struct test_job *job);
/* All of it: a job with up to one dependency, whose reference is kept. */
struct dma_fence *rig_submit(struct rig *r, struct sched_entity *e, int id, enum job_kind kind,
			     struct dma_fence *after);
/* Waits a good while. */
void rig_wait(struct dma_fence *f);
/* Waits, gives up the reference, and says how it ended: 1 or -errno. */
int rig_result(struct dma_fence *f);
/* Until the ring has nr commands, or the counter that many. */
void rig_wait_ring(struct rig *r, unsigned nr);
void rig_wait_count(atomic_int *counter, int nr);
/* A long enough while for what must not happen to happen. */
void rig_settle(void);
void rig_log(struct rig *r, const char *event, int id);

/* A reset that nobody asked for. On the timeout queue, or where no timeout comes. */
void rig_reset(struct rig *r);

/* A fence that the test signals; its lock may be shared. */
struct dma_fence *hand_fence(struct spinlock *lock);
extern const struct lock_class hand_class;

#endif
