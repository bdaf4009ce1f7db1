/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The channel of the I/OAT engine: what a register store does, and when the register page may be polled.
 *
 * DMACOUNT is the number of descriptors that are valid since CHAINADDR was written; the hardware keeps its own count of
 * those it has completed, and runs while the two differ. A store to CHAINADDR sets both to zero. Suspended and halted
 * channels only start again after CHAINADDR was written anew (or, suspended, by the resume command).
 *
 * The page is polled while, and only while, the channel is active, nothing is wrong with it and its interrupt is armed.
 * In that state each register is one of
 *   DMACOUNT       absolute, so only the newest value counts: looked at after each descriptor.
 *   CHANCMD        looked at after each descriptor and each chunk; reads as the command until it is taken, which is how
 *                  software waits for a reset.
 *   CHANERR        zero: there is nothing to clear.
 *   CHANCTRL       bit 0 is clear: there is nothing to rearm. The others are looked at when they matter.
 *   INTRCTRL       no interrupt waits for it: there is nothing to acknowledge or deliver.
 *   CHAINADDR      software may not write it while the channel is active.
 *   CHANCMP, masks looked at when they matter.
 * Whatever ends the state first makes the page trap, then reads all of them once more (ioat_trap()), and only then
 * shows itself in CHANSTS, CHANCTRL or a completion that says "done".
 */
#include "base/trace.h"
#include "model/ioat_priv.h"

/* Switching the page to polled and back costs as much as two traps: twice as many each time that it did not pay. */
#define POLL_AFTER_MIN 2u
#define POLL_AFTER_MAX 256u

static void log_config_error(struct ioat *io, unsigned reg, uint32_t bits)
{
	device_config_update(io->dev, reg, device_config_read(io->dev, reg, 4) | bits, 4);
}

void ioat_log_error(struct ioat *io, uint32_t bits)
{
	uint32_t hidden = device_config_read(io->dev, IOAT_CFG_CHANERRMSK_INT, 4);

	io->chanerr |= bits;
	ioat_store32(io, IOAT_CHANERR, io->chanerr);
	log_config_error(io, IOAT_CFG_CHANERR_INT, bits & ~hidden);
}

uint32_t ioat_unmasked(const struct ioat *io, uint32_t bits)
{
	return bits & ~ioat_load32(io, IOAT_CHANERR_MASK);
}

void ioat_clear_chanerr(struct ioat *io, uint32_t bits)
{
	io->chanerr &= ~bits;
	ioat_store32(io, IOAT_CHANERR, io->chanerr);
}

void ioat_show_status(struct ioat *io)
{
	ioat_store64(io, IOAT_CHANSTS, io->last | io->status);
}

/* What software cannot change, and may have overwritten while the page was polled. */
static void show_constants(struct ioat *io)
{
	ioat_store8(io, IOAT_CHANCNT, 1);
	ioat_store8(io, IOAT_XFERCAP, (uint8_t)io->xfercap);
	ioat_store8(io, IOAT_CBVER, 0x33);
	ioat_store16(io, IOAT_PERPORTOFFSET, 0);
	ioat_store16(io, IOAT_CS_STATUS, 0);
	ioat_store32(io, IOAT_DMACAPABILITY, 0);
	ioat_store16(io, IOAT_DMA_COMP, 0x0002);
	ioat_store32(io, IOAT_CHANERR, io->chanerr);
	ioat_show_status(io);
}

static void timeline(struct ioat *io)
{
	if (io->busy_since)
		device_trace(io->dev, "chain", io->busy_since, "descriptors=%u bytes=%llu chanerr=0x%x", io->completed,
			     (unsigned long long)io->nr_bytes, io->chanerr);
	io->busy_since = 0;
}

void ioat_stop(struct ioat *io, enum ioat_status status)
{
	io->status = status;
	io->suspend = false;
	io->owes_done = false;
	io->chain_written = false;
	/* In this order: software waits for the command to read as zero, then looks at the status. */
	ioat_show_status(io);
	ioat_store8(io, IOAT_CHANCMD, 0);
	timeline(io);
}

/* An address is good for bits 63..6; the rest is an alignment error when it is used. */
static void start_chain(struct ioat *io, uint64_t addr)
{
	io->chain = io->next = addr;
	io->at_chain_start = true;
	io->count = io->completed = 0;
	io->epoch++;
	io->owes_done = false;
	io->doorbells = 0;
}

