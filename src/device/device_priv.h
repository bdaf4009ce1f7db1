/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of device/ share. */
#ifndef BARTER_DEVICE_PRIV_H
#define BARTER_DEVICE_PRIV_H

#include "base/list.h"
#include "device/device.h"
#include "pci/dma.h"

/* A model's settings, copied and checked against its keys. Immutable. */
struct device_config {
	const struct device_model *model;
	size_t nr;
	struct device_setting *settings;
};

int device_config_init(struct device_config *c, const struct device_model *m, const struct device_setting *settings,
		       size_t nr);
void device_config_fini(struct device_config *c);

struct device {
	struct pci_function fn;
	const struct device_model *model;
	struct device_config config;
	void *state;			 /* the model's; set when build() has succeeded */
	bool has_ids;			 /* pci_function_init() has been called */
	int build_error;		 /* what the first failed device_add_*() answered */
	int64_t msix_table[PCI_NR_BARS]; /* where a BAR has its region for the table; -1: nowhere */
	struct list workers;		 /* immutable after the build */
	_Atomic bool wakes_wanted;	 /* by workers, when the lock is let go */
	struct device *physfn;		 /* of a VF */
	struct device *vfs[DEVICE_MAX_VFS];
	unsigned nr_vfs;
};

extern const struct pci_function_ops device_ops;

/* sdk.c: zeroed but for what every device has. NULL: no memory. */
struct device *device_alloc(const struct device_model *m, struct pci_root *root);
int device_build(struct device *d, const struct device_config *c);
/* While it is described: 0, or what failed first. */
int device_buildable(struct device *d);
int device_remember(struct device *d, int err);
unsigned device_bar_flags(unsigned flags);

/* sriov.c */
void device_vfs_destroy(struct device *d);

/* Makes the thread, unless it is there. With no memory for it the device stays silent until the next reset. */
void device_worker_start(struct device_worker *w);
void device_workers_start(struct device *d);
/* The function's lock has been let go. */
void device_workers_wake_wanted(struct device *d);

#endif
