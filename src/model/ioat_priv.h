/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Intel I/OAT (CBDMA 3.3), one channel: registers, descriptors, and what the files of the model share.
 *
 * Offsets and bits are those of Intel's public datasheets for the processors that carry the engine. Numbers that the
 * datasheets leave open are as the drivers of Linux expect them.
 */
#ifndef BARTER_MODEL_IOAT_PRIV_H
#define BARTER_MODEL_IOAT_PRIV_H

#include <stdatomic.h>

#include "device/sdk.h"

/* The first page of BAR0: registers of the engine, and from 0x80 those of its channel. */
#define IOAT_CHANCNT 0x00	/* 8 */
#define IOAT_XFERCAP 0x01	/* 8: log2 of the longest transfer */
#define IOAT_GENCTRL 0x02	/* 8 */
#define IOAT_INTRCTRL 0x03	/* 8 */
#define IOAT_ATTNSTATUS 0x04	/* 32: a bit a channel */
#define IOAT_CBVER 0x08		/* 8 */
#define IOAT_PERPORTOFFSET 0x0a /* 16 */
#define IOAT_INTRDELAY 0x0c	/* 16 */
#define IOAT_CS_STATUS 0x0e	/* 16 */
#define IOAT_DMACAPABILITY 0x10 /* 32 */
#define IOAT_CHANCTRL 0x80	/* 16 */
#define IOAT_DMA_COMP 0x82	/* 16 */
#define IOAT_CHANCMD 0x84	/* 8 */
#define IOAT_DMACOUNT 0x86	/* 16 */
#define IOAT_CHANSTS 0x88	/* 64 */
#define IOAT_CHAINADDR 0x90	/* 64 */
#define IOAT_CHANCMP 0x98	/* 64 */
#define IOAT_CDAR 0xa0		/* 64 */
#define IOAT_CHANERR 0xa8	/* 32, write 1 to clear */
#define IOAT_CHANERR_MASK 0xac	/* 32 */
#define IOAT_DCACTRL 0xb0	/* 32 */

#define IOAT_INTRCTRL_MASTER_EN 0x01u
#define IOAT_INTRCTRL_INT_STATUS 0x02u
#define IOAT_INTRCTRL_INT 0x04u
#define IOAT_INTRCTRL_VECTOR_CONTROL 0x08u

/* Set by the hardware when it interrupts; software writes 1 to allow the next interrupt. */
#define IOAT_CHANCTRL_INT_DISABLE 0x0001u
#define IOAT_CHANCTRL_ERR_COMPLETION_EN 0x0004u
#define IOAT_CHANCTRL_ANY_ERR_ABORT_EN 0x0008u
#define IOAT_CHANCTRL_ERR_INT_EN 0x0010u
#define IOAT_CHANCTRL_WRITABLE 0xf33cu

#define IOAT_CHANCMD_SUSPEND 0x04u
#define IOAT_CHANCMD_RESUME 0x10u
#define IOAT_CHANCMD_RESET 0x20u

enum ioat_status { IOAT_ACTIVE, IOAT_DONE, IOAT_SUSPENDED, IOAT_HALTED, IOAT_ARMED };

#define IOAT_ERR_SOURCE_ADDR 0x00001u
#define IOAT_ERR_DEST_ADDR 0x00002u
#define IOAT_ERR_NEXT_ADDR 0x00004u
#define IOAT_ERR_NEXT_ALIGN 0x00008u
#define IOAT_ERR_CHAIN_ADDR 0x00010u
#define IOAT_ERR_CHANCMD 0x00020u
#define IOAT_ERR_READ_DATA 0x00100u
#define IOAT_ERR_WRITE_DATA 0x00200u
#define IOAT_ERR_CONTROL 0x00400u
#define IOAT_ERR_LENGTH 0x00800u
#define IOAT_ERR_COMPLETION_ADDR 0x01000u
#define IOAT_ERR_ALL 0x7ffffu

/* Extended config space. */
#define IOAT_CFG_DMAUNCERRSTS 0x148u
#define IOAT_CFG_CHANERR_INT 0x180u
#define IOAT_CFG_CHANERRMSK_INT 0x184u
#define IOAT_DMAUNC_READ_DECODE 0x400u /* a read that nobody answered */

#define IOAT_CTL_INT_EN 0x01u
#define IOAT_CTL_COMPL_WRITE 0x08u
#define IOAT_CTL_NULL 0x20u
#define IOAT_CTL_OP(ctl) ((ctl) >> 24)
#define IOAT_OP_COPY 0x00u

