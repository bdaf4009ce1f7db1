/* SPDX-License-Identifier: BSD-3-Clause */
/* The tree of names. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/sysmacros.h>

#include "fake/task.h"
#include "file/ns.h"

static struct ns_node *find(struct ns *ns, struct ns_node *dir, const char *name)
{
	return ns_lookup(ns, dir, name, strlen(name));
}

static void paths_are_made_once(void **state)
{
	struct ns *ns = ns_create();
	struct ns_node *pci = ns_make_path(ns, "/sys/bus/pci", false);
	assert_non_null(pci);
	assert_ptr_equal(ns_make_path(ns, "/sys//bus/pci/", false), pci);
	assert_false(ns_is_merged(pci));
	assert_true(ns_is_merged(ns_parent(pci)));
	assert_ptr_equal(ns_parent(ns_root(ns)), ns_root(ns));
	assert_null(ns_directory(ns, ns_parent(pci), "pci", false));

	char path[32];
	assert_int_equal(ns_path(pci, path, sizeof(path)), 12);
	assert_string_equal(path, "/sys/bus/pci");
	assert_int_equal(ns_path(pci, path, 12), -ENAMETOOLONG);
	assert_int_equal(ns_path(ns_root(ns), path, sizeof(path)), 1);
	assert_string_equal(path, "/");
	ns_destroy(ns);
}

static void names_are_compared_whole(void **state)
{
	struct ns *ns = ns_create();
	ns_text(ns, ns_root(ns), "vendor", "0x8086\n");
	assert_null(ns_lookup(ns, ns_root(ns), "vendor", 3));
	assert_null(find(ns, ns_root(ns), "vendors"));
	struct ns_node *node = ns_lookup(ns, ns_root(ns), "vendor/x", 6);
	assert_non_null(node);
	ns_put(node);
	ns_destroy(ns);
}

static void stat_is_stable_and_unique(void **state)
{
	struct ns *ns = ns_create();
	struct ns_node *dir = ns_directory(ns, ns_root(ns), "d", false);
	struct ns_node *device = ns_device(ns, dir, "vfio0", 0600, makedev(511, 0), NULL, NULL);
	struct ns_node *link = ns_link(ns, dir, "l", "../d");
	ns_directory(ns, dir, "sub", false);
	struct stat a, b;
	ns_stat(device, &a);
	ns_stat(link, &b);
	assert_int_equal(a.st_mode, S_IFCHR | 0600);
	assert_int_equal(a.st_rdev, makedev(511, 0));
	assert_int_equal(b.st_mode, S_IFLNK | 0777);
	assert_int_equal(b.st_size, 0);
	assert_string_equal(ns_link_target(link), "../d");
	assert_int_not_equal(a.st_ino, b.st_ino);
	ns_stat(dir, &b);
	assert_int_equal(b.st_nlink, 3);
	ns_destroy(ns);
}

static void listing_survives_removal(void **state)
{
	struct ns *ns = ns_create();
	struct ns_node *root = ns_root(ns);
	ns_text(ns, root, "a", "");
	struct ns_node *b = ns_text(ns, root, "b", "");
	ns_text(ns, root, "c", "");

	struct ns_node *first = ns_next(ns, root, NULL);
	assert_string_equal(ns_name(first), "a");
	struct ns_node *second = ns_next(ns, root, first);
	assert_ptr_equal(second, b);
	ns_remove(ns, b);
	struct ns_node *third = ns_next(ns, root, second);
	assert_string_equal(ns_name(third), "c");
	assert_null(ns_next(ns, root, third));
	ns_put(first);
	ns_put(second);
	ns_put(third);
	ns_destroy(ns);
}

static void removed_subtree_is_gone_but_held_nodes_live(void **state)
{
	struct ns *ns = ns_create();
	struct ns_node *dir = ns_make_path(ns, "/sys/d", false);
	ns_text(ns, dir, "vendor", "x");
	struct ns_node *held = find(ns, dir, "vendor");
	struct ns_node *sys = ns_parent(dir);
	ns_remove(ns, dir);
	assert_null(find(ns, sys, "d"));
	char path[32];
	assert_int_equal(ns_path(held, path, sizeof(path)), 13);
	assert_string_equal(path, "/sys/d/vendor");
	ns_destroy(ns);
	ns_put(held);
}

static int opened_with;

static const struct file_ops device_ops = {.name = "device"};

static int open_device(void *priv, struct task *t, int open_flags, struct file **out)
{
	opened_with = open_flags;
	*out = file_create(&device_ops, priv, open_flags);
	return *out ? 0 : -ENOMEM;
}

static void devices_open_with_their_number(void **state)
{
	struct ns *ns = ns_create();
	struct ns_node *device = ns_device(ns, ns_root(ns), "iommu", 0666, makedev(10, 126), open_device, NULL);
	struct file *f;
	assert_int_equal(ns_open(device, NULL, O_RDWR, &f), 0);
	assert_int_equal(opened_with, O_RDWR);
	assert_int_equal(f->rdev, makedev(10, 126));
	assert_int_equal(f->mode, S_IFCHR | 0666);
	file_put(f);
	assert_int_equal(ns_open(ns_root(ns), NULL, O_RDONLY, &f), -EISDIR);

	ns_get(device);
	ns_remove(ns, device);
	assert_int_equal(ns_open(device, NULL, O_RDWR, &f), -ENODEV);
	ns_put(device);
	ns_destroy(ns);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_are_made_once),
		cmocka_unit_test(names_are_compared_whole),
		cmocka_unit_test(stat_is_stable_and_unique),
		cmocka_unit_test(listing_survives_removal),
		cmocka_unit_test(removed_subtree_is_gone_but_held_nodes_live),
		cmocka_unit_test(devices_open_with_their_number),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
