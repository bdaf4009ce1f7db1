/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of drm/ share. */
#ifndef BARTER_DRM_SGPU_PRIV_H
#define BARTER_DRM_SGPU_PRIV_H

#include <drm/sgpu_drm.h>
#include <stdatomic.h>

#include "base/condition.h"
#include "base/ids.h"
#include "base/trace.h"
#include "base/work.h"
#include "dma/dma.h"
#include "dmabuf/dmabuf.h"
#include "dmabuf/type_phys.h"
#include "dmabuf/type_sgt.h"
#include "drm/sgpu.h"
#include "fence/dma_resv.h"
#include "model/gpu_regs.h"
#include "pci/sriov.h"
#include "sched/sched.h"

enum { SGPU_GRANULE = 65536, SGPU_MAX_OPS = 64, SGPU_BAR_MEMORY = 2 };

/* A run of addresses as the ring uses them. */
struct sgpu_entry {
	uint64_t addr, len;
	bool local; /* an offset in local memory; else a DMA address */
};

struct sgpu_slice {
	struct pci_fragment fragments[GPU_MAX_FRAGMENTS];
	unsigned nr;
};

/* What an attribute of a virtual function's slice belongs to. */
struct sgpu_slice_file {
	struct sgpu *gpu;
	unsigned vf;
};

struct sgpu {
	atomic_int refs; /* the function's while it is bound, files, buffers */
	struct pci_function *fn;
	struct dma_device *dma;
	struct dma_buf_registry *registry;
	struct trace *trace;
	struct sgpu_place place;
	struct ns_node *admin;	  /* sriov_admin */
	struct ns_node *nodes[4]; /* sgpu_node.c */
	atomic_uint nr_clients;	  /* that have had it open */
	struct sgpu_slice_file slice_files[PCI_MAX_VFS];
	uint64_t local_size;
	atomic_bool unplugged; /* the driver has let go of the function */

	struct mutex slice_lock; /* one who writes the registers of slices at a time */
	struct mutex lock;	 /* a leaf: guards all below */
	uint64_t *taken;	 /* a bit a granule of local memory */
	uint64_t nr_free;
	struct sgpu_slice slices[PCI_MAX_VFS];

	/* sgpu_ring.c */
	struct sgpu_ring *ring; /* NULL: the driver has let go of the function */
	unsigned nr_entered;	/* who uses it */
	bool ring_gone;
	struct condition ring_changed;
};

static inline void sgpu_get(struct sgpu *gpu)
{
	atomic_fetch_add(&gpu->refs, 1);
}
void sgpu_put(struct sgpu *gpu); /* without locks */

/*
 * A buffer object. Each is a dma-buf, its own or one that was imported, and buf->resv is its reservation object, whose
 * lock guards the entries. Own ones live as long as the file of their dma-buf does; imports count references.
 */
struct sgpu_bo {
	struct sgpu *gpu;
	uint64_t size;
	struct dma_buf *buf;
	bool imported; /* immutable */
	bool local;    /* own: immutable; imports: reached as local memory at the moment */
	struct sgpu_entry *entries;
	unsigned nr_entries; /* 0: revoked, or an import that was not used since it last changed */

	/* Own. */
	struct pci_fragment *fragments; /* of local memory */
	struct phys_range *ranges;
	struct dma_buf_phys_list list;
	struct dma_buf_sgt_exporter peer;
	struct dma_buf_match offers[2];
	struct system_memory *memory; /* NULL: local */
	struct gate_client client;    /* of the function's gate, for local memory */

	/* Imported. */
	atomic_int refs;
	bool pinned; /* does not come back once it was revoked */
	bool lost;   /* and was */
	unsigned max_entries;
	struct dma_buf_attachment *attachment;
	_Atomic unsigned invalidations; /* what was made of the entries before counts no more */
};

/* sgpu_memory.c: local memory in granules, in at most max runs, cleared. -ENOSPC. */
int sgpu_local_init(struct sgpu *gpu);
void sgpu_local_fini(struct sgpu *gpu);
int sgpu_local_alloc(struct sgpu *gpu, uint64_t len, struct pci_fragment *runs, unsigned max, unsigned *nr);
void sgpu_local_free(struct sgpu *gpu, const struct pci_fragment *runs, unsigned nr);
uint64_t sgpu_local_nr_free(struct sgpu *gpu); /* bytes */

/* sgpu_bo.c: one reference. size: not 0, page aligned. */
int sgpu_bo_create(struct sgpu *gpu, uint64_t size, bool local, struct sgpu_bo **out);
void sgpu_bo_get(struct sgpu_bo *bo);
void sgpu_bo_put(struct sgpu_bo *bo);				     /* without locks */
struct sgpu_bo *sgpu_bo_from_file(struct sgpu *gpu, struct file *f); /* an own one; borrowed */
int64_t sgpu_bo_mmap(struct sgpu_bo *bo, struct task *t, const struct mmap_request *req, uint64_t offset);
/* All but the handle. */
void sgpu_bo_describe(struct sgpu_bo *bo, struct drm_sgpu_bo_info *info);
/*
 * buf->resv held: entries are there, made anew after an invalidation. -ENODEV: revoked, -EACCES: not the virtual
 * function's own. Then there are none.
 */
int sgpu_bo_validate_locked(struct sgpu_bo *bo);

/* sgpu_import.c: a dma-buf of somebody else, with one reference. pinned: DRM_SGPU_BO_PINNED. */
int sgpu_import(struct sgpu *gpu, struct task *t, struct file *f, bool pinned, struct sgpu_bo **out);
void sgpu_import_release(struct sgpu_bo *bo);
int sgpu_import_validate_locked(struct sgpu_bo *bo);

/* sgpu_slice.c */
int sgpu_slice_translate(struct sgpu *gpu, struct pci_function *vf, uint64_t offset, uint64_t len,
			 struct sgpu_entry *out, unsigned max);
int sgpu_slice_set(struct sgpu *gpu, unsigned vf, uint64_t len);
uint64_t sgpu_slice_len(struct sgpu *gpu, unsigned vf);
/* After a reset has taken them all away: as they were. */
void sgpu_slices_restore(struct sgpu *gpu);
/* sgpu_sysfs.c */
int sgpu_sysfs_add(struct sgpu *gpu);
void sgpu_sysfs_remove(struct sgpu *gpu);

/* sgpu_node.c: the render node, and what /sys shows of it. */
int sgpu_node_add(struct sgpu *gpu);
void sgpu_node_remove(struct sgpu *gpu);
/* sgpu_file.c: an ns_open_fn. */
int sgpu_open(void *priv, struct task *t, int open_flags, struct file **out);

static inline void sgpu_write(struct sgpu *gpu, unsigned reg, uint32_t value)
{
	pci_mmio_write(gpu->fn, 0, reg, value, 4);
}
static inline void sgpu_write64(struct sgpu *gpu, unsigned reg, uint64_t value)
{
	pci_mmio_write(gpu->fn, 0, reg, value, 8);
}

#endif
