/* SPDX-License-Identifier: BSD-3-Clause */
#include "ring.h"

#include <stdlib.h>

#include "base/thread.h"

static const struct lock_class ring_class = {.name = "test ring", .rank = LOCK_RANK_IRQ};
static const struct lock_class ring_fence_class = {.name = "test ring's fences", .rank = LOCK_RANK_FENCE};

struct command {
	struct dma_fence fence; /* the ring has a reference while it has the command */
	struct list node;
	bool hangs;
};

static const char *name(struct dma_fence *f)
{
	return "test-ring";
}

static const struct dma_fence_ops command_ops = {.get_driver_name = name, .get_timeline_name = name};

void ring_init(struct ring *r)
{
	*r = (struct ring){.context = dma_fence_context_alloc(1)};
	spin_lock_init(&r->fence_lock, &ring_fence_class);
	mutex_init(&r->lock, &ring_class);
	list_init(&r->commands);
}

struct dma_fence *ring_submit(struct ring *r, bool hangs)
{
	struct command *c = calloc(1, sizeof(*c));

	if (!c)
		abort();
	c->hangs = hangs;
	mutex_lock(&r->lock);
	dma_fence_init(&c->fence, &command_ops, &r->fence_lock, r->context, ++r->seqno);
	dma_fence_get(&c->fence);
	list_add_tail(&r->commands, &c->node);
	condition_wake_one(&r->moved);
	mutex_unlock(&r->lock);
	return &c->fence;
}

/* What the ring works on, taken off it. NULL: nothing, or it hangs. The lock is held. */
static struct command *take_locked(struct ring *r)
{
	struct command *c;

	if (list_empty(&r->commands))
		return NULL;
	c = list_first(&r->commands, struct command, node);
	if (c->hangs)
		return NULL;
	list_del(&c->node);
	return c;
}

static void signal_and_put(struct command *c, int error)
{
	if (error)
		dma_fence_set_error(&c->fence, error);
	dma_fence_signal(&c->fence);
	dma_fence_put(&c->fence);
}

unsigned ring_complete(struct ring *r, unsigned nr)
{
	unsigned done = 0;

	for (; done < nr; done++) {
		struct command *c;

		mutex_lock(&r->lock);
		c = take_locked(r);
		mutex_unlock(&r->lock);
		if (!c)
			break;
		signal_and_put(c, 0);
	}
	return done;
}

static void *ring_main(void *arg)
{
	struct ring *r = arg;

	mutex_lock(&r->lock);
	while (!r->stopping) {
		struct command *c = take_locked(r);

		if (!c) {
			condition_wait(&r->moved, &r->lock, 0);
			continue;
		}
		mutex_unlock(&r->lock);
		signal_and_put(c, 0);
		mutex_lock(&r->lock);
	}
	mutex_unlock(&r->lock);
	return NULL;
}

void ring_start(struct ring *r)
{
	if (thread_start(&r->thread, "test-ring", ring_main, r))
		abort();
	r->has_thread = true;
}

void ring_reset(struct ring *r, int error)
{
	for (;;) {
		struct command *c = NULL;

		mutex_lock(&r->lock);
		if (!list_empty(&r->commands)) {
			c = list_first(&r->commands, struct command, node);
			list_del(&c->node);
		}
		mutex_unlock(&r->lock);
		if (!c)
			return;
		signal_and_put(c, error);
	}
}

unsigned ring_length(struct ring *r)
{
	unsigned nr = 0;
	struct command *c;

	mutex_lock(&r->lock);
	list_for_each (c, &r->commands, node)
		nr++;
	mutex_unlock(&r->lock);
	return nr;
}

void ring_fini(struct ring *r)
{
	mutex_lock(&r->lock);
	r->stopping = true;
	condition_wake_all(&r->moved);
	mutex_unlock(&r->lock);
	if (r->has_thread)
		pthread_join(r->thread, NULL);
	ring_reset(r, -ECANCELED);
	mutex_fini(&r->lock);
	spin_lock_fini(&r->fence_lock);
}
