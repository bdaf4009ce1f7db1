/* SPDX-License-Identifier: BSD-3-Clause */
#include "p2p-engine.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	REG_XFERCAP = 0x01,
	REG_INTRCTRL = 0x03,
	REG_VERSION = 0x08,
	/* Of channel 0. */
	REG_CHANCTRL = 0x80,
	REG_CHANCMD = 0x84,
	REG_DMACOUNT = 0x86,
	REG_CHANSTS = 0x88,
	REG_CHAINADDR = 0x90,
	REG_CHANCMP = 0x98,
	REG_CHANERR = 0xa8,
	/* In config space. */
	CONFIG_CHANERR_INT = 0x180,

	INTRCTRL_MSIX_PER_CHANNEL = 0x08,
	CHANCTRL_REARM = 0x01,
	CHANCTRL_ABORT_ON_ERROR = 0x08,
	CHANCTRL_INTERRUPT_ON_ERROR = 0x10,
	CHANCMD_RESET = 0x20,

	STATUS_MASK = 0x7,
	STATUS_ACTIVE = 0,
	STATUS_DONE = 1,
	STATUS_HALTED = 3,

	CONTROL_INTERRUPT = 0x01,
	CONTROL_WRITE_BACK = 0x08,

	MAX_WAIT_SECONDS = 10,
};

struct engine_descriptor {
	uint32_t size, control;
	uint64_t source, destination, next;
	uint64_t reserved[4];
};

static uint64_t read64(const struct engine *e, unsigned reg)
{
	return *(const volatile uint64_t *)(e->registers + reg);
}

static uint32_t read32(const struct engine *e, unsigned reg)
{
	return *(const volatile uint32_t *)(e->registers + reg);
}

static uint8_t read8(const struct engine *e, unsigned reg)
{
	return e->registers[reg];
}

static void write64(struct engine *e, unsigned reg, uint64_t value)
{
	*(volatile uint64_t *)(e->registers + reg) = value;
}

static void write32(struct engine *e, unsigned reg, uint32_t value)
{
	*(volatile uint32_t *)(e->registers + reg) = value;
}

static void write16(struct engine *e, unsigned reg, uint16_t value)
{
	*(volatile uint16_t *)(e->registers + reg) = value;
}

static void write8(struct engine *e, unsigned reg, uint8_t value)
{
	e->registers[reg] = value;
}

static uint64_t descriptor_iova(const struct engine *e, unsigned i)
{
	return e->ring_iova + (uint64_t)(i % e->nr) * sizeof(*e->ring);
}

void engine_init(struct engine *e, struct function *f, void *memory, size_t len, uint64_t iova)
{
	*e = (struct engine){
		.function = f,
		.registers = function_map_bar(f, 0, 0, 4096),
		.completed = memory,
		.completed_iova = iova,
		.ring = (struct engine_descriptor *)memory + 1,
		.ring_iova = iova + sizeof(*e->ring),
		.nr = (unsigned)(len / sizeof(*e->ring)) - 1,
	};
	for (unsigned i = 0; i < e->nr; i++)
		e->ring[i] = (struct engine_descriptor){.next = descriptor_iova(e, i + 1)};
	e->max_transfer = 1ull << read8(e, REG_XFERCAP);
	engine_recover(e);
	write8(e, REG_INTRCTRL, INTRCTRL_MSIX_PER_CHANNEL);
	e->irq = function_msix_eventfd(f);
}

unsigned engine_version(const struct engine *e)
{
	return read8(e, REG_VERSION);
}

void engine_describe(struct engine *e, unsigned i, uint64_t to, uint64_t from, uint32_t len)
{
	struct engine_descriptor *d = &e->ring[i % e->nr];

	d->size = len;
	d->source = from;
	d->destination = to;
}

/*
 * The engine begins at the address in CHAINADDR and runs until it has done DMACOUNT descriptors, which it counts from
 * zero after each store to CHAINADDR. So one 16-bit store hands over any number of them.
 */
