/* SPDX-License-Identifier: BSD-3-Clause */
/* A machine's /sys, read as a program would: by path. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "paths.h"

static int set_up(void **state)
{
	*state = fixture_create("demo", NULL);
	return 0;
}

static int tear_down(void **state)
{
	fixture_destroy(*state);
	return 0;
}

#define DEVICES "/sys/bus/pci/devices/"
#define ENGINE DEVICES "0000:03:00.0/"
#define CARD DEVICES "0000:05:00.0/"

static void a_device_shows_what_it_is(void **state)
{
	struct fixture *fx = *state;

	assert_string_equal(text(fx, CARD "vendor"), "0x1af4\n");
	assert_string_equal(text(fx, CARD "device"), "0x1110\n");
	assert_string_equal(text(fx, CARD "class"), "0x050000\n");
	assert_string_equal(text(fx, CARD "subsystem_vendor"), "0x1af4\n");
	assert_string_equal(text(fx, CARD "revision"), "0x01\n");
	assert_string_equal(text(fx, CARD "modalias"), "pci:v00001AF4d00001110sv00001AF4sd00001100bc05sc00i00\n");
	assert_string_equal(text(fx, CARD "current_link_speed"), "8.0 GT/s PCIe\n");
	assert_string_equal(text(fx, CARD "current_link_width"), "8\n");
	assert_string_equal(text(fx, CARD "power_state"), "D0\n");
	assert_string_equal(text(fx, CARD "reset_method"), "flr bus\n");
	assert_string_equal(text(fx, CARD "numa_node"), "-1\n");
	assert_string_equal(
		text(fx, CARD "uevent"),
		"DRIVER=vfio-pci\nPCI_CLASS=50000\nPCI_ID=1AF4:1110\nPCI_SUBSYS_ID=1AF4:1100\n"
		"PCI_SLOT_NAME=0000:05:00.0\nMODALIAS=pci:v00001AF4d00001110sv00001AF4sd00001100bc05sc00i00\n");
	assert_string_equal(text(fx, CARD "nonsense"), "(cannot open)");
}

static void links_lead_where_linux_has_them(void **state)
{
	struct fixture *fx = *state;
	struct ns_node *node = find(fx, DEVICES "0000:05:00.0");
	char path[256];

	assert_true(ns_path(node, path, sizeof(path)) > 0);
	assert_string_equal(path, "/sys/devices/pci0000:00/0000:00:01.0/0000:01:00.0/0000:02:02.0/0000:05:00.0");
	ns_put(node);
	node = find(fx, DEVICES);
	struct ns_node *link = ns_lookup(fx->m->ns, node, "0000:00:01.0", 12);
	assert_string_equal(ns_link_target(link), "../../../devices/pci0000:00/0000:00:01.0");
	ns_put(link);
	ns_put(node);
	node = find(fx, "/sys/devices/pci0000:00/0000:00:01.0");
	link = ns_lookup(fx->m->ns, node, "driver", 6);
	assert_string_equal(ns_link_target(link), "../../../bus/pci/drivers/pcieport");
	ns_put(link);
	link = ns_lookup(fx->m->ns, node, "iommu", 5);
	assert_string_equal(ns_link_target(link), "../../virtual/iommu/dmar0");
	ns_put(link);
	ns_put(node);
	/* By whichever way, the same card. */
	assert_string_equal(text(fx, "/sys/bus/pci/drivers/vfio-pci/0000:05:00.0/vendor"), "0x1af4\n");
	assert_string_equal(text(fx, CARD "iommu_group/devices/0000:05:00.0/vendor"), "0x1af4\n");
	assert_string_equal(text(fx, CARD "iommu_group/devices/0000:02:02.0/vendor"), "0x10b5\n");
	assert_string_equal(text(fx, CARD "iommu_group/reserved_regions"),
			    "0x00000000fee00000 0x00000000feefffff msi\n");
	assert_string_equal(text(fx, "/sys/class/iommu/dmar0/devices/0000:05:00.0/vendor"), "0x1af4\n");
	assert_string_equal(text(fx, CARD "driver/0000:03:00.0/vendor"), "0x8086\n");
}

