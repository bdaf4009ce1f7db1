/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of machine/ tell each other. */
#ifndef BARTER_MACHINE_MACHINE_PRIV_H
#define BARTER_MACHINE_MACHINE_PRIV_H

#include <linux/pci_regs.h>

#include "base/trace.h"
#include "iommufd/iommufd.h"
#include "machine/machine.h"
#include "pci/build.h"
#include "vfio/vfio.h"

struct machine_driver;

/* A function as Linux's driver core has it. */
struct machine_function {
	struct machine *m;
	struct pci_function *fn;
	struct ns_attribute_ops resources[PCI_NR_BARS]; /* immutable */
	char path[256];					/* "/sys/devices/pci0000:00/0000:00:01.0/..."; immutable */
	struct ns_node *dir;				/* immutable */
	/* Guarded by m->lock. */
	const struct machine_driver *driver; /* NULL: none */
	struct ns_node *driver_link, *driver_entry;
	struct vfio_device *vfio; /* while vfio-pci has it */
	char driver_override[32]; /* "": none */
};

/* sysfs.c: the directories, and the steps below. All return 0 or -ENOMEM. */
int sysfs_create(struct machine *m);
/* A link at dir/name to an absolute path, written relative as sysfs does. */
struct ns_node *sysfs_link(struct ns *ns, struct ns_node *dir, const char *name, const char *target);

/* sysfs_function.c: the attributes of one function that are texts; sysfs_config.c: config space and resources. */
int sysfs_add_function(struct machine_function *mf);
int sysfs_add_config(struct machine_function *mf);
int sysfs_add_resources(struct machine_function *mf);
int sysfs_add_power(struct ns *ns, struct ns_node *dir);

/* sysfs_groups.c: /sys/kernel/iommu_groups, /sys/class/iommu. */
int sysfs_add_groups(struct machine *m);

/* drivers.c: /sys/bus/pci/drivers and which of them has which function. */
int drivers_create(struct machine *m);
/* At boot: ports to pcieport, devices to vfio-pci. */
int drivers_bind_all(struct machine *m);
void drivers_unbind_all(struct machine *m);
const char *driver_name(const struct machine_function *mf); /* m->lock held; NULL: none */
int sysfs_add_driver_attributes(struct machine_function *mf);

#endif
