/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The engine: a worker that takes one descriptor after the other through
 *   begin    under the lock: is there one, and where?
 *   execute  without it: fetch, check, move the data
 *   finish   under the lock: count it, write the completion back (without the lock), show the status, interrupt.
 * Whoever reset the channel or wrote CHAINADDR meanwhile has changed the epoch; then what was done does not count.
 *
 * Data is in its place before the completion is, the completion before CHANSTS, CHANSTS before the interrupt.
 */
#include "base/trace.h"
#include "model/ioat_priv.h"

#define CHUNK_BYTES (256u << 10) /* how much moves before a polled page is looked at for a reset */
#define LINGER_NS 2000		 /* caught up with a polled page: wait so long for the next doorbell before it traps */
#define SPIN_NS 20000		 /* done: look so long for the next doorbell, if the last one came that soon */

static void relax(void)
{
	for (unsigned i = 0; i < 2; i++)
#if defined(__x86_64__)
		__builtin_ia32_pause();
#else
		__asm__ volatile("yield");
#endif
}

/* Execute. */
static uint32_t fetch(struct ioat *io, struct ioat_step *s)
{
	if (!is_aligned(s->addr, sizeof(s->desc)))
		return s->at_chain_start ? IOAT_ERR_CHAIN_ADDR : IOAT_ERR_NEXT_ALIGN;
	switch (device_dma_read(io->dma, s->run, s->addr, &s->desc, sizeof(s->desc))) {
	case DEVICE_DMA_OK:
		return 0;
	case DEVICE_DMA_CANCELLED:
		s->cancelled = true;
		return 0;
	default:
		return s->at_chain_start ? IOAT_ERR_CHAIN_ADDR : IOAT_ERR_NEXT_ADDR;
	}
}

static uint32_t check(const struct ioat *io, const struct ioat_descriptor *desc)
{
	if (IOAT_CTL_OP(desc->ctl) != IOAT_OP_COPY)
		return IOAT_ERR_CONTROL;
	if (!desc->size || desc->size > 1u << io->xfercap)
		return IOAT_ERR_LENGTH;
	return 0;
}

static uint32_t copy_error(struct ioat *io, struct ioat_step *s, enum device_dma_status status)
{
	bool write = device_dma_failed_write(io->dma);

	switch (status) {
	case DEVICE_DMA_CANCELLED:
		s->cancelled = true;
		return 0;
	case DEVICE_DMA_FAULT:
		return write ? IOAT_ERR_DEST_ADDR : IOAT_ERR_SOURCE_ADDR;
	default: /* nobody answers there, or the function may not ask */
		s->unanswered_read = !write;
		return write ? IOAT_ERR_WRITE_DATA : IOAT_ERR_READ_DATA;
	}
}

/* A reset ends a long copy early also when its store did not trap; the byte is only a hint here. */
static bool reset_waits(const struct ioat *io)
{
	return ioat_load8(io, IOAT_CHANCMD) & IOAT_CHANCMD_RESET;
}

static uint32_t move_data(struct ioat *io, struct ioat_step *s)
{
	uint32_t done = 0, len;
	enum device_dma_status status;

	for (; done < s->desc.size; done += len) {
		if (done && reset_waits(io)) {
			s->cancelled = true;
			return 0;
		}
		len = MIN(s->desc.size - done, CHUNK_BYTES);
		status = device_dma_copy(io->dma, s->run, s->desc.dst + done, s->desc.src + done, len, NULL);
		if (status != DEVICE_DMA_OK)
			return copy_error(io, s, status);
	}
	return 0;
}

static void execute(struct ioat *io, struct ioat_step *s)
{
	s->error = fetch(io, s);
	if (!s->error && !s->cancelled)
		s->error = check(io, &s->desc);
	if (!s->error && !s->cancelled && !(s->desc.ctl & IOAT_CTL_NULL))
		s->error = move_data(io, s);
}

/* Finish. */
static bool stale(const struct ioat *io, const struct ioat_step *s)
{
	return io->epoch != s->epoch;
}

/* Lets the lock go meanwhile. False when there is no such address. */
static bool write_back(struct ioat *io, uint32_t run, uint64_t word)
{
	uint64_t to = ioat_load64(io, IOAT_CHANCMP);
	enum device_dma_status status;

	if (!is_aligned(to, sizeof(word)))
		return false;
	io->step_out = true;
	device_unlock(io->dev);
	status = device_dma_write(io->dma, run, to, &word, sizeof(word));
	device_lock(io->dev);
	io->step_out = false;
	return status == DEVICE_DMA_OK || status == DEVICE_DMA_CANCELLED;
}

/* Stops at the descriptor of this step: it does not count, CHANSTS shows the one before, CDAR the culprit. */
static void halt(struct ioat *io, struct ioat_step *s, uint32_t error)
{
	ioat_trap(io);
	if (stale(io, s))
		return;
	ioat_log_error(io, error);
	if (s->unanswered_read)
		device_config_update(io->dev, IOAT_CFG_DMAUNCERRSTS, IOAT_DMAUNC_READ_DECODE, 4);
	if (ioat_load16(io, IOAT_CHANCTRL) & IOAT_CHANCTRL_ERR_COMPLETION_EN &&
	    !write_back(io, s->run, io->last | IOAT_HALTED))
		ioat_log_error(io, IOAT_ERR_COMPLETION_ADDR);
	if (stale(io, s))
		return;
	io->command_error = 0;
	ioat_stop(io, IOAT_HALTED);
	if (ioat_load16(io, IOAT_CHANCTRL) & IOAT_CHANCTRL_ERR_INT_EN)
		ioat_interrupt(io);
}

