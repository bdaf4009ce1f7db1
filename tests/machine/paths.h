/* SPDX-License-Identifier: BSD-3-Clause */
/* A machine, and its /sys read and written by path as a program would. */
#ifndef TESTS_MACHINE_PATHS_H
#define TESTS_MACHINE_PATHS_H

#include "fake/task.h"
#include "machine/machine.h"

struct fixture {
	struct rack_desc *desc;
	struct machine *m;
	struct fake_task *ft;
};

/* override: as for -d, or NULL. */
struct fixture *fixture_create(const char *rack, const char *override);
void fixture_destroy(struct fixture *fx);

/* Follows links, as open(2). A reference. */
struct ns_node *find(struct fixture *fx, const char *path);
int open_path(struct fixture *fx, const char *path, int flags);
/* What the file says, "(cannot open)" when there is none. One at a time. */
const char *text(struct fixture *fx, const char *path);
long put(struct fixture *fx, const char *path, const char *value);

#endif
