/* SPDX-License-Identifier: BSD-3-Clause */
/* The working directory of a program that is executed in a directory of ours. Its name is left by path_cwd_made.c. */
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "door/path.h"
#include "door/raw_syscall.h"

static char inherited[PATH_MAX]; /* written once, before the first thread */

/* The name may lead through links; when it leads to no directory of ours after all, the kernel's "/" it is. */
static void look_up(void)
{
	struct path p;
	int err = path_resolve(AT_FDCWD, inherited, PATH_FOLLOW, &p);
	bool found = !err && p.kind == PATH_NODE && ns_kind(p.node) == NS_DIRECTORY;
	path_cwd_is(found ? p.node : NULL);
	path_put(&p);
}

void path_cwd_inherit(void)
{
	char real_cwd[PATH_MAX];
	const char *name = getenv("PWD");
	long n = raw_syscall(SYS_getcwd, real_cwd, sizeof(real_cwd));
	if (n == -ENOENT) {
		n = raw_syscall(SYS_readlinkat, AT_FDCWD, "/proc/self/cwd", real_cwd, sizeof(real_cwd) - 1);
		real_cwd[n > 0 ? n : 0] = '\0';
		name = path_cwd_left_name(real_cwd);
	} else if (n < 0 || strcmp(real_cwd, "/") != 0) {
		return;
	}
	if (!name || strlen(name) >= sizeof(inherited) || path_claim(name) == PATH_CLAIM_NONE)
		return;
	strcpy(inherited, name);
	path_cwd_by_name(look_up);
}
