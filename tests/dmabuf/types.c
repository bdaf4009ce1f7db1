/* SPDX-License-Identifier: BSD-3-Clause */
/* What two lists of types come to: order, match data, reasons, falling back, pins and moves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "dmabuf/dmabuf.h"
#include "dmabuf/type_iov.h"
#include "dmabuf/type_phys.h"
#include "dmabuf/type_sgt.h"

/* Two types of the test's own: "fast" looks at a colour on both sides, "slow" takes anyone. */
struct colour {
	int value;
	int *users;
};

static int fast_match(const struct dma_buf_match *exporter, const struct dma_buf_match *importer, const char **reason)
{
	*reason = "another colour";
	return ((const struct colour *)exporter->data)->value == ((const struct colour *)importer->data)->value
		       ? 0
		       : -EOPNOTSUPP;
}

static void fast_finish(struct dma_buf_candidate *c)
{
	++*((struct colour *)c->exporter_data)->users;
}

static void fast_release(struct dma_buf_candidate *c)
{
	--*((struct colour *)c->exporter_data)->users;
}

struct test_ops {
	int (*map)(struct dma_buf_attachment *a);
	void (*unmap)(struct dma_buf_attachment *a);
};

static void test_unmap(struct dma_buf_attachment *a)
{
	((const struct test_ops *)dma_buf_exporter_ops(a))->unmap(a);
}

static const struct dma_buf_mapping_type fast = {
	.name = "fast",
	.exporter_data_len = sizeof(struct colour),
	.importer_data_len = sizeof(struct colour),
	.match = fast_match,
	.finish = fast_finish,
	.release = fast_release,
	.unmap = test_unmap,
};
static const struct dma_buf_mapping_type slow = {.name = "slow", .unmap = test_unmap};
static const struct dma_buf_mapping_type strange = {.name = "strange"};

static int test_map(struct dma_buf_attachment *a, const struct dma_buf_mapping_type *type)
{
	int err = dma_buf_map_begin(a, type);

	if (err)
		return err;
	err = ((const struct test_ops *)dma_buf_exporter_ops(a))->map(a);
	return dma_buf_map_end(a, err, a);
}

/* An exporter that does as it is told. */
static struct {
	struct dma_buf *buf;
	int fast_error, slow_error, pin_error;
	unsigned maps, unmaps, pins, unpins;
	int users;
	struct colour colour;
	struct dma_buf_match offers[2];
} e;

static int fast_map(struct dma_buf_attachment *a)
{
	e.maps++;
	return e.fast_error;
}

static int slow_map(struct dma_buf_attachment *a)
{
	e.maps++;
	return e.slow_error;
}

static void any_unmap(struct dma_buf_attachment *a)
{
	e.unmaps++;
}

static int exporter_pin(struct dma_buf *b)
{
	e.pins += !e.pin_error;
	return e.pin_error;
}

static void exporter_unpin(struct dma_buf *b)
{
	e.unpins++;
}

static void exporter_release(struct dma_buf *b)
{
}

static const struct test_ops fast_ops = {fast_map, any_unmap}, slow_ops = {slow_map, any_unmap};

static const struct dma_buf_ops exporter = {
	.name = "exporter", .pin = exporter_pin, .unpin = exporter_unpin, .release = exporter_release};
static const struct dma_buf_ops revoking_exporter = {
	.name = "revoking exporter", .may_revoke = true, .release = exporter_release};

static int setup_with(const struct dma_buf_ops *ops)
{
	memset(&e, 0, sizeof(e));
	e.colour = (struct colour){7, &e.users};
	e.offers[0] = (struct dma_buf_match){.type = &fast, .ops = &fast_ops, .data = &e.colour};
	e.offers[1] = (struct dma_buf_match){.type = &slow, .ops = &slow_ops};
	assert_int_equal(dma_buf_create(ops, NULL, 4096, 0, false, NULL, &e.buf), 0);
	e.buf->offers = e.offers;
	e.buf->nr_offers = 2;
	return 0;
}

static int setup(void **state)
{
	return setup_with(&exporter);
}

static int setup_revoking(void **state)
{
	return setup_with(&revoking_exporter);
}

static int teardown(void **state)
{
	assert_int_equal(e.users, 0);
	assert_int_equal(e.pins, e.unpins);
	dma_buf_destroy(e.buf);
	return 0;
}

static unsigned invalidates, restores;

static void count_invalidate(struct dma_buf_attachment *a)
{
	dma_buf_assert_held(a->buf);
	invalidates++;
}

