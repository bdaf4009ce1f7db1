/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Devices and the IOMMU groups they belong to. A group belongs to the context that bound its first device; all of its
 * devices that are attached use one page table, and replacing it for one replaces it for all.
 *
 * The system's group lock is held throughout bind, attach, replace and detach: they are rare, and it makes what a group
 * stands on one state.
 */
#include <stdlib.h>

#include "iommufd/iommufd_priv.h"
#include "pci/function.h"
#include "pci/topology.h"

struct iommufd_group {
	struct list node; /* system->groups */
	struct pci_root *root;
	unsigned number;
	struct iommufd_ctx *owner;
	struct list devices;	   /* bound ones */
	struct iommufd_hwpt *hwpt; /* used; what all attached devices stand on; NULL: none is attached */
};

/*
 * Bind
 */

static struct iommufd_group *group_get_locked(struct iommufd_ctx *ctx, struct pci_function *fn)
{
	struct iommufd_system *system = ctx->system;
	struct iommufd_group *g;

	mutex_assert_held(&system->group_lock);
	list_for_each (g, &system->groups, node)
		if (g->root == fn->root && g->number == fn->iommu_group)
			return g;
	g = calloc(1, sizeof(*g));
	if (!g)
		return NULL;
	g->root = fn->root;
	g->number = fn->iommu_group;
	g->owner = ctx;
	list_init(&g->devices);
	list_add_tail(&system->groups, &g->node);
	return g;
}

static void group_put_locked(struct iommufd_group *g)
{
	if (!list_empty(&g->devices))
		return;
	list_del(&g->node);
	free(g);
}

static int bind_locked(struct iommufd_ctx *ctx, struct iommufd_device *idev, struct pci_function *fn)
{
	struct iommufd_group *g = group_get_locked(ctx, fn);
	struct iommufd_device *other;

	if (!g)
		return -ENOMEM;
	list_for_each (other, &g->devices, node)
		if (other->fn == fn)
			return refuse(ctx->trace, -EBUSY, "bind: %s is bound already", fn->name);
	if (g->owner != ctx)
		return refuse(ctx->trace, -EPERM, "bind: %s is in IOMMU group %u, which another iommufd owns", fn->name,
			      g->number);
	idev->fn = fn;
	idev->group = g;
	list_add_tail(&g->devices, &idev->node);
	return 0;
}

static void device_destroy(struct iommufd_object *obj)
{
	struct iommufd_device *idev = container_of(obj, struct iommufd_device, obj);
	struct iommufd_system *system = obj->ctx->system;

	if (!idev->group)
		return;
	mutex_lock(&system->group_lock);
	list_del(&idev->node);
	group_put_locked(idev->group);
	mutex_unlock(&system->group_lock);
}

const struct iommufd_object_type iommufd_type_device = {
	.name = "iommufd device",
	.size = sizeof(struct iommufd_device),
	.destroy = device_destroy,
};

int iommufd_device_bind(struct iommufd_ctx *ctx, struct pci_function *fn, struct iommufd_device **out, uint32_t *id)
{
	struct iommufd_object *obj = iommufd_object_new(ctx, &iommufd_type_device);
	struct iommufd_device *idev;
	int err;

	if (!obj)
		return -ENOMEM;
	idev = container_of(obj, struct iommufd_device, obj);
	iommufd_object_use(obj); /* the driver: IOMMU_DESTROY is EBUSY */
	mutex_lock(&ctx->system->group_lock);
	err = bind_locked(ctx, idev, fn);
	mutex_unlock(&ctx->system->group_lock);
	if (err) {
		iommufd_object_abort(obj);
		return err;
	}
	iommufd_object_finalize(obj);
	*id = obj->id;
	*out = idev;
	return 0;
}

void iommufd_device_unbind(struct iommufd_device *idev)
{
	iommufd_device_detach(idev);
	iommufd_object_retire(&idev->obj);
}

/*
 * Attach. Everything below holds the group lock.
 */

static int msi_reserve(struct iommufd_device *idev, struct iommufd_hwpt *hwpt, struct iopt_reserved *r)
{
	const struct iommu_geometry *g = iommu_unit_geometry(hwpt->unit);

	return g->msi_last ? iopt_reserve(&hwpt->ioas->iopt, r, g->msi_start, g->msi_last) : 0;
}

/* The group no longer stands on the page table. */
static void hwpt_leave(struct iommufd_hwpt *hwpt)
{
	if (iommufd_object_unuse(&hwpt->obj) || !hwpt->automatic)
		return;
	list_del(&hwpt->node);
	iommufd_object_retire(&hwpt->obj);
}

static int attach_first(struct iommufd_device *idev, struct iommufd_hwpt *hwpt)
{
	struct iommufd_group *g = idev->group;
	int err;

	if (g->hwpt && g->hwpt != hwpt)
		return refuse(idev->obj.ctx->trace, -EINVAL,
			      "attach: another device of %s's IOMMU group %u is attached to HWPT %u", idev->fn->name,
			      g->number, g->hwpt->obj.id);
	err = msi_reserve(idev, hwpt, &idev->msi);
	if (err)
		return err;
	if (!g->hwpt) {
		iommufd_object_use(&hwpt->obj);
		g->hwpt = hwpt;
	}
	iommu_attach(&idev->fn->iommu, hwpt->domain.domain);
	idev->attached = true;
	return 0;
}

