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
struct iommufd_system;
struct iommufd_ctx;
struct iommufd_device;

/* Adds /dev/iommu (0666, misc 10:126). What it returns knows who owns which IOMMU group. -ENOMEM. */
int iommufd_register(struct ns *ns, struct phys_space *space, struct trace *trace, struct iommufd_system **out);
/* No context is open any more. */
void iommufd_unregister(struct iommufd_system *system);

/* The context behind a file; takes a reference to the file. NULL: not /dev/iommu. */
struct iommufd_ctx *iommufd_ctx_from_file(struct file *f);
/* May release the context: call without locks. */
void iommufd_ctx_put(struct iommufd_ctx *ctx);

/*
 * Binds a function: an object of type device with an id. The caller's reference to the context must last until unbind.
 * -EBUSY when it is bound already, to any context; -EPERM when another context has bound a function of its group.
 * iommufd_device_unbind() detaches it if need be. All of these may be called under LOCK_RANK_VFIO_DEVICE.
 */
int iommufd_device_bind(struct iommufd_ctx *ctx, struct pci_function *fn, struct iommufd_device **out, uint32_t *id);
void iommufd_device_unbind(struct iommufd_device *idev);
/*
 * Attaches to an IOAS (an automatic HWPT is made or shared) or an HWPT; *pt_id becomes the HWPT's id. Replaces an
 * attachment that exists, without a gap. -ENOENT no such object; -EINVAL another type, or the group stands elsewhere;
 * -EADDRINUSE areas or allowed ranges lie where the device cannot go; -EFAULT an area's memory is gone; -ENOMEM.
 */
int iommufd_device_attach(struct iommufd_device *idev, uint32_t *pt_id);
/* Without a wait for anything but DMA in flight. Nothing happens when it is not attached. */
void iommufd_device_detach(struct iommufd_device *idev);

#endif
