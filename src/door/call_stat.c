/* SPDX-License-Identifier: BSD-3-Clause */
/* Looking at what is ours without opening it. */
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "door/call_priv.h"
#include "door/raw_syscall.h"

/* The real file system that a node seems to be on: "/sys" or "/dev". */
static const char *mount_of(const struct ns_node *node)
{
	struct ns_node *n = (struct ns_node *)node;
	while (ns_parent(n) != ns_parent(ns_parent(n)))
		n = ns_parent(n);
	return strcmp(ns_name(n), "dev") == 0 ? "/dev" : "/sys";
}

void call_fill_node_stat(const struct ns_node *node, struct stat *st)
{
	struct stat mount;
	ns_stat(node, st);
	/* One device number for a whole tree, or nothing that walks it stays inside. */
	if (raw_syscall(SYS_newfstatat, AT_FDCWD, mount_of(node), &mount, 0) == 0)
		st->st_dev = mount.st_dev;
}

void call_fill_stat(const struct fd_handle *h, int fd, struct stat *st)
{
	if (h->node) {
		call_fill_node_stat(h->node, st);
		return;
	}
	raw_syscall(SYS_fstat, fd, st);
	st->st_mode = h->file->mode;
	st->st_rdev = h->file->rdev;
	if (h->file->ops->fstat)
		h->file->ops->fstat(h->file, st);
}

static void fill_link_stat(struct stat *st)
{
	memset(st, 0, sizeof(*st));
	st->st_mode = S_IFLNK | 0700;
	st->st_nlink = 1;
	st->st_size = 64;
	st->st_blksize = 1024;
	st->st_uid = geteuid();
	st->st_gid = getegid();
}

static int fill_path_stat(const struct path *p, int fd, struct stat *st)
{
	switch (p->kind) {
	case PATH_NODE:
		if (p->directory && ns_kind(p->node) != NS_DIRECTORY)
			return -ENOTDIR;
		call_fill_node_stat(p->node, st);
		return 0;
	case PATH_HANDLE:
		call_fill_stat(p->handle, fd, st);
		return 0;
	case PATH_FD_LINK:
		fill_link_stat(st);
		return 0;
	case PATH_FDINFO:
		fill_link_stat(st);
		st->st_mode = S_IFREG | 0444;
		st->st_size = 0;
		return 0;
	default:
		return -ENOENT;
	}
}

static unsigned at_flags(int at)
{
	return (at & AT_SYMLINK_NOFOLLOW ? 0 : PATH_FOLLOW) | (at & AT_EMPTY_PATH ? PATH_EMPTY : 0);
}

static int64_t stat_path(int dirfd, const char *path, int at, struct path *p, struct stat *st)
{
	int64_t result = call_resolve(dirfd, path, at_flags(at), p);
	if (result)
		return result;
	result = fill_path_stat(p, dirfd, st);
	path_put(p);
	return result;
}

int64_t call_fstatat(struct task *t, int dirfd, const char *path, struct stat *out, int at)
{
	struct path p;
	struct stat st;
	int64_t result = stat_path(dirfd, path, at, &p, &st);
	if (result == 1)
		return raw_syscall(SYS_newfstatat, AT_FDCWD, p.text, out, at & ~AT_EMPTY_PATH);
	return result ? result : copy_to_task(t, (uaddr_t)out, &st, sizeof(st));
}

static struct statx_timestamp statx_time(struct timespec ts)
{
	return (struct statx_timestamp){.tv_sec = ts.tv_sec, .tv_nsec = (uint32_t)ts.tv_nsec};
}

int64_t call_statx(struct task *t, int dirfd, const char *path, int at, unsigned mask, struct statx *out)
{
	struct path p;
	struct stat st;
	int64_t result = stat_path(dirfd, path, at, &p, &st);
	if (result == 1)
		return raw_syscall(SYS_statx, AT_FDCWD, p.text, at & ~AT_EMPTY_PATH, mask, out);
	if (result)
		return result;
	struct statx stx = {
		.stx_mask = STATX_BASIC_STATS,
		.stx_blksize = (uint32_t)st.st_blksize,
		.stx_nlink = (uint32_t)st.st_nlink,
		.stx_uid = st.st_uid,
		.stx_gid = st.st_gid,
		.stx_mode = (uint16_t)st.st_mode,
		.stx_ino = st.st_ino,
		.stx_size = (uint64_t)st.st_size,
		.stx_blocks = (uint64_t)st.st_blocks,
		.stx_atime = statx_time(st.st_atim),
		.stx_mtime = statx_time(st.st_mtim),
		.stx_ctime = statx_time(st.st_ctim),
		.stx_rdev_major = major(st.st_rdev),
		.stx_rdev_minor = minor(st.st_rdev),
		.stx_dev_major = major(st.st_dev),
		.stx_dev_minor = minor(st.st_dev),
	};
	return copy_to_task(t, (uaddr_t)out, &stx, sizeof(stx));
}