static void count_restored(struct dma_buf_attachment *a)
{
	dma_buf_assert_held(a->buf);
	restores++;
}

static const struct dma_buf_importer_ops dynamic = {
	.name = "dynamic", .invalidate = count_invalidate, .restored = count_restored};
static const struct dma_buf_importer_ops revocable = {
	.name = "revocable", .pinned = true, .invalidate = count_invalidate};
static const struct dma_buf_importer_ops fixed = {.name = "static"};

static struct dma_buf_attachment *attach(const struct dma_buf_importer_ops *ops, int colour)
{
	struct colour c = {colour, NULL};
	/* The importer's order says nothing. */
	const struct dma_buf_match accepts[] = {{.type = &slow}, {.type = &fast, .data = &c}, {.type = &strange}};
	struct dma_buf_attachment *a = NULL;

	invalidates = restores = 0;
	assert_int_equal(dma_buf_attach_accepting(e.buf, ops, NULL, accepts, ARRAY_SIZE(accepts), &a), 0);
	return a;
}

static void the_exporters_order_wins_and_data_are_copied(void **state)
{
	struct dma_buf_attachment *a = attach(&dynamic, 7);
	const struct colour *theirs = dma_buf_exporter_data(a), *mine = dma_buf_importer_data(a);

	assert_ptr_equal(a->type, &fast);
	assert_ptr_not_equal(theirs, &e.colour);
	assert_int_equal(theirs->value, 7);
	assert_int_equal(mine->value, 7);
	assert_int_equal(e.users, 1);
	dma_buf_detach(a);
}

static void a_type_that_does_not_suit_is_skipped_and_says_why(void **state)
{
	struct dma_buf_attachment *a = attach(&dynamic, 8);

	assert_ptr_equal(a->type, &slow);
	assert_int_equal(a->nr_candidates, 3);
	assert_ptr_equal(a->candidates[0].type, &fast);
	assert_int_equal(a->candidates[0].match_error, -EOPNOTSUPP);
	assert_string_equal(a->candidates[0].reason, "another colour");
	assert_int_equal(a->candidates[1].match_error, 0);
	assert_ptr_equal(a->candidates[2].type, &strange);
	assert_string_equal(a->candidates[2].reason, "not offered");
	assert_int_equal(e.users, 0);
	dma_buf_detach(a);
}

static void no_type_in_common_is_refused(void **state)
{
	const struct dma_buf_match accepts[] = {{.type = &strange}};
	const struct dma_buf_importer_ops bare = {.name = "bare", .invalidate = count_invalidate};
	struct dma_buf_attachment *a;

	assert_int_equal(dma_buf_attach_accepting(e.buf, &dynamic, NULL, accepts, 1, &a), -EOPNOTSUPP);
	assert_int_equal(dma_buf_attach(e.buf, &bare, NULL, &a), -EOPNOTSUPP);
}

static void a_refused_attachment_lets_go_of_what_its_match_took(void **state)
{
	struct colour c = {7, NULL};
	const struct dma_buf_match accepts[] = {{.type = &fast, .data = &c}};
	struct dma_buf_attachment *a;

	dma_buf_revoke(e.buf, true);
	assert_int_equal(dma_buf_attach_accepting(e.buf, &dynamic, NULL, accepts, 1, &a), -ENODEV);
	assert_int_equal(e.users, 0);
}

/* As an importer of two types is written. Returns what the last attempt came to. */
static int import(struct dma_buf_attachment *a, int fast_use_error)
{
	int err;

	dma_buf_lock(a->buf);
	do {
		err = test_map(a, a->type);
		if (!err && a->type == &fast)
			err = fast_use_error;
	} while (dma_buf_fall_back_locked(a, err));
	dma_buf_unlock(a->buf);
	return err;
}

static void unmap(struct dma_buf_attachment *a)
{
	dma_buf_lock(a->buf);
	dma_buf_unmap_locked(a);
	dma_buf_unlock(a->buf);
}

static void when_mapping_fails_the_next_type_is_tried(void **state)
{
	struct dma_buf_attachment *a = attach(&dynamic, 7);

	e.fast_error = -EIO;
	assert_int_equal(import(a, 0), 0);
	assert_ptr_equal(a->type, &slow);
	assert_true(a->mapped);
	assert_int_equal(a->candidates[0].map_error, -EIO);
	assert_int_equal(a->candidates[1].map_error, 0);
	assert_int_equal(e.maps, 2);
	/* And stays with it. */
	unmap(a);
	assert_int_equal(import(a, 0), 0);
	assert_int_equal(e.maps, 3);
	dma_buf_detach(a);
	assert_int_equal(e.unmaps, 2);
}

