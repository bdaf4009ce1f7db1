/* SPDX-License-Identifier: BSD-3-Clause */
/* The IOAS object: ranges and options. Mapping is in ioas_map.c. */
#include <stdlib.h>

#include "file/task.h"
#include "iommufd/iommufd_priv.h"
#include "iommufd/pages.h"
#include "memory/phys.h"

static void ioas_destroy(struct iommufd_object *obj)
{
	struct iommufd_ioas *ioas = container_of(obj, struct iommufd_ioas, obj);

	iopt_fini(&ioas->iopt);
}

const struct iommufd_object_type iommufd_type_ioas = {
	.name = "ioas",
	.size = sizeof(struct iommufd_ioas),
	.destroy = ioas_destroy,
};

int iommufd_ioas_alloc_ioctl(struct iommufd_call *c, void *arg)
{
	struct iommu_ioas_alloc *a = arg;
	struct iommufd_ioas *ioas;

	if (a->flags)
		return refuse(c->ctx->trace, -EOPNOTSUPP, "IOMMU_IOAS_ALLOC: flags 0x%x", a->flags);
	c->born = iommufd_object_new(c->ctx, &iommufd_type_ioas);
	if (!c->born)
		return -ENOMEM;
	ioas = container_of(c->born, struct iommufd_ioas, obj);
	iopt_init(&ioas->iopt, phys_sections(c->ctx->system->space), c->ctx->trace);
	list_init(&ioas->hwpts);
	a->out_ioas_id = c->born->id;
	return 0;
}

/*
 * Ranges
 */

/* A copy of what is usable, so that it can be written to the program without a lock. */
static int usable_ranges(struct iopt *iopt, struct iommu_iova_range **list, uint32_t *nr, uint64_t *alignment)
{
	struct iopt_reserved *r;
	iova_t start, last, pos = 0;
	size_t room = 1;
	int err = 0;

	*nr = 0;
	mutex_lock(&iopt->iova_lock);
	list_for_each (r, &iopt->reserved, node)
		room++;
	*list = malloc(room * sizeof(**list));
	if (!*list)
		err = -ENOMEM;
	while (!err && iopt_next_usable_locked(iopt, pos, &start, &last)) {
		(*list)[(*nr)++] = (struct iommu_iova_range){.start = start, .last = last};
		pos = last + 1;
		if (pos == 0)
			break;
	}
	*alignment = iopt->alignment;
	mutex_unlock(&iopt->iova_lock);
	return err;
}

int iommufd_ioas_iova_ranges_ioctl(struct iommufd_call *c, void *arg)
{
	struct iommu_ioas_iova_ranges *a = arg;
	struct iommu_iova_range *list;
	struct iommufd_ioas *ioas;
	uint64_t alignment;
	uint32_t nr;
	int err;

	if (a->__reserved)
		return refuse(c->ctx->trace, -EOPNOTSUPP, "IOMMU_IOAS_IOVA_RANGES: __reserved is not 0");
	ioas = iommufd_ioas_borrow(c->ctx, a->ioas_id);
	if (!ioas)
		return refuse(c->ctx->trace, -ENOENT, "IOMMU_IOAS_IOVA_RANGES: no IOAS %u", a->ioas_id);
	err = usable_ranges(&ioas->iopt, &list, &nr, &alignment);
	iommufd_object_return(&ioas->obj);
	if (err)
		return err;
	err = copy_to_task(c->task, a->allowed_iovas, list, MIN(nr, a->num_iovas) * sizeof(*list));
	free(list);
	if (err)
		return err;
	if (nr > a->num_iovas) {
		c->answer_refusal = true;
		err = refuse(c->ctx->trace, -EMSGSIZE, "IOMMU_IOAS_IOVA_RANGES: %u ranges, room for %u", nr,
			     a->num_iovas);
	}
	a->num_iovas = nr;
	a->out_iova_alignment = alignment;
	return err;
}

static int read_allowed(struct iommufd_call *c, const struct iommu_ioas_allow_iovas *a, struct range_map *allowed)
{
	struct iommu_iova_range r;

	for (uint32_t i = 0; i < a->num_iovas; i++) {
		int err = copy_from_task(c->task, &r, a->allowed_iovas + i * sizeof(r), sizeof(r));

		if (err)
			return err;
		if (r.start >= r.last)
			return refuse(c->ctx->trace, -EINVAL, "IOMMU_IOAS_ALLOW_IOVAS: start 0x%llx, last 0x%llx",
				      (unsigned long long)r.start, (unsigned long long)r.last);
		err = range_map_insert(allowed, r.start, r.last, allowed);
		if (err == -EEXIST)
			return refuse(c->ctx->trace, -EINVAL,
				      "IOMMU_IOAS_ALLOW_IOVAS: 0x%llx-0x%llx overlaps another range",
				      (unsigned long long)r.start, (unsigned long long)r.last);
		if (err)
			return err;
	}
	return 0;
}

