/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>

#include "base/trace.h"
#include "dmabuf/dmabuf_priv.h"

#define DEFAULT_PATIENCE_NS 3000000000ull

static const struct lock_class registry_class = {.name = "dma-bufs", .rank = LOCK_RANK_BUFFERS};
static const struct lock_class outcomes_class = {.name = "outcomes of attachments", .rank = LOCK_RANK_LEAF};

struct dma_buf_registry *dma_buf_registry_create(struct trace *trace)
{
	struct dma_buf_registry *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->trace = trace;
	r->patience_ns = DEFAULT_PATIENCE_NS;
	mutex_init(&r->lock, &registry_class);
	list_init(&r->buffers);
	mutex_init(&r->outcomes_lock, &outcomes_class);
	trace_set_report_part(trace, "attachments", dma_buf_outcomes_json, r);
	return r;
}

void dma_buf_registry_destroy(struct dma_buf_registry *r)
{
	if (!r)
		return;
	if (!list_empty(&r->buffers))
		lock_assert_failed("the registry of dma-bufs goes with buffers in it", __FILE__, __LINE__);
	trace_set_report_part(r->trace, NULL, NULL, NULL);
	dma_buf_outcomes_free(r);
	mutex_fini(&r->outcomes_lock);
	mutex_fini(&r->lock);
	free(r);
}

void dma_buf_registry_set_patience(struct dma_buf_registry *r, uint64_t ns)
{
	r->patience_ns = ns;
}

uint64_t dma_buf_registry_patience(const struct dma_buf_registry *r)
{
	return r ? r->patience_ns : DEFAULT_PATIENCE_NS;
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