static void resources_tell_the_windows(void **state)
{
	struct fixture *fx = *state;
	unsigned long long start, last, flags, port_start, port_last, port_flags;
	const char *lines = text(fx, CARD "resource");
	struct stat st;
	struct ns_node *node;

	assert_int_equal(sscanf(lines + 2 * 57, "%llx %llx %llx", &start, &last, &flags), 3);
	assert_int_equal(last - start + 1, 64 << 20);
	assert_int_equal(flags, 0x14220c);
	assert_int_equal(strlen(lines), 13 * 57);
	lines = text(fx, DEVICES "0000:02:02.0/resource");
	assert_int_equal(strlen(lines), 17 * 57);
	assert_int_equal(sscanf(lines + 15 * 57, "%llx %llx %llx", &port_start, &port_last, &port_flags), 3);
	assert_true(port_start <= start && last <= port_last);
	assert_int_equal(port_flags, 0x102201);
	node = find(fx, CARD "resource2");
	ns_stat(node, &st);
	ns_put(node);
	assert_int_equal(st.st_size, 64 << 20);
}

static void config_is_read_and_written_in_any_pieces(void **state)
{
	struct fixture *fx = *state;
	int fd = open_path(fx, CARD "config", O_RDWR);
	uint8_t all[4096], part[7];
	uint16_t command;
	struct pci_function *fn = pci_find(&fx->m->rack->root, "0000:05:00.0");

	assert_true(fd >= 0);
	assert_int_equal(fake_task_pread(fx->ft, fd, all, sizeof(all), 0), 4096);
	assert_int_equal(all[0], 0xf4);
	assert_int_equal(fake_task_pread(fx->ft, fd, part, sizeof(part), 1), 7);
	assert_memory_equal(part, all + 1, 7);
	assert_int_equal(fake_task_pread(fx->ft, fd, part, sizeof(part), 4096), 0);
	command = 0;
	assert_int_equal(fake_task_pwrite(fx->ft, fd, &command, 2, 4), 2);
	assert_int_equal(fn->gate.reasons & GATE_DECODE, GATE_DECODE);
	command = 2;
	assert_int_equal(fake_task_pwrite(fx->ft, fd, &command, 1, 4), 1);
	assert_int_equal(fn->gate.reasons & GATE_DECODE, 0);
	assert_int_equal(fake_task_pwrite(fx->ft, fd, &command, 2, 5000), -EFBIG);
	fake_task_close(fx->ft, fd);
	/* A conventional function ends at 256. */
	fd = open_path(fx, DEVICES "0000:00:00.0/config", O_RDONLY);
	assert_int_equal(fake_task_pread(fx->ft, fd, all, sizeof(all), 0), 256);
	fake_task_close(fx->ft, fd);
}

static void reset_takes_only_a_one(void **state)
{
	struct fixture *fx = *state;

	assert_int_equal(put(fx, CARD "reset", "1"), 1);
	assert_int_equal(put(fx, CARD "reset", "1\n"), 2);
	assert_int_equal(put(fx, CARD "reset", "2"), -EINVAL);
	assert_int_equal(put(fx, CARD "reset", "abc"), -EINVAL);
	assert_int_equal(open_path(fx, CARD "reset", O_RDONLY), -EACCES);
	/* The host bridge and ports have none. */
	assert_int_equal(put(fx, DEVICES "0000:00:00.0/reset", "1"), -ENOENT);
	assert_int_equal(put(fx, DEVICES "0000:00:01.0/reset", "1"), -ENOENT);
}

#define VFIO_PCI "/sys/bus/pci/drivers/vfio-pci/"