int iommufd_ioas_allow_iovas_ioctl(struct iommufd_call *c, void *arg)
{
	const struct iommu_ioas_allow_iovas *a = arg;
	struct iommufd_ioas *ioas;
	struct range_map allowed;
	int err;

	if (a->__reserved)
		return refuse(c->ctx->trace, -EOPNOTSUPP, "IOMMU_IOAS_ALLOW_IOVAS: __reserved is not 0");
	ioas = iommufd_ioas_borrow(c->ctx, a->ioas_id);
	if (!ioas)
		return refuse(c->ctx->trace, -ENOENT, "IOMMU_IOAS_ALLOW_IOVAS: no IOAS %u", a->ioas_id);
	range_map_init(&allowed);
	err = read_allowed(c, a, &allowed);
	if (!err)
		err = iopt_set_allowed(&ioas->iopt, &allowed);
	range_map_fini(&allowed);
	iommufd_object_return(&ioas->obj);
	return err;
}

/*
 * Options
 */

static int option_rlimit_mode(struct iommufd_call *c, struct iommu_option *o)
{
	struct iommufd_ctx *ctx = c->ctx;
	uint32_t id = 0;
	int err = 0;

	if (o->object_id)
		return refuse(ctx->trace, -EOPNOTSUPP, "IOMMU_OPTION_RLIMIT_MODE: object_id %u", o->object_id);
	mutex_lock(&ctx->lock);
	if (o->op == IOMMU_OPTION_OP_GET)
		o->val64 = ctx->account_by_process;
	else if (o->op != IOMMU_OPTION_OP_SET)
		err = -EOPNOTSUPP;
	else if (ids_next(&ctx->objects, &id))
		err = -EBUSY;
	else if (o->val64 > 1)
		err = -EINVAL;
	else
		ctx->account_by_process = o->val64;
	mutex_unlock(&ctx->lock);
	return err ? refuse(ctx->trace, err, "IOMMU_OPTION_RLIMIT_MODE: op %u, value %llu, first object %u", o->op,
			    (unsigned long long)o->val64, id)
		   : 0;
}

static int option_huge_pages(struct iommufd_call *c, struct iommu_option *o)
{
	struct iommufd_ioas *ioas = iommufd_ioas_borrow(c->ctx, o->object_id);
	int err = 0;

	if (!ioas)
		return refuse(c->ctx->trace, -ENOENT, "IOMMU_OPTION_HUGE_PAGES: no IOAS %u", o->object_id);
	if (o->op == IOMMU_OPTION_OP_GET) {
		mutex_lock(&ioas->iopt.iova_lock);
		o->val64 = !ioas->iopt.small_leaves;
		mutex_unlock(&ioas->iopt.iova_lock);
	} else if (o->op != IOMMU_OPTION_OP_SET) {
		err = refuse(c->ctx->trace, -EOPNOTSUPP, "IOMMU_OPTION_HUGE_PAGES: op %u", o->op);
	} else if (o->val64 > 1) {
		err = refuse(c->ctx->trace, -EINVAL, "IOMMU_OPTION_HUGE_PAGES: value %llu",
			     (unsigned long long)o->val64);
	} else {
		err = iopt_set_small_leaves(&ioas->iopt, o->val64 == 0);
	}
	iommufd_object_return(&ioas->obj);
	return err;
}

int iommufd_option_ioctl(struct iommufd_call *c, void *arg)
{
	struct iommu_option *o = arg;

	if (o->__reserved)
		return refuse(c->ctx->trace, -EOPNOTSUPP, "IOMMU_OPTION: __reserved is not 0");
	switch (o->option_id) {
	case IOMMU_OPTION_RLIMIT_MODE:
		return option_rlimit_mode(c, o);
	case IOMMU_OPTION_HUGE_PAGES:
		return option_huge_pages(c, o);
	default:
		return refuse(c->ctx->trace, -EOPNOTSUPP, "IOMMU_OPTION: option %u", o->option_id);
	}
}

/* The IOAS that a container made of this context would use; the container's own ioctls are not offered. */
int iommufd_vfio_ioas_ioctl(struct iommufd_call *c, void *arg)
{
	struct iommu_vfio_ioas *v = arg;
	struct iommufd_ctx *ctx = c->ctx;
	struct iommufd_object *obj;
	int err = 0;

	if (v->__reserved)
		return refuse(ctx->trace, -EOPNOTSUPP, "IOMMU_VFIO_IOAS: __reserved is not 0");
	mutex_lock(&ctx->lock);
	switch (v->op) {
	case IOMMU_VFIO_IOAS_GET:
		v->ioas_id = ctx->vfio_ioas_id;
		err = ctx->vfio_ioas_id ? 0 : -ENODEV;
		break;
	case IOMMU_VFIO_IOAS_SET:
		obj = ids_get(&ctx->objects, v->ioas_id);
		if (obj && obj->type == &iommufd_type_ioas)
			ctx->vfio_ioas_id = v->ioas_id;
		else
			err = -ENOENT;
		break;
	case IOMMU_VFIO_IOAS_CLEAR:
		ctx->vfio_ioas_id = 0;
		break;
	default:
		err = -EOPNOTSUPP;
	}
	mutex_unlock(&ctx->lock);
	return err ? refuse(ctx->trace, err, "IOMMU_VFIO_IOAS: op %u, IOAS %u", v->op, v->ioas_id) : 0;
}