static bool may_poll(const struct ioat *io)
{
	return io->status == IOAT_ACTIVE && !io->chanerr && !io->suspend && !io->command_error &&
	       !ioat_load32(io, IOAT_ATTNSTATUS) && !(ioat_load16(io, IOAT_CHANCTRL) & IOAT_CHANCTRL_INT_DISABLE);
}

/* A doorbell has trapped and met a busy engine. */
static void consider_polling(struct ioat *io)
{
	if (io->polled || ++io->doorbells < io->poll_after || !may_poll(io))
		return;
	device_set_polled(io->dev, 0, 0, true);
	io->polled = true;
	io->poll_paid = false;
}

/* Runs when there is something to do and the channel's state allows it. */
static void kick(struct ioat *io)
{
	bool was_busy = atomic_load(&io->spinning);

	if (io->status == IOAT_ACTIVE || io->count == io->completed)
		return;
	if (io->status != IOAT_DONE && !io->chain_written)
		return;
	if (ioat_unmasked(io, io->chanerr))
		return;
	io->status = IOAT_ACTIVE;
	io->chain_written = false;
	io->nr_bytes = 0;
	io->busy_since = device_trace_now(io->dev);
	ioat_show_status(io);
	if (was_busy)
		consider_polling(io);
	else
		io->doorbells = 0;
	atomic_store(&io->kicked, trace_now());
	device_worker_wake_locked(io->worker);
}

void ioat_store_count(struct ioat *io, uint16_t count)
{
	io->count = count;
	ioat_store16(io, IOAT_DMACOUNT, count);
	if (io->status == IOAT_ACTIVE)
		consider_polling(io);
	else
		kick(io);
}

void ioat_store_chain(struct ioat *io, uint64_t addr)
{
	ioat_trap(io);
	ioat_store64(io, IOAT_CHAINADDR, addr);
	ioat_store16(io, IOAT_DMACOUNT, 0);
	start_chain(io, addr);
	io->chain_written = io->status != IOAT_ACTIVE;
}

/* Works at once, whatever the channel does: when this returns no byte moves for it. */
static void reset_channel(struct ioat *io)
{
	if (io->step_out)
		device_dma_stop(io->dma);
	ioat_trap(io);
	start_chain(io, 0);
	io->last = 0;
	io->command_error = 0;
	ioat_store16(io, IOAT_DMACOUNT, 0);
	ioat_store64(io, IOAT_CHAINADDR, 0);
	ioat_store64(io, IOAT_CDAR, 0);
	ioat_stop(io, IOAT_HALTED);
}

static void suspend_channel(struct ioat *io)
{
	if (io->status == IOAT_DONE) {
		ioat_stop(io, IOAT_SUSPENDED);
	} else if (io->status == IOAT_ACTIVE) {
		ioat_store8(io, IOAT_CHANCMD, IOAT_CHANCMD_SUSPEND);
		io->suspend = true;
	}
}

static void resume_channel(struct ioat *io)
{
	io->suspend = false;
	ioat_store8(io, IOAT_CHANCMD, 0);
	if (io->status != IOAT_SUSPENDED)
		return;
	io->status = IOAT_DONE;
	ioat_show_status(io);
	kick(io);
}

static void bad_command(struct ioat *io)
{
	ioat_store8(io, IOAT_CHANCMD, 0);
	if (io->status == IOAT_ACTIVE) {
		io->command_error = IOAT_ERR_CHANCMD;
		return;
	}
	ioat_log_error(io, IOAT_ERR_CHANCMD);
	if (ioat_unmasked(io, IOAT_ERR_CHANCMD))
		ioat_stop(io, IOAT_HALTED);
}

static void command(struct ioat *io, uint8_t cmd)
{
	if (cmd & IOAT_CHANCMD_RESET)
		reset_channel(io);
	else if (cmd == IOAT_CHANCMD_SUSPEND)
		suspend_channel(io);
	else if (cmd == IOAT_CHANCMD_RESUME)
		resume_channel(io);
	else if (cmd)
		bad_command(io);
}

void ioat_store_command(struct ioat *io, uint8_t cmd)
{
	if (cmd && !(cmd & IOAT_CHANCMD_RESET))
		ioat_trap(io);
	command(io, cmd);
}

