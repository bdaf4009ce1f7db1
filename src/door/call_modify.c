/* SPDX-License-Identifier: BSD-3-Clause */
/* Nobody makes, moves or removes names in our tree; and the working directory. */
#include <fcntl.h>
#include <string.h>

#include "door/call_priv.h"
#include "door/raw_syscall.h"

static int change_missing(enum path_change change)
{
	return change == PATH_CREATE ? -EPERM : change == PATH_CREATE_FILE ? -EACCES : -ENOENT;
}

static int change_node(enum path_change change, const struct ns_node *node)
{
	bool directory = ns_kind(node) == NS_DIRECTORY;
	switch (change) {
	case PATH_UNLINK:
		return directory ? -EISDIR : -EPERM;
	case PATH_RMDIR:
		return directory ? -EPERM : -ENOTDIR;
	case PATH_CREATE:
	case PATH_CREATE_FILE:
		return -EEXIST;
	case PATH_MOVE:
		return -EPERM;
	case PATH_TRUNCATE:
		return directory ? -EISDIR : ns_kind(node) == NS_ATTRIBUTE ? 0 : -EINVAL;
	default:
		return -EPERM;
	}
}

int64_t call_change(struct task *t, enum path_change change, int dirfd, const char *path, bool follow)
{
	struct path p;
	int64_t result = call_resolve(dirfd, path, follow ? PATH_FOLLOW : 0, &p);
	if (result == 1)
		return -EXDEV; /* from inside our tree to a real name: by the whole path only */
	if (result)
		return result;
	struct ns_node *node = p.kind == PATH_HANDLE ? p.handle->node : p.node;
	if (p.kind == PATH_MISSING)
		result = change_missing(change);
	else
		result = node ? change_node(change, node) : -EPERM;
	path_put(&p);
	return result;
}

int64_t call_chdir(struct task *t, const char *path)
{
	struct path p;
	int64_t result = call_resolve(AT_FDCWD, path, PATH_FOLLOW, &p);
	if (result == 1) {
		result = raw_syscall(SYS_chdir, p.text);
		if (result == 0)
			path_chdir_real();
		return result;
	}
	if (result)
		return result;
	struct ns_node *node = p.kind == PATH_HANDLE ? p.handle->node : p.node;
	if (p.kind == PATH_MISSING)
		result = -ENOENT;
	else
		result = node ? path_chdir(node) : -ENOTDIR;
	path_put(&p);
	return result;
}

int64_t call_fchdir(struct task *t, int fd)
{
	struct fd_handle *h = fd_handle_get(fd);
	if (!h)
		return DOOR_NOT_OURS;
	int64_t result = h->node ? path_chdir(h->node) : -ENOTDIR;
	fd_handle_put(h);
	return result;
}

int64_t call_getcwd(struct task *t, char *buf, size_t len)
{
	char text[PATH_MAX];
	if (!path_cwd_is_ours())
		return DOOR_NOT_OURS;
	int n = path_cwd(text, sizeof(text));
	if (n < 0)
		return n;
	if ((size_t)n + 1 > len)
		return -ERANGE;
	int err = copy_to_task(t, (uaddr_t)buf, text, (size_t)n + 1);
	return err ? err : n + 1;
}