void engine_start(struct engine *e, unsigned first, unsigned nr, enum engine_completion how, bool report_each)
{
	for (unsigned i = first; i < first + nr; i++) {
		bool last = i == first + nr - 1;

		e->ring[i % e->nr].control = (last || report_each ? CONTROL_WRITE_BACK : 0) |
					     (last && how == BY_INTERRUPT ? CONTROL_INTERRUPT : 0);
	}
	__atomic_store_n(e->completed, 0, __ATOMIC_RELAXED);
	write64(e, REG_CHANCMP, e->completed_iova);
	write16(e, REG_CHANCTRL,
		CHANCTRL_REARM | CHANCTRL_ABORT_ON_ERROR | (how == BY_INTERRUPT ? CHANCTRL_INTERRUPT_ON_ERROR : 0));
	write64(e, REG_CHAINADDR, descriptor_iova(e, first));
	/* The descriptors are in memory before the engine is told. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	write16(e, REG_DMACOUNT, (uint16_t)nr);
}

unsigned engine_progress(const struct engine *e, unsigned first)
{
	uint64_t addr = __atomic_load_n(e->completed, __ATOMIC_ACQUIRE) & ~(uint64_t)0x3f;

	if (!addr)
		return 0;
	return ((unsigned)((addr - e->ring_iova) / sizeof(*e->ring)) + e->nr - first % e->nr) % e->nr + 1;
}

static unsigned status(const struct engine *e)
{
	return read64(e, REG_CHANSTS) & STATUS_MASK;
}

bool engine_halted(const struct engine *e)
{
	return status(e) == STATUS_HALTED;
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void wait_for_interrupt(struct engine *e)
{
	struct pollfd p = {.fd = e->irq, .events = POLLIN};
	uint64_t count;

	errno = 0;
	if (poll(&p, 1, MAX_WAIT_SECONDS * 1000) != 1 || read(e->irq, &count, sizeof(count)) != sizeof(count))
		die("%s: no interrupt from the engine", e->function->name);
	if (count != 1)
		die("%s: %llu interrupts instead of one", e->function->name, (unsigned long long)count);
}

struct engine_result engine_wait(struct engine *e, unsigned first, unsigned nr, enum engine_completion how)
{
	double give_up = seconds() + MAX_WAIT_SECONDS;
	struct engine_result r = {};

	if (how == BY_INTERRUPT)
		wait_for_interrupt(e);
	while (engine_progress(e, first) != nr && !engine_halted(e)) {
		if (seconds() > give_up)
			die("%s: the engine does not get on", e->function->name);
		sched_yield();
	}
	/* The last completion is a moment ahead of the status register. */
	while (status(e) == STATUS_ACTIVE)
		sched_yield();
	r.error = read32(e, REG_CHANERR);
	r.ok = status(e) == STATUS_DONE && !r.error;
	r.completed = engine_progress(e, first);
	return r;
}

void engine_recover(struct engine *e)
{
	double give_up = seconds() + MAX_WAIT_SECONDS;

	write32(e, REG_CHANERR, read32(e, REG_CHANERR));
	function_config_write(e->function, CONFIG_CHANERR_INT, function_config_read(e->function, CONFIG_CHANERR_INT, 4),
			      4);
	write8(e, REG_CHANCMD, CHANCMD_RESET);
	while (read8(e, REG_CHANCMD) & CHANCMD_RESET)
		if (seconds() > give_up)
			die("%s: the channel does not come out of reset", e->function->name);
}

const char *engine_error_name(uint32_t error)
{
	static const char *const names[] = {
		"source address",	   "destination address",
		"next descriptor address", "next descriptor alignment",
		"chain address",	   "command",
		"data integrity",	   "data integrity",
		"no answer to a read",	   "no answer to a write",
		"descriptor control",	   "length",
		"completion address",
	};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (error & 1u << i)
			return names[i];
	return error ? "other" : "none";
}
