/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ring at work. A job's last command writes its sequence number and raises the interrupt, so what the number says
 * has been done, and fences signal in the order of the ring: it says for all at once which.
 *
 * Whoever waits for the end of a job waits for what is done here. Nothing of it waits for a fence, or takes a lock
 * under which someone does.
 */
#include "drm/sgpu_ring.h"

#include <stdlib.h>
#include <string.h>

#include "pci/irq.h"

static const struct lock_class fence_lock_class = {.name = "sgpu's fences", .rank = LOCK_RANK_FENCE};

/* Twice this without a step forwards is a hang. */
#define TIMEOUT_NS 250000000ull

struct hardware_fence {
	struct dma_fence base;
	struct list node;     /* ring->pending, with a reference */
	struct sgpu_job *job; /* while it is there */
};

static const char *driver_name(struct dma_fence *f)
{
	return "sgpu";
}

static const char *timeline_name(struct dma_fence *f)
{
	return "ring";
}

static const struct dma_fence_ops hardware_fence_ops = {
	.get_driver_name = driver_name,
	.get_timeline_name = timeline_name,
};

/* --- fences --- */

static void drop_all(struct list *fences)
{
	while (!list_empty(fences)) {
		struct hardware_fence *f = list_first(fences, struct hardware_fence, node);

		list_del(&f->node);
		dma_fence_put(&f->base);
	}
}

/* fence_lock held: the first one ends, and goes to the others that have. */
static void end_first_locked(struct sgpu_ring *r, int error, struct list *ended)
{
	struct hardware_fence *f = list_first(&r->pending, struct hardware_fence, node);

	list_del(&f->node);
	if (error)
		dma_fence_set_error(&f->base, error);
	dma_fence_signal_locked(&f->base);
	list_add_tail(ended, &f->node);
}

static void signal_done(struct sgpu_ring *r)
{
	struct list ended;

	list_init(&ended);
	spin_lock_irq(&r->fence_lock);
	while (!list_empty(&r->pending)) {
		uint64_t done = __atomic_load_n((uint64_t *)r->done.cpu, __ATOMIC_ACQUIRE);

		if (list_first(&r->pending, struct hardware_fence, node)->base.seqno > done)
			break;
		end_first_locked(r, 0, &ended);
	}
	spin_unlock_irq(&r->fence_lock);
	drop_all(&ended);
}

void sgpu_ring_fail_first(struct sgpu_ring *r, int (*verdict)(const struct sgpu_job *job))
{
	struct list ended;
	int error = 0;

	list_init(&ended);
	spin_lock_irq(&r->fence_lock);
	if (!list_empty(&r->pending))
		error = verdict(list_first(&r->pending, struct hardware_fence, node)->job);
	if (error)
		end_first_locked(r, error, &ended);
	spin_unlock_irq(&r->fence_lock);
	drop_all(&ended);
}

void sgpu_ring_abandon(struct sgpu_ring *r)
{
	struct list ended;

	list_init(&ended);
	spin_lock_irq(&r->fence_lock);
	while (!list_empty(&r->pending))
		end_first_locked(r, -ECANCELED, &ended);
	spin_unlock_irq(&r->fence_lock);
	drop_all(&ended);
}

uint64_t sgpu_ring_first_sequence(struct sgpu_ring *r)
{
	uint64_t sequence = 0;

	spin_lock_irq(&r->fence_lock);
	if (!list_empty(&r->pending))
		sequence = list_first(&r->pending, struct hardware_fence, node)->base.seqno;
	spin_unlock_irq(&r->fence_lock);
	return sequence;
}

static void ring_interrupt(void *arg, unsigned vector)
{
	struct sgpu_ring *r = arg;

	if (vector == 0)
		signal_done(r);
	else
		sched_fault(r->sched);
}

/* --- jobs --- */

static void put_commands(struct sgpu_ring *r, const struct sgpu_job *job)
{
	struct sgpu_command *ring = r->commands.cpu;

	for (unsigned i = 0; i < job->nr_commands; i++) {
		struct sgpu_command *c = &ring[r->tail];

		*c = job->commands[i];
		if (i + 1 == job->nr_commands) {
			c->flags |= GPU_COMMAND_FENCE | GPU_COMMAND_IRQ;
			c->sequence = r->sequence;
		}
		r->tail = (r->tail + 1) % SGPU_RING_ENTRIES;
	}
}

/* The credits see to it that there is room. */
static struct dma_fence *run_job(struct sched_job *base)
{
	struct sgpu_job *job = container_of(base, struct sgpu_job, base);
	struct sgpu_ring *r = job->ring;
	int err = atomic_load(&r->dead) ? -ENODEV : sgpu_job_check(job);
	struct hardware_fence *f = err ? NULL : calloc(1, sizeof(*f));

	if (!f)
		return sched_err_ptr(err ? err : -ENOMEM);
	r->sequence++;
	f->job = job;
	dma_fence_init(&f->base, &hardware_fence_ops, &r->fence_lock, r->fence_context, r->sequence);
	dma_fence_get(&f->base);
	spin_lock_irq(&r->fence_lock);
	list_add_tail(&r->pending, &f->node);
	spin_unlock_irq(&r->fence_lock);
	put_commands(r, job);
	sgpu_write(r->gpu, GPU_RING_TAIL, r->tail);
	return &f->base;
}

static void free_work(struct work *w)
{
	sgpu_job_put(container_of(w, struct sgpu_job, free_work));
}

