/* SPDX-License-Identifier: BSD-3-Clause */
/* The worker: reads its notes, gives ready jobs to the hardware, sleeps when there is neither. */
#include "sched/sched_priv.h"

/* How much is done before others on the same queue get their turn; how many jobs go before the notes are read again. */
enum { ROUNDS = 64, JOBS_A_ROUND = 32 };

static void pushed(struct sched_job *job)
{
	struct sched_stream *st = job->stream;

	sched_stream_get(st);
	list_add_tail(&st->queue, &job->node);
	if (st->stopped)
		sched_stream_kill(st);
	else
		sched_stream_look(st);
}

static void signalled(struct sched_job *job)
{
	struct sched_fence *f = job->s_fence;

	job->waiting = false;
	switch (job->state) {
	case JOB_QUEUED:
		sched_stream_look(job->stream);
		break;
	case JOB_RUNNING:
		sched_hardware_done(job, MIN(dma_fence_get_status(f->parent), 0));
		break;
	case JOB_LOST:
		sched_hardware_done(job, job->result);
		break;
	case JOB_ENDING:
		sched_job_look_end(job);
		break;
	}
}

/* All that was pushed has arrived: its entity's reference goes. */
static void detach(struct sched_stream *st)
{
	sched_stream_kill(st);
	sched_stream_detach(st);
	sched_stream_put(st);
}

static void kill_stream(struct sched_stream *st)
{
	atomic_store(&st->kill_noted, false);
	sched_stream_kill(st);
}

static void read_note(struct sched_note *note)
{
	switch (note->kind) {
	case NOTE_PUSHED:
		pushed(container_of(note, struct sched_job, note));
		break;
	case NOTE_SIGNALLED:
		signalled(container_of(note, struct sched_job, note));
		break;
	case NOTE_KILL:
		kill_stream(container_of(note, struct sched_stream, kill_note));
		break;
	case NOTE_DETACH:
		detach(container_of(note, struct sched_stream, detach_note));
		break;
	case NOTE_FAULT:
		sched_note_fault(container_of(note, struct sched_scheduler, fault_note));
		break;
	}
}

static bool read_notes(struct sched_scheduler *s)
{
	struct sched_note *note = sched_take_notes(s), *next;
	bool any = note != NULL;

	for (; note; note = next) {
		next = note->next; /* the note may go with its job */
		read_note(note);
	}
	return any;
}

static bool run_one(struct sched_scheduler *s)
{
	struct sched_stream *st = sched_ready_first(s);
	struct sched_job *job;

	if (!st)
		return false;
	job = list_first(&st->queue, struct sched_job, node);
	/* The one whose turn it is waits for room; nobody smaller overtakes it for ever. */
	if (s->credits + job->credits > s->credit_limit)
		return false;
	sched_ready_del(st);
	sched_charge(st, job);
	sched_stream_take(st);
	sched_stream_look(st);
	sched_hardware_run(job);
	return true;
}

/* False: nothing to do, and whoever brings something wakes the worker. */
static bool one_round(struct sched_scheduler *s)
{
	bool any = read_notes(s);

	for (int i = 0; i < JOBS_A_ROUND && run_one(s); i++)
		any = true;
	return any || !sched_fall_asleep(s);
}

void sched_run(struct work *w)
{
	struct sched_scheduler *s = container_of(w, struct sched_scheduler, run);
	bool more = true;

	atomic_store(&s->worker, pthread_self());
	atomic_store(&s->running, true);
	lock_signalling_begin("scheduler");
	for (int i = 0; i < ROUNDS && more && !atomic_load(&s->parked); i++)
		more = one_round(s);
	lock_signalling_end();
	atomic_store(&s->running, false);
	sched_wake_waiters(s);
	/* Who unparks it will queue it. */
	if (more && !atomic_load(&s->parked))
		work_queue_add(s->submit_queue, w, 0);
}
