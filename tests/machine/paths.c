/* SPDX-License-Identifier: BSD-3-Clause */
#include "paths.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rack/parse.h"

struct fixture *fixture_create(const char *rack, const char *override)
{
	struct fixture *fx = calloc(1, sizeof(*fx));
	struct rack_error error;

	assert_int_equal(rack_load(rack, &fx->desc, &error), 0);
	if (override)
		assert_int_equal(rack_override(&fx->desc, override, &error), 0);
	assert_int_equal(machine_create(fx->desc, &fx->m), 0);
	fx->ft = fake_task_create();
	return fx;
}

void fixture_destroy(struct fixture *fx)
{
	fake_task_destroy(fx->ft);
	machine_destroy(fx->m);
	free(fx->desc);
	free(fx);
}

struct ns_node *find(struct fixture *fx, const char *path)
{
	struct ns_node *node = ns_get(ns_root(fx->m->ns));
	char rest[1024], next[2048];

	snprintf(rest, sizeof(rest), "%s", path);
	while (node && rest[0]) {
		size_t skip = strspn(rest, "/"), len = strcspn(rest + skip, "/");
		struct ns_node *child = NULL;
		char name[256];

		snprintf(name, sizeof(name), "%.*s", (int)len, rest + skip);
		snprintf(next, sizeof(next), "%s", rest + skip + len);
		if (!len)
			break;
		if (!strcmp(name, "..")) {
			child = ns_get(ns_parent(node));
		} else {
			child = ns_lookup(fx->m->ns, node, name, len);
			if (child && ns_kind(child) == NS_LINK) {
				snprintf(next, sizeof(next), "%s%s", ns_link_target(child), rest + skip + len);
				ns_put(child);
				child = ns_get(node);
			}
		}
		ns_put(node);
		node = child;
		assert_true(strlen(next) < sizeof(rest));
		strcpy(rest, next);
	}
	return node;
}

int open_path(struct fixture *fx, const char *path, int flags)
{
	struct ns_node *node = find(fx, path);
	struct file *f;
	int err = node ? ns_open(node, fake_task(fx->ft), flags, &f) : -ENOENT;

	ns_put(node);
	return err ? err : fake_task_install(fx->ft, f);
}

const char *text(struct fixture *fx, const char *path)
{
	static char buf[4097];
	int fd = open_path(fx, path, O_RDONLY);
	ssize_t n;

	if (fd < 0)
		return "(cannot open)";
	n = fake_task_pread(fx->ft, fd, buf, 4096, 0);
	fake_task_close(fx->ft, fd);
	buf[n < 0 ? 0 : n] = 0;
	return buf;
}

long put(struct fixture *fx, const char *path, const char *value)
{
	int fd = open_path(fx, path, O_WRONLY);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = fake_task_pwrite(fx->ft, fd, value, strlen(value), 0);
	fake_task_close(fx->ft, fd);
	return n;
}
