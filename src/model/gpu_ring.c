/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ring's registers. A ring that is off keeps its place; RESET starts over. What is wrong with the ring itself shows
 * when it would run: enabling one that has no right base or size halts it, as does a tail beyond its end.
 */
#include "model/gpu_priv.h"

void gpu_ring_show(struct gpu *g)
{
	bool idle = g->head == g->tail && !g->running;
	uint32_t status = g->error ? GPU_RING_HALTED | (uint32_t)g->error << 8 : idle ? GPU_RING_IDLE : 0;

	gpu_store32(g, GPU_RING_HEAD, g->head);
	gpu_store32(g, GPU_RING_TAIL, g->tail);
	gpu_store32(g, GPU_RING_CONTROL, g->enabled ? GPU_RING_ENABLE : 0);
	gpu_store32(g, GPU_RING_STATUS, status);
}

bool gpu_ring_has_work(const struct gpu *g)
{
	return g->enabled && !g->error && !g->hung && g->head != g->tail;
}

static void kick(struct gpu *g)
{
	if (!g->running && gpu_ring_has_work(g))
		device_worker_wake_locked(g->worker);
}

void gpu_irq_raise(struct gpu *g, uint32_t bit)
{
	g->irq_status |= bit;
	gpu_store32(g, GPU_IRQ_STATUS, g->irq_status);
	device_raise_msi(g->dev, bit == GPU_IRQ_FENCE ? 0 : 1);
}

void gpu_irq_clear(struct gpu *g, uint32_t bits)
{
	g->irq_status &= ~bits;
	gpu_store32(g, GPU_IRQ_STATUS, g->irq_status);
}

void gpu_ring_halt(struct gpu *g, uint8_t error)
{
	g->error = error;
	gpu_ring_show(g);
	gpu_irq_raise(g, GPU_IRQ_ERROR);
}

void gpu_ring_base(struct gpu *g, uint64_t base)
{
	if (!g->enabled)
		g->base = base;
	gpu_store64(g, GPU_RING_BASE, g->base);
}

void gpu_ring_entries(struct gpu *g, uint32_t entries)
{
	if (!g->enabled)
		g->entries = entries;
	gpu_store32(g, GPU_RING_ENTRIES, g->entries);
}

static bool is_good(const struct gpu *g)
{
	return g->entries >= 2 && g->entries <= GPU_MAX_RING_ENTRIES && is_aligned(g->entries, g->entries) &&
	       is_aligned(g->base, GPU_COMMAND_SIZE) && g->head < g->entries && g->tail < g->entries;
}

void gpu_ring_tail(struct gpu *g, uint32_t tail)
{
	g->tail = tail;
	gpu_ring_show(g);
	if (g->enabled && !g->error && !is_good(g))
		gpu_ring_halt(g, GPU_ERROR_RING);
	kick(g);
}

static void ring_reset(struct gpu *g)
{
	if (g->running)
		device_dma_stop(g->dma);
	g->epoch++;
	g->head = g->tail = 0;
	g->error = 0;
	g->running = g->hung = false;
	g->busy_since = 0;
}

void gpu_ring_control(struct gpu *g, uint32_t value)
{
	bool was_enabled = g->enabled;

	if (value & GPU_RING_RESET)
		ring_reset(g);
	g->enabled = value & GPU_RING_ENABLE;
	gpu_ring_show(g);
	if (g->enabled && (!was_enabled || value & GPU_RING_RESET) && !g->error && !is_good(g))
		gpu_ring_halt(g, GPU_ERROR_RING);
	kick(g);
}

/* The port's runs have been cancelled. */
void gpu_ring_power_on(struct gpu *g)
{
	g->running = false;
	ring_reset(g);
	g->base = 0;
	g->entries = 0;
	g->enabled = false;
	g->irq_status = 0;
	gpu_ring_show(g);
}
