/* SPDX-License-Identifier: BSD-3-Clause */
/* Attachments and the three states of a buffer. */
#include "exporter.h"

static void attach(struct exporter *e, const struct dma_buf_importer_ops *ops, struct importer *i)
{
	assert_int_equal(dma_buf_attach(e->buf, ops, i, &i->a), 0);
}

static int map(struct importer *i)
{
	const struct dma_buf_phys_list *list = NULL;
	int err;

	dma_buf_lock(i->a->buf);
	err = dma_buf_phys_map_locked(i->a, &list);
	dma_buf_unlock(i->a->buf);
	if (!err)
		assert_int_equal(list->nr_ranges, 2);
	return err;
}

static void the_first_common_type_is_chosen(void **state)
{
	struct exporter e;
	struct importer i = {0};

	exporter_init(&e, &exporter_ops, false);
	attach(&e, &importer_plain, &i);
	assert_ptr_equal(i.a->type, &dma_buf_type_phys);
	dma_buf_detach(i.a);
	exporter_fini(&e);
}

static void an_importer_without_a_common_type_is_refused(void **state)
{
	struct exporter e;
	struct importer i = {0};

	exporter_init(&e, &exporter_ops, false);
	assert_int_equal(dma_buf_attach(e.buf, &importer_stranger, &i, &i.a), -EOPNOTSUPP);
	exporter_fini(&e);
}

static void an_importer_that_cannot_give_back_is_refused_by_one_that_revokes(void **state)
{
	struct exporter e;
	struct importer i = {0};

	exporter_init(&e, &exporter_ops, false);
	assert_int_equal(dma_buf_attach(e.buf, &importer_pins, &i, &i.a), -EOPNOTSUPP);
	exporter_fini(&e);
}

static void revoking_invalidates_once_and_unmaps(void **state)
{
	struct exporter e;
	struct importer i = {0};

	exporter_init(&e, &exporter_ops, false);
	attach(&e, &importer_plain, &i);
	assert_int_equal(map(&i), 0);
	dma_buf_revoke(e.buf, false);
	dma_buf_revoke(e.buf, false);
	assert_int_equal(i.invalidates, 1);
	assert_true(i.mapped_in_callback);
	assert_false(i.a->mapped);
	assert_int_equal(e.unmaps, 1);
	assert_int_equal(map(&i), -ENODEV);
	dma_buf_detach(i.a);
	assert_int_equal(e.unmaps, 1);
	exporter_fini(&e);
}

static void a_buffer_revoked_for_now_comes_back(void **state)
{
	struct exporter e;
	struct importer plain = {0}, waits = {0};

	exporter_init(&e, &exporter_ops, false);
	attach(&e, &importer_plain, &plain);
	attach(&e, &importer_waits, &waits);
	dma_buf_revoke(e.buf, false);
	dma_buf_restore(e.buf);
	dma_buf_restore(e.buf);
	assert_int_equal(waits.restores, 1);
	assert_int_equal(plain.restores, 0);
	assert_int_equal(map(&plain), 0);
	dma_buf_detach(plain.a);
	dma_buf_detach(waits.a);
	exporter_fini(&e);
}

static void a_buffer_revoked_for_good_does_not(void **state)
{
	struct exporter e;
	struct importer i = {0}, late = {0};

	exporter_init(&e, &exporter_ops, false);
	attach(&e, &importer_waits, &i);
	dma_buf_revoke(e.buf, false);
	dma_buf_revoke(e.buf, true);
	dma_buf_restore(e.buf);
	assert_int_equal(i.invalidates, 1);
	assert_int_equal(i.restores, 0);
	assert_int_equal(map(&i), -ENODEV);
	assert_int_equal(dma_buf_attach(e.buf, &importer_waits, &late, &late.a), -ENODEV);
	dma_buf_detach(i.a);
	exporter_fini(&e);
}

static void only_who_can_wait_attaches_while_revoked_for_now(void **state)
{
	struct exporter e;
	struct importer plain = {0}, waits = {0};

	exporter_init(&e, &exporter_ops, false);
	dma_buf_revoke(e.buf, false);
	assert_int_equal(dma_buf_attach(e.buf, &importer_plain, &plain, &plain.a), -ENODEV);
	attach(&e, &importer_waits, &waits);
	dma_buf_restore(e.buf);
	assert_int_equal(waits.restores, 1);
	dma_buf_detach(waits.a);
	exporter_fini(&e);
}

static void detaching_unmaps(void **state)
{
	struct exporter e;
	struct importer i = {0};

	exporter_init(&e, &exporter_ops, false);
	attach(&e, &importer_plain, &i);
	assert_int_equal(map(&i), 0);
	dma_buf_detach(i.a);
	assert_int_equal(e.unmaps, 1);
	dma_buf_revoke(e.buf, false);
	assert_int_equal(i.invalidates, 0);
	exporter_fini(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_common_type_is_chosen),
		cmocka_unit_test(an_importer_without_a_common_type_is_refused),
		cmocka_unit_test(an_importer_that_cannot_give_back_is_refused_by_one_that_revokes),
		cmocka_unit_test(revoking_invalidates_once_and_unmaps),
		cmocka_unit_test(a_buffer_revoked_for_now_comes_back),
		cmocka_unit_test(a_buffer_revoked_for_good_does_not),
		cmocka_unit_test(only_who_can_wait_attaches_while_revoked_for_now),
		cmocka_unit_test(detaching_unmaps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
