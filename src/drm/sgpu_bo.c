/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Buffer objects of the driver's own: local memory, in as many runs as it takes, or system memory. Each is a dma-buf
 * from the beginning; a handle, a job and a mapping hold its file, and exporting it is one more fd.
 *
 * Local memory is behind a BAR, so it goes away with it: the function's gate revokes such objects while the function is
 * reset or does not decode, and for good when the driver lets go of it.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "dmabuf/cpu_mapping.h"
#include "drm/sgpu_priv.h"
#include "memory/section.h"
#include "pci/topology.h"

static void client_revoke(struct gate_client *c, bool for_good)
{
	dma_buf_revoke(container_of(c, struct sgpu_bo, client)->buf, for_good);
}

static void client_restore(struct gate_client *c)
{
	dma_buf_restore(container_of(c, struct sgpu_bo, client)->buf);
}

/* Jobs that were given to the ring before end on the memory. */
static void client_settle(struct gate_client *c)
{
	struct sgpu_bo *bo = container_of(c, struct sgpu_bo, client);

	dma_buf_settle(bo->buf, bo->gpu->fn->name);
}

static const struct gate_client_ops client_ops = {
	.revoke = client_revoke, .restore = client_restore, .settle = client_settle};

static int bo_map_phys(struct dma_buf_attachment *a, const struct dma_buf_phys_list **list)
{
	*list = &((struct sgpu_bo *)a->buf->priv)->list;
	return 0;
}

static const struct dma_buf_phys_ops phys_ops = {.map = bo_map_phys};

static const struct dma_buf_phys_list *bo_layout(struct dma_buf *b)
{
	return &((struct sgpu_bo *)b->priv)->list;
}

static void mapping_gone(void *file)
{
	file_put(file);
}

/* mmap of the dma-buf's own fd, or of the render node at the object's offset: the same mapping. */
static int64_t bo_mmap(struct dma_buf *b, struct task *t, const struct mmap_request *req)
{
	struct sgpu_bo *bo = b->priv;
	struct cpu_mapping_how how = {.space = bo->gpu->fn->root->space,
				      .offset = req->offset,
				      .denied_prot = PROT_EXEC,
				      .on_gone = mapping_gone,
				      .arg = b->file};
	int64_t addr;

	if ((req->flags & MAP_TYPE) == MAP_PRIVATE)
		return refuse(bo->gpu->trace, -EINVAL, "mmap of a buffer object: it can only be mapped shared");
	file_get(b->file);
	addr = cpu_mapping_create(b, t, req, &how);
	if (addr < 0)
		file_put(b->file);
	return addr;
}

static void backing_release(struct sgpu_bo *bo)
{
	struct sgpu *gpu = bo->gpu;

	if (bo->local)
		sgpu_local_free(gpu, bo->fragments, bo->nr_entries);
	else if (bo->nr_entries)
		dma_unmap_drain(gpu->dma, bo->entries[0].addr, bo->size);
	system_memory_destroy(bo->memory);
	free(bo->entries);
	free(bo->ranges);
	free(bo->fragments);
	free(bo);
	sgpu_put(gpu);
}

static void bo_release(struct dma_buf *b)
{
	struct sgpu_bo *bo = b->priv;
	struct pci_gate *gate = &bo->gpu->fn->gate;

	if (bo->local) {
		mutex_lock(&gate->lock);
		pci_gate_remove_client_locked(gate, &bo->client);
		mutex_unlock(&gate->lock);
	}
	section_drain(phys_sections(bo->gpu->fn->root->space));
	backing_release(bo);
}

static const struct dma_buf_ops local_ops = {
	.name = "sgpu", .may_revoke = true, .layout = bo_layout, .mmap = bo_mmap, .release = bo_release};
static const struct dma_buf_ops system_ops = {
	.name = "sgpu system memory", .layout = bo_layout, .mmap = bo_mmap, .release = bo_release};

static int take_local(struct sgpu_bo *bo)
{
	phys_t base = bo->gpu->fn->bars[SGPU_BAR_MEMORY].base;
	uint64_t left = bo->size;
	unsigned nr;
	int err = sgpu_local_alloc(bo->gpu, bo->size, bo->fragments, GPU_MAX_FRAGMENTS, &nr);

	if (err)
		return refuse(bo->gpu->trace, err, "a buffer object of 0x%llx bytes: local memory has not as much free",
			      (unsigned long long)bo->size);
	for (unsigned i = 0; i < nr; i++) {
		const struct pci_fragment *f = &bo->fragments[i];
		uint64_t len = MIN(f->len, left);

		bo->entries[i] = (struct sgpu_entry){f->offset, len, true};
		bo->ranges[i] = (struct phys_range){base + f->offset, len};
		left -= len;
	}
	bo->nr_entries = nr;
	return 0;
}

static int take_system(struct sgpu_bo *bo)
{
	dma_addr_t addr;
	int err = system_memory_create(bo->gpu->fn->root->space, bo->size, &bo->memory);

	if (err)
		return err;
	bo->ranges[0] = (struct phys_range){bo->memory->region.base, bo->size};
	err = dma_map_phys(bo->gpu->dma, bo->ranges, 1, NULL, IOMMU_READ | IOMMU_WRITE, &addr);
	if (err)
		return err;
	bo->entries[0] = (struct sgpu_entry){addr, bo->size, false};
	bo->nr_entries = 1;
	return 0;
}

