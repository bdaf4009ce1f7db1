/* SPDX-License-Identifier: BSD-3-Clause */
/* IOMMU_IOAS_MAP, MAP_FILE, COPY, UNMAP: the checks of their arguments, in Linux's order. */
#include "file/task.h"
#include "iommufd/iommufd_priv.h"
#include "iommufd/pages.h"

enum {
	MAP_PERMISSIONS = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE,
	MAP_FLAGS = MAP_PERMISSIONS | IOMMU_IOAS_MAP_FIXED_IOVA,
};

static unsigned prot_of(uint32_t flags)
{
	return (flags & IOMMU_IOAS_MAP_READABLE ? IOMMU_READ : 0) |
	       (flags & IOMMU_IOAS_MAP_WRITEABLE ? IOMMU_WRITE : 0);
}

/* What the three calls that map have in common. */
static int check_map(struct iommufd_call *c, const char *call, uint32_t flags, uint64_t iova, uint64_t len)
{
	if (flags & ~MAP_FLAGS)
		return refuse(c->ctx->trace, -EOPNOTSUPP, "%s: flags 0x%x", call, flags);
	if (iova == UINT64_MAX || len == UINT64_MAX)
		return refuse(c->ctx->trace, -EOVERFLOW, "%s: iova 0x%llx, length 0x%llx", call,
			      (unsigned long long)iova, (unsigned long long)len);
	if (!(flags & MAP_PERMISSIONS))
		return refuse(c->ctx->trace, -EINVAL, "%s: neither READABLE nor WRITEABLE", call);
	return 0;
}

static int refuse_ioas(struct iommufd_call *c, const char *call, uint32_t id)
{
	return refuse(c->ctx->trace, -ENOENT, "%s: no IOAS %u", call, id);
}

static int map_pages(struct iommufd_ioas *ioas, struct iopt_pages *pages, uint32_t flags, uint64_t *iova)
{
	struct iopt_slices slices = {.nr = 1, .one = {.pages = pages, .len = pages->len}};

	slices.list = &slices.one;
	return iopt_map(&ioas->iopt, &slices, prot_of(flags), flags & IOMMU_IOAS_MAP_FIXED_IOVA, iova);
}

static struct iopt_origin origin(struct iommufd_call *c)
{
	struct iommufd_system *system = c->ctx->system;

	return (struct iopt_origin){.cache = &system->pages_cache, .space = system->space, .task = c->task};
}

static int map_user(struct iommufd_call *c, struct iommufd_ioas *ioas, struct iommu_ioas_map *m)
{
	struct iopt_origin o = origin(c);
	struct iopt_pages *pages;
	int err;

	if (m->user_va > UINT64_MAX - m->length)
		return refuse(c->ctx->trace, -EOVERFLOW, "IOMMU_IOAS_MAP: user_va 0x%llx, length 0x%llx",
			      (unsigned long long)m->user_va, (unsigned long long)m->length);
	if (m->length == 0)
		return refuse(c->ctx->trace, -EINVAL, "IOMMU_IOAS_MAP: length 0");
	err = iopt_pages_create_user(&o, m->user_va, m->length, m->flags & IOMMU_IOAS_MAP_WRITEABLE, &pages);
	return err ? err : map_pages(ioas, pages, m->flags, (uint64_t *)&m->iova);
}

int iommufd_ioas_map_ioctl(struct iommufd_call *c, void *arg)
{
	struct iommu_ioas_map *m = arg;
	struct iommufd_ioas *ioas;
	int err;

	if (m->__reserved)
		return refuse(c->ctx->trace, -EOPNOTSUPP, "IOMMU_IOAS_MAP: __reserved is not 0");
	err = check_map(c, "IOMMU_IOAS_MAP", m->flags, m->iova, m->length);
	if (err)
		return err;
	ioas = iommufd_ioas_borrow(c->ctx, m->ioas_id);
	if (!ioas)
		return refuse_ioas(c, "IOMMU_IOAS_MAP", m->ioas_id);
	err = map_user(c, ioas, m);
	iommufd_object_return(&ioas->obj);
	return err;
}

/*
 * An fd that is open but neither memfd nor dma-buf is accepted until its memory is asked for, which is when the first
 * domain comes: that is where Linux finds out.
 */
static int memory_file_pages(struct iommufd_call *c, const struct iommu_ioas_map_file *m, struct iopt_pages **pages)
{
	struct iopt_origin o = origin(c);
	struct memory_file mf;
	int found = c->task->ops->memory_file_get(c->task, m->fd, &mf), err;

	if (found == -EBADF)
		return refuse(c->ctx->trace, found, "IOMMU_IOAS_MAP_FILE: fd %d is not open", m->fd);
	err = iopt_pages_create_file(&o, found ? NULL : &mf, found, m->start, m->length,
				     m->flags & IOMMU_IOAS_MAP_WRITEABLE, pages);
	if (err && !found)
		c->task->ops->memory_file_put(&mf);
	return err;
}

static int file_pages(struct iommufd_call *c, const struct iommu_ioas_map_file *m, struct iopt_pages **pages)
{
	struct file *f = c->task->ops->file_get(c->task, m->fd);
	struct iopt_origin o = origin(c);
	int err;

	if (!f)
		return memory_file_pages(c, m, pages);
	if (dma_buf_from_file(f))
		err = iopt_pages_create_dmabuf(&o, f, m->start, m->length, m->flags & IOMMU_IOAS_MAP_WRITEABLE, pages);
	else
		err = iopt_pages_create_file(&o, NULL, -EINVAL, m->start, m->length, false, pages);
	file_put(f);
	return err;
}

