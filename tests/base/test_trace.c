/* SPDX-License-Identifier: BSD-3-Clause */
/* The timeline and the report, read back by a JSON parser that is not ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/lock.h"
#include "base/trace.h"

enum { THREADS = 4, EVENTS = 2000 };

static json_t *written(struct trace *t, int (*write_it)(struct trace *, int))
{
	int fd = memfd_create("trace", MFD_CLOEXEC);
	json_error_t error;
	json_t *root;

	assert_true(fd >= 0);
	assert_int_equal(write_it(t, fd), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	root = json_loadfd(fd, JSON_REJECT_DUPLICATES, &error);
	if (!root)
		fail_msg("not JSON: line %d: %s", error.line, error.text);
	close(fd);
	return root;
}

static json_t *event_named(json_t *root, const char *name)
{
	json_t *event;
	size_t i;

	json_array_foreach(json_object_get(root, "traceEvents"), i,
			   event) if (!strcmp(json_string_value(json_object_get(event, "name")), name)) return event;
	return NULL;
}

static const char *text_at(json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static void timeline_has_rows_times_and_arguments(void **state)
{
	struct trace *t = trace_create(true);
	uint64_t start = trace_now();
	json_t *root, *e, *args;

	trace_complete(t, TRACE_DMA, "0000:01:00.0", "copy", start, "from=0x%x to=0x%x", 0x1000, 0x2000);
	trace_instant(t, TRACE_REVOKE, NULL, "gate", "it said \"shut\"\n");
	trace_instant(t, TRACE_MAP, NULL, "bare", "%s", "");
	root = written(t, trace_write_timeline);
	e = event_named(root, "copy");
	assert_string_equal(text_at(e, "ph"), "X");
	assert_string_equal(text_at(e, "cat"), "dma");
	assert_int_equal(json_integer_value(json_object_get(e, "pid")), 2);
	args = json_object_get(e, "args");
	assert_string_equal(text_at(args, "from"), "0x1000");
	assert_string_equal(text_at(args, "to"), "0x2000");
	e = event_named(root, "gate");
	assert_string_equal(text_at(e, "ph"), "i");
	assert_int_equal(json_integer_value(json_object_get(e, "tid")), gettid());
	assert_string_equal(text_at(json_object_get(e, "args"), "text"), "it said \"shut\"\n");
	assert_null(json_object_get(event_named(root, "bare"), "args"));
	e = event_named(root, "thread_name");
	assert_string_equal(text_at(json_object_get(e, "args"), "name"), "0000:01:00.0");
	json_decref(root);
	trace_destroy(t);
	(void)state;
}

static void *record_many(void *argument)
{
	struct trace *t = argument;

	for (unsigned i = 0; i < EVENTS; i++) {
		trace_complete(t, TRACE_CALL, NULL, "ioctl", trace_now(), "nr=%u", i);
		trace_count(t, "area", i % 2 ? -1 : 1);
		refuse(t, -EINVAL, "value %u is odd", i);
	}
	return NULL;
}

static void threads_lose_nothing(void **state)
{
	struct trace *t = trace_create(true);
	pthread_t threads[THREADS];
	json_t *root, *rule, *object;

	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, record_many, t), 0);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	root = written(t, trace_write_timeline);
	/* A call and a refusal each, and the names of the two processes. */
	assert_int_equal(json_array_size(json_object_get(root, "traceEvents")), 2 * THREADS * EVENTS + 2);
	json_decref(root);
	root = written(t, trace_write_report);
	rule = json_array_get(json_object_get(root, "refusals"), 0);
	assert_int_equal(json_integer_value(json_object_get(rule, "count")), THREADS * EVENTS);
	object = json_array_get(json_object_get(root, "objects"), 0);
	assert_int_equal(json_integer_value(json_object_get(object, "live")), 0);
	assert_int_equal(json_integer_value(json_object_get(object, "born")), THREADS * EVENTS / 2);
	json_decref(root);
	trace_destroy(t);
	(void)state;
}

static void identical_rules_are_counted(void **state)
{
	struct trace *t = trace_create(false);
	json_t *root, *refusals, *rule;

	for (int i = 0; i < 3; i++)
		assert_int_equal(refuse(t, -EINVAL, "offset 0x%x is not page-aligned", i), -EINVAL);
	assert_int_equal(refuse(t, -ENODEV, "offset 0x%x is not page-aligned", 9), -ENODEV);
	root = written(t, trace_write_report);
	refusals = json_object_get(root, "refusals");
	assert_int_equal(json_array_size(refusals), 2);
	for (size_t i = 0; i < 2; i++) {
		rule = json_array_get(refusals, i);
		bool invalid = !strcmp(text_at(rule, "errno"), "EINVAL");

		assert_int_equal(json_integer_value(json_object_get(rule, "count")), invalid ? 3 : 1);
		assert_string_equal(text_at(rule, "newest"),
				    invalid ? "offset 0x2 is not page-aligned" : "offset 0x9 is not page-aligned");
	}
	json_decref(root);
	trace_destroy(t);
	(void)state;
}

static void off_means_off(void **state)
{
	struct trace *t = trace_create(false);
	json_t *root;

	assert_false(trace_enabled(NULL));
	assert_false(trace_enabled(t));
	trace_instant(t, TRACE_CALL, NULL, "unseen", "x");
	assert_int_equal(refuse(NULL, -EFAULT, "never formatted"), -EFAULT);
	trace_count(NULL, "object", 1);
	root = written(t, trace_write_timeline);
	assert_null(event_named(root, "unseen"));
	json_decref(root);
	trace_destroy(t);
	trace_destroy(NULL);
	(void)state;
}

static void records_under_the_innermost_lock(void **state)
{
	static const struct lock_class leaf_class = {"leaf", LOCK_RANK_LEAF, false};
	struct trace *t = trace_create(true);
	struct mutex leaf;

	mutex_init(&leaf, &leaf_class);
	mutex_lock(&leaf);
	trace_instant(t, TRACE_CALL, NULL, "event", "x");
	trace_count(t, "object", 1);
	assert_int_equal(refuse(t, -EBUSY, "busy"), -EBUSY);
	mutex_unlock(&leaf);
	mutex_fini(&leaf);
	trace_destroy(t);
	(void)state;
}

static void a_full_disk_is_an_error(void **state)
{
	struct trace *t = trace_create(true);
	FILE *full = fopen("/dev/full", "w");

	assert_non_null(full);
	trace_instant(t, TRACE_CALL, NULL, "event", "x");
	assert_int_equal(trace_write_timeline(t, fileno(full)), -ENOSPC);
	assert_int_equal(trace_write_report(t, -1), -EBADF);
	fclose(full);
	trace_destroy(t);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(timeline_has_rows_times_and_arguments), cmocka_unit_test(threads_lose_nothing),
		cmocka_unit_test(identical_rules_are_counted),		 cmocka_unit_test(off_means_off),
		cmocka_unit_test(records_under_the_innermost_lock),	 cmocka_unit_test(a_full_disk_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
