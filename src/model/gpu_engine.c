/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The engine: a worker that takes one command after the other through
 *   begin    under the lock: is there one, and where?
 *   execute  without it: fetch, check, move the data, write the fence
 *   finish   under the lock: advance HEAD, interrupt; or halt on the command.
 * Whoever reset the ring meanwhile has changed the epoch; then what was done does not count, and the ring may have been
 * started anew by then, so nothing of its state is touched.
 */
#include <string.h>

#include "model/gpu_priv.h"

struct gpu_command {
	uint32_t opcode, flags;
	uint64_t source, target, length, sequence, reserved[3];
};
_Static_assert(sizeof(struct gpu_command) == GPU_COMMAND_SIZE, "one cache line");

struct gpu_step {
	uint64_t addr, fence;
	uint32_t epoch, run;
	struct gpu_command command;
	bool cancelled;
};

#define GPU_COMMAND_FLAGS_ALL                                                                                          \
	(GPU_COMMAND_SOURCE_LOCAL | GPU_COMMAND_TARGET_LOCAL | GPU_COMMAND_FENCE | GPU_COMMAND_IRQ)

static bool in_local(const struct gpu *g, uint64_t offset, uint64_t length)
{
	return offset <= g->local_size && length <= g->local_size - offset;
}

static uint8_t check(const struct gpu *g, const struct gpu_command *c)
{
	bool moves = c->opcode == GPU_COMMAND_COPY || c->opcode == GPU_COMMAND_FILL;
	uint32_t allowed = GPU_COMMAND_FLAGS_ALL;

	if (c->opcode > GPU_COMMAND_HANG)
		return GPU_ERROR_OPCODE;
	if (c->opcode != GPU_COMMAND_COPY)
		allowed &= ~GPU_COMMAND_SOURCE_LOCAL;
	if (!moves)
		allowed &= ~GPU_COMMAND_TARGET_LOCAL;
	if (c->flags & ~allowed)
		return GPU_ERROR_OPCODE;
	if (moves && c->flags & GPU_COMMAND_SOURCE_LOCAL && !in_local(g, c->source, c->length))
		return GPU_ERROR_SOURCE;
	if (moves && c->flags & GPU_COMMAND_TARGET_LOCAL && !in_local(g, c->target, c->length))
		return GPU_ERROR_TARGET;
	return 0;
}

/* What a DMA came to: 0, or the error that it is here. */
static uint8_t outcome(struct gpu_step *s, enum device_dma_status status, uint8_t error)
{
	if (status == DEVICE_DMA_CANCELLED)
		s->cancelled = true;
	return status == DEVICE_DMA_OK || s->cancelled ? 0 : error;
}

static uint8_t copy(struct gpu *g, struct gpu_step *s)
{
	const struct gpu_command *c = &s->command;
	enum device_dma_status status;

	switch (c->flags & (GPU_COMMAND_SOURCE_LOCAL | GPU_COMMAND_TARGET_LOCAL)) {
	case GPU_COMMAND_SOURCE_LOCAL | GPU_COMMAND_TARGET_LOCAL:
		status = device_dma_local_copy(g->dma, s->run, g->local + c->target, g->local + c->source, c->length);
		return outcome(s, status, GPU_ERROR_TARGET);
	case GPU_COMMAND_SOURCE_LOCAL:
		status = device_dma_write(g->dma, s->run, c->target, g->local + c->source, c->length);
		return outcome(s, status, GPU_ERROR_TARGET);
	case GPU_COMMAND_TARGET_LOCAL:
		status = device_dma_read(g->dma, s->run, c->source, g->local + c->target, c->length);
		return outcome(s, status, GPU_ERROR_SOURCE);
	default:
		status = device_dma_copy(g->dma, s->run, c->target, c->source, c->length, NULL);
		return outcome(s, status, device_dma_failed_write(g->dma) ? GPU_ERROR_TARGET : GPU_ERROR_SOURCE);
	}
}

static uint8_t fill(struct gpu *g, struct gpu_step *s)
{
	const struct gpu_command *c = &s->command;
	char pattern[4096];
	uint8_t error = 0;

	if (c->flags & GPU_COMMAND_TARGET_LOCAL)
		return outcome(
			s, device_dma_local_fill(g->dma, s->run, g->local + c->target, (uint8_t)c->source, c->length),
			GPU_ERROR_TARGET);
	memset(pattern, (int)(c->source & 0xff), sizeof(pattern));
	for (uint64_t done = 0, n; done < c->length && !error && !s->cancelled; done += n) {
		n = MIN(c->length - done, sizeof(pattern));
		error = outcome(s, device_dma_write(g->dma, s->run, c->target + done, pattern, n), GPU_ERROR_TARGET);
	}
	return error;
}

static uint8_t write_fence(struct gpu *g, struct gpu_step *s)
{
	const uint64_t *sequence = &s->command.sequence;

	if (!is_aligned(s->fence, sizeof(*sequence)))
		return GPU_ERROR_FENCE;
	return outcome(s, device_dma_write(g->dma, s->run, s->fence, sequence, sizeof(*sequence)), GPU_ERROR_FENCE);
}

static uint8_t execute(struct gpu *g, struct gpu_step *s)
{
	struct gpu_command *c = &s->command;
	uint8_t error = outcome(s, device_dma_read(g->dma, s->run, s->addr, c, sizeof(*c)), GPU_ERROR_RING);

	if (error || s->cancelled)
		return error;
	error = check(g, c);
	if (!error && c->opcode == GPU_COMMAND_COPY)
		error = copy(g, s);
	else if (!error && c->opcode == GPU_COMMAND_FILL)
		error = fill(g, s);
	if (!error && !s->cancelled && c->opcode != GPU_COMMAND_HANG && c->flags & GPU_COMMAND_FENCE)
		error = write_fence(g, s);
	return error;
}

/* The lock is held. */
static bool begin(struct gpu *g, struct gpu_step *s)
{
	if (!gpu_ring_has_work(g))
		return false;
	*s = (struct gpu_step){.addr = g->base + (uint64_t)g->head * GPU_COMMAND_SIZE,
			       .fence = gpu_load64(g, GPU_FENCE_ADDRESS),
			       .epoch = g->epoch,
			       .run = device_dma_run(g->dma)};
	g->running = true;
	if (!g->busy_since)
		g->busy_since = device_trace_now(g->dev);
	gpu_ring_show(g);
	return true;
}

/* The lock is held. Cancelled without a new epoch cannot be: every reset makes one. */
static void finish(struct gpu *g, const struct gpu_step *s, uint8_t error)
{
	if (g->epoch != s->epoch)
		return;
	g->running = false;
	if (error) {
		gpu_ring_halt(g, error);
		return;
	}
	if (s->command.opcode == GPU_COMMAND_HANG) {
		g->hung = true;
		return;
	}
	g->head = (g->head + 1) & (g->entries - 1);
	gpu_ring_show(g);
	if (s->command.flags & GPU_COMMAND_IRQ)
		gpu_irq_raise(g, GPU_IRQ_FENCE);
	if (g->head == g->tail && g->busy_since) {
		device_trace(g->dev, "ring", g->busy_since, "head=%u", g->head);
		g->busy_since = 0;
	}
}

void gpu_run(void *model)
{
	struct gpu *g = model;
	struct gpu_step s;
	uint8_t error;

	device_lock(g->dev);
	while (begin(g, &s)) {
		device_unlock(g->dev);
		error = execute(g, &s);
		device_lock(g->dev);
		finish(g, &s, error);
	}
	device_unlock(g->dev);
	device_worker_wait(g->worker);
}