static void when_the_importer_cannot_use_it_the_next_type_is_tried(void **state)
{
	struct dma_buf_attachment *a = attach(&dynamic, 7);

	assert_int_equal(import(a, -ERANGE), 0);
	assert_ptr_equal(a->type, &slow);
	assert_int_equal(a->candidates[0].map_error, -ERANGE);
	assert_int_equal(e.maps, 2);
	assert_int_equal(e.unmaps, 1);
	dma_buf_detach(a);
}

static void after_the_last_type_it_begins_with_the_first_again(void **state)
{
	struct dma_buf_attachment *a = attach(&dynamic, 7);

	e.fast_error = -EIO;
	e.slow_error = -ENOMEM;
	assert_int_equal(import(a, 0), -ENOMEM);
	assert_false(a->mapped);
	assert_ptr_equal(a->type, &fast);
	e.fast_error = 0;
	assert_int_equal(import(a, 0), 0);
	assert_ptr_equal(a->type, &fast);
	assert_int_equal(a->candidates[0].map_error, 0);
	dma_buf_detach(a);
}

static void another_type_does_not_bring_back_what_is_revoked(void **state)
{
	static const int passing[] = {-ENODEV, -EINTR, -EAGAIN};
	struct dma_buf_attachment *a = attach(&dynamic, 7);

	for (size_t i = 0; i < ARRAY_SIZE(passing); i++) {
		e.fast_error = passing[i];
		assert_int_equal(import(a, 0), passing[i]);
		assert_ptr_equal(a->type, &fast);
	}
	dma_buf_revoke(e.buf, false);
	e.fast_error = 0;
	assert_int_equal(import(a, 0), -ENODEV);
	assert_int_equal(e.maps, ARRAY_SIZE(passing));
	dma_buf_detach(a);
}

static void who_cannot_give_back_is_refused_by_who_revokes(void **state)
{
	const struct dma_buf_match accepts[] = {{.type = &slow}};
	struct dma_buf_attachment *a;

	assert_int_equal(dma_buf_attach_accepting(e.buf, &fixed, NULL, accepts, 1, &a), -EOPNOTSUPP);
	assert_int_equal(dma_buf_attach_accepting(e.buf, &revocable, NULL, accepts, 1, &a), 0);
	dma_buf_detach(a);
}

static int move(void)
{
	int err;

	dma_buf_lock(e.buf);
	err = dma_buf_move_begin_locked(e.buf);
	if (!err)
		dma_buf_move_end_locked(e.buf);
	dma_buf_unlock(e.buf);
	return err;
}

static void a_dynamic_importer_follows_a_move(void **state)
{
	struct dma_buf_attachment *a = attach(&dynamic, 7);

	assert_int_equal(import(a, 0), 0);
	assert_int_equal(move(), 0);
	assert_int_equal(invalidates, 1);
	assert_int_equal(restores, 1);
	assert_false(a->mapped);
	assert_int_equal(e.unmaps, 1);
	assert_int_equal(import(a, 0), 0);
	dma_buf_detach(a);
}

static void what_a_pinned_importer_has_does_not_move(void **state)
{
	const struct dma_buf_importer_ops *kinds[] = {&revocable, &fixed};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct dma_buf_attachment *a = attach(kinds[i], 7), *follows = attach(&dynamic, 7);

		assert_int_equal(move(), -EBUSY);
		assert_int_equal(invalidates, 0);
		dma_buf_detach(a);
		assert_int_equal(move(), 0);
		assert_int_equal(invalidates, 1);
		dma_buf_detach(follows);
	}
}

static void a_pinned_revocable_importer_is_told_of_a_revocation(void **state)
{
	struct dma_buf_attachment *a = attach(&revocable, 7);

	assert_int_equal(import(a, 0), 0);
	dma_buf_revoke(e.buf, false);
	assert_int_equal(invalidates, 1);
	assert_false(a->mapped);
	dma_buf_restore(e.buf);
	assert_int_equal(import(a, 0), 0);
	dma_buf_detach(a);
}

