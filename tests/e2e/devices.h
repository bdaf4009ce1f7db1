/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The devices of a machine as a program finds them: functions on vfio-pci, through sysfs. The questions need two, each
 * alone in its IOMMU group: a memory card with ivshmem's ids, and one more that is not.
 */
#ifndef TESTS_E2E_DEVICES_H
#define TESTS_E2E_DEVICES_H

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct device {
	char name[64], group[64], cdev[300];
	bool is_card;
	int fd;
	uint32_t id;
};

static struct device all_devices[64];
static int nr_all_devices;

static inline void read_text(const char *dir, const char *file, char *buf, size_t len)
{
	char path[300];
	int fd;
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", dir, file);
	fd = open(path, O_RDONLY);
	n = fd < 0 ? 0 : read(fd, buf, len - 1);
	buf[n < 0 ? 0 : n] = 0;
	if (fd >= 0)
		close(fd);
}

static inline void find_cdev(struct device *d)
{
	char path[300];
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev", d->name);
	dir = opendir(path);
	while (dir && (e = readdir(dir)))
		if (strncmp(e->d_name, "vfio", 4) == 0)
			snprintf(d->cdev, sizeof(d->cdev), "/dev/vfio/devices/%s", e->d_name);
	if (dir)
		closedir(dir);
}

static inline void find_devices(void)
{
	DIR *dir = opendir("/sys/bus/pci/devices");
	struct dirent *e;
	char path[300], vendor[32], device[32];

	while (dir && (e = readdir(dir))) {
		struct device *d = &all_devices[nr_all_devices];
		ssize_t n;

		if (e->d_name[0] == '.' || nr_all_devices == 64)
			continue;
		snprintf(d->name, sizeof(d->name), "%.60s", e->d_name);
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", d->name);
		n = readlink(path, d->group, sizeof(d->group) - 1);
		if (n <= 0)
			continue;
		d->group[n] = 0;
		read_text(d->name, "vendor", vendor, sizeof(vendor));
		read_text(d->name, "device", device, sizeof(device));
		d->is_card = strncmp(vendor, "0x1af4", 6) == 0 && strncmp(device, "0x1110", 6) == 0;
		find_cdev(d);
		nr_all_devices++;
	}
	if (dir)
		closedir(dir);
}

static inline bool choose(struct device *out, bool is_card)
{
	for (int i = 0; i < nr_all_devices; i++) {
		int same = 0;

		for (int j = 0; j < nr_all_devices; j++)
			same += all_devices[j].cdev[0] && strcmp(all_devices[i].group, all_devices[j].group) == 0;
		if (all_devices[i].cdev[0] && all_devices[i].is_card == is_card && same == 1) {
			*out = all_devices[i];
			return true;
		}
	}
	return false;
}

#endif
