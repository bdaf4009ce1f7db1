/* SPDX-License-Identifier: BSD-3-Clause */
/* Devices that no bus has: what udev and programs look up about the heaps and udmabuf. */
#include <stdio.h>

#include "machine/machine_priv.h"

static int add_device(struct machine *m, const struct heap_device *d)
{
	char path[128], number[32], class[64], uevent[128];
	struct ns_node *dir, *class_dir, *numbers = ns_make_path(m->ns, "/sys/dev/char", true);

	snprintf(path, sizeof(path), "/sys/devices/virtual/%s/%s", d->class, d->name);
	snprintf(class, sizeof(class), "/sys/class/%s", d->class);
	snprintf(number, sizeof(number), "%u:%u", d->major, d->minor);
	dir = ns_make_path(m->ns, path, true);
	class_dir = ns_make_path(m->ns, class, true);
	if (!dir || !class_dir || !numbers)
		return -ENOMEM;
	snprintf(uevent, sizeof(uevent), "MAJOR=%u\nMINOR=%u\nDEVNAME=%s\n", d->major, d->minor, d->node);
	if (!ns_text(m->ns, dir, "uevent", uevent) || !sysfs_link(m->ns, dir, "subsystem", class) ||
	    !sysfs_link(m->ns, class_dir, d->name, path) || !sysfs_link(m->ns, numbers, number, path))
		return -ENOMEM;
	snprintf(uevent, sizeof(uevent), "%s\n", number);
	return ns_text(m->ns, dir, "dev", uevent) ? sysfs_add_power(m->ns, dir) : -ENOMEM;
}

int sysfs_add_virtual(struct machine *m)
{
	int err = 0;

	for (unsigned i = 0; i < heap_nr_devices && !err; i++)
		err = add_device(m, &heap_devices[i]);
	return err;
}
