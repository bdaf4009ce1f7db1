/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The driver's own ioctls of /dev/dri/renderD128: sgpu, the driver of the `gpu` device, which is SR-IOV's physical
 * function with local memory. Beside DRM's own ones (version, GEM close, PRIME, sync objects).
 */
#ifndef _SGPU_DRM_H_
#define _SGPU_DRM_H_

#include "drm.h"

#define DRM_SGPU_INFO 0x00
#define DRM_SGPU_BO_CREATE 0x01
#define DRM_SGPU_BO_INFO 0x02
#define DRM_SGPU_BO_MMAP 0x03
#define DRM_SGPU_SUBMIT 0x04
#define DRM_SGPU_QUEUE_CREATE 0x05
#define DRM_SGPU_QUEUE_DESTROY 0x06
#define DRM_SGPU_BO_IMPORT 0x07

struct drm_sgpu_info {
	__u64 local_size; /* bytes of local memory */
	__u64 local_free;
	__u32 total_vfs;
	__u32 enabled_vfs;
};

#define DRM_SGPU_BO_LOCAL 0x1u /* in local memory; else in system memory */
struct drm_sgpu_bo_create {
	__u64 size; /* a multiple of 4096 */
	__u32 flags;
	__u32 handle; /* out */
};

#define DRM_SGPU_BO_IMPORTED 0x2u     /* from a dma-buf */
#define DRM_SGPU_BO_INTERCONNECT 0x4u /* reached as local memory through a private interconnect, never over PCIe */
#define DRM_SGPU_BO_REVOKED 0x8u      /* the exporter has taken it away */
#define DRM_SGPU_BO_PINNED 0x10u      /* was imported pinned: never comes back once revoked */
struct drm_sgpu_bo_info {
	__u32 handle;
	__u32 flags;	  /* out */
	__u64 size;	  /* out */
	__u32 nr_entries; /* out: address ranges that it is made of, as the ring uses them */
	__u32 pad;
	char mapping_type[32]; /* out: what was negotiated with the exporter; "" when not imported */
};

/* As PRIME_FD_TO_HANDLE. flags: 0, or DRM_SGPU_BO_PINNED: it is not to move, and need not come back once revoked. */
struct drm_sgpu_bo_import {
	__s32 fd;
	__u32 flags;
	__u32 handle; /* out */
	__u32 pad;
};

/* An offset for mmap(2) of the node. */
struct drm_sgpu_bo_mmap {
	__u32 handle;
	__u32 pad;
	__u64 offset; /* out */
};

/*
 * A queue: jobs of one run in the order of their submission. priority: 0 low, 1 normal, 2 high.
 * DRM_SGPU_QUEUE_DESTROY of one with jobs ends them: those that have not run finish with an error.
 */
struct drm_sgpu_queue_create {
	__u32 priority;
	__u32 id; /* out */
};

struct drm_sgpu_queue_destroy {
	__u32 id;
	__u32 pad;
};

#define DRM_SGPU_OP_COPY 0
#define DRM_SGPU_OP_FILL 1 /* source_offset is the byte */
#define DRM_SGPU_OP_HANG 2 /* for tests of recovery */
struct drm_sgpu_op {
	__u32 op;
	__u32 source, target; /* handles */
	__u32 pad;
	__u64 source_offset, target_offset, length;
};

#define DRM_SGPU_SUBMIT_FENCE_IN 0x1u  /* fence_in: a sync file to wait for */
#define DRM_SGPU_SUBMIT_FENCE_OUT 0x2u /* fence_out: a sync file of the job */
#define DRM_SGPU_SUBMIT_NO_IMPLICIT                                                                                    \
	0x4u /* neither wait for nor add to the buffers' reservation objects as reads and writes */
/* Sync objects in place of sync files: fence_in and fence_out are their handles. Not both kinds for one of the two. */
#define DRM_SGPU_SUBMIT_SYNCOBJ_IN 0x8u
#define DRM_SGPU_SUBMIT_SYNCOBJ_OUT 0x10u
struct drm_sgpu_submit {
	__u32 queue;
	__u32 flags;
	__u64 ops; /* struct drm_sgpu_op[nr_ops] */
	__u32 nr_ops;
	__s32 fence_in;
	__s32 fence_out; /* out */
	__u32 pad;
};

#define DRM_IOCTL_SGPU_INFO DRM_IOR(DRM_COMMAND_BASE + DRM_SGPU_INFO, struct drm_sgpu_info)
#define DRM_IOCTL_SGPU_BO_CREATE DRM_IOWR(DRM_COMMAND_BASE + DRM_SGPU_BO_CREATE, struct drm_sgpu_bo_create)
#define DRM_IOCTL_SGPU_BO_INFO DRM_IOWR(DRM_COMMAND_BASE + DRM_SGPU_BO_INFO, struct drm_sgpu_bo_info)
#define DRM_IOCTL_SGPU_BO_MMAP DRM_IOWR(DRM_COMMAND_BASE + DRM_SGPU_BO_MMAP, struct drm_sgpu_bo_mmap)
#define DRM_IOCTL_SGPU_SUBMIT DRM_IOWR(DRM_COMMAND_BASE + DRM_SGPU_SUBMIT, struct drm_sgpu_submit)
#define DRM_IOCTL_SGPU_QUEUE_CREATE DRM_IOWR(DRM_COMMAND_BASE + DRM_SGPU_QUEUE_CREATE, struct drm_sgpu_queue_create)
#define DRM_IOCTL_SGPU_QUEUE_DESTROY DRM_IOWR(DRM_COMMAND_BASE + DRM_SGPU_QUEUE_DESTROY, struct drm_sgpu_queue_destroy)
#define DRM_IOCTL_SGPU_BO_IMPORT DRM_IOWR(DRM_COMMAND_BASE + DRM_SGPU_BO_IMPORT, struct drm_sgpu_bo_import)

#endif
