/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading and writing sysfs files. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>

#include "fake/task.h"
#include "file/ns.h"

struct fixture {
	struct ns *ns;
	struct fake_task *ft;
	unsigned shows;
	char stored[64];
	char config[64];
};

static ssize_t counter_show(void *priv, uint64_t offset, char *buf, size_t capacity)
{
	struct fixture *fx = priv;
	return snprintf(buf, capacity, "%u times\n", ++fx->shows);
}

static ssize_t counter_store(void *priv, uint64_t offset, const char *buf, size_t len)
{
	struct fixture *fx = priv;
	snprintf(fx->stored, sizeof(fx->stored), "%s", buf);
	return (ssize_t)len;
}

static ssize_t config_show(void *priv, uint64_t offset, char *buf, size_t capacity)
{
	memcpy(buf, ((struct fixture *)priv)->config + offset, capacity);
	return (ssize_t)capacity;
}

static ssize_t config_store(void *priv, uint64_t offset, const char *buf, size_t len)
{
	memcpy(((struct fixture *)priv)->config + offset, buf, len);
	return (ssize_t)len;
}

static const struct ns_attribute_ops counter_ops = {.show = counter_show, .store = counter_store};
static const struct ns_attribute_ops silent_ops = {0};
static const struct ns_attribute_ops config_ops = {.show = config_show, .store = config_store, .binary_size = 64};

static int set_up(void **state)
{
	static struct fixture fx;
	memset(&fx, 0, sizeof(fx));
	fx.ns = ns_create();
	fx.ft = fake_task_create();
	for (unsigned i = 0; i < sizeof(fx.config); i++)
		fx.config[i] = (char)i;
	*state = &fx;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fx = *state;
	fake_task_destroy(fx->ft);
	ns_destroy(fx->ns);
	return 0;
}

static struct file *open_attribute(struct fixture *fx, const struct ns_attribute_ops *ops, mode_t mode, int flags)
{
	struct ns_node *node = ns_attribute(fx->ns, ns_root(fx->ns), "attribute", mode, ops, fx);
	struct file *f = NULL;
	assert_int_equal(ns_open(node, fake_task(fx->ft), flags, &f), 0);
	return f;
}

static ssize_t read_at(struct fixture *fx, struct file *f, char *buf, size_t len, uint64_t *pos)
{
	return f->ops->read(f, fake_task(fx->ft), (uaddr_t)buf, len, pos);
}

static void single_bytes_come_from_one_text(void **state)
{
	struct fixture *fx = *state;
	struct file *f = open_attribute(fx, &counter_ops, 0644, O_RDWR);
	char text[32] = "";
	uint64_t pos = 0;
	while (read_at(fx, f, text + pos, 1, &pos) == 1)
		;
	assert_string_equal(text, "1 times\n");
	assert_int_equal(fx->shows, 1);
	pos = 0;
	assert_int_equal(read_at(fx, f, text, sizeof(text), &pos), 8);
	assert_int_equal(text[0], '2');
	pos = 2;
	assert_int_equal(read_at(fx, f, text, 3, &pos), 3);
	assert_memory_equal(text, "tim", 3);
	assert_int_equal(fx->shows, 3);
	pos = 100;
	assert_int_equal(read_at(fx, f, text, 3, &pos), 0);
	file_put(f);
}

static void store_gets_a_terminated_text(void **state)
{
	struct fixture *fx = *state;
	struct file *f = open_attribute(fx, &counter_ops, 0644, O_RDWR);
	uint64_t pos = 9;
	assert_int_equal(f->ops->write(f, fake_task(fx->ft), (uaddr_t) "reset!", 5, &pos), 5);
	assert_string_equal(fx->stored, "reset");
	assert_int_equal(pos, 14);
	assert_int_equal(f->ops->write(f, fake_task(fx->ft), 16, 5, &pos), -EFAULT);
	assert_int_equal(f->ops->write(f, fake_task(fx->ft), (uaddr_t) "", 0, &pos), 0);
	file_put(f);
}

static void binary_attributes_are_clipped(void **state)
{
	struct fixture *fx = *state;
	struct file *f = open_attribute(fx, &config_ops, 0644, O_RDWR);
	char buf[128];
	uint64_t pos = 60;
	assert_int_equal(read_at(fx, f, buf, sizeof(buf), &pos), 4);
	assert_int_equal(buf[0], 60);
	assert_int_equal(pos, 64);
	assert_int_equal(read_at(fx, f, buf, sizeof(buf), &pos), 0);
	assert_int_equal(f->ops->write(f, fake_task(fx->ft), (uaddr_t)buf, 1, &pos), -EFBIG);
	pos = 63;
	assert_int_equal(f->ops->write(f, fake_task(fx->ft), (uaddr_t) "ab", 2, &pos), 1);
	assert_int_equal(fx->config[63], 'a');
	assert_int_equal(f->ops->lseek(f, -1, SEEK_END), 63);
	assert_int_equal(f->ops->lseek(f, -1, SEEK_SET), -EINVAL);
	file_put(f);
}

static void missing_operations_are_eio(void **state)
{
	struct fixture *fx = *state;
	struct file *f = open_attribute(fx, &silent_ops, 0644, O_RDWR);
	char buf[8];
	uint64_t pos = 0;
	assert_int_equal(read_at(fx, f, buf, sizeof(buf), &pos), -EIO);
	assert_int_equal(f->ops->write(f, fake_task(fx->ft), (uaddr_t)buf, 1, &pos), -EIO);
	file_put(f);
}

static void mode_binds_everyone(void **state)
{
	struct fixture *fx = *state;
	struct file *f;
	struct ns_node *w = ns_attribute(fx->ns, ns_root(fx->ns), "reset", 0200, &counter_ops, fx);
	struct ns_node *r = ns_attribute(fx->ns, ns_root(fx->ns), "vendor", 0444, &counter_ops, fx);
	assert_int_equal(ns_open(w, fake_task(fx->ft), O_RDONLY, &f), -EACCES);
	assert_int_equal(ns_open(w, fake_task(fx->ft), O_RDWR, &f), -EACCES);
	assert_int_equal(ns_open(r, fake_task(fx->ft), O_RDWR, &f), -EACCES);
	assert_int_equal(ns_open(r, fake_task(fx->ft), O_RDONLY, &f), 0);
	file_put(f);
}

static void open_files_outlive_the_node(void **state)
{
	struct fixture *fx = *state;
	struct file *f = open_attribute(fx, &counter_ops, 0644, O_RDWR);
	char buf[16];
	uint64_t pos = 0;
	struct ns_node *node = ns_next(fx->ns, ns_root(fx->ns), NULL);
	ns_remove(fx->ns, node);
	ns_put(node);
	assert_int_equal(read_at(fx, f, buf, sizeof(buf), &pos), -ENODEV);
	assert_int_equal(fx->shows, 0);
	file_put(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(single_bytes_come_from_one_text, set_up, tear_down),
		cmocka_unit_test_setup_teardown(store_gets_a_terminated_text, set_up, tear_down),
		cmocka_unit_test_setup_teardown(binary_attributes_are_clipped, set_up, tear_down),
		cmocka_unit_test_setup_teardown(missing_operations_are_eio, set_up, tear_down),
		cmocka_unit_test_setup_teardown(mode_binds_everyone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(open_files_outlive_the_node, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