static int64_t statfs_of(struct task *t, const struct ns_node *node, struct statfs *out)
{
	struct statfs fs;
	const char *mount = node ? mount_of(node) : "/dev";
	if (raw_syscall(SYS_statfs, mount, &fs) < 0) {
		memset(&fs, 0, sizeof(fs));
		fs.f_bsize = 4096;
		fs.f_namelen = NAME_MAX;
	}
	fs.f_type = strcmp(mount, "/sys") == 0 ? SYSFS_MAGIC : TMPFS_MAGIC;
	return copy_to_task(t, (uaddr_t)out, &fs, sizeof(fs));
}

int64_t call_statfs(struct task *t, const char *path, struct statfs *out)
{
	struct path p;
	int64_t result = call_resolve(AT_FDCWD, path, PATH_FOLLOW, &p);
	if (result == 1)
		return raw_syscall(SYS_statfs, p.text, out);
	if (result)
		return result;
	result = p.kind == PATH_MISSING ? -ENOENT : statfs_of(t, p.node ? p.node : p.handle->node, out);
	path_put(&p);
	return result;
}

int64_t call_fstatfs(struct task *t, int fd, struct statfs *out)
{
	struct fd_handle *h = fd_handle_get(fd);
	if (!h)
		return DOOR_NOT_OURS;
	int64_t result = statfs_of(t, h->node, out);
	fd_handle_put(h);
	return result;
}

int64_t call_readlinkat(struct task *t, int dirfd, const char *path, char *buf, size_t len)
{
	struct path p;
	char target[PATH_MAX];
	if ((int)len <= 0)
		return -EINVAL;
	int64_t result = call_resolve(dirfd, path, path[0] ? 0 : PATH_EMPTY, &p);
	if (result == 1)
		return raw_syscall(SYS_readlinkat, AT_FDCWD, p.text, buf, len);
	if (result)
		return result;
	struct ns_node *node = p.kind == PATH_HANDLE ? p.handle->node : p.node;
	if (p.kind == PATH_FD_LINK) {
		result = path_of_handle(p.handle, target, sizeof(target));
	} else if (p.kind == PATH_MISSING) {
		result = -ENOENT;
	} else if (node && ns_kind(node) == NS_LINK) {
		result = (int64_t)strlen(strcpy(target, ns_link_target(node)));
	} else {
		result = path[0] ? -EINVAL : -ENOENT;
	}
	path_put(&p);
	if (result < 0)
		return result;
	result = MIN(result, (int64_t)len);
	int err = copy_to_task(t, (uaddr_t)buf, target, (size_t)result);
	return err ? err : result;
}

int64_t call_faccessat(struct task *t, int dirfd, const char *path, int mode, int at)
{
	struct path p;
	struct stat st;
	uid_t uid = at & AT_EACCESS ? geteuid() : getuid();
	if (mode & ~(R_OK | W_OK | X_OK))
		return -EINVAL;
	int64_t result = stat_path(dirfd, path, at, &p, &st);
	if (result == 1)
		return raw_syscall(SYS_faccessat, AT_FDCWD, p.text, mode);
	if (result)
		return result;
	unsigned bits = uid == st.st_uid ? st.st_mode >> 6 : st.st_mode;
	if (uid == 0)
		bits = 6 | (S_ISDIR(st.st_mode) || (st.st_mode & 0111) ? 1 : 0);
	return (unsigned)mode & ~bits & 7 ? -EACCES : 0;
}

/* Neither sysfs nor devtmpfs of ours has extended attributes. */
int64_t call_getxattr(struct task *t, const char *path, bool follow)
{
	struct path p;
	int64_t result = call_resolve(AT_FDCWD, path, follow ? PATH_FOLLOW : 0, &p);
	if (result == 1)
		return DOOR_NOT_OURS;
	if (result)
		return result;
	result = p.kind == PATH_MISSING ? -ENOENT : -EOPNOTSUPP;
	path_put(&p);
	return result;
}
