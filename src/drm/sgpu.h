/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sgpu: the driver inside barter of the `gpu` device, an SR-IOV physical function with local memory. It gives programs
 * a render node, gives virtual functions their slices of local memory, and imports what they export.
 *
 * Who may include this: machine/, tests.
 */
#ifndef BARTER_DRM_SGPU_H
#define BARTER_DRM_SGPU_H

#include "dmabuf/registry.h"
#include "file/ns.h"
#include "pci/function.h"

struct sgpu;

bool sgpu_matches(const struct pci_function *fn);
/* Where it is shown: the tree, the function's directory in /sys. minor: of the render node, 128 for the first. */
struct sgpu_place {
	struct ns *ns;
	struct ns_node *dir;
	unsigned minor;
};
/* 0 or -errno with nothing left behind. */
int sgpu_probe(const struct sgpu_place *place, struct pci_function *fn, struct dma_buf_registry *registry,
	       struct trace *trace, struct sgpu **out);
/*
 * Takes the function away from whoever uses it: nothing runs on it any more, its memory is revoked for good. Files and
 * buffers live on, inert. It has no virtual functions by then. No lock is held.
 */
void sgpu_remove(struct sgpu *gpu);
/* nr virtual functions, each with an equal part of half of the local memory, in two fragments; 0: none. */
int sgpu_sriov_configure(struct sgpu *gpu, unsigned nr);
/*
 * After a reset of the function by a kernel, without locks: gives virtual functions back what it has taken. The ring
 * looks after itself (sgpu_recovery.c).
 */
void sgpu_reset_done(struct sgpu *gpu);

#endif
