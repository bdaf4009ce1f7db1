/* SPDX-License-Identifier: BSD-3-Clause */
/* What a bad rack file is told: line, column, key and rule, each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rack/parse.h"

static const struct bad {
	const char *text;
	unsigned line, column;
	const char *key, *rule; /* rule: a part of it */
} bad[] = {
	{"", 1, 1, "", "a rack is a mapping with name and bus"},
	{"- a\n", 1, 1, "", "a rack is a mapping with name and bus"},
	{"name: [x\n", 2, 1, "", "is not YAML"},
	{"name: x\nbus: []\n\tfoo: 1\n", 3, 1, "", "is not YAML"},
	{"bus: []\n", 1, 1, "name", "is missing"},
	{"name: x\n", 1, 1, "bus", "is missing"},
	{"name: ''\nbus: []\n", 1, 7, "name", "must be a text that is not empty"},
	{"name: [a]\nbus: []\n", 1, 7, "name", "must be a text"},
	{"name: x\nbuss: []\n", 2, 1, "buss", "is not a key here (did you mean \"bus\"?)"},
	{"name: x\nfrobnicate: 1\nbus: []\n", 2, 1, "frobnicate", "is not a key here"},
	{"name: x\nname: y\nbus: []\n", 2, 1, "name", "second time; the first is in line 1"},
	{"name: x\nbus: 4\n", 2, 6, "bus", "must be a list"},
	{"name: x\n? [a]\n: 1\nbus: []\n", 2, 3, "", "a key must be a word"},
	{"name: x\nhost_bridge: yes\nbus: []\n", 2, 14, "host_bridge", "must be a mapping"},
	{"name: x\nhost_bridge: {routes_peers: maybe}\nbus: []\n", 2, 29, "routes_peers", "must be true or false"},
	{"name: x\nhost_bridge: {route_peers: true}\nbus: []\n", 2, 15, "route_peers",
	 "did you mean \"routes_peers\"?"},
	{"name: x\nbus:\n  - memcard\n", 3, 5, "", "must be a mapping with port, switch or model"},
	{"name: x\nbus:\n  - label: a\n", 3, 5, "", "must have one of port, switch, model"},
	{"name: x\nbus:\n  - port: A\n    model: memcard\n", 4, 5, "model", "cannot stand beside port"},
	{"name: x\nbus:\n  - model: memcart\n", 3, 12, "model", "no model \"memcart\" (did you mean \"memcard\"?)"},
	{"name: x\nbus:\n  - model: toaster\n", 3, 12, "model", "there is no model \"toaster\""},
	{"name: x\nbus:\n  - model: memcard\n    sise: 4K\n", 4, 5, "sise", "did you mean \"size\"?"},
	{"name: x\nbus:\n  - model: memcard\n    size: 3M\n", 4, 11, "size", "must be a power of two"},
	{"name: x\nbus:\n  - model: memcard\n    size: big\n", 4, 11, "size", "must be a number"},
	{"name: x\nbus:\n  - model: memcard\n    size: [1]\n", 4, 11, "size", "must be a single value"},
	{"name: x\nbus:\n  - model: memcard\n    pcie: perhaps\n", 4, 11, "pcie", "must be true or false"},
	{"name: x\nbus:\n  - {model: memcard, slot: 32}\n", 3, 28, "slot", "from 0 to 31"},
	{"name: x\nbus:\n  - {model: memcard, slot: 0}\n", 3, 28, "slot", "is the host bridge"},
	{"name: x\nbus:\n  - {model: memcard, slot: 4}\n  - {model: memcard, slot: 4}\n", 4, 28, "slot", "is taken"},
	{"name: x\nbus:\n  - port: A\n    below: [{model: memcard, slot: 1}]\n", 4, 36, "slot",
	 "a link has one device"},
	{"name: x\nbus:\n  - port: A\n    below: [{model: memcard}, {model: memcard}]\n", 4, 31, "", "one device"},
	{"name: x\nbus:\n  - port: A\n    below:\n      - port: B\n", 5, 9, "port", "on the root bus only"},
	{"name: x\nbus:\n  - switch: S\n", 3, 5, "switch", "needs a port above it"},
	{"name: x\nbus:\n  - port: A\n    acs: some\n", 4, 10, "acs", "must be none, isolate"},
	{"name: x\nbus:\n  - port: A\n    acs: [rr, xx]\n", 4, 15, "acs", "must be none, isolate"},
	{"name: x\nbus:\n  - port: A\n    size: 3\n", 4, 5, "size", "is not a key here"},
	{"name: x\nbus:\n  - port: A\n  - port: A\n", 4, 11, "port", "is the name of another node"},
	{"name: x\nbus:\n  - port: A\n    below: {model: ioat}\n", 4, 12, "below", "must be a list"},
	{"name: x\nbus:\n  - port: A\n    below: &loop\n      - switch: S\n        below: *loop\n", 5, 17, "switch",
	 "is the name of another node"},
	{"name: x\nbus:\n  - port:\n    below: []\n", 3, 10, "port", "must be a text"},
	{"name: x\nbus: []\n---\nname: y\n", 4, 1, "", "a file holds one rack"},
};

