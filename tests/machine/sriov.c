/* SPDX-License-Identifier: BSD-3-Clause */
/* Virtual functions in /sys: they come and go with sriov_numvfs, with links, groups, drivers and vfio nodes. */
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
#include "pci/sriov.h"

#define DEVICES "/sys/bus/pci/devices/"
#define PF DEVICES "0000:03:00.0/"
#define VF0 DEVICES "0000:03:00.1/"
#define VF1 DEVICES "0000:03:00.2/"
#define VFIO_PCI "/sys/bus/pci/drivers/vfio-pci/"
#define ENABLE "/sys/module/vfio_pci/parameters/enable_sriov"

/* The PF's driver is vfio-pci, whatever else there is. */
static int set_up(void **state)
{
	struct fixture *fx = fixture_create("gpu", NULL);

	put(fx, PF "driver/unbind", "0000:03:00.0");
	put(fx, PF "driver_override", "vfio-pci");
	assert_int_equal(put(fx, VFIO_PCI "bind", "0000:03:00.0"), 12);
	*state = fx;
	return 0;
}

static int tear_down(void **state)
{
	fixture_destroy(*state);
	return 0;
}

static bool exists(struct fixture *fx, const char *path)
{
	struct ns_node *node = find(fx, path);

	ns_put(node);
	return node;
}

static void a_pf_shows_what_it_can(void **state)
{
	struct fixture *fx = *state;

	assert_string_equal(text(fx, PF "sriov_totalvfs"), "4\n");
	assert_string_equal(text(fx, PF "sriov_numvfs"), "0\n");
	assert_string_equal(text(fx, PF "sriov_offset"), "1\n");
	assert_string_equal(text(fx, PF "sriov_stride"), "1\n");
	assert_string_equal(text(fx, PF "sriov_vf_device"), "6771\n");
	assert_string_equal(text(fx, PF "sriov_drivers_autoprobe"), "1\n");
	assert_string_equal(text(fx, PF "sriov_vf_total_msix"), "0\n");
	assert_string_equal(text(fx, DEVICES "0000:04:00.0/sriov_numvfs"), "(cannot open)");
	/* The lines after six BARs and the ROM are those of the VFs: all of them. */
	assert_non_null(strstr(text(fx, PF "resource"), "0x0000010010000000 0x0000010013ffffff 0x000000000014220c\n"));
	assert_false(exists(fx, VF0));
	assert_string_equal(text(fx, ENABLE), "N\n");
}

static void numvfs_is_refused_as_on_linux(void **state)
{
	struct fixture *fx = *state;

	assert_int_equal(put(fx, PF "sriov_numvfs", "x"), -EINVAL);
	assert_int_equal(put(fx, PF "sriov_numvfs", "-1"), -EINVAL);
	assert_int_equal(put(fx, PF "sriov_numvfs", "65536"), -EINVAL);
	assert_int_equal(put(fx, PF "sriov_numvfs", "5"), -ERANGE);
	assert_int_equal(put(fx, PF "sriov_numvfs", "0"), 1);
	assert_int_equal(put(fx, PF "sriov_numvfs", "1"), -ENOENT);
	assert_int_equal(put(fx, ENABLE, "perhaps"), -EINVAL);
	assert_int_equal(put(fx, ENABLE, "1"), 1);
	assert_string_equal(text(fx, ENABLE), "Y\n");
	assert_int_equal(put(fx, PF "sriov_numvfs", "2"), 1);
	assert_int_equal(put(fx, PF "sriov_numvfs", "0x2\n"), 4);
	assert_int_equal(put(fx, PF "sriov_numvfs", "3"), -EBUSY);
	assert_int_equal(put(fx, PF "sriov_numvfs", "1"), -EBUSY);
	assert_int_equal(put(fx, PF "sriov_numvfs", "0"), 1);
	/* Without a driver there is nobody to ask. */
	assert_int_equal(put(fx, VFIO_PCI "unbind", "0000:03:00.0"), 12);
	assert_int_equal(put(fx, PF "sriov_numvfs", "0"), 1);
	assert_int_equal(put(fx, PF "sriov_numvfs", "1"), -ENOENT);
	assert_int_equal(put(fx, PF "sriov_totalvfs", "1"), -EACCES);
}

static void functions_come_and_go(void **state)
{
	struct fixture *fx = *state;

	put(fx, ENABLE, "Y");
	for (unsigned round = 0; round < 3; round++) {
		assert_int_equal(put(fx, PF "sriov_numvfs", "2"), 1);
		assert_string_equal(text(fx, PF "sriov_numvfs"), "2\n");
		assert_string_equal(text(fx, VF0 "vendor"), "0x1234\n");
		assert_string_equal(text(fx, VF0 "device"), "0x6771\n");
		assert_string_equal(text(fx, VF1 "class"), "0x038000\n");
		assert_string_equal(text(fx, VF1 "irq"), "0\n");
		assert_string_equal(text(fx, PF "virtfn1/device"), "0x6771\n");
		assert_string_equal(text(fx, VF1 "physfn/device"), "0x6770\n");
		assert_false(exists(fx, PF "virtfn2"));
		assert_false(exists(fx, DEVICES "0000:03:00.3"));
		assert_true(exists(fx, VF1 "driver/bind"));
		assert_string_equal(text(fx, VF1 "driver_override"), "vfio-pci\n");
		assert_true(exists(fx, "/sys/kernel/iommu_groups/9/devices/0000:03:00.1"));
		assert_true(exists(fx, VF0 "iommu_group/devices/0000:03:00.1"));
		assert_true(exists(fx, "/sys/class/iommu/dmar0/devices/0000:03:00.2"));
		assert_true(exists(fx, VF0 "vfio-dev/vfio3/dev"));
		assert_true(exists(fx, "/dev/vfio/devices/vfio4"));
		assert_string_equal(text(fx, VF0 "reset_method"), "flr\n");
		assert_int_equal(put(fx, VF0 "sriov_vf_msix_count", "2"), -EOPNOTSUPP);
		assert_false(exists(fx, VF0 "sriov_numvfs"));
		assert_int_equal(put(fx, PF "sriov_numvfs", "0"), 1);
		assert_false(exists(fx, VF0));
		assert_false(exists(fx, PF "virtfn0"));
		assert_false(exists(fx, "/sys/kernel/iommu_groups/9"));
		assert_false(exists(fx, "/sys/class/iommu/dmar0/devices/0000:03:00.1"));
		assert_false(exists(fx, "/dev/vfio/devices/vfio3"));
		assert_int_equal(put(fx, VFIO_PCI "bind", "0000:03:00.1"), -ENODEV);
	}
}