void ioat_store_chanctrl(struct ioat *io, uint16_t value)
{
	uint16_t disabled = ioat_load16(io, IOAT_CHANCTRL) & ~value & IOAT_CHANCTRL_INT_DISABLE;

	ioat_store16(io, IOAT_CHANCTRL, (value & IOAT_CHANCTRL_WRITABLE) | disabled);
}

static void show_line(struct ioat *io, uint8_t intrctrl)
{
	bool attention = ioat_load32(io, IOAT_ATTNSTATUS);

	intrctrl &= IOAT_INTRCTRL_MASTER_EN | IOAT_INTRCTRL_VECTOR_CONTROL;
	if (attention)
		intrctrl |= IOAT_INTRCTRL_INT_STATUS;
	io->intx = attention && (intrctrl & IOAT_INTRCTRL_MASTER_EN);
	if (io->intx)
		intrctrl |= IOAT_INTRCTRL_INT;
	ioat_store8(io, IOAT_INTRCTRL, intrctrl);
	device_set_intx(io->dev, io->intx);
}

void ioat_store_intrctrl(struct ioat *io, uint8_t value)
{
	/* Stored while the line was asserted: the handler has seen it. */
	if (io->intx)
		ioat_store32(io, IOAT_ATTNSTATUS, 0);
	show_line(io, value);
}

void ioat_interrupt(struct ioat *io)
{
	uint16_t control;

	ioat_trap(io);
	control = ioat_load16(io, IOAT_CHANCTRL);
	if (control & IOAT_CHANCTRL_INT_DISABLE)
		return;
	ioat_store16(io, IOAT_CHANCTRL, control | IOAT_CHANCTRL_INT_DISABLE);
	if (device_msi_enabled(io->dev)) {
		device_raise_msi(io->dev, 0);
		return;
	}
	ioat_store32(io, IOAT_ATTNSTATUS, 1);
	show_line(io, ioat_load8(io, IOAT_INTRCTRL));
}

void ioat_look(struct ioat *io)
{
	if (!io->polled)
		return;
	if (ioat_load8(io, IOAT_CHANCMD)) {
		ioat_trap(io);
		return;
	}
	io->poll_paid |= io->count != ioat_load16(io, IOAT_DMACOUNT);
	io->count = ioat_load16(io, IOAT_DMACOUNT);
}

/* Takes from the page what was stored while it was polled, as if it had been stored now, in a sensible order. */
static void absorb(struct ioat *io)
{
	uint64_t chain = ioat_load64(io, IOAT_CHAINADDR);
	uint16_t control = ioat_load16(io, IOAT_CHANCTRL);
	uint8_t cmd = ioat_load8(io, IOAT_CHANCMD);

	/* There was nothing to rearm, so bit 0 has no effect. */
	ioat_store16(io, IOAT_CHANCTRL, control & IOAT_CHANCTRL_WRITABLE);
	ioat_store32(io, IOAT_ATTNSTATUS, 0);
	show_line(io, ioat_load8(io, IOAT_INTRCTRL));
	show_constants(io);
	if (chain != io->chain)
		start_chain(io, chain);
	io->count = ioat_load16(io, IOAT_DMACOUNT);
	command(io, cmd);
}

void ioat_trap(struct ioat *io)
{
	if (!io->polled)
		return;
	device_set_polled(io->dev, 0, 0, false);
	io->polled = false;
	io->doorbells = 0;
	io->poll_after = io->poll_paid ? POLL_AFTER_MIN : MIN(io->poll_after * 2, POLL_AFTER_MAX);
	absorb(io);
}

/* Everything back to what power-on makes it. The ports' runs have been cancelled. */
void ioat_power_on(struct ioat *io)
{
	if (io->polled)
		device_set_polled(io->dev, 0, 0, false);
	io->polled = false;
	for (unsigned reg = 0; reg < 0x200; reg += 8)
		ioat_store64(io, reg, 0);
	start_chain(io, 0);
	io->last = 0;
	io->poll_after = POLL_AFTER_MIN;
	io->chanerr = io->command_error = 0;
	io->intx = false;
	device_set_intx(io->dev, false);
	ioat_stop(io, IOAT_HALTED);
	show_constants(io);
}
