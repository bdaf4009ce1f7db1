/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Functions of libc that walk directories by calls of its own: scandir, glob, ftw, nftw. They are done again here, on
 * the functions that know our directories, when a path concerns us.
 */
#include "door/thunk.h"

#include <dirent.h>
#include <ftw.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int (*entry_filter)(const struct dirent *);
typedef int (*entry_compare)(const struct dirent **, const struct dirent **);

static void free_entries(struct dirent **list, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		free(list[i]);
	free(list);
}

static int collect(DIR *dir, struct dirent ***out, entry_filter filter)
{
	struct dirent **list = NULL, *entry;
	size_t nr = 0, capacity = 0;
	errno = 0;
	while ((entry = readdir(dir))) {
		if (filter && !filter(entry))
			continue;
		if (nr == capacity) {
			capacity = capacity ? 2 * capacity : 16;
			struct dirent **grown = realloc(list, capacity * sizeof(*grown));
			if (!grown)
				break;
			list = grown;
		}
		list[nr] = malloc(entry->d_reclen);
		if (!list[nr])
			break;
		memcpy(list[nr++], entry, entry->d_reclen);
		errno = 0;
	}
	if (entry || errno) {
		free_entries(list, nr);
		return -1;
	}
	*out = list ? list : malloc(1);
	return (int)nr;
}

static int thunk_scandirat(int dirfd, const char *path, struct dirent ***out, entry_filter filter,
			   entry_compare compare)
{
	int saved_errno = errno, fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	int nr = collect(dir, out, filter);
	int collect_errno = errno;
	closedir(dir);
	errno = nr < 0 ? collect_errno : saved_errno;
	if (nr > 0 && compare)
		qsort(*out, (size_t)nr, sizeof(**out), (int (*)(const void *, const void *))compare);
	return nr;
}

static int scandirat_any(int dirfd, const char *path, struct dirent ***out, entry_filter filter, entry_compare compare)
{
	return path_concerns(dirfd, path) ? thunk_scandirat(dirfd, path, out, filter, compare)
					  : real.scandirat(dirfd, path, out, filter, compare);
}

DOOR_EXPORT int scandirat(int dirfd, const char *restrict path, struct dirent ***restrict out, entry_filter filter,
			  entry_compare compare)
{
	return scandirat_any(dirfd, path, out, filter, compare);
}

DOOR_EXPORT int scandir(const char *restrict path, struct dirent ***restrict out, entry_filter filter,
			entry_compare compare)
{
	return scandirat_any(AT_FDCWD, path, out, filter, compare);
}

DOOR_EXPORT int scandir64(const char *restrict path, struct dirent64 ***restrict out,
			  int (*filter)(const struct dirent64 *),
			  int (*compare)(const struct dirent64 **, const struct dirent64 **))
{
	return scandirat_any(AT_FDCWD, path, (struct dirent ***)out, (entry_filter)filter, (entry_compare)compare);
}

DOOR_EXPORT int scandirat64(int dirfd, const char *restrict path, struct dirent64 ***restrict out,
			    int (*filter)(const struct dirent64 *),
			    int (*compare)(const struct dirent64 **, const struct dirent64 **))
{
	return scandirat_any(dirfd, path, (struct dirent ***)out, (entry_filter)filter, (entry_compare)compare);
}

static void *open_directory(const char *path)
{
	return opendir(path);
}

static struct dirent *read_directory(void *dir)
{
	return readdir(dir);
}

static void close_directory(void *dir)
{
	closedir(dir);
}

/* glob() takes the functions to walk with. */
DOOR_EXPORT int glob(const char *restrict pattern, int flags, int (*failed)(const char *, int), glob_t *restrict out)
{
	if (!door.has_rack || flags & GLOB_ALTDIRFUNC)
		return real.glob(pattern, flags, failed, out);
	out->gl_opendir = open_directory;
	out->gl_readdir = read_directory;
	out->gl_closedir = close_directory;
	out->gl_stat = stat;
	out->gl_lstat = lstat;
	int err = real.glob(pattern, flags | GLOB_ALTDIRFUNC, failed, out);
	out->gl_flags &= ~GLOB_ALTDIRFUNC;
	return err;
}

DOOR_EXPORT int glob64(const char *restrict pattern, int flags, int (*failed)(const char *, int),
		       glob64_t *restrict out)
{
	return glob(pattern, flags, failed, (glob_t *)out);
}

struct tree_place {
	dev_t dev;
	ino_t ino;
};

struct tree {
	int (*visit)(const char *, const struct stat *, int, struct FTW *);
	int (*visit_plain)(const char *, const struct stat *, int); /* ftw() */
	int flags;
	dev_t dev;
	char path[PATH_MAX];
	struct tree_place *seen; /* the directories, when links are followed */
	size_t nr_seen;
};