static void a_dynamic_importer_can_pin_for_a_while(void **state)
{
	struct dma_buf_attachment *a = attach(&dynamic, 7);

	dma_buf_lock(e.buf);
	assert_int_equal(dma_buf_pin_locked(a), 0);
	assert_int_equal(dma_buf_pin_locked(a), 0);
	dma_buf_unlock(e.buf);
	assert_int_equal(e.pins, 1);
	assert_int_equal(move(), -EBUSY);
	dma_buf_lock(e.buf);
	dma_buf_unpin_locked(a);
	dma_buf_unlock(e.buf);
	assert_int_equal(move(), -EBUSY);
	/* What is left goes with the attachment. */
	dma_buf_detach(a);
	assert_int_equal(e.unpins, 1);
	assert_int_equal(move(), 0);
}

static void memory_that_cannot_be_pinned_is_refused(void **state)
{
	const struct dma_buf_match accepts[] = {{.type = &slow}};
	struct dma_buf_attachment *a;

	e.pin_error = -ENOSPC;
	assert_int_equal(dma_buf_attach_accepting(e.buf, &revocable, NULL, accepts, 1, &a), -ENOSPC);
	a = attach(&dynamic, 7);
	dma_buf_lock(e.buf);
	assert_int_equal(dma_buf_pin_locked(a), -ENOSPC);
	dma_buf_unlock(e.buf);
	dma_buf_detach(a);
}

static const struct dma_buf_iov_list window = {&(struct dma_buf_iov_range){0x1000, 0x2000}, 1};

static int window_map(struct dma_buf_attachment *a, const struct dma_buf_iov_list **list)
{
	*list = &window;
	return 0;
}

/* Functions are only compared. */
#define FUNCTION(n) ((struct pci_function *)(uintptr_t)(0x1000 + (n)))

static const char *iov_refusal(struct pci_function *pf, unsigned bar)
{
	static const struct dma_buf_iov_ops ops = {.map = window_map};
	const struct dma_buf_iov_exporter theirs = {.vf = FUNCTION(1), .pf = FUNCTION(0), .bar = 2};
	const struct dma_buf_iov_importer mine = {.pf = pf, .bar = bar};
	const struct dma_buf_match offer = {&dma_buf_type_iov, &ops, &theirs};
	const struct dma_buf_match accepts[] = {{.type = &dma_buf_type_iov, .data = &mine}, {.type = &slow}};
	const struct dma_buf_iov_list *list;
	struct dma_buf_attachment *a;
	const char *reason;

	e.offers[0] = offer;
	assert_int_equal(dma_buf_attach_accepting(e.buf, &dynamic, NULL, accepts, 2, &a), 0);
	reason = a->candidates[0].reason;
	assert_true(reason || a->type == &dma_buf_type_iov);
	if (!reason) {
		assert_ptr_equal(dma_buf_iov_vf(a), FUNCTION(1));
		dma_buf_lock(e.buf);
		assert_int_equal(dma_buf_iov_map_locked(a, &list), 0);
		assert_int_equal(list->ranges[0].len, 0x2000);
		dma_buf_unlock(e.buf);
	}
	dma_buf_detach(a);
	return reason;
}

static void iov_is_for_one_physical_function_and_its_window(void **state)
{
	assert_null(iov_refusal(FUNCTION(0), 2));
	assert_non_null(strstr(iov_refusal(FUNCTION(5), 2), "not that of a virtual function"));
	assert_non_null(strstr(iov_refusal(FUNCTION(0), 0), "another BAR"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_exporters_order_wins_and_data_are_copied),
		TEST(a_type_that_does_not_suit_is_skipped_and_says_why),
		TEST(no_type_in_common_is_refused),
		TEST(a_refused_attachment_lets_go_of_what_its_match_took),
		TEST(when_mapping_fails_the_next_type_is_tried),
		TEST(when_the_importer_cannot_use_it_the_next_type_is_tried),
		TEST(after_the_last_type_it_begins_with_the_first_again),
		TEST(another_type_does_not_bring_back_what_is_revoked),
		cmocka_unit_test_setup_teardown(who_cannot_give_back_is_refused_by_who_revokes, setup_revoking,
						teardown),
		TEST(a_dynamic_importer_follows_a_move),
		TEST(what_a_pinned_importer_has_does_not_move),
		TEST(a_pinned_revocable_importer_is_told_of_a_revocation),
		TEST(a_dynamic_importer_can_pin_for_a_while),
		TEST(memory_that_cannot_be_pinned_is_refused),
		TEST(iov_is_for_one_physical_function_and_its_window),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