static void bad_files_are_told_what_is_wrong(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct rack_desc *desc = NULL;
		struct rack_error error;
		int err = rack_parse("bad.yaml", bad[i].text, strlen(bad[i].text), &desc, &error);

		if (err != -EINVAL || error.line != bad[i].line || error.column != bad[i].column ||
		    strcmp(error.key, bad[i].key) || !strstr(error.rule, bad[i].rule) || strcmp(error.file, "bad.yaml"))
			fail_msg("%zu: %d %s:%u:%u: %s: %s", i, err, error.file, error.line, error.column, error.key,
				 error.rule);
	}
	(void)state;
}

static void endless_nesting_ends(void **state)
{
	static const char text[] = "name: x\nbus:\n  - port: A\n    below: &loop\n      - switch: \n"
				   "        acs: none\n        below: *loop\n";
	static const char anonymous[] = "name: x\nbus: [{port: A, below: &l [{switch: S, below: *l}]}]";
	struct rack_desc *desc;
	struct rack_error error;

	assert_int_equal(rack_parse("a", text, strlen(text), &desc, &error), -EINVAL);
	assert_int_equal(rack_parse("a", anonymous, strlen(anonymous), &desc, &error), -EINVAL);
	(void)state;
}

static void the_forms_that_are_allowed(void **state)
{
	static const char text[] = "name: x\nsummary: all there is\nbus:\n"
				   "  - {model: ioat, slot: 0x1f}\n"
				   "  - port: A\n    acs: [sv, uf]\n    slot: 3\n    below:\n"
				   "      - switch: S\n        below:\n"
				   "          - {model: memcard, slot: 7, size: 0x10000}\n"
				   "          - {switch: T, acs: isolate, below: [{model: memcard, pcie: false}]}\n"
				   "  - port: B\n";
	struct rack_desc *desc;
	struct rack_error error;
	const struct rack_node *nodes;

	assert_int_equal(rack_parse("a", text, strlen(text), &desc, &error), 0);
	assert_int_equal(rack_desc_validate(desc, desc->len), 0);
	assert_int_equal(desc->routes_peers, 1);
	assert_int_equal(desc->nr_nodes, 10);
	nodes = (const void *)((const char *)desc + desc->nodes);
	assert_int_equal(nodes[0].slot, 31);
	assert_int_equal(nodes[1].acs, 0x11);
	assert_int_equal(nodes[3].kind, RACK_SWITCH_DOWNSTREAM);
	assert_int_equal(nodes[3].slot, 7);
	assert_int_equal(nodes[4].slot, -1);
	assert_string_equal(rack_string(desc, nodes[4].model), "memcard");
	free(desc);
	(void)state;
}