static int map_file(struct iommufd_call *c, struct iommufd_ioas *ioas, struct iommu_ioas_map_file *m)
{
	struct iopt_pages *pages;
	int err;

	if (m->length == 0)
		return refuse(c->ctx->trace, -EINVAL, "IOMMU_IOAS_MAP_FILE: length 0");
	if (m->start > UINT64_MAX - (m->length - 1))
		return refuse(c->ctx->trace, -EOVERFLOW, "IOMMU_IOAS_MAP_FILE: start 0x%llx, length 0x%llx",
			      (unsigned long long)m->start, (unsigned long long)m->length);
	err = file_pages(c, m, &pages);
	return err ? err : map_pages(ioas, pages, m->flags, (uint64_t *)&m->iova);
}

int iommufd_ioas_map_file_ioctl(struct iommufd_call *c, void *arg)
{
	struct iommu_ioas_map_file *m = arg;
	struct iommufd_ioas *ioas;
	int err;

	err = check_map(c, "IOMMU_IOAS_MAP_FILE", m->flags, m->iova, m->length);
	if (err)
		return err;
	ioas = iommufd_ioas_borrow(c->ctx, m->ioas_id);
	if (!ioas)
		return refuse_ioas(c, "IOMMU_IOAS_MAP_FILE", m->ioas_id);
	err = map_file(c, ioas, m);
	iommufd_object_return(&ioas->obj);
	return err;
}

static int copy_slices(struct iommufd_call *c, const struct iommu_ioas_copy *m, struct iopt_slices *slices)
{
	struct iommufd_ioas *src = iommufd_ioas_borrow(c->ctx, m->src_ioas_id);
	uint64_t last;
	int err;

	if (!src)
		return refuse_ioas(c, "IOMMU_IOAS_COPY", m->src_ioas_id);
	if (m->length == 0)
		err = refuse(c->ctx->trace, -EINVAL, "IOMMU_IOAS_COPY: length 0");
	else if (__builtin_add_overflow(m->src_iova, m->length - 1, &last))
		err = refuse(c->ctx->trace, -EOVERFLOW, "IOMMU_IOAS_COPY: src_iova 0x%llx, length 0x%llx",
			     (unsigned long long)m->src_iova, (unsigned long long)m->length);
	else
		err = iopt_slices_get(&src->iopt, m->src_iova, last, slices);
	iommufd_object_return(&src->obj);
	return err;
}

int iommufd_ioas_copy_ioctl(struct iommufd_call *c, void *arg)
{
	struct iommu_ioas_copy *m = arg;
	struct iopt_slices slices;
	struct iommufd_ioas *dst;
	int err;

	err = check_map(c, "IOMMU_IOAS_COPY", m->flags, MAX(m->dst_iova, m->src_iova), m->length);
	if (err)
		return err;
	err = copy_slices(c, m, &slices);
	if (err)
		return err;
	dst = iommufd_ioas_borrow(c->ctx, m->dst_ioas_id);
	if (!dst) {
		iopt_slices_put(&slices);
		return refuse_ioas(c, "IOMMU_IOAS_COPY", m->dst_ioas_id);
	}
	err = iopt_map(&dst->iopt, &slices, prot_of(m->flags), m->flags & IOMMU_IOAS_MAP_FIXED_IOVA,
		       (uint64_t *)&m->dst_iova);
	iommufd_object_return(&dst->obj);
	return err;
}

static int unmap(struct iommufd_call *c, struct iommufd_ioas *ioas, struct iommu_ioas_unmap *m)
{
	bool everything = m->iova == 0 && m->length == UINT64_MAX;
	uint64_t last = UINT64_MAX, unmapped;
	int err;

	if (!everything) {
		if (m->iova == UINT64_MAX || m->length == UINT64_MAX ||
		    (m->length && __builtin_add_overflow(m->iova, m->length - 1, &last)))
			return refuse(c->ctx->trace, -EOVERFLOW, "IOMMU_IOAS_UNMAP: iova 0x%llx, length 0x%llx",
				      (unsigned long long)m->iova, (unsigned long long)m->length);
		if (m->length == 0)
			return refuse(c->ctx->trace, -EINVAL, "IOMMU_IOAS_UNMAP: length 0");
	}
	err = iopt_unmap(&ioas->iopt, m->iova, last, everything, &unmapped);
	if (!err)
		m->length = unmapped;
	return err;
}

int iommufd_ioas_unmap_ioctl(struct iommufd_call *c, void *arg)
{
	struct iommu_ioas_unmap *m = arg;
	struct iommufd_ioas *ioas = iommufd_ioas_borrow(c->ctx, m->ioas_id);
	int err;

	if (!ioas)
		return refuse_ioas(c, "IOMMU_IOAS_UNMAP", m->ioas_id);
	err = unmap(c, ioas, m);
	iommufd_object_return(&ioas->obj);
	return err;
}

/* Nothing is accounted, so there is nothing to move; what the call refuses is refused. */
int iommufd_ioas_change_process_ioctl(struct iommufd_call *c, void *arg)
{
	const struct iommu_ioas_change_process *a = arg;
	struct iommufd_object *obj;
	int err = 0;

	if (a->__reserved)
		return refuse(c->ctx->trace, -EOPNOTSUPP, "IOMMU_IOAS_CHANGE_PROCESS: __reserved is not 0");
	mutex_lock(&c->ctx->lock);
	for (uint32_t id = 0; !err && (obj = ids_next(&c->ctx->objects, &id)); id++)
		if (obj->type == &iommufd_type_ioas &&
		    iopt_has_user_memory(&container_of(obj, struct iommufd_ioas, obj)->iopt))
			err = -EINVAL;
	mutex_unlock(&c->ctx->lock);
	return err ? refuse(c->ctx->trace, err, "IOMMU_IOAS_CHANGE_PROCESS: an area is of IOMMU_IOAS_MAP") : 0;
}
