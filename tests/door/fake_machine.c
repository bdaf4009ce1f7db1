/* SPDX-License-Identifier: BSD-3-Clause */
#include "fake_machine.h"

#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "door/door.h"
#include "door/fd_table.h"
#include "door/task_fd.h"
#include "machine/machine.h"

int fake_machine_builds, fake_machine_open_files;

static int plain_copy_from(struct task *t, void *dst, uaddr_t src, size_t len)
{
	memcpy(dst, (const void *)src, len);
	return 0;
}

static int plain_copy_to(struct task *t, uaddr_t dst, const void *src, size_t len)
{
	memcpy((void *)dst, src, len);
	return 0;
}

static const struct task_ops ops = {
	.copy_from = plain_copy_from,
	.copy_to = plain_copy_to,
	.file_get = task_file_get,
	.fd_reserve = task_fd_reserve,
	.fd_publish = task_fd_publish,
	.fd_cancel = task_fd_cancel,
};

static long null_ioctl(struct file *f, struct task *t, unsigned long cmd, unsigned long arg)
{
	return cmd == 0x3b01 ? 42 : -ENOTTY;
}

static void device_release(struct file *f)
{
	fake_machine_open_files--;
}

static const struct file_ops device_ops = {.name = "/dev/iommu", .ioctl = null_ioctl, .release = device_release};

static int device_open(void *priv, struct task *t, int open_flags, struct file **out)
{
	*out = file_create(&device_ops, NULL, open_flags);
	if (!*out)
		return -ENOMEM;
	fake_machine_open_files++;
	return 0;
}

static char driver_override[64] = "(null)\n";
static char config_bytes[256] = {(char)0x86, (char)0x80};

static ssize_t override_show(void *priv, uint64_t offset, char *buf, size_t capacity)
{
	return snprintf(buf, capacity, "%s", driver_override);
}

static ssize_t override_store(void *priv, uint64_t offset, const char *buf, size_t len)
{
	snprintf(driver_override, sizeof(driver_override), "%s", buf);
	return (ssize_t)len;
}

static ssize_t config_show(void *priv, uint64_t offset, char *buf, size_t capacity)
{
	memcpy(buf, config_bytes + offset, capacity);
	return (ssize_t)capacity;
}

static const struct ns_attribute_ops override_ops = {.show = override_show, .store = override_store};
static const struct ns_attribute_ops config_ops = {.show = config_show, .binary_size = sizeof(config_bytes)};

static void add_function(struct ns *ns, struct ns_node *devices, const char *name, int index)
{
	char path[128];
	snprintf(path, sizeof(path), "/sys/devices/pci0000:00/0000:00:01.0/%s", name);
	struct ns_node *dir = ns_make_path(ns, path, false);
	ns_text(ns, dir, "vendor", "0x8086\n");
	ns_text(ns, dir, "device", "0x2021\n");
	ns_attribute(ns, dir, "config", 0644, &config_ops, NULL);
	ns_attribute(ns, dir, "driver_override", 0644, &override_ops, NULL);
	ns_attribute(ns, dir, "reset", 0200, &override_ops, NULL);
	ns_link(ns, dir, "subsystem", "../../../../bus/pci");
	ns_link(ns, dir, "driver", "../../../../bus/pci/drivers/vfio-pci");
	snprintf(path, sizeof(path), "../../../devices/pci0000:00/0000:00:01.0/%s", name);
	ns_link(ns, devices, name, path);
	snprintf(path, sizeof(path), "vfio%d", index);
	ns_device(ns, ns_make_path(ns, "/dev/vfio/devices", false), path, 0600, makedev(511, (unsigned)index),
		  device_open, NULL);
}

static struct ns *fake_ns(void)
{
	struct ns *ns = ns_create();
	ns_make_path(ns, "/sys/devices/pci0000:00", false);
	ns_make_path(ns, "/sys/bus/pci", false);
	struct ns_node *devices = ns_make_path(ns, "/sys/bus/pci/devices", false);
	ns_make_path(ns, "/sys/bus/pci/drivers/vfio-pci", false);
	ns_make_path(ns, "/dev/vfio", false);
	ns_device(ns, ns_make_path(ns, "/dev", true), "iommu", 0666, makedev(10, 126), device_open, NULL);
	add_function(ns, devices, "0000:01:00.0", 0);
	add_function(ns, devices, "0000:01:00.1", 1);
	return ns;
}

struct machine *door_machine(void)
{
	static struct machine machine;
	if (!machine.ns) {
		machine.ns = fake_ns();
		fake_machine_builds++;
		atomic_store(&door.machine, &machine);
	}
	return &machine;
}

struct ns *door_ns(void)
{
	return door.has_rack ? door_machine()->ns : NULL;
}

void fake_machine_install(void)
{
	door.task.ops = &ops;
	door.has_rack = true;
}