static const struct rack_key *key_of(const struct rack_desc *d, const char *model, unsigned n, const char *key)
{
	const struct rack_node *nodes = (const void *)((const char *)d + d->nodes);

	for (uint32_t i = 0; i < d->nr_nodes; i++) {
		const struct rack_key *keys = (const void *)((const char *)d + nodes[i].keys);

		if (!nodes[i].model || strcmp(rack_string(d, nodes[i].model), model) || n-- > 0)
			continue;
		for (uint32_t k = 0; k < nodes[i].nr_keys; k++)
			if (!strcmp(rack_string(d, keys[k].name), key))
				return &keys[k];
	}
	return NULL;
}

static void overrides_reach_every_device(void **state)
{
	struct rack_desc *desc;
	struct rack_error error;

	assert_int_equal(rack_load("demo", &desc, &error), 0);
	assert_int_equal(rack_override(&desc, "memcard,size=4K,pcie=false", &error), 0);
	assert_int_equal(rack_desc_validate(desc, desc->len), 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_string_equal(rack_string(desc, key_of(desc, "memcard", i, "size")->value), "4K");
		assert_string_equal(rack_string(desc, key_of(desc, "memcard", i, "pcie")->value), "false");
	}
	assert_null(key_of(desc, "ioat", 0, "size"));
	free(desc);
	(void)state;
}

static void bad_overrides_are_refused(void **state)
{
	static const struct {
		const char *argument, *key, *rule;
	} cases[] = {
		{"memcart,size=4K", "", "there is no model \"memcart\" (did you mean \"memcard\"?)"},
		{"", "", "there is no model"},
		{"memcard", "", "must be MODEL,key=value"},
		{"memcard,size", "", "has no \"=\""},
		{"memcard,sice=4K", "sice", "is not a key of memcard (did you mean \"size\"?)"},
		{"memcard,size=5", "size", "must be"},
		{"ioat,size=4K", "size", "is not a key of ioat"},
	};
	struct rack_desc *desc, *before;
	struct rack_error error;

	assert_int_equal(rack_load("demo", &desc, &error), 0);
	before = desc;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(rack_override(&desc, cases[i].argument, &error), -EINVAL);
		assert_string_equal(error.key, cases[i].key);
		assert_non_null(strstr(error.rule, cases[i].rule));
		assert_ptr_equal(desc, before);
	}
	free(desc);
	static const char none[] = "name: x\nbus: []\n";
	assert_int_equal(rack_parse("none", none, strlen(none), &desc, &error), 0);
	assert_int_equal(rack_override(&desc, "ioat,xfercap=20", &error), -EINVAL);
	assert_non_null(strstr(error.rule, "the rack has no ioat"));
	free(desc);
	(void)state;
}

static void racks_come_by_name_or_from_files(void **state)
{
	char name[] = "/tmp/barter-rack-XXXXXX";
	int fd = mkstemp(name);
	static const char text[] = "name: f\nbus: [{model: ioat}]\n";
	struct rack_desc *desc;
	struct rack_error error;

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	assert_int_equal(rack_load(name, &desc, &error), 0);
	assert_string_equal(rack_string(desc, desc->name), "f");
	free(desc);
	unlink(name);
	assert_int_equal(rack_load(name, &desc, &error), -ENOENT);
	assert_int_equal(rack_load("dmeo", &desc, &error), -ENOENT);
	assert_non_null(strstr(error.rule, "did you mean \"demo\"?"));
	assert_int_equal(rack_load("/", &desc, &error), -EISDIR);
	for (const struct rack_builtin *b = rack_builtins; b->name; b++) {
		assert_int_equal(rack_load(b->name, &desc, &error), 0);
		assert_string_equal(rack_string(desc, desc->name), b->name);
		free(desc);
	}
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_files_are_told_what_is_wrong), cmocka_unit_test(endless_nesting_ends),
		cmocka_unit_test(the_forms_that_are_allowed),	    cmocka_unit_test(overrides_reach_every_device),
		cmocka_unit_test(bad_overrides_are_refused),	    cmocka_unit_test(racks_come_by_name_or_from_files),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