/* The scheduler forgets it here, its buffers go on a thread on which no fence waits. */
static void free_job(struct sched_job *base)
{
	struct sgpu_job *job = container_of(base, struct sgpu_job, base);

	sched_job_cleanup(base);
	work_init(&job->free_work, free_work);
	work_queue_add(job->ring->cleanup, &job->free_work, 0);
}

static const struct sched_backend_ops ops = {
	.run_job = run_job,
	.timedout_job = sgpu_job_timed_out,
	.free_job = free_job,
	.cancel_job = sgpu_job_cancel,
};

/* --- on and off --- */

void sgpu_ring_stop(struct sgpu_ring *r)
{
	sgpu_write(r->gpu, GPU_RING_CONTROL, GPU_RING_RESET);
	signal_done(r);
}

void sgpu_ring_start(struct sgpu_ring *r)
{
	sgpu_write(r->gpu, GPU_RING_CONTROL, GPU_RING_RESET);
	sgpu_write64(r->gpu, GPU_RING_BASE, r->commands.addr);
	sgpu_write(r->gpu, GPU_RING_ENTRIES, SGPU_RING_ENTRIES);
	sgpu_write64(r->gpu, GPU_FENCE_ADDRESS, r->done.addr);
	r->tail = 0;
	r->seen_head = UINT32_MAX;
	sgpu_write(r->gpu, GPU_RING_CONTROL, GPU_RING_ENABLE);
}

static int ring_sched_create(struct sgpu_ring *r)
{
	const struct sched_init_args args = {
		.ops = &ops,
		.name = "sgpu",
		.credit_limit = SGPU_RING_ROOM,
		.timeout_ns = TIMEOUT_NS,
		.timeout_queue = r->recovery,
	};

	return sched_create(&args, &r->sched);
}

static int ring_alloc(struct sgpu *gpu, struct sgpu_ring *r)
{
	int err;

	r->recovery = work_queue_create("sgpu-recovery");
	r->cleanup = work_queue_create("sgpu-cleanup");
	if (!r->recovery || !r->cleanup)
		return -ENOMEM;
	err = dma_alloc_coherent(gpu->dma, SGPU_RING_ENTRIES * GPU_COMMAND_SIZE, &r->commands);
	if (!err)
		err = dma_alloc_coherent(gpu->dma, BARTER_PAGE_SIZE, &r->done);
	if (!err)
		err = pci_irq_enable(gpu->fn, PCI_IRQ_MSIX, 2, ring_interrupt, r);
	/* Last: its end may wait, and the machine's lock is held. */
	return err ? err : ring_sched_create(r);
}

static void ring_free(struct sgpu *gpu, struct sgpu_ring *r)
{
	sched_destroy(r->sched);
	work_queue_destroy(r->cleanup);
	sgpu_write(gpu, GPU_RING_CONTROL, GPU_RING_RESET);
	pci_irq_disable(gpu->fn);
	work_queue_destroy(r->recovery);
	if (r->done.cpu)
		dma_free_coherent(gpu->dma, &r->done);
	if (r->commands.cpu)
		dma_free_coherent(gpu->dma, &r->commands);
	spin_lock_fini(&r->fence_lock);
	free(r);
}

int sgpu_ring_create(struct sgpu *gpu)
{
	struct sgpu_ring *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return -ENOMEM;
	r->gpu = gpu;
	r->fence_context = dma_fence_context_alloc(1);
	spin_lock_init(&r->fence_lock, &fence_lock_class);
	list_init(&r->pending);
	sgpu_recovery_init(r);
	err = ring_alloc(gpu, r);
	if (err) {
		ring_free(gpu, r);
		return err;
	}
	sgpu_ring_start(r);
	sgpu_recovery_start(r);
	mutex_lock(&gpu->lock);
	gpu->ring = r;
	mutex_unlock(&gpu->lock);
	return 0;
}

void sgpu_ring_destroy(struct sgpu *gpu)
{
	struct sgpu_ring *r;

	mutex_lock(&gpu->lock);
	r = gpu->ring;
	gpu->ring = NULL;
	while (gpu->nr_entered)
		condition_wait(&gpu->ring_changed, &gpu->lock, 0);
	mutex_unlock(&gpu->lock);
	if (!r)
		return;
	sgpu_recovery_end(r);
	atomic_store(&r->dead, true);
	ring_free(gpu, r);
	mutex_lock(&gpu->lock);
	gpu->ring_gone = true;
	condition_wake_all(&gpu->ring_changed);
	mutex_unlock(&gpu->lock);
}

struct sgpu_ring *sgpu_ring_enter(struct sgpu *gpu)
{
	struct sgpu_ring *r;

	mutex_lock(&gpu->lock);
	r = gpu->ring;
	gpu->nr_entered += r != NULL;
	mutex_unlock(&gpu->lock);
	return r;
}

void sgpu_ring_leave(struct sgpu *gpu)
{
	mutex_lock(&gpu->lock);
	if (--gpu->nr_entered == 0)
		condition_wake_all(&gpu->ring_changed);
	mutex_unlock(&gpu->lock);
}

void sgpu_ring_wait_gone(struct sgpu *gpu)
{
	mutex_lock(&gpu->lock);
	while (!gpu->ring_gone)
		condition_wait(&gpu->ring_changed, &gpu->lock, 0);
	mutex_unlock(&gpu->lock);
}