/* What a 7.3 kernel answered to the same writes. */
static void drivers_come_and_go(void **state)
{
	struct fixture *fx = *state;

	assert_int_equal(put(fx, VFIO_PCI "bind", "garbage\n"), -ENODEV);
	assert_int_equal(put(fx, VFIO_PCI "bind", "0000:05:00.0"), -EBUSY);
	assert_int_equal(put(fx, VFIO_PCI "bind", "0000:00:01.0\n"), -ENODEV);
	assert_int_equal(put(fx, VFIO_PCI "unbind", "0000:00:01.0"), -ENODEV);
	assert_int_equal(put(fx, VFIO_PCI "unbind", "nope"), -ENODEV);
	assert_int_equal(put(fx, CARD "enable", "1"), -EBUSY);
	assert_string_equal(text(fx, CARD "vfio-dev/vfio2/dev"), "246:2\n");
	assert_int_equal(put(fx, VFIO_PCI "unbind", "0000:05:00.0\n"), 13);
	assert_string_equal(text(fx, CARD "vfio-dev/vfio2/dev"), "(cannot open)");
	assert_string_equal(text(fx, CARD "driver/uevent"), "(cannot open)");
	assert_int_equal(strncmp(text(fx, CARD "uevent"), "PCI_CLASS", 9), 0);
	assert_string_equal(text(fx, CARD "driver_override"), "vfio-pci\n");
	assert_int_equal(put(fx, CARD "driver_override", "\n"), 1);
	assert_string_equal(text(fx, CARD "driver_override"), "(null)\n");
	assert_int_equal(put(fx, VFIO_PCI "bind", "0000:05:00.0"), -ENODEV);
	assert_int_equal(put(fx, CARD "driver_override", "foo"), 3);
	assert_int_equal(put(fx, VFIO_PCI "bind", "0000:05:00.0"), -ENODEV);
	assert_int_equal(put(fx, "/sys/bus/pci/drivers_probe", "0000:05:00.0"), 12);
	assert_string_equal(text(fx, CARD "vfio-dev/vfio2/dev"), "(cannot open)");
	assert_int_equal(put(fx, "/sys/bus/pci/drivers_probe", "nope"), -ENODEV);
	assert_int_equal(put(fx, CARD "driver_override", "vfio-pci\n"), 9);
	assert_int_equal(put(fx, "/sys/bus/pci/drivers_probe", "0000:05:00.0"), 12);
	/* The number that became free. */
	assert_string_equal(text(fx, CARD "vfio-dev/vfio2/dev"), "246:2\n");
	assert_string_equal(text(fx, "/sys/class/vfio-dev/vfio2/device/vendor"), "0x1af4\n");
}

static void ids_bind_what_has_no_driver(void **state)
{
	struct fixture *fx = *state;

	assert_int_equal(put(fx, VFIO_PCI "new_id", "1b36"), -EINVAL);
	assert_int_equal(put(fx, VFIO_PCI "new_id", "zz zz"), -EINVAL);
	assert_int_equal(put(fx, VFIO_PCI "unbind", "0000:05:00.0"), 12);
	assert_int_equal(put(fx, CARD "driver_override", "\n"), 1);
	assert_int_equal(put(fx, VFIO_PCI "new_id", "1af4 1110"), 9);
	assert_string_equal(text(fx, CARD "vfio-dev/vfio2/dev"), "246:2\n");
	assert_int_equal(put(fx, VFIO_PCI "new_id", "1af4 1110"), -EEXIST);
	assert_int_equal(put(fx, VFIO_PCI "remove_id", "1af4 1111"), -ENODEV);
	assert_int_equal(put(fx, VFIO_PCI "remove_id", "1af4 1110"), 9);
	assert_int_equal(put(fx, VFIO_PCI "remove_id", "1af4 1110"), -ENODEV);
	/* Bridges are not for programs. */
	assert_int_equal(put(fx, "/sys/bus/pci/drivers/pcieport/unbind", "0000:00:01.0"), 12);
	assert_int_equal(put(fx, DEVICES "0000:00:01.0/driver_override", "vfio-pci"), 8);
	assert_int_equal(put(fx, VFIO_PCI "bind", "0000:00:01.0"), -EINVAL);
}

static void enable_counts_without_a_driver(void **state)
{
	struct fixture *fx = *state;

	put(fx, VFIO_PCI "unbind", "0000:05:00.0");
	assert_string_equal(text(fx, CARD "enable"), "0\n");
	assert_int_equal(put(fx, CARD "enable", "1"), 1);
	assert_int_equal(put(fx, CARD "enable", "1"), 1);
	assert_string_equal(text(fx, CARD "enable"), "2\n");
	assert_int_equal(put(fx, CARD "enable", "0"), 1);
	assert_int_equal(put(fx, CARD "enable", "0"), 1);
	assert_int_equal(put(fx, CARD "enable", "0"), -EIO);
	assert_int_equal(put(fx, CARD "enable", "x"), -EINVAL);
}

