/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * iommufd as other subsystems see it: a context behind /dev/iommu, and the devices bound to it. The ioctls are reached
 * through the file.
 *
 * Who may include this: iommufd/, vfio/, the assembly of a machine.
 */
#ifndef BARTER_IOMMUFD_IOMMUFD_H
#define BARTER_IOMMUFD_IOMMUFD_H

#include "base/types.h"
#include "file/file.h"
#include "file/ns.h"

struct pci_function;
struct phys_space;
struct iommufd_ctx;
struct iommufd_device;

/* Adds /dev/iommu (0666, misc 10:126 or whatever Linux shows). */
int iommufd_register(struct ns *ns, struct phys_space *space, struct trace *trace);

/* The context behind a file; takes a reference to the file's context. NULL: not /dev/iommu. */
struct iommufd_ctx *iommufd_ctx_from_file(struct file *f);
void iommufd_ctx_put(struct iommufd_ctx *ctx);

/*
 * Binds a function: an object of type device with an id. -EBUSY when it is bound already, to any context.
 * iommufd_device_unbind() needs it detached.
 */
int iommufd_device_bind(struct iommufd_ctx *ctx, struct pci_function *fn, struct iommufd_device **out, uint32_t *id);
void iommufd_device_unbind(struct iommufd_device *idev);
/*
 * Attaches to an IOAS (an automatic HWPT is made or shared) or an HWPT; *pt_id becomes the HWPT's id. Replaces an
 * attachment that exists. -ENOENT, -EINVAL as Linux; -EADDRINUSE ... when reserved IOVAs are mapped.
 */
int iommufd_device_attach(struct iommufd_device *idev, uint32_t *pt_id);
void iommufd_device_detach(struct iommufd_device *idev);

#endif
