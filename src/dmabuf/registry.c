/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>

#include "dmabuf/dmabuf_priv.h"

static const struct lock_class registry_class = {.name = "dma-bufs", .rank = LOCK_RANK_BUFFERS};

struct dma_buf_registry *dma_buf_registry_create(struct trace *trace)
{
	struct dma_buf_registry *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->trace = trace;
	mutex_init(&r->lock, &registry_class);
	list_init(&r->buffers);
	return r;
}

void dma_buf_registry_destroy(struct dma_buf_registry *r)
{
	if (!r)
		return;
	if (!list_empty(&r->buffers))
		lock_assert_failed("the registry of dma-bufs goes with buffers in it", __FILE__, __LINE__);
	mutex_fini(&r->lock);
	free(r);
}

struct trace *dma_buf_registry_trace(const struct dma_buf_registry *r)
{
	return r ? r->trace : NULL;
}

void dma_buf_register(struct dma_buf *b)
{
	struct dma_buf_registry *r = b->registry;

	list_init(&b->registered);
	if (!r)
		return;
	mutex_lock(&r->lock);
	list_add(&r->buffers, &b->registered);
	mutex_unlock(&r->lock);
}

void dma_buf_unregister(struct dma_buf *b)
{
	struct dma_buf_registry *r = b->registry;

	if (!r)
		return;
	mutex_lock(&r->lock);
	list_del(&b->registered);
	mutex_unlock(&r->lock);
}
