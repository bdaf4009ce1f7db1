/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Intel I/OAT: the function, its config space and its registers. ioat_channel.c is the channel's state, ioat_engine.c
 * the engine that works through descriptors.
 *
 * A store may cover several registers or a part of one: each register that it touches gets the bytes that were written.
 * Loads never have side effects, since a program that has mapped the page loads from memory: INTRCTRL and ATTNSTATUS do
 * not clear when read, as the datasheet has it; a store to INTRCTRL acknowledges instead.
 */
#include <stdlib.h>

#include "model/ioat_priv.h"
#include "model/models.h"

enum { IOAT_BAR = 0 };

static void store_genctrl(struct ioat *io, uint64_t value)
{
	ioat_store8(io, IOAT_GENCTRL, value & 1);
}

static void store_intrctrl(struct ioat *io, uint64_t value)
{
	ioat_store_intrctrl(io, (uint8_t)value);
}

static void store_intrdelay(struct ioat *io, uint64_t value)
{
	ioat_store16(io, IOAT_INTRDELAY, value & 0x3fff);
}

static void store_chanctrl(struct ioat *io, uint64_t value)
{
	ioat_store_chanctrl(io, (uint16_t)value);
}

static void store_chancmd(struct ioat *io, uint64_t value)
{
	ioat_store_command(io, (uint8_t)value);
}

static void store_dmacount(struct ioat *io, uint64_t value)
{
	ioat_store_count(io, (uint16_t)value);
}

static void store_chancmp(struct ioat *io, uint64_t value)
{
	ioat_store64(io, IOAT_CHANCMP, value);
}

static void store_chanerr(struct ioat *io, uint64_t value)
{
	ioat_clear_chanerr(io, (uint32_t)value);
}

static void store_chanerr_mask(struct ioat *io, uint64_t value)
{
	ioat_store32(io, IOAT_CHANERR_MASK, value & IOAT_ERR_ALL);
}

static void store_dcactrl(struct ioat *io, uint64_t value)
{
	ioat_store32(io, IOAT_DCACTRL, (uint32_t)value);
}

struct ioat_register {
	uint8_t offset, len;
	bool ones_act; /* bytes that a store leaves out count as zero, not as what they were */
	void (*store)(struct ioat *io, uint64_t value);
};

/* What is not here is read-only or reserved. In order: a store over several acts from low to high. */
static const struct ioat_register registers[] = {
	{IOAT_GENCTRL, 1, false, store_genctrl},      {IOAT_INTRCTRL, 1, false, store_intrctrl},
	{IOAT_INTRDELAY, 2, false, store_intrdelay},  {IOAT_CHANCTRL, 2, false, store_chanctrl},
	{IOAT_CHANCMD, 1, true, store_chancmd},	      {IOAT_DMACOUNT, 2, false, store_dmacount},
	{IOAT_CHAINADDR, 8, false, ioat_store_chain}, {IOAT_CHANCMP, 8, false, store_chancmp},
	{IOAT_CHANERR, 4, true, store_chanerr},	      {IOAT_CHANERR_MASK, 4, false, store_chanerr_mask},
	{IOAT_DCACTRL, 4, false, store_dcactrl},
};

/* The register's value after the store [offset, offset + len) of `value`. */
static uint64_t merge(const struct ioat *io, const struct ioat_register *r, uint64_t offset, uint64_t value,
		      unsigned len)
{
	uint64_t merged = 0;

	for (unsigned i = 0; i < r->len; i++) {
		uint64_t at = r->offset + i, byte = r->ones_act ? 0 : ioat_load8(io, (unsigned)at);

		if (at >= offset && at < offset + len)
			byte = value >> (at - offset) * 8 & 0xff;
		/* Writing back the bit that the hardware sets, along with another byte, must not rearm. */
		else if (at == IOAT_CHANCTRL)
			byte &= ~(uint64_t)IOAT_CHANCTRL_INT_DISABLE;
		merged |= byte << i * 8;
	}
	return merged;
}