struct ioat_descriptor {
	uint32_t size, ctl;
	uint64_t src, dst, next;
	uint64_t reserved[4];
};
_Static_assert(sizeof(struct ioat_descriptor) == 64, "one cache line");

struct ioat {
	struct device *dev;
	struct device_dma *dma;
	struct device_worker *worker;
	/*
	 * The register page as programs read it. Registers without behaviour live only here. While the page is polled
	 * programs store into it at any time.
	 */
	uint8_t *page;
	unsigned xfercap;

	/* Guarded by the function's lock. */
	enum ioat_status status;
	uint64_t chain;		/* CHAINADDR */
	uint64_t next, last;	/* descriptor to fetch; last one completed */
	bool at_chain_start;	/* `next` came from CHAINADDR */
	bool chain_written;	/* CHAINADDR was written since the channel stopped */
	bool suspend;		/* after the current descriptor */
	uint32_t command_error; /* CHANERR bit of a bad command to an active channel, until it stops */
	uint16_t count;		/* DMACOUNT: descriptors that are valid since CHAINADDR was written */
	uint16_t completed;	/* of these; the channel runs while the two differ */
	uint32_t epoch;		/* reset and CHAINADDR count it up: what was under way does not count any more */
	uint32_t chanerr;
	bool intx;		       /* the line is asserted */
	bool polled;		       /* the page; only while the channel is active */
	unsigned doorbells;	       /* trapped ones that met a busy engine, since CHAINADDR was written */
	unsigned poll_after;	       /* so many of them, before the page is polled */
	bool poll_paid;		       /* a doorbell has been seen in the page since it is polled */
	bool owes_done;		       /* the last completion was written back as active */
	bool step_out;		       /* the worker moves data for a descriptor, without the lock */
	uint64_t busy_since, nr_bytes; /* for the timeline */

	bool spin_pays; /* the last rest was a short one; the worker's own */

	_Atomic uint64_t kicked; /* when work came since the worker last looked, or 0; ends its spinning */
	_Atomic bool spinning;	 /* it was busy a moment ago */
};

/* Between the lock's holds: one descriptor on its way through the engine. */
struct ioat_step {
	uint64_t addr;
	bool at_chain_start;
	uint32_t epoch, run;
	struct ioat_descriptor desc;
	uint32_t error; /* CHANERR bits */
	bool unanswered_read, cancelled;
};

/* The register page is shared with the program: every access is one atomic load or store. */
#define PAGE_REGISTER(bits)                                                                                            \
	static inline uint##bits##_t ioat_load##bits(const struct ioat *io, unsigned reg)                              \
	{                                                                                                              \
		return __atomic_load_n((const uint##bits##_t *)(io->page + reg), __ATOMIC_ACQUIRE);                    \
	}                                                                                                              \
	static inline void ioat_store##bits(struct ioat *io, unsigned reg, uint##bits##_t value)                       \
	{                                                                                                              \
		__atomic_store_n((uint##bits##_t *)(io->page + reg), value, __ATOMIC_RELEASE);                         \
	}
PAGE_REGISTER(8)
PAGE_REGISTER(16)
PAGE_REGISTER(32)
PAGE_REGISTER(64)
#undef PAGE_REGISTER

/* ioat_channel.c: what registers do to the channel. The function's lock is held. */
void ioat_power_on(struct ioat *io);
void ioat_store_count(struct ioat *io, uint16_t count);
void ioat_store_chain(struct ioat *io, uint64_t addr);
void ioat_store_command(struct ioat *io, uint8_t command);
void ioat_store_chanctrl(struct ioat *io, uint16_t value);
void ioat_store_intrctrl(struct ioat *io, uint8_t value);
void ioat_clear_chanerr(struct ioat *io, uint32_t bits);
void ioat_log_error(struct ioat *io, uint32_t bits);
uint32_t ioat_unmasked(const struct ioat *io, uint32_t bits);
void ioat_interrupt(struct ioat *io);
/* The page is polled: takes what the program has stored. Switches it back to trapped when that needs more than a look.
 */
void ioat_look(struct ioat *io);
void ioat_trap(struct ioat *io);
/* The channel is no longer active. The page is trapped. */
void ioat_stop(struct ioat *io, enum ioat_status status);
void ioat_show_status(struct ioat *io);

/* ioat_engine.c: the worker. */
void ioat_run(void *model);

#endif
