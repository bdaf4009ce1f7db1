/* SPDX-License-Identifier: BSD-3-Clause */
/* Built-in racks become machines whose tree, groups and routes are those that their summary promises. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "rack/parse.h"
#include "rack/rack.h"

static struct rack *rack_of(const char *name, struct rack_desc **desc)
{
	struct rack_error error;
	struct rack *r;

	assert_int_equal(rack_load(name, desc, &error), 0);
	assert_int_equal(rack_desc_validate(*desc, (*desc)->len), 0);
	assert_int_equal(rack_create(*desc, NULL, &r), 0);
	return r;
}

static void put(struct rack *r, struct rack_desc *desc)
{
	rack_destroy(r);
	free(desc);
}

static const struct pci_function *nth(const struct rack *r, const char *model, unsigned n)
{
	for (size_t i = 0; i < r->root.nr_functions; i++) {
		const struct pci_function *fn = r->root.functions[i];

		if (fn->model_name && !strcmp(fn->model_name, model) && n-- == 0)
			return fn;
	}
	return NULL;
}

static void demo_is_as_promised(void **state)
{
	struct rack_desc *desc;
	struct rack *r = rack_of("demo", &desc);
	const struct pci_function *engine0 = nth(r, "ioat", 0), *engine2 = nth(r, "ioat", 2);
	const struct pci_function *card0 = nth(r, "memcard", 0), *card1 = nth(r, "memcard", 1);

	assert_non_null(engine2);
	assert_null(nth(r, "ioat", 3));
	assert_non_null(card1);
	assert_int_equal(card0->bars[2].size, 64ull << 20);
	assert_int_equal(card1->bars[2].size, 1ull << 30);
	assert_true(card1->bars[2].base >= 1ull << 40);
	assert_int_equal(pci_route(engine0, card0).kind, PCI_ROUTE_BUS_ADDRESS);
	assert_int_equal(pci_route(engine0, card1).kind, PCI_ROUTE_HOST_BRIDGE);
	assert_int_equal(pci_route(engine2, card0).kind, PCI_ROUTE_HOST_BRIDGE);
	put(r, desc);
	(void)state;
}

static void acs_sends_peers_up(void **state)
{
	struct rack_desc *desc;
	struct rack *r = rack_of("demo-acs", &desc);

	assert_int_equal(pci_route(nth(r, "ioat", 0), nth(r, "memcard", 0)).kind, PCI_ROUTE_HOST_BRIDGE);
	/* Every function isolated: a group each. */
	assert_int_equal(r->root.nr_groups, r->root.nr_functions);
	put(r, desc);
	(void)state;
}

static void some_host_bridges_do_not_route(void **state)
{
	struct rack_desc *desc;
	struct rack *r = rack_of("no-host-p2p", &desc);

	assert_int_equal(pci_route(nth(r, "ioat", 0), nth(r, "memcard", 0)).kind, PCI_ROUTE_BUS_ADDRESS);
	assert_int_equal(pci_route(nth(r, "ioat", 0), nth(r, "memcard", 1)).kind, PCI_ROUTE_NONE);
	put(r, desc);
	(void)state;
}

static void eight_are_behind_one_switch(void **state)
{
	struct rack_desc *desc;
	struct rack *r = rack_of("eight", &desc);

	for (unsigned i = 0; i < 4; i++)
		for (unsigned j = 0; j < 4; j++)
			assert_int_equal(pci_route(nth(r, "ioat", i), nth(r, "memcard", j)).kind,
					 PCI_ROUTE_BUS_ADDRESS);
	put(r, desc);
	(void)state;
}

/* Random damage to a good description: refused or built, never a crash. */
static void damaged_descriptions(void **state)
{
	struct rack_desc *good, *bad;
	struct rack_error error;
	unsigned seed = 1, nr_built = 0;

	assert_int_equal(rack_load("demo", &good, &error), 0);
	bad = malloc(good->len);
	for (int round = 0; round < 20000; round++) {
		size_t len = good->len;
		struct rack *r;

		memcpy(bad, good, good->len);
		for (int k = rand_r(&seed) % 4; k >= 0; k--) {
			size_t at = rand_r(&seed) % (good->len / 4) * 4;
			uint32_t value = rand_r(&seed) % 3 ? rand_r(&seed) % (2 * good->len) : rand_r(&seed) * 2u;

			memcpy((char *)bad + at, &value, 4);
		}
		if (rand_r(&seed) % 8 == 0)
			len = bad->len = rand_r(&seed) % good->len;
		if (len >= sizeof(*bad) && rack_desc_validate(bad, len) == 0 && nr_built < 20 &&
		    rack_create(bad, NULL, &r) == 0) {
			nr_built++;
			rack_destroy(r);
		}
	}
	free(bad);
	free(good);
	(void)state;
}

static void short_descriptions_are_refused(void **state)
{
	struct rack_desc *good;
	struct rack_error error;

	assert_int_equal(rack_load("demo", &good, &error), 0);
	for (size_t len = 0; len < good->len; len++)
		assert_int_equal(rack_desc_validate(good, len), -EINVAL);
	good->version++;
	assert_int_equal(rack_desc_validate(good, good->len), -EINVAL);
	free(good);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(demo_is_as_promised),
		cmocka_unit_test(acs_sends_peers_up),
		cmocka_unit_test(some_host_bridges_do_not_route),
		cmocka_unit_test(eight_are_behind_one_switch),
		cmocka_unit_test(damaged_descriptions),
		cmocka_unit_test(short_descriptions_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
