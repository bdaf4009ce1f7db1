/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A driver for one channel of Intel's I/OAT DMA engine: a ring of descriptors in our memory, registers in its BAR 0,
 * completions by write-back into our memory or by interrupt.
 */
#ifndef P2P_ENGINE_H
#define P2P_ENGINE_H

#include "p2p-function.h"

#define ENGINE_VENDOR 0x8086
#define ENGINE_DEVICE 0x2021
#define ENGINE_CLASS 0x0880

enum engine_completion { BY_WRITE_BACK, BY_INTERRUPT };

struct engine_descriptor; /* 64 bytes, as the hardware reads them */

struct engine {
	struct function *function;
	volatile uint8_t *registers;
	struct engine_descriptor *ring; /* nr of them, the last leads to the first */
	uint64_t ring_iova;
	unsigned nr;
	uint64_t *completed; /* the engine writes here: address of the descriptor, status in the low bits */
	uint64_t completed_iova;
	uint64_t max_transfer;
	int irq; /* eventfd of its MSI-X vector 0 */
};

/* memory: for the ring and the completion, in the engine's address space at iova. */
void engine_init(struct engine *e, struct function *f, void *memory, size_t len, uint64_t iova);
unsigned engine_version(const struct engine *e); /* 0x33: 3.3 */

/* Descriptor i moves len bytes. */
void engine_describe(struct engine *e, unsigned i, uint64_t to, uint64_t from, uint32_t len);
/* Runs descriptors first .. first + nr - 1. Every one of them or only the last reports its completion. */
void engine_start(struct engine *e, unsigned first, unsigned nr, enum engine_completion how, bool report_each);
/* How many have been completed since engine_start(first, ...), by what the engine has written back. */
unsigned engine_progress(const struct engine *e, unsigned first);
/* By an error: nothing more will be completed. */
bool engine_halted(const struct engine *e);

struct engine_result {
	bool ok;
	unsigned completed; /* descriptors that were reported; with report_each the next one is where it stopped */
	uint32_t error;	    /* CHANERR */
};
/* Until it is done or has stopped; no longer than ten seconds. */
struct engine_result engine_wait(struct engine *e, unsigned first, unsigned nr, enum engine_completion how);
/* Clears the errors and resets the channel, so that it takes work again. */
void engine_recover(struct engine *e);
const char *engine_error_name(uint32_t error);

#endif