static int tree_visit(struct tree *tree, const struct stat *st, int type, int level)
{
	struct FTW where = {.base = (int)(strrchr(tree->path, '/') ? strrchr(tree->path, '/') - tree->path + 1 : 0),
			    .level = level};
	if (!tree->visit_plain)
		return tree->visit(tree->path, st, type, &where);
	return tree->visit_plain(tree->path, st, type == FTW_SLN ? FTW_NS : type);
}

static int tree_walk(struct tree *tree, int level);

static int tree_walk_entries(struct tree *tree, DIR *dir, int level)
{
	size_t len = strlen(tree->path);
	struct dirent *entry;
	int result = 0;
	while (!result && (entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		const char *slash = len && tree->path[len - 1] == '/' ? "" : "/";
		if ((size_t)snprintf(tree->path + len, sizeof(tree->path) - len, "%s%s", slash, entry->d_name) >=
		    sizeof(tree->path) - len) {
			errno = ENAMETOOLONG;
			result = -1;
			break;
		}
		result = tree_walk(tree, level + 1);
		tree->path[len] = '\0';
		if (tree->flags & FTW_ACTIONRETVAL && result == FTW_SKIP_SIBLINGS)
			return 0;
	}
	return result;
}

static int tree_walk_directory(struct tree *tree, const struct stat *st, int level)
{
	DIR *dir = opendir(tree->path);
	if (!dir)
		return errno == EACCES ? tree_visit(tree, st, FTW_DNR, level) : -1;
	int result = tree->flags & FTW_DEPTH ? 0 : tree_visit(tree, st, FTW_D, level);
	bool skip = tree->flags & FTW_ACTIONRETVAL && result == FTW_SKIP_SUBTREE;
	if (skip)
		result = 0;
	else if (!result)
		result = tree_walk_entries(tree, dir, level);
	closedir(dir);
	if (!result && tree->flags & FTW_DEPTH)
		result = tree_visit(tree, st, FTW_DP, level);
	return result;
}

/* A walk that follows links enters a directory once, by the first of its names. 0: not this time; -1 and errno. */
static int tree_enters(struct tree *tree, const struct stat *st)
{
	struct tree_place *more;
	if (tree->flags & FTW_PHYS)
		return 1;
	for (size_t i = 0; i < tree->nr_seen; i++)
		if (tree->seen[i].ino == st->st_ino && tree->seen[i].dev == st->st_dev)
			return 0;
	more = reallocarray(tree->seen, tree->nr_seen + 1, sizeof(*more));
	if (!more)
		return -1;
	tree->seen = more;
	tree->seen[tree->nr_seen++] = (struct tree_place){st->st_dev, st->st_ino};
	return 1;
}

static int tree_walk(struct tree *tree, int level)
{
	struct stat st;
	int enters;
	bool physical = tree->flags & FTW_PHYS;
	if (physical ? lstat(tree->path, &st) : stat(tree->path, &st)) {
		if (physical || lstat(tree->path, &st))
			return level == 0 ? -1 : tree_visit(tree, &st, FTW_NS, level);
		return tree_visit(tree, &st, FTW_SLN, level);
	}
	if (level == 0)
		tree->dev = st.st_dev;
	else if ((tree->flags & FTW_MOUNT) && st.st_dev != tree->dev)
		return 0;
	if (S_ISDIR(st.st_mode)) {
		enters = tree_enters(tree, &st);
		return enters > 0 ? tree_walk_directory(tree, &st, level) : enters;
	}
	return tree_visit(tree, &st, S_ISLNK(st.st_mode) ? FTW_SL : FTW_F, level);
}

static int tree_start(struct tree *tree, const char *path)
{
	size_t len = strlen(path);
	if (len >= sizeof(tree->path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(tree->path, path, len + 1);
	int result = tree_walk(tree, 0);
	int saved_errno = errno;
	free(tree->seen);
	errno = saved_errno;
	return result;
}

DOOR_EXPORT int nftw(const char *path, __nftw_func_t visit, int nr_fds, int flags)
{
	struct tree tree = {.visit = visit, .flags = flags};
	return path_concerns(AT_FDCWD, path) && !(flags & FTW_CHDIR) ? tree_start(&tree, path)
								     : real.nftw(path, visit, nr_fds, flags);
}

DOOR_EXPORT int nftw64(const char *path, __nftw64_func_t visit, int nr_fds, int flags)
{
	return nftw(path, (__nftw_func_t)visit, nr_fds, flags);
}

DOOR_EXPORT int ftw(const char *path, __ftw_func_t visit, int nr_fds)
{
	struct tree tree = {.visit_plain = visit};
	return path_concerns(AT_FDCWD, path) ? tree_start(&tree, path) : real.ftw(path, visit, nr_fds);
}

DOOR_EXPORT int ftw64(const char *path, __ftw64_func_t visit, int nr_fds)
{
	return ftw(path, (__ftw_func_t)visit, nr_fds);
}
