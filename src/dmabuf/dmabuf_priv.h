/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of dmabuf/ share. */
#ifndef BARTER_DMABUF_PRIV_H
#define BARTER_DMABUF_PRIV_H

#include "dmabuf/dmabuf.h"

/* What a buffer's fd does: dmabuf_file.c. Its release calls dma_buf_release(). */
extern const struct file_ops dma_buf_file_ops;

/* The exporter's release, then the buffer's own memory. */
void dma_buf_release(struct dma_buf *b);

#endif