static void odds_and_ends_answer_as_linux(void **state)
{
	struct fixture *fx = *state;

	assert_int_equal(put(fx, CARD "reset_method", "pm"), -EINVAL);
	assert_int_equal(put(fx, CARD "reset_method", "bus flr"), 7);
	assert_string_equal(text(fx, CARD "reset_method"), "bus flr\n");
	assert_int_equal(put(fx, CARD "reset_method", "\n"), 1);
	assert_int_equal(put(fx, CARD "reset", "1"), -ENOTTY);
	assert_int_equal(put(fx, CARD "reset_method", "default\n"), 8);
	assert_string_equal(text(fx, CARD "reset_method"), "flr bus\n");
	assert_int_equal(put(fx, CARD "d3cold_allowed", "0"), 1);
	assert_string_equal(text(fx, CARD "d3cold_allowed"), "0\n");
	assert_int_equal(put(fx, CARD "d3cold_allowed", "x"), -EINVAL);
	assert_int_equal(put(fx, CARD "numa_node", "99"), -EINVAL);
	assert_int_equal(put(fx, CARD "uevent", "add"), 3);
	assert_int_equal(put(fx, CARD "uevent", "zz"), -EINVAL);
	assert_int_equal(put(fx, CARD "iommu_group/type", "zz"), -EINVAL);
	assert_int_equal(put(fx, "/sys/bus/pci/rescan", "1"), 1);
	assert_int_equal(put(fx, "/sys/bus/pci/rescan", "x"), -EINVAL);
	int fd = open_path(fx, CARD "resource2", O_RDWR);
	char byte;
	assert_int_equal(fake_task_pread(fx->ft, fd, &byte, 1, 0), -EIO);
	assert_int_equal(fake_task_pwrite(fx->ft, fd, &byte, 1, 0), -EIO);
	fake_task_close(fx->ft, fd);
}

struct unbinding {
	struct fixture *fx;
	atomic_bool done;
};

static void *unbind_thread(void *arg)
{
	struct unbinding *u = arg;
	struct fake_task *ft = fake_task_create();
	struct fixture fx = {.m = u->fx->m, .ft = ft};

	assert_int_equal(put(&fx, VFIO_PCI "unbind", "0000:05:00.0"), 12);
	u->done = true;
	fake_task_destroy(ft);
	return NULL;
}

/* Unbinding waits for the last close; the node is gone meanwhile, and nobody else can bind. */
static void unbind_waits_for_files(void **state)
{
	struct fixture *fx = *state;
	int fd = open_path(fx, "/dev/vfio/devices/vfio2", O_RDWR);
	struct unbinding u = {.fx = fx};
	pthread_t thread;

	assert_true(fd >= 0);
	pthread_create(&thread, NULL, unbind_thread, &u);
	for (int other = 0; other != -ENOENT; usleep(1000)) {
		other = open_path(fx, "/dev/vfio/devices/vfio2", O_RDWR);
		if (other >= 0)
			fake_task_close(fx->ft, other);
	}
	assert_int_equal(put(fx, VFIO_PCI "bind", "0000:05:00.0"), -EBUSY);
	usleep(20000);
	assert_false(u.done);
	fake_task_close(fx->ft, fd);
	pthread_join(thread, NULL);
	assert_true(u.done);
}

static void every_attribute_can_be_read(void **state)
{
	struct fixture *fx = *state;
	struct ns_node *dir = find(fx, ENGINE), *node = NULL, *next;
	unsigned nr = 0;

	for (; (next = ns_next(fx->m->ns, dir, node)); node = next) {
		struct stat st;
		char path[256];

		ns_put(node);
		ns_stat(next, &st);
		if (ns_kind(next) != NS_ATTRIBUTE || !(st.st_mode & 0444) || !strncmp(ns_name(next), "resource", 8))
			continue;
		snprintf(path, sizeof(path), ENGINE "%s", ns_name(next));
		assert_string_not_equal(text(fx, path), "");
		assert_string_not_equal(text(fx, path), "(cannot open)");
		nr++;
	}
	assert_true(nr > 25);
	ns_put(node);
	ns_put(dir);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(a_device_shows_what_it_is),	  T(links_lead_where_linux_has_them),
		T(resources_tell_the_windows),	  T(config_is_read_and_written_in_any_pieces),
		T(reset_takes_only_a_one),	  T(drivers_come_and_go),
		T(ids_bind_what_has_no_driver),	  T(enable_counts_without_a_driver),
		T(odds_and_ends_answer_as_linux), T(unbind_waits_for_files),
		T(every_attribute_can_be_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
