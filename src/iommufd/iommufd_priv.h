/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Contexts, objects and the dispatcher of /dev/iommu.
 *
 * An object is born in two phases: iommufd_object_new() reserves its id, which nobody can look up yet; the dispatcher
 * finalizes it when the whole call has succeeded, its answer written, and aborts it otherwise. So a handler cannot
 * publish something that still fails. type->destroy() therefore copes with an object that is only partly built.
 *
 * Two counts keep an object: `users` are other objects that stand on it (IOMMU_DESTROY answers EBUSY), `borrows` are
 * calls that are using it just now (IOMMU_DESTROY waits for them).
 */
#ifndef BARTER_IOMMUFD_PRIV_H
#define BARTER_IOMMUFD_PRIV_H

#include <linux/iommufd.h>

#include "base/ids.h"
#include "base/lock.h"
#include "base/trace.h"
#include "iommufd/iommufd.h"
#include "iommufd/iopt.h"
#include "iommufd/pages.h"

/* What /dev/iommu stands for: all contexts of one machine, and which of them owns an IOMMU group. */
struct iommufd_system {
	struct phys_space *space;
	struct trace *trace;
	struct iopt_pages_cache pages_cache;
	struct mutex group_lock; /* guards groups and all that hangs below them: binding and attachment */
	struct list groups;
};

struct iommufd_ctx {
	struct iommufd_system *system;
	struct trace *trace;
	struct file *file;
	struct mutex lock; /* guards all below */
	struct ids objects;
	uint32_t vfio_ioas_id; /* IOMMU_VFIO_IOAS; 0: none */
	bool account_by_process;
};

struct iommufd_object;

struct iommufd_object_type {
	const char *name; /* as the report counts it */
	size_t size;
	/* Releases what the object holds, but not its memory. No lock is held. Copes with a half-built object. */
	void (*destroy)(struct iommufd_object *obj);
};

struct iommufd_object {
	const struct iommufd_object_type *type;
	struct iommufd_ctx *ctx;
	uint32_t id;
	atomic_uint users, borrows;
};

extern const struct iommufd_object_type iommufd_type_ioas, iommufd_type_hwpt, iommufd_type_device;

/* NULL: out of memory. */
struct iommufd_object *iommufd_object_new(struct iommufd_ctx *ctx, const struct iommufd_object_type *type);
void iommufd_object_finalize(struct iommufd_object *obj);
/* Destroys an object that nobody can look up: reserved, or removed from the table. */
void iommufd_object_abort(struct iommufd_object *obj);
/* type NULL: any. NULL when there is none of that type. */
struct iommufd_object *iommufd_object_borrow(struct iommufd_ctx *ctx, uint32_t id,
					     const struct iommufd_object_type *type);
void iommufd_object_return(struct iommufd_object *obj);
/* -ENOENT, -EBUSY. */
int iommufd_object_destroy(struct iommufd_ctx *ctx, uint32_t id);
/* For the one who holds the last user: waits for borrowers, then destroys. */
void iommufd_object_retire(struct iommufd_object *obj);

static inline void iommufd_object_use(struct iommufd_object *obj)
{
	atomic_fetch_add(&obj->users, 1);
}

static inline unsigned iommufd_object_unuse(struct iommufd_object *obj)
{
	return atomic_fetch_sub(&obj->users, 1) - 1;
}

struct iommufd_ioas {
	struct iommufd_object obj;
	struct iopt iopt;
	struct list hwpts; /* guarded by the system's group lock: automatic page tables that devices can share */
};

struct iommufd_hwpt {
	struct iommufd_object obj;
	struct iommufd_ioas *ioas; /* used; NULL while half built */
	struct iommu_unit *unit;
	struct iopt_domain domain;
	bool automatic;	  /* made by an attach, destroyed by the last detach */
	struct list node; /* ioas->hwpts, when automatic */
};

struct iommufd_group; /* device.c */

