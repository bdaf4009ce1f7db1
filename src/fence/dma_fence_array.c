/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A callback of a member comes under that member's lock, so it does not signal the array: it counts, and the one that
 * completes the array puts that off until the lock is gone. Each callback that is out holds a reference to the array;
 * the completing one hands its own to the work.
 */
#include "fence/dma_fence_array.h"

#include <stdlib.h>

#include "fence/fence_priv.h"

static const struct lock_class array_lock_class = {.name = "fence array", .rank = LOCK_RANK_FENCE_ARRAY};

static const char *array_driver_name(struct dma_fence *f)
{
	return "dma_fence_array";
}

static const char *array_timeline_name(struct dma_fence *f)
{
	return "unbound";
}

static void error_note(struct dma_fence_array *array, const struct dma_fence *member)
{
	int none = 0;

	if (member->error)
		atomic_compare_exchange_strong(&array->first_error, &none, member->error);
}

/* Any number of threads may find at once that the array is complete. */
static void error_pass_on(struct dma_fence_array *array)
{
	int none = 0;

	if (!fence_flag_signaled(&array->base))
		atomic_compare_exchange_strong(&array->base.error, &none, atomic_load(&array->first_error));
}

static void array_complete(struct irq_work *w)
{
	struct dma_fence_array *array = container_of(w, struct dma_fence_array, work);

	error_pass_on(array);
	dma_fence_signal(&array->base);
	dma_fence_put(&array->base);
}

static void member_signaled(struct dma_fence *f, struct dma_fence_cb *cb)
{
	struct dma_fence_array *array = container_of(cb, struct dma_fence_array_cb, cb)->array;

	error_note(array, f);
	if (atomic_fetch_sub(&array->num_pending, 1) == 1)
		irq_work_queue(&array->work);
	else
		dma_fence_put(&array->base);
}

static bool array_enable_signaling(struct dma_fence *f)
{
	struct dma_fence_array *array = container_of(f, struct dma_fence_array, base);

	for (unsigned i = 0; i < array->num_fences; i++) {
		struct dma_fence *member = array->fences[i];

		array->callbacks[i].array = array;
		dma_fence_get(f);
		if (!dma_fence_add_callback(member, &array->callbacks[i].cb, member_signaled))
			continue;
		error_note(array, member);
		dma_fence_put(f);
		if (atomic_fetch_sub(&array->num_pending, 1) == 1) {
			error_pass_on(array);
			return false;
		}
	}
	return true;
}

/* Before anyone asked the array to be told, the members' signals are not counted: they are looked at each time. */
static int pending_now(struct dma_fence_array *array)
{
	int pending = atomic_load(&array->num_pending);

	if (atomic_load(&array->base.flags) & DMA_FENCE_FLAG_ENABLED)
		return pending;
	for (unsigned i = 0; i < array->num_fences && pending > 0; i++) {
		if (!dma_fence_is_signaled(array->fences[i]))
			continue;
		error_note(array, array->fences[i]);
		pending--;
	}
	return pending;
}

static bool array_signaled(struct dma_fence *f)
{
	struct dma_fence_array *array = container_of(f, struct dma_fence_array, base);

	if (pending_now(array) > 0)
		return false;
	error_pass_on(array);
	return true;
}

static void array_set_deadline(struct dma_fence *f, uint64_t deadline_ns)
{
	struct dma_fence_array *array = container_of(f, struct dma_fence_array, base);

	for (unsigned i = 0; i < array->num_fences; i++)
		dma_fence_set_deadline(array->fences[i], deadline_ns);
}

static void array_release(struct dma_fence *f)
{
	struct dma_fence_array *array = container_of(f, struct dma_fence_array, base);

	for (unsigned i = 0; i < array->num_fences; i++)
		dma_fence_put(array->fences[i]);
	free(array->fences);
	free(array);
}

const struct dma_fence_ops dma_fence_array_ops = {
	.get_driver_name = array_driver_name,
	.get_timeline_name = array_timeline_name,
	.signaled = array_signaled,
	.enable_signaling = array_enable_signaling,
	.set_deadline = array_set_deadline,
	.release = array_release,
};

struct dma_fence_array *dma_fence_array_create(unsigned num_fences, struct dma_fence **fences, uint64_t context,
					       uint64_t seqno, bool signal_on_any)
{
	struct dma_fence_array *array = calloc(1, sizeof(*array) + num_fences * sizeof(array->callbacks[0]));

	if (!array)
		return NULL;
	for (unsigned i = 0; i < num_fences; i++)
		if (dma_fence_is_container(fences[i]))
			lock_assert_failed("a fence array holds an array or a chain", __FILE__, __LINE__);
	dma_fence_init(&array->base, &dma_fence_array_ops, NULL, context, seqno);
	array->base.inline_lock.mutex.class = &array_lock_class;
	array->num_fences = num_fences;
	array->fences = fences;
	atomic_init(&array->num_pending, signal_on_any ? 1 : (int)num_fences);
	atomic_init(&array->first_error, 0);
	irq_work_init(&array->work, array_complete);
	return array;
}
