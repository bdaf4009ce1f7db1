/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * When the ring does not go on by itself. Three things bring one here, all on the recovery queue:
 *
 *   a hang         the clock has struck twice, and the head has not moved. The job ends with -ETIME, its queue with it.
 *   a halt         the ring could not carry out a command, and says so by its second vector. The job ends with -EIO, or
 *                  -ENODEV when it is known why: a buffer was taken away under it. Its queue goes on.
 *   a reset        of the function, by somebody else. The ring has forgotten everything; so it has been given all anew
 *                  when the function is back. While it is not, nobody waits for long.
 *
 * In each case jobs that had not begun run again, in the same order. One that had may be run again when it is a single
 * command: a copy can be repeated. Of several commands, the later ones may have overwritten what the earlier ones read.
 */
#include "base/trace.h"
#include "drm/sgpu_ring.h"

/* How long a reset may take before the jobs that wait for its end are given up. */
#define AWAY_NS 1000000000ull

static void resume(struct sgpu_ring *r)
{
	sgpu_ring_abandon(r);
	sgpu_ring_start(r);
	sched_resubmit_jobs(r->sched);
	sched_start(r->sched, 0);
}

/* --- hangs and halts --- */

static int halted_verdict(const struct sgpu_job *job)
{
	int err = sgpu_job_check(job);

	return err ? err : -EIO;
}

static bool has_moved(struct sgpu_ring *r)
{
	uint32_t head = (uint32_t)pci_mmio_read(r->gpu->fn, 0, GPU_RING_HEAD, 4);
	uint64_t first = sgpu_ring_first_sequence(r);
	bool moved = head != r->seen_head || first != r->seen_sequence;

	r->seen_head = head;
	r->seen_sequence = first;
	return moved;
}

enum sched_stat sgpu_job_timed_out(struct sched_job *base)
{
	struct sgpu_ring *r = container_of(base, struct sgpu_job, base)->ring;
	struct pci_function *fn = r->gpu->fn;
	uint32_t status = (uint32_t)pci_mmio_read(fn, 0, GPU_RING_STATUS, 4);
	bool halted = status & GPU_RING_HALTED;

	/* Away: the gate has said so, too, and what is to be done is queued. */
	if (status == UINT32_MAX)
		return SCHED_STAT_NO_HANG;
	if (!halted && has_moved(r))
		return SCHED_STAT_NO_HANG;
	sgpu_ring_stop(r);
	if (halted)
		sgpu_ring_fail_first(r, halted_verdict);
	sched_stop(r->sched);
	/* With its hardware fence it is still on the way; it may have come to its end at the last moment. */
	if (!halted && !base->s_fence->parent)
		sched_increase_karma(base);
	trace_instant(r->gpu->trace, TRACE_FAULT, fn->name, halted ? "halt" : "hang", "error=%u",
		      GPU_RING_ERROR(status));
	resume(r);
	return SCHED_STAT_RESET;
}

/* By sched_destroy(): the first that comes takes the others with it. */
void sgpu_job_cancel(struct sched_job *base)
{
	struct sgpu_ring *r = container_of(base, struct sgpu_job, base)->ring;

	sgpu_ring_stop(r);
	sgpu_ring_abandon(r);
}

/* --- resets --- */

static int interrupted_verdict(const struct sgpu_job *job)
{
	return job->nr_commands > 1 ? -EIO : 0;
}

static void reset_work(struct work *w)
{
	struct sgpu_ring *r = container_of(w, struct sgpu_ring, reset);
	bool shut = atomic_load(&r->shut);

	atomic_store(&r->dead, shut);
	sgpu_ring_stop(r);
	if (!shut)
		sgpu_ring_fail_first(r, interrupted_verdict);
	sched_stop(r->sched);
	if (!shut) {
		resume(r);
		return;
	}
	sgpu_ring_abandon(r);
	sched_start(r->sched, -ENODEV);
}

/* Under the gate's lock, and maybe in the midst of the reset. */
static void gate_shuts(struct gate_client *c, bool for_good)
{
	struct sgpu_ring *r = container_of(c, struct sgpu_ring, client);

	atomic_store(&r->shut, true);
	work_queue_add(r->recovery, &r->reset, for_good ? 0 : AWAY_NS);
}

static void gate_opens(struct gate_client *c)
{
	struct sgpu_ring *r = container_of(c, struct sgpu_ring, client);

	atomic_store(&r->shut, false);
	work_queue_add(r->recovery, &r->reset, 0);
}

static const struct gate_client_ops client_ops = {.revoke = gate_shuts, .restore = gate_opens};

void sgpu_recovery_init(struct sgpu_ring *r)
{
	r->client.ops = &client_ops;
	list_init(&r->client.node);
	work_init(&r->reset, reset_work);
}

void sgpu_recovery_start(struct sgpu_ring *r)
{
	struct pci_gate *gate = &r->gpu->fn->gate;

	mutex_lock(&gate->lock);
	pci_gate_add_client_locked(gate, &r->client);
	mutex_unlock(&gate->lock);
}

void sgpu_recovery_end(struct sgpu_ring *r)
{
	struct pci_gate *gate = &r->gpu->fn->gate;

	mutex_lock(&gate->lock);
	pci_gate_remove_client_locked(gate, &r->client);
	mutex_unlock(&gate->lock);
	work_cancel_sync(r->recovery, &r->reset);
}
