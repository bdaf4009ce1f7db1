/* SPDX-License-Identifier: BSD-3-Clause */
/* An exporter of two ranges of plain device memory, and an importer that counts what it is told. */
#ifndef TESTS_DMABUF_EXPORTER_H
#define TESTS_DMABUF_EXPORTER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "dmabuf/dmabuf.h"
#include "dmabuf/type_phys.h"

#define EXPORTER_SIZE 0x5000

struct exporter {
	struct phys_space *space;
	struct phys_region memory, registers, hole;
	struct phys_range ranges[2];
	struct dma_buf_phys_list list;
	struct dma_buf *buf;
	unsigned maps, unmaps, releases;
};

void exporter_init(struct exporter *e, const struct dma_buf_ops *ops, bool with_file);
void exporter_init_registered(struct exporter *e, const struct dma_buf_ops *ops, struct dma_buf_registry *registry);
void exporter_fini(struct exporter *e); /* an internal buffer is destroyed, one with a file must be gone */
extern const struct dma_buf_ops exporter_ops, exporter_ops_no_layout;

struct importer {
	struct dma_buf_attachment *a;
	unsigned invalidates, restores;
	bool mapped_in_callback;
};
extern const struct dma_buf_importer_ops importer_plain;    /* invalidate */
extern const struct dma_buf_importer_ops importer_waits;    /* and restored */
extern const struct dma_buf_importer_ops importer_pins;	    /* neither */
extern const struct dma_buf_importer_ops importer_stranger; /* accepts another type */

#endif
