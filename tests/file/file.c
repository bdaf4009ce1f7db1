/* SPDX-License-Identifier: BSD-3-Clause */
/* The life of a file, and the fake program that the other rooms' tests stand on. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include "fake/task.h"

static void count_release(struct file *f)
{
	(*(int *)f->priv)++;
}

static const struct file_ops ops = {.name = "test", .release = count_release};

static void file_is_released_at_the_last_reference(void **state)
{
	int released = 0;
	struct file *f = file_create(&ops, &released, 0);
	file_get(f);
	file_put(f);
	assert_int_equal(released, 0);
	file_put(f);
	assert_int_equal(released, 1);
}

static void fd_keeps_the_file_until_it_is_closed(void **state)
{
	int released = 0;
	struct fake_task *ft = fake_task_create();
	int fd = fake_task_install(ft, file_create(&ops, &released, 0));
	struct file *f = fake_task(ft)->ops->file_get(fake_task(ft), fd);
	assert_int_equal(fake_task_close(ft, fd), 0);
	assert_int_equal(released, 0);
	file_put(f);
	assert_int_equal(released, 1);
	assert_int_equal(fake_task_close(ft, fd), -EBADF);
	fake_task_destroy(ft);
}

static void full_table_refuses_and_cancel_gives_back(void **state)
{
	struct fake_task *ft = fake_task_create();
	struct task *t = fake_task(ft);
	fake_task_limit_fds(ft, 1);
	int fd = t->ops->fd_reserve(t, NULL, 0);
	assert_int_equal(fd, 0);
	assert_false(t->ops->fd_is_open(t, fd));
	assert_int_equal(t->ops->fd_reserve(t, NULL, 0), -EMFILE);
	t->ops->fd_cancel(t, fd);
	assert_int_equal(fake_task_nr_fds(ft), 0);
	fake_task_destroy(ft);
}

static void copies_stop_at_holes(void **state)
{
	struct fake_task *ft = fake_task_create();
	struct task *t = fake_task(ft);
	char buf[16] = {0}, byte = 7;
	assert_int_equal(copy_to_task(t, (uaddr_t)buf, &byte, 1), 0);
	assert_int_equal(buf[0], 7);
	assert_int_equal(copy_from_task(t, &byte, 0, 1), -EFAULT);
	assert_int_equal(copy_from_task(t, &byte, ~0ull, 1), -EFAULT);
	fake_task_fault(ft, (uaddr_t)buf + 8, 4);
	assert_int_equal(copy_from_task(t, &byte, (uaddr_t)buf + 7, 1), 0);
	assert_int_equal(copy_from_task(t, &byte, (uaddr_t)buf + 11, 1), -EFAULT);
	fake_task_read_only(ft, (uaddr_t)buf, 4);
	assert_int_equal(copy_from_task(t, &byte, (uaddr_t)buf, 1), 0);
	assert_int_equal(copy_to_task(t, (uaddr_t)buf, &byte, 1), -EFAULT);
	fake_task_destroy(ft);
}

static void count_call(void *arg)
{
	(*(int *)arg)++;
}

static void events_are_signalled_and_watched(void **state)
{
	struct fake_task *ft = fake_task_create();
	struct task *t = fake_task(ft);
	struct event *e;
	int calls = 0, fd = fake_task_eventfd(ft);
	assert_int_equal(t->ops->event_get(t, 200, &e), -EBADF);
	assert_int_equal(t->ops->event_get(t, fd, &e), 0);
	t->ops->event_signal(e);
	t->ops->event_signal(e);
	assert_int_equal(fake_task_event_read(ft, fd), 2);
	t->ops->event_watch(e, count_call, &calls);
	fake_task_event_write(ft, fd);
	assert_int_equal(calls, 1);
	assert_int_equal(fake_task_event_read(ft, fd), 0);
	t->ops->event_put(e);
	fake_task_destroy(ft);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(file_is_released_at_the_last_reference),
		cmocka_unit_test(fd_keeps_the_file_until_it_is_closed),
		cmocka_unit_test(full_table_refuses_and_cancel_gives_back),
		cmocka_unit_test(copies_stop_at_holes),
		cmocka_unit_test(events_are_signalled_and_watched),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
