/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the kernel stands while a directory of ours is the working one, which it does not know: in a directory that was
 * made for that and is gone already, whose name says where we are. That outlives execve(2), needs no environment, and a
 * program without barter finds nothing in it. Where no directory can be made the kernel stands in "/", and $PWD, which
 * shells keep, is all there is.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "door/path.h"
#include "door/raw_syscall.h"

#define MARK "barter-cwd."
#define SLASH '\\' /* in place of a slash in the name */
#define GONE " (deleted)"

static int enter_made(const char *above, unsigned nr, const char *name)
{
	char made[PATH_MAX];
	int n = snprintf(made, sizeof(made), "%s/" MARK "%d.%u.%s", above, (int)getpid(), nr, name);
	if (n < 0 || n - strlen(above) > NAME_MAX)
		return -ENAMETOOLONG;
	long err = raw_syscall(SYS_mkdirat, AT_FDCWD, made, 0700);
	if (err)
		return (int)err;
	err = raw_syscall(SYS_chdir, made);
	raw_syscall(SYS_unlinkat, AT_FDCWD, made, AT_REMOVEDIR);
	return (int)err;
}

int path_cwd_leave_name(const char *text)
{
	static const char *const above[] = {"/dev/shm", "/tmp"};
	static _Atomic unsigned made;
	char name[NAME_MAX];
	int err = -ENAMETOOLONG;
	if (strlen(text) >= sizeof(name))
		return err;
	strcpy(name, text);
	for (char *c = name; *c; c++)
		*c = *c == '/' ? SLASH : *c;
	for (size_t i = 0; i < ARRAY_SIZE(above); i++) {
		err = enter_made(above[i], atomic_fetch_add(&made, 1), name);
		if (!err)
			break;
	}
	return err;
}

const char *path_cwd_left_name(char *path)
{
	char *base = strrchr(path, '/');
	size_t n = strlen(path), tail = strlen(GONE);
	if (!base || strncmp(base + 1, MARK, strlen(MARK)) != 0 || n < tail || strcmp(path + n - tail, GONE) != 0)
		return NULL;
	path[n - tail] = '\0';
	for (char *c = base + 1; *c; c++)
		*c = *c == SLASH ? '/' : *c;
	return strchr(base + 1, '/');
}