/* Reserves for each attached device in the new IOAS, into the ones' spare entries; on failure none is left. */
static int replace_reserve(struct iommufd_group *g, struct iommufd_hwpt *hwpt, struct iopt_reserved **out)
{
	struct iommufd_device *idev;
	size_t n = 0, done = 0;
	int err = 0;

	list_for_each (idev, &g->devices, node)
		n += idev->attached;
	*out = calloc(n, sizeof(**out));
	if (!*out)
		return -ENOMEM;
	list_for_each (idev, &g->devices, node) {
		if (!idev->attached || err)
			continue;
		err = msi_reserve(idev, hwpt, &(*out)[done]);
		done += !err;
	}
	if (!err)
		return 0;
	while (done-- > 0)
		iopt_unreserve(&hwpt->ioas->iopt, &(*out)[done]);
	free(*out);
	return err;
}

/* The entry that replace_reserve() made takes the place of the device's own, under the lock of its list. */
static void reserved_move(struct iopt *to, struct iopt_reserved *dst, struct iopt_reserved *src)
{
	mutex_lock(&to->iova_lock);
	dst->start = src->start;
	dst->last = src->last;
	if (src->node.next) {
		list_add(&src->node, &dst->node);
		list_del(&src->node);
	}
	mutex_unlock(&to->iova_lock);
}

static int attach_replace(struct iommufd_device *any, struct iommufd_hwpt *hwpt)
{
	struct iommufd_group *g = any->group;
	struct iommufd_hwpt *old = g->hwpt;
	struct iopt_reserved *spare;
	struct iommufd_device *idev;
	size_t i = 0;
	int err;

	if (old == hwpt)
		return 0;
	err = replace_reserve(g, hwpt, &spare);
	if (err)
		return err;
	iommufd_object_use(&hwpt->obj);
	g->hwpt = hwpt;
	list_for_each (idev, &g->devices, node) {
		if (!idev->attached)
			continue;
		iommu_attach(&idev->fn->iommu, hwpt->domain.domain);
		iopt_unreserve(&old->ioas->iopt, &idev->msi);
		reserved_move(&hwpt->ioas->iopt, &idev->msi, &spare[i++]);
	}
	free(spare);
	hwpt_leave(old);
	return 0;
}

static int attach_hwpt(struct iommufd_device *idev, struct iommufd_hwpt *hwpt)
{
	if (hwpt->unit != idev->fn->iommu.unit)
		return refuse(idev->obj.ctx->trace, -EINVAL, "attach: HWPT %u is of another IOMMU than %s",
			      hwpt->obj.id, idev->fn->name);
	return idev->attached ? attach_replace(idev, hwpt) : attach_first(idev, hwpt);
}

/* One automatic page table serves all devices of an IOAS behind one unit. */
static int attach_ioas(struct iommufd_device *idev, struct iommufd_ioas *ioas, uint32_t *hwpt_id)
{
	struct iommufd_hwpt *hwpt;
	int err;

	list_for_each (hwpt, &ioas->hwpts, node) {
		if (hwpt->unit != idev->fn->iommu.unit)
			continue;
		*hwpt_id = hwpt->obj.id;
		return attach_hwpt(idev, hwpt);
	}
	err = iommufd_hwpt_create(idev->obj.ctx, ioas, idev->fn->iommu.unit, &hwpt);
	if (err)
		return err;
	err = attach_hwpt(idev, hwpt);
	if (err) {
		iommufd_object_abort(&hwpt->obj);
		return err;
	}
	hwpt->automatic = true;
	list_add_tail(&ioas->hwpts, &hwpt->node);
	*hwpt_id = hwpt->obj.id;
	iommufd_object_finalize(&hwpt->obj);
	return 0;
}

static int attach_to(struct iommufd_device *idev, uint32_t *pt_id)
{
	struct iommufd_object *pt = iommufd_object_borrow(idev->obj.ctx, *pt_id, NULL);
	uint32_t hwpt_id = *pt_id;
	int err;

	if (!pt)
		return refuse(idev->obj.ctx->trace, -ENOENT, "attach: there is no object %u", *pt_id);
	/* What is borrowed cannot be destroyed: an automatic table that this replaces retires after the return. */
	if (pt->type == &iommufd_type_hwpt)
		err = attach_hwpt(idev, container_of(pt, struct iommufd_hwpt, obj));
	else if (pt->type == &iommufd_type_ioas)
		err = attach_ioas(idev, container_of(pt, struct iommufd_ioas, obj), &hwpt_id);
	else
		err = refuse(idev->obj.ctx->trace, -EINVAL, "attach: %u is neither IOAS nor HWPT", *pt_id);
	iommufd_object_return(pt);
	if (!err)
		*pt_id = hwpt_id;
	return err;
}

int iommufd_device_attach(struct iommufd_device *idev, uint32_t *pt_id)
{
	struct iommufd_system *system = idev->obj.ctx->system;
	int err;

	mutex_lock(&system->group_lock);
	err = attach_to(idev, pt_id);
	mutex_unlock(&system->group_lock);
	return err;
}

static void detach_locked(struct iommufd_device *idev)
{
	struct iommufd_group *g = idev->group;
	struct iommufd_hwpt *hwpt = g->hwpt;
	struct iommufd_device *other;

	if (!idev->attached)
		return;
	iommu_attach(&idev->fn->iommu, NULL);
	iopt_unreserve(&hwpt->ioas->iopt, &idev->msi);
	idev->attached = false;
	list_for_each (other, &g->devices, node)
		if (other->attached)
			return;
	g->hwpt = NULL;
	hwpt_leave(hwpt);
}

void iommufd_device_detach(struct iommufd_device *idev)
{
	struct iommufd_system *system = idev->obj.ctx->system;

	mutex_lock(&system->group_lock);
	detach_locked(idev);
	mutex_unlock(&system->group_lock);
}