struct iommufd_device {
	struct iommufd_object obj;
	struct pci_function *fn;
	struct iommufd_group *group;
	struct list node; /* group->devices */
	bool attached;
	struct iopt_reserved msi; /* in the IOAS it is attached to */
};

/* One call on its way through the dispatcher. */
struct iommufd_call {
	struct iommufd_ctx *ctx;
	struct task *task;
	uaddr_t user;
	struct iommufd_object *born; /* finalized or aborted by the dispatcher */
	bool answer_refusal;	     /* the structure goes back to the program although the call is refused */
};

/* A handler gets the structure, zero-filled beyond what the program gave. */
typedef int (*iommufd_handler)(struct iommufd_call *c, void *arg);

int iommufd_destroy_ioctl(struct iommufd_call *c, void *arg);
int iommufd_ioas_alloc_ioctl(struct iommufd_call *c, void *arg);
int iommufd_ioas_iova_ranges_ioctl(struct iommufd_call *c, void *arg);
int iommufd_ioas_allow_iovas_ioctl(struct iommufd_call *c, void *arg);
int iommufd_ioas_map_ioctl(struct iommufd_call *c, void *arg);
int iommufd_ioas_map_file_ioctl(struct iommufd_call *c, void *arg);
int iommufd_ioas_copy_ioctl(struct iommufd_call *c, void *arg);
int iommufd_ioas_unmap_ioctl(struct iommufd_call *c, void *arg);
int iommufd_ioas_change_process_ioctl(struct iommufd_call *c, void *arg);
int iommufd_option_ioctl(struct iommufd_call *c, void *arg);
int iommufd_vfio_ioas_ioctl(struct iommufd_call *c, void *arg);
int iommufd_hwpt_alloc_ioctl(struct iommufd_call *c, void *arg);
int iommufd_get_hw_info_ioctl(struct iommufd_call *c, void *arg);
/* absent.c: what Linux answers where the hardware lacks it. */
int iommufd_hwpt_set_dirty_tracking_ioctl(struct iommufd_call *c, void *arg);
int iommufd_hwpt_get_dirty_bitmap_ioctl(struct iommufd_call *c, void *arg);
int iommufd_hwpt_invalidate_ioctl(struct iommufd_call *c, void *arg);
int iommufd_viommu_alloc_ioctl(struct iommufd_call *c, void *arg);
int iommufd_vdevice_alloc_ioctl(struct iommufd_call *c, void *arg);
int iommufd_veventq_alloc_ioctl(struct iommufd_call *c, void *arg);
int iommufd_hw_queue_alloc_ioctl(struct iommufd_call *c, void *arg);
int iommufd_ioas_noiommu_get_pa_ioctl(struct iommufd_call *c, void *arg);

/* describe.c */
int iommufd_map_describe(const void *arg, char *buf, size_t len);
int iommufd_map_file_describe(const void *arg, char *buf, size_t len);
int iommufd_copy_describe(const void *arg, char *buf, size_t len);
int iommufd_unmap_describe(const void *arg, char *buf, size_t len);

/* Makes a page table for devices behind a unit and fills it with the areas of the IOAS. Uses the IOAS. */
int iommufd_hwpt_create(struct iommufd_ctx *ctx, struct iommufd_ioas *ioas, struct iommu_unit *unit,
			struct iommufd_hwpt **out);

static inline struct iommufd_ioas *iommufd_ioas_borrow(struct iommufd_ctx *ctx, uint32_t id)
{
	struct iommufd_object *obj = iommufd_object_borrow(ctx, id, &iommufd_type_ioas);
	return obj ? container_of(obj, struct iommufd_ioas, obj) : NULL;
}

static inline struct iommufd_device *iommufd_device_borrow(struct iommufd_ctx *ctx, uint32_t id)
{
	struct iommufd_object *obj = iommufd_object_borrow(ctx, id, &iommufd_type_device);
	return obj ? container_of(obj, struct iommufd_device, obj) : NULL;
}

#endif