/* Active until everything is done; "done" only while the page traps. */
static enum ioat_status status_now(const struct ioat *io)
{
	return io->completed == io->count && !io->polled && !io->suspend ? IOAT_DONE : IOAT_ACTIVE;
}

static void complete(struct ioat *io, struct ioat_step *s)
{
	bool wants_write_back = s->desc.ctl & IOAT_CTL_COMPL_WRITE;

	io->completed++;
	io->next = s->desc.next;
	io->at_chain_start = false;
	io->nr_bytes += s->desc.ctl & IOAT_CTL_NULL ? 0 : s->desc.size;
	io->owes_done = wants_write_back && io->polled && io->completed == io->count;
	if (wants_write_back && !write_back(io, s->run, s->addr | status_now(io))) {
		if (stale(io, s))
			return;
		io->last = s->addr;
		halt(io, s, IOAT_ERR_COMPLETION_ADDR);
		return;
	}
	if (stale(io, s))
		return;
	io->last = s->addr;
	if (status_now(io) == IOAT_DONE)
		ioat_stop(io, IOAT_DONE);
	else
		ioat_show_status(io);
	if (s->desc.ctl & IOAT_CTL_INT_EN)
		ioat_interrupt(io);
}

static void finish(struct ioat *io, struct ioat_step *s)
{
	/* Without the descriptor there is nothing to go on with, masked or not. */
	uint32_t fatal = s->error & (IOAT_ERR_CHAIN_ADDR | IOAT_ERR_NEXT_ADDR | IOAT_ERR_NEXT_ALIGN);

	io->step_out = false;
	ioat_look(io);
	if (s->error || s->desc.ctl & IOAT_CTL_INT_EN)
		ioat_trap(io);
	if (stale(io, s) || s->cancelled)
		return;
	if (fatal || ioat_unmasked(io, s->error)) {
		halt(io, s, s->error);
		return;
	}
	if (s->error)
		ioat_log_error(io, s->error);
	complete(io, s);
}

/* Begin. Without the lock: has a polled page changed within a moment? */
static void linger(struct ioat *io)
{
	uint16_t count = io->count;
	uint64_t end = trace_now() + LINGER_NS;

	device_unlock(io->dev);
	do
		relax();
	while (ioat_load16(io, IOAT_DMACOUNT) == count && !ioat_load8(io, IOAT_CHANCMD) && trace_now() < end);
	device_lock(io->dev);
}

/* Everything is done: the page traps before that shows. May find that more has come. */
static void rest(struct ioat *io)
{
	uint32_t epoch = io->epoch;

	if (io->polled) {
		linger(io);
		ioat_look(io);
		if (io->count == io->completed)
			ioat_trap(io);
	} else if (io->owes_done) {
		io->owes_done = false;
		if (!write_back(io, device_dma_run(io->dma), io->last | IOAT_DONE) && io->epoch == epoch)
			ioat_log_error(io, IOAT_ERR_COMPLETION_ADDR);
	} else {
		ioat_stop(io, IOAT_DONE);
	}
}

/* False: the channel is not active. */
static bool begin(struct ioat *io, struct ioat_step *s)
{
	while (io->status == IOAT_ACTIVE) {
		*s = (struct ioat_step){.addr = io->next,
					.at_chain_start = io->at_chain_start,
					.epoch = io->epoch,
					.run = device_dma_run(io->dma)};
		if (io->suspend) {
			ioat_stop(io, IOAT_SUSPENDED);
		} else if (io->command_error) {
			halt(io, s, io->command_error);
		} else if (io->count == io->completed) {
			rest(io);
		} else {
			ioat_store64(io, IOAT_CDAR, s->addr);
			io->step_out = true;
			return true;
		}
	}
	return false;
}

/* Done a moment ago: the next doorbell finds the worker awake. */
static void spin(struct ioat *io)
{
	uint64_t end = trace_now() + SPIN_NS;

	while (!atomic_load(&io->kicked) && trace_now() < end)
		relax();
	device_worker_spin_end(io->worker);
	atomic_store(&io->spinning, false);
}

/* Until the next doorbell. The lock is held, and let go. */
static void rest_until_kicked(struct ioat *io)
{
	uint64_t start = trace_now(), kicked;

	atomic_store(&io->spinning, io->spin_pays && device_worker_spin_begin(io->worker));
	device_unlock(io->dev);
	if (atomic_load(&io->spinning))
		spin(io);
	if (!atomic_load(&io->kicked))
		device_worker_wait(io->worker);
	kicked = atomic_load(&io->kicked);
	io->spin_pays = kicked && (int64_t)(kicked - start) < SPIN_NS;
}

void ioat_run(void *model)
{
	struct ioat *io = model;
	struct ioat_step s;

	device_lock(io->dev);
	atomic_store(&io->kicked, 0);
	while (begin(io, &s)) {
		device_unlock(io->dev);
		execute(io, &s);
		device_lock(io->dev);
		finish(io, &s);
	}
	rest_until_kicked(io);
}