static void ioat_mmio_write(void *model, unsigned bar, uint64_t offset, uint64_t value, unsigned len)
{
	struct ioat *io = model;

	if (offset >= BARTER_PAGE_SIZE)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(registers); i++) {
		const struct ioat_register *r = &registers[i];

		if (offset < r->offset + r->len && r->offset < offset + len)
			r->store(io, merge(io, r, offset, value, len));
	}
}

static void ioat_reset(void *model)
{
	struct ioat *io = model;

	device_dma_cancel(io->dma);
	ioat_power_on(io);
}

static int ioat_describe(struct device *d, const struct device_config *c)
{
	static const struct device_ids ids = {
		.vendor = 0x8086,
		.device = 0x2021,
		.subsystem_vendor = 0x8086,
		.subsystem = 0x0000,
		.class_code = 0x088000,
		.revision = 4,
	};
	static const struct device_region bar0[] = {
		{DEVICE_REGISTERS, 8192},
		{DEVICE_MSIX_TABLE, 4096},
		{DEVICE_REGISTERS, 4096}, /* reserved: reads zero */
	};
	static const uint32_t zero, ones = IOAT_ERR_ALL, decode = IOAT_DMAUNC_READ_DECODE;
	int err;

	device_set_ids(d, &ids);
	err = device_add_bar(d, IOAT_BAR, DEVICE_BAR_64BIT, bar0, ARRAY_SIZE(bar0));
	if (!err)
		err = device_add_pcie(d, true);
	if (!err)
		err = device_add_pm(d);
	if (!err)
		err = device_add_msi(d, 1);
	if (!err)
		err = device_add_msix(d, (unsigned)device_config_u64(c, "vectors", 1), IOAT_BAR);
	if (!err)
		err = device_add_intx(d);
	if (!err)
		err = device_set_config(d, IOAT_CFG_DMAUNCERRSTS, &zero, NULL, &decode, 4);
	if (!err)
		err = device_set_config(d, IOAT_CFG_CHANERR_INT, &zero, NULL, &ones, 4);
	if (!err)
		err = device_set_config(d, IOAT_CFG_CHANERRMSK_INT, &zero, &ones, NULL, 4);
	return err;
}

static void ioat_fini(void *model)
{
	struct ioat *io = model;

	if (io->dma)
		device_dma_cancel(io->dma);
	device_worker_destroy(io->worker);
	device_dma_destroy(io->dma);
	free(io);
}

static int ioat_build(struct device *d, const struct device_config *c, void **model)
{
	struct ioat *io;
	int err = ioat_describe(d, c);

	if (err)
		return err;
	io = calloc(1, sizeof(*io));
	if (!io)
		return -ENOMEM;
	io->dev = d;
	io->xfercap = (unsigned)device_config_u64(c, "xfercap", 20);
	io->page = device_bar_memory(d, IOAT_BAR, 0);
	io->dma = device_dma_create(d);
	io->worker = device_worker_create(d, "ioat", ioat_run, io);
	if (!io->dma || !io->worker) {
		ioat_fini(io);
		return -ENOMEM;
	}
	device_lock(d);
	ioat_power_on(io);
	device_unlock(d);
	*model = io;
	return 0;
}

static const struct device_key ioat_keys[] = {
	{.name = "xfercap",
	 .type = DEVICE_KEY_SIZE,
	 .min = 12,
	 .max = 31,
	 .summary = "log2 of the longest transfer of one descriptor, 20 (1 MiB) unless told"},
	{.name = "vectors", .type = DEVICE_KEY_SIZE, .min = 1, .max = 64, .summary = "MSI-X vectors, 1 unless told"},
};

const struct device_model ioat_model = {
	.name = "ioat",
	.summary = "Intel I/OAT DMA engine, CBDMA 3.3 (8086:2021)",
	.keys = ioat_keys,
	.nr_keys = ARRAY_SIZE(ioat_keys),
	.build = ioat_build,
	.fini = ioat_fini,
	.mmio_write = ioat_mmio_write,
	.reset = ioat_reset,
};