static void bo_offer(struct sgpu_bo *bo)
{
	bo->peer.provider = bo->local ? bo->gpu->fn : NULL;
	bo->list = (struct dma_buf_phys_list){bo->ranges, bo->nr_entries, bo->peer.provider};
	bo->offers[0] = (struct dma_buf_match){.type = &dma_buf_type_phys, .ops = &phys_ops};
	bo->offers[1] = (struct dma_buf_match){&dma_buf_type_sgt, &dma_buf_sgt_of_layout, &bo->peer};
	bo->buf->offers = bo->offers;
	bo->buf->nr_offers = ARRAY_SIZE(bo->offers);
}

/* From here on the gate speaks to it. */
static int bo_publish(struct sgpu_bo *bo)
{
	struct pci_gate *gate = &bo->gpu->fn->gate;
	int err = 0;

	mutex_lock(&gate->lock);
	if (atomic_load(&bo->gpu->unplugged) || gate->reasons & (GATE_CLOSED | GATE_GONE)) {
		err = -ENODEV;
	} else {
		if (!pci_gate_is_open(gate))
			dma_buf_revoke(bo->buf, false);
		pci_gate_add_client_locked(gate, &bo->client);
	}
	mutex_unlock(&gate->lock);
	return err;
}

static struct sgpu_bo *bo_alloc(struct sgpu *gpu, uint64_t size, bool local)
{
	struct sgpu_bo *bo = calloc(1, sizeof(*bo));

	if (!bo)
		return NULL;
	bo->gpu = gpu;
	bo->size = size;
	bo->local = local;
	bo->client.ops = &client_ops;
	list_init(&bo->client.node);
	bo->entries = calloc(GPU_MAX_FRAGMENTS, sizeof(*bo->entries));
	bo->ranges = calloc(GPU_MAX_FRAGMENTS, sizeof(*bo->ranges));
	bo->fragments = calloc(GPU_MAX_FRAGMENTS, sizeof(*bo->fragments));
	sgpu_get(gpu);
	if (bo->entries && bo->ranges && bo->fragments)
		return bo;
	backing_release(bo);
	return NULL;
}

int sgpu_bo_create(struct sgpu *gpu, uint64_t size, bool local, struct sgpu_bo **out)
{
	struct sgpu_bo *bo = bo_alloc(gpu, size, local);
	int err;

	if (!bo)
		return -ENOMEM;
	err = local ? take_local(bo) : take_system(bo);
	if (!err)
		err = dma_buf_create(local ? &local_ops : &system_ops, bo, size, O_RDWR, true, gpu->registry, &bo->buf);
	if (err) {
		backing_release(bo);
		return err;
	}
	bo_offer(bo);
	err = local ? bo_publish(bo) : 0;
	if (err) {
		file_put(bo->buf->file);
		return err;
	}
	*out = bo;
	return 0;
}

void sgpu_bo_get(struct sgpu_bo *bo)
{
	if (bo->imported)
		atomic_fetch_add(&bo->refs, 1);
	else
		file_get(bo->buf->file);
}

void sgpu_bo_put(struct sgpu_bo *bo)
{
	if (!bo->imported)
		file_put(bo->buf->file);
	else if (atomic_fetch_sub(&bo->refs, 1) == 1)
		sgpu_import_release(bo);
}

struct sgpu_bo *sgpu_bo_from_file(struct sgpu *gpu, struct file *f)
{
	struct dma_buf *b = dma_buf_from_file(f);
	struct sgpu_bo *bo = b && (b->ops == &local_ops || b->ops == &system_ops) ? b->priv : NULL;

	return bo && bo->gpu == gpu ? bo : NULL;
}

/* An import is its exporter's to map, as its fd is. */
int64_t sgpu_bo_mmap(struct sgpu_bo *bo, struct task *t, const struct mmap_request *req, uint64_t offset)
{
	struct mmap_request of_buffer = *req;

	of_buffer.offset = offset;
	return bo->buf->file->ops->mmap(bo->buf->file, t, &of_buffer);
}

int sgpu_bo_validate_locked(struct sgpu_bo *bo)
{
	dma_buf_assert_held(bo->buf);
	if (bo->imported)
		return sgpu_import_validate_locked(bo);
	return bo->buf->state == DMA_BUF_USABLE ? 0 : -ENODEV;
}

void sgpu_bo_describe(struct sgpu_bo *bo, struct drm_sgpu_bo_info *info)
{
	info->flags = bo->imported ? DRM_SGPU_BO_IMPORTED | (bo->pinned ? DRM_SGPU_BO_PINNED : 0)
				   : (bo->local ? DRM_SGPU_BO_LOCAL : 0);
	info->size = bo->size;
	memset(info->mapping_type, 0, sizeof(info->mapping_type));
	dma_buf_lock(bo->buf);
	if (bo->buf->state != DMA_BUF_USABLE || bo->lost)
		info->flags |= DRM_SGPU_BO_REVOKED;
	if (bo->imported && bo->local)
		info->flags |= DRM_SGPU_BO_INTERCONNECT;
	info->nr_entries = bo->nr_entries;
	if (bo->imported)
		snprintf(info->mapping_type, sizeof(info->mapping_type), "%s", bo->attachment->type->name);
	dma_buf_unlock(bo->buf);
}
