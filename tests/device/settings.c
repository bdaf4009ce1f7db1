/* SPDX-License-Identifier: BSD-3-Clause */
/* Settings of devices: what is taken, what is refused and by which rule; builds that fail leave nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "device/device.h"
#include "pci/build.h"

static const struct device_key size_key = {
	.name = "size", .type = DEVICE_KEY_SIZE, .min = 4096, .max = 1ull << 40, .power_of_two = true};
static const struct device_key bool_key = {.name = "flag", .type = DEVICE_KEY_BOOL};

static void expect_size(const char *text, uint64_t want)
{
	uint64_t number = 0;

	assert_int_equal(device_key_check(&size_key, text, &number, NULL, 0), 0);
	assert_int_equal(number, want);
}

static void test_sizes(void **state)
{
	(void)state;
	expect_size("4096", 4096);
	expect_size("0x10000", 0x10000);
	expect_size("64K", 64 << 10);
	expect_size("64MiB", 64 << 20);
	expect_size("1GB", 1 << 30);
	expect_size("1T", 1ull << 40);
	expect_size("8192B", 8192);
}

static void expect_rule(const struct device_key *key, const char *text, const char *rule)
{
	char got[128] = "";

	assert_int_equal(device_key_check(key, text, NULL, got, sizeof(got)), -EINVAL);
	assert_string_equal(got, rule);
}

static void test_rules(void **state)
{
	static const char number[] = "must be a number, with K, M, G or T after it for a size";

	(void)state;
	expect_rule(&size_key, "", number);
	expect_rule(&size_key, "-1", number);
	expect_rule(&size_key, " 4096", number);
	expect_rule(&size_key, "64X", number);
	expect_rule(&size_key, "64MiBs", number);
	expect_rule(&size_key, "99999999999999999999", number);
	expect_rule(&size_key, "99999999T", number);
	expect_rule(&size_key, "2048", "must be from 4096 to 1099511627776");
	expect_rule(&size_key, "2T", "must be from 4096 to 1099511627776");
	expect_rule(&size_key, "12K", "must be a power of two");
	expect_rule(&bool_key, "maybe", "must be true or false");
}

static void test_bools(void **state)
{
	uint64_t number;

	(void)state;
	assert_int_equal(device_key_check(&bool_key, "yes", &number, NULL, 0), 0);
	assert_int_equal(number, 1);
	assert_int_equal(device_key_check(&bool_key, "off", &number, NULL, 0), 0);
	assert_int_equal(number, 0);
}

/* A model whose build goes wrong in the way that a setting says. */
static int odd_build(struct device *d, const struct device_config *c, void **model)
{
	static const struct device_ids ids = {.vendor = 0x1234, .device = 1, .class_code = 0xff0000};
	static const struct device_region odd_region = {DEVICE_MEMORY, 3 * 4096};
	const char *how = device_config_string(c, "how", "well");

	if (!strcmp(how, "fails"))
		return -ENOMEM;
	if (strcmp(how, "without ids") != 0)
		device_set_ids(d, &ids);
	if (!strcmp(how, "odd bar"))
		device_add_bar(d, 0, 0, &odd_region, 1);
	if (!strcmp(how, "no table"))
		device_add_msix(d, 4, 0);
	*model = NULL;
	return 0;
}

static const struct device_key odd_keys[] = {{.name = "how", .type = DEVICE_KEY_STRING},
					     {.name = "flag", .type = DEVICE_KEY_BOOL}};
static const struct device_model odd_model = {
	.name = "odd", .keys = odd_keys, .nr_keys = ARRAY_SIZE(odd_keys), .build = odd_build};

static int create(struct pci_root *root, const char *key, const char *value, struct pci_function **fn)
{
	const struct device_setting setting = {key, value};

	return device_create(&odd_model, &setting, 1, root, NULL, -1, fn);
}

static void test_builds(void **state)
{
	struct phys_space *space = phys_space_create(NULL);
	struct pci_function *fn;
	struct pci_root root;

	(void)state;
	assert_int_equal(pci_root_init(&root, space, NULL, true, NULL), 0);
	assert_int_equal(create(&root, "how", "fails", &fn), -ENOMEM);
	assert_int_equal(create(&root, "how", "without ids", &fn), -EINVAL);
	assert_int_equal(create(&root, "how", "odd bar", &fn), -EINVAL);
	assert_int_equal(create(&root, "how", "no table", &fn), -EINVAL);
	assert_int_equal(create(&root, "what", "x", &fn), -EINVAL);
	assert_int_equal(create(&root, "flag", "x", &fn), -EINVAL);
	assert_int_equal(create(&root, "how", "well", &fn), 0);
	assert_int_equal(
		device_create(&odd_model, NULL, 0, &root, NULL, fn->devfn >> 3, &(struct pci_function *){NULL}),
		-EINVAL);
	device_destroy(fn);
	pci_root_fini(&root);
	phys_space_destroy(space);
}

static void test_models(void **state)
{
	(void)state;
	for (size_t i = 0; device_models[i]; i++) {
		assert_ptr_equal(device_model_find(device_models[i]->name), device_models[i]);
		assert_non_null(device_models[i]->summary);
		for (size_t k = 0; k < device_models[i]->nr_keys; k++)
			assert_non_null(device_models[i]->keys[k].summary);
	}
	assert_null(device_model_find("toaster"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),  cmocka_unit_test(test_rules),  cmocka_unit_test(test_bools),
		cmocka_unit_test(test_builds), cmocka_unit_test(test_models),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
