/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The buffers of a machine, for those who look at all of them: bufinfo and the report. Exporters are handed it as they
 * are handed the trace; NULL everywhere means that nobody looks.
 *
 * Who may include this: dmabuf/, exporters, machine/.
 */
#ifndef BARTER_DMABUF_REGISTRY_H
#define BARTER_DMABUF_REGISTRY_H

#include "base/types.h"

struct dma_buf_registry;
struct trace;

/* trace: the buffers'; may be NULL. Returns NULL when out of memory. */
struct dma_buf_registry *dma_buf_registry_create(struct trace *trace);
/* No buffer is left. NULL is allowed. */
void dma_buf_registry_destroy(struct dma_buf_registry *r);
/* How long taking memory away may wait for a fence before it is reported: 3 s, if nobody says otherwise. */
void dma_buf_registry_set_patience(struct dma_buf_registry *r, uint64_t ns);
/* NULL of NULL. */
struct trace *dma_buf_registry_trace(const struct dma_buf_registry *r);
/* The text of bufinfo, made with malloc(). types: and which mapping types were negotiated. -ENOMEM. */
int dma_buf_bufinfo(struct dma_buf_registry *r, bool types, char **text, size_t *len);

#endif
