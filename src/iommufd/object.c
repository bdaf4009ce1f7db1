/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <time.h>

#include "iommufd/iommufd_priv.h"

struct iommufd_object *iommufd_object_new(struct iommufd_ctx *ctx, const struct iommufd_object_type *type)
{
	struct iommufd_object *obj = calloc(1, type->size);
	int err;

	if (!obj)
		return NULL;
	obj->type = type;
	obj->ctx = ctx;
	mutex_lock(&ctx->lock);
	err = ids_reserve(&ctx->objects, &obj->id);
	mutex_unlock(&ctx->lock);
	if (err) {
		free(obj);
		return NULL;
	}
	trace_count(ctx->trace, type->name, 1);
	return obj;
}

void iommufd_object_finalize(struct iommufd_object *obj)
{
	mutex_lock(&obj->ctx->lock);
	ids_set(&obj->ctx->objects, obj->id, obj);
	mutex_unlock(&obj->ctx->lock);
}

/* The object is out of the table or was never in it. */
static void object_free(struct iommufd_object *obj)
{
	obj->type->destroy(obj);
	trace_count(obj->ctx->trace, obj->type->name, -1);
	free(obj);
}

void iommufd_object_abort(struct iommufd_object *obj)
{
	mutex_lock(&obj->ctx->lock);
	ids_remove(&obj->ctx->objects, obj->id);
	mutex_unlock(&obj->ctx->lock);
	object_free(obj);
}

struct iommufd_object *iommufd_object_borrow(struct iommufd_ctx *ctx, uint32_t id,
					     const struct iommufd_object_type *type)
{
	struct iommufd_object *obj;

	mutex_lock(&ctx->lock);
	obj = ids_get(&ctx->objects, id);
	if (obj && type && obj->type != type)
		obj = NULL;
	if (obj)
		atomic_fetch_add_explicit(&obj->borrows, 1, memory_order_relaxed);
	mutex_unlock(&ctx->lock);
	return obj;
}

void iommufd_object_return(struct iommufd_object *obj)
{
	atomic_fetch_sub_explicit(&obj->borrows, 1, memory_order_release);
}

/*
 * Calls that have borrowed the object come to their end by themselves, mostly within microseconds. New ones may come
 * meanwhile: then it is as if they had come first. The lock is let go of in between, so the object is looked up anew.
 */
static void wait_for_borrowers(struct iommufd_ctx *ctx)
{
	const struct timespec pause = {.tv_nsec = 20000};

	mutex_unlock(&ctx->lock);
	nanosleep(&pause, NULL);
	mutex_lock(&ctx->lock);
}

static void forget_locked(struct iommufd_object *obj)
{
	mutex_assert_held(&obj->ctx->lock);
	ids_remove(&obj->ctx->objects, obj->id);
	if (obj->ctx->vfio_ioas_id == obj->id)
		obj->ctx->vfio_ioas_id = 0;
}

int iommufd_object_destroy(struct iommufd_ctx *ctx, uint32_t id)
{
	struct iommufd_object *obj;
	int err = 0;

	mutex_lock(&ctx->lock);
	while ((obj = ids_get(&ctx->objects, id)) && atomic_load_explicit(&obj->borrows, memory_order_acquire))
		wait_for_borrowers(ctx);
	if (!obj)
		err = -ENOENT;
	else if (atomic_load(&obj->users))
		err = -EBUSY;
	else
		forget_locked(obj);
	mutex_unlock(&ctx->lock);
	if (err == -EBUSY)
		return refuse(ctx->trace, err, "IOMMU_DESTROY: object %u (%s) is in use", id, obj->type->name);
	if (err)
		return refuse(ctx->trace, err, "IOMMU_DESTROY: there is no object %u", id);
	object_free(obj);
	return 0;
}

void iommufd_object_retire(struct iommufd_object *obj)
{
	mutex_lock(&obj->ctx->lock);
	while (atomic_load_explicit(&obj->borrows, memory_order_acquire))
		wait_for_borrowers(obj->ctx);
	forget_locked(obj);
	mutex_unlock(&obj->ctx->lock);
	object_free(obj);
}

int iommufd_destroy_ioctl(struct iommufd_call *c, void *arg)
{
	const struct iommu_destroy *d = arg;

	return iommufd_object_destroy(c->ctx, d->id);
}