/* The hardware's registers of a VF; what the kernel knows better is in the texts. */
static void config_of_a_vf(void **state)
{
	struct fixture *fx = *state;
	uint32_t word;
	int fd;

	put(fx, ENABLE, "Y");
	put(fx, PF "sriov_numvfs", "1");
	fd = open_path(fx, VF0 "config", O_RDONLY);
	assert_int_equal(fake_task_pread(fx->ft, fd, &word, 4, 0), 4);
	assert_int_equal(word, UINT32_MAX);
	assert_int_equal(fake_task_pread(fx->ft, fd, &word, 4, 8), 4);
	assert_int_equal(word, 0x03800001);
	put(fx, PF "sriov_numvfs", "0");
	/* Open over the end of the function. */
	assert_int_equal(fake_task_pread(fx->ft, fd, &word, 4, 8), -ENODEV);
	fake_task_close(fx->ft, fd);
}

static void drivers_are_left_out_when_told(void **state)
{
	struct fixture *fx = *state;

	put(fx, ENABLE, "Y");
	assert_int_equal(put(fx, PF "sriov_drivers_autoprobe", "no"), 2);
	assert_string_equal(text(fx, PF "sriov_drivers_autoprobe"), "0\n");
	assert_int_equal(put(fx, PF "sriov_drivers_autoprobe", "x"), -EINVAL);
	put(fx, PF "sriov_numvfs", "1");
	assert_false(exists(fx, VF0 "driver"));
	assert_string_equal(text(fx, VF0 "driver_override"), "(null)\n");
	assert_int_equal(put(fx, VF0 "driver_override", "vfio-pci"), 8);
	assert_int_equal(put(fx, VFIO_PCI "bind", "0000:03:00.1"), 12);
	assert_true(exists(fx, VF0 "driver"));
	/* The PF's driver takes its VFs with it. */
	assert_int_equal(put(fx, VFIO_PCI "unbind", "0000:03:00.0"), 12);
	assert_false(exists(fx, VF0));
	assert_string_equal(text(fx, PF "sriov_numvfs"), "0\n");
}

struct removal {
	struct fixture *fx;
	const char *path, *value;
	atomic_bool done;
};

static void *removal_thread(void *arg)
{
	struct removal *r = arg;
	struct fake_task *ft = fake_task_create();
	struct fixture fx = {.m = r->fx->m, .ft = ft};

	assert_int_equal(put(&fx, r->path, r->value), strlen(r->value));
	r->done = true;
	fake_task_destroy(ft);
	return NULL;
}

/* Whoever has a VF open holds up the removal, and a second writer waits for the first. */
static void removal_waits_for_files(void **state)
{
	struct fixture *fx = *state;
	struct removal removal = {.fx = fx, .path = PF "sriov_numvfs", .value = "0"};
	struct removal enabling = {.fx = fx, .path = PF "sriov_numvfs", .value = "1"};
	pthread_t threads[2];
	int fd;

	put(fx, ENABLE, "Y");
	put(fx, PF "sriov_numvfs", "2");
	fd = open_path(fx, "/dev/vfio/devices/vfio4", O_RDWR);
	assert_true(fd >= 0);
	pthread_create(&threads[0], NULL, removal_thread, &removal);
	while (exists(fx, "/dev/vfio/devices/vfio4"))
		usleep(1000);
	pthread_create(&threads[1], NULL, removal_thread, &enabling);
	usleep(20000);
	assert_false(removal.done);
	assert_false(enabling.done);
	assert_false(exists(fx, VF0));
	assert_true(exists(fx, VF1));
	assert_int_equal(put(fx, VFIO_PCI "bind", "0000:03:00.2"), -ENODEV);
	fake_task_close(fx->ft, fd);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	assert_true(exists(fx, VF0));
	assert_false(exists(fx, VF1));
}

static void a_rack_can_enable_them(void **state)
{
	struct fixture *fx = fixture_create("gpu", "gpu,enabled_vfs=3");

	assert_string_equal(text(fx, PF "sriov_numvfs"), "3\n");
	assert_true(exists(fx, DEVICES "0000:03:00.3/driver"));
	fixture_destroy(fx);
	(void)state;
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_pf_shows_what_it_can),
		TEST(numvfs_is_refused_as_on_linux),
		TEST(functions_come_and_go),
		TEST(config_of_a_vf),
		TEST(drivers_are_left_out_when_told),
		TEST(removal_waits_for_files),
		cmocka_unit_test(a_rack_can_enable_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
