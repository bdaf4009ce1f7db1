/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of machine/ tell each other. */
#ifndef BARTER_MACHINE_MACHINE_PRIV_H
#define BARTER_MACHINE_MACHINE_PRIV_H

#include <linux/pci_regs.h>

#include "base/trace.h"
#include "dmabuf/registry.h"
#include "heap/heap.h"
#include "iommufd/iommufd.h"
#include "machine/machine.h"
#include "pci/build.h"
#include "pci/sriov.h"
#include "vfio/vfio.h"

struct machine_function;

/* What a driver is made of. A driver inside barter is one of these in a file of its own, named in drivers.c. */
struct machine_driver_type {
	const char *name, *path, *module;
	/* By its own nature, without driver_override and new_id. Such a function is given to it at boot. NULL: none. */
	bool (*matches)(const struct pci_function *fn);
	/* m->lock is held. 0, or -errno with nothing left behind. NULL: takes whatever it is bound to. */
	int (*probe)(struct machine_function *mf);
	/* No lock is held: asks those who use the function to let go, and waits for them. mf->driver is still set. */
	void (*remove)(struct machine_function *mf);
	/* Its module's parameters in sysfs. NULL: none. 0 or -ENOMEM. */
	int (*add_parameters)(struct machine *m, struct ns_node *module);
	/*
	 * From 0 virtual functions to nr, or back to 0: programs the function and calls pci_sriov_enable() or
	 * pci_sriov_disable(). No lock is held, one at a time, and the functions themselves are seen by nobody: they
	 * are added after this, and have been removed before it. 0 or -errno. NULL: sriov_numvfs answers ENOENT.
	 */
	int (*sriov_configure)(struct machine_function *mf, unsigned nr);
	/* After a reset through sysfs, without locks. Not while it is being unbound. May be NULL. */
	void (*reset_done)(struct machine_function *mf);
};

extern const struct machine_driver_type pcieport_driver; /* drivers.c */
extern const struct machine_driver_type sgpu_driver;	 /* driver_sgpu.c */
extern const struct machine_driver_type vfio_pci_driver; /* driver_vfio.c */

/* A PCI driver in /sys/bus/pci/drivers. */
struct machine_driver {
	struct machine *m;
	const struct machine_driver_type *type;
	/* What new_id added; guarded by m->lock. */
	struct {
		uint16_t vendor, device;
	} ids[16];
	size_t nr_ids;
};

/* A function as Linux's driver core has it. */
struct machine_function {
	struct machine *m;
	struct pci_function *fn;
	struct ns_attribute_ops resources[PCI_NR_BARS]; /* immutable */
	char path[256];					/* "/sys/devices/pci0000:00/0000:00:01.0/..."; immutable */
	/* Its directory, and the links to it from elsewhere. NULL: a VF that is not there. Guarded by m->lock. */
	struct ns_node *dir, *bus_link, *group_link, *iommu_link, *virtfn_link;
	/* Guarded by m->lock. */
	struct machine_driver *driver; /* NULL: none */
	bool unbinding;		       /* waits for files to be closed, without the lock */
	bool leaving;		       /* a VF that is being removed: takes no driver any more */
	/* Stands for Linux's device lock: someone resets it, or changes how many VFs it has, without m->lock. */
	bool busy;
	/* Of a PF. */
	bool vf_autoprobe; /* sriov_drivers_autoprobe */
	unsigned nr_vfs;   /* written while busy */
	struct ns_node *driver_link, *driver_entry;
	void *driver_data;	  /* the driver's, from probe to remove */
	struct vfio_device *vfio; /* while vfio-pci has it */
	unsigned vfio_index;
	unsigned render_minor;	  /* while sgpu has it */
	char driver_override[64]; /* "": none */
	unsigned enable_count;
	int broken_parity_status, d3cold_allowed, msi_bus, numa_node;
	enum pci_reset_method reset_methods[4]; /* in the order that was asked for; ends with PCI_RESET_NONE */
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

/* sysfs_virtual.c: what belongs to the heaps. */
int sysfs_add_virtual(struct machine *m);
/* debugfs.c: the files by which programs make fences. 0 or -ENOMEM; m->sw_sync is destroyed with the subsystems. */
int debugfs_create(struct machine *m);

/* sysfs.c: makes all that shows a function but its driver, and takes it away. m->lock is held. */
int sysfs_function_add(struct machine_function *mf);
void sysfs_function_remove(struct machine_function *mf);

/* sysfs_groups.c: /sys/kernel/iommu_groups, /sys/class/iommu; m->lock is held for the last two. */
int sysfs_add_groups(struct machine *m);
int sysfs_group_add(struct machine_function *mf);
void sysfs_group_remove(struct machine_function *mf);

/* sriov.c */
int sysfs_add_sriov(struct machine_function *mf);
/* Waits until nobody else is; lets m->lock go meanwhile. */
void function_busy_begin_locked(struct machine_function *mf);
/* Before the driver lets go of a PF. Without locks. */
void sriov_release(struct machine_function *mf, const struct machine_driver_type *driver);
/* What `enabled_vfs` in the rack says. */
int sriov_set_at_boot(struct machine *m);

/* drivers.c: which driver has which function. m->lock is held for the _locked ones. */
int driver_bind_locked(struct machine_function *mf, struct machine_driver *driver);
/* Resets the function, with its driver knowing. Without locks. 0 or -errno. */
int driver_reset(struct machine_function *mf);
void driver_unbind(struct machine_function *mf); /* takes the lock; waits until nobody has the device open */
bool driver_matches_locked(const struct machine_function *mf, const struct machine_driver *driver);
/* Binds to the first driver that matches. Having none is no error, as on Linux. */
void driver_probe_locked(struct machine_function *mf);
const char *driver_name_locked(const struct machine_function *mf); /* NULL: none */
/* At boot: ports to pcieport, devices to vfio-pci. */
int drivers_bind_all(struct machine *m);
void drivers_unbind_all(struct machine *m);
int drivers_create(struct machine *m);
void drivers_destroy(struct machine *m);

/* sysfs_drivers.c: /sys/bus/pci and its drivers, and driver_override. */
int sysfs_add_drivers(struct machine *m);
int sysfs_add_driver_override(struct machine_function *mf);
/* m->lock is held. One that programs can see. */
struct machine_function *machine_find_locked(struct machine *m, const char *name);

/* sysfs_tunables.c: the attributes of a function that can be written. */
int sysfs_add_tunables(struct machine_function *mf);
/* A number as kstrtoul() takes it: all of the text but one newline. */
bool sysfs_number(const char *buf, unsigned long *value);
/* As kstrtobool(): the first letter decides. */
bool sysfs_bool(const char *buf, bool *value);

#endif
