/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake/task.h"
#include "memory/pinned.h"
#include "memory/section.h"

#define PAGES 8
static _Alignas(4096) char memory[PAGES * 4096], elsewhere[PAGES * 4096];

struct world {
	struct phys_space *space;
	struct fake_task *fake;
};

static int setup(void **state)
{
	static struct world w;
	w.space = phys_space_create(NULL);
	w.fake = fake_task_create();
	*state = &w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	assert_int_equal(fake_task_nr_pins(w->fake), 0);
	fake_task_destroy(w->fake);
	phys_space_destroy(w->space);
	return 0;
}

static void expect_host(struct pinned *p, uint64_t offset, char *host, uint64_t run, bool protected_)
{
	uint64_t got_run;
	bool got_protected;

	assert_ptr_equal(pinned_host(p, offset, &got_run, &got_protected), host);
	assert_int_equal(got_run, run);
	assert_int_equal(got_protected, protected_);
}

static void a_pin_is_a_region(void **state)
{
	struct world *w = *state;
	struct pinned *p;

	assert_int_equal(pinned_create_user(w->space, fake_task(w->fake), (uaddr_t)memory, sizeof(memory), true, &p),
			 0);
	assert_ptr_equal(phys_find(w->space, p->region.base + 4096)->owner, p);
	expect_host(p, 5, memory + 5, sizeof(memory) - 5, false);
	pinned_destroy(p);
}

static void a_refused_pin_leaves_nothing(void **state)
{
	struct world *w = *state;
	struct pinned *p = NULL;

	fake_task_read_only(w->fake, (uaddr_t)memory, 4096);
	assert_int_equal(pinned_create_user(w->space, fake_task(w->fake), (uaddr_t)memory, sizeof(memory), true, &p),
			 -EFAULT);
	assert_null(p);
}

static void moves_cut_and_join_pieces(void **state)
{
	struct world *w = *state;
	struct pinned *p;

	assert_int_equal(pinned_create_user(w->space, fake_task(w->fake), (uaddr_t)memory, sizeof(memory), true, &p),
			 0);
	uint64_t drains = section_drains(phys_sections(w->space));
	assert_int_equal(pinned_move(p, 2 * 4096, 3 * 4096, elsewhere, false), 0);
	assert_int_equal(section_drains(phys_sections(w->space)), drains + 1);
	expect_host(p, 0, memory, 2 * 4096, false);
	expect_host(p, 2 * 4096 + 1, elsewhere + 1, 3 * 4096 - 1, false);
	expect_host(p, 5 * 4096, memory + 5 * 4096, 3 * 4096, false);

	/* Inside a piece, over the border of two, all of it. */
	assert_int_equal(pinned_move(p, 3 * 4096, 4096, memory + 3 * 4096, true), 0);
	expect_host(p, 2 * 4096, elsewhere, 4096, false);
	expect_host(p, 3 * 4096, memory + 3 * 4096, 4096, true);
	expect_host(p, 4 * 4096, elsewhere + 2 * 4096, 4096, false);
	assert_int_equal(pinned_move(p, 4096, 4 * 4096, memory + 4096, false), 0);
	expect_host(p, 0, memory, sizeof(memory), false);
	assert_int_equal(atomic_load(&p->pieces)->nr, 1);
	assert_int_equal(pinned_move(p, 0, sizeof(memory), elsewhere, false), 0);
	expect_host(p, sizeof(memory) - 1, elsewhere + sizeof(memory) - 1, 1, false);
	pinned_destroy(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_pin_is_a_region, setup, teardown),
		cmocka_unit_test_setup_teardown(a_refused_pin_leaves_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(moves_cut_and_join_pieces, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
