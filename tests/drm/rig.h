/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A machine with a gpu of 4 MiB of local memory and three virtual functions with windows of 1 MiB, its driver, and a
 * program (--kernel next) with a context of iommufd.
 */
#ifndef TESTS_DRM_RIG_H
#define TESTS_DRM_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <linux/vfio.h>
#include <string.h>

#include "../machine/paths.h"
#include "drm/sgpu_priv.h"
#include "machine/machine_priv.h"

#define GRANULE ((uint64_t)SGPU_GRANULE)
#define LOCAL (4ull << 20)
#define WINDOW (1ull << 20)
#define PF "/sys/bus/pci/devices/0000:03:00.0/"
#define VF(n) "/sys/bus/pci/devices/0000:03:00." #n "/"

struct rig {
	struct fixture *fx;
	struct sgpu *gpu; /* while it is bound */
	struct pci_function *fn;
	char *local; /* its memory */
	int iommufd; /* the program's */
};

struct rig *rig_create(void);
void rig_destroy(struct rig *r);
int rig_setup(void **state);
int rig_teardown(void **state);
struct machine_function *rig_function(struct rig *r, const char *name);

/* The program opens a function that vfio-pci has: an fd. */
int rig_open(struct rig *r, const char *name);
/* It exports ranges of a BAR: an fd or -errno. */
int rig_export(struct rig *r, int device, unsigned bar, unsigned nr, const struct vfio_region_dma_range *ranges);
static inline int rig_export_one(struct rig *r, int device, uint64_t offset, uint64_t length)
{
	return rig_export(r, device, 2, 1, &(struct vfio_region_dma_range){offset, length});
}
/* What the driver makes of it: 0 or -errno. */
int rig_import(struct rig *r, int buffer, bool pinned, struct sgpu_bo **bo);
int rig_validate(struct sgpu_bo *bo);
struct drm_sgpu_bo_info rig_info(struct sgpu_bo *bo);
/* Has the report a refusal with this text? */
bool rig_reported(struct rig *r, const char *text);

#endif
