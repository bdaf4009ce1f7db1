/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Directory streams. Those over a directory of ours, or over a real one in which names of ours appear, are our own
 * struct; a real DIR begins with its fd, which is never our magic number.
 */
#include "door/thunk.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "door/dir.h"

#define STREAM_MAGIC (-0x6261727) /* no fd */

struct stream {
	int magic;
	int fd; /* the stream's: closed with it */
	struct listing *listing;
	pthread_mutex_t lock; /* guards what follows, and the listing */
	size_t at;
	struct dirent64 entry;
};

_Static_assert(sizeof(struct dirent) == sizeof(struct dirent64), "one struct dirent");

static struct stream *stream_of(DIR *dir)
{
	struct stream *s = (struct stream *)dir;
	return s && s->magic == STREAM_MAGIC ? s : NULL;
}

static DIR *stream_create(int fd, struct ns_node *node)
{
	struct stream *s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->listing = listing_create(node, fd_is_ours(fd) ? -1 : fd);
	if (!s->listing) {
		free(s);
		return NULL;
	}
	s->magic = STREAM_MAGIC;
	s->fd = fd;
	pthread_mutex_init(&s->lock, NULL);
	return (DIR *)s;
}

/*
 * The node whose names belong in a listing of this fd: its own, or that of the real directory it is. A reference, or
 * NULL: the listing is libc's business.
 */
static struct ns_node *listed_node(int fd)
{
	struct path p;
	struct ns_node *node = NULL;
	char link[32], text[PATH_MAX];
	struct fd_handle *h = fd_handle_get(fd);
	if (h) {
		node = h->node ? ns_get(h->node) : NULL;
		fd_handle_put(h);
		return node;
	}
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = real.readlink(link, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	/* Nothing of ours appears in "/" itself. */
	if (text[0] != '/' || !text[1] || path_claim(text) != PATH_CLAIM_ABOVE || !door_ns())
		return NULL;
	if (path_resolve(AT_FDCWD, text, PATH_FOLLOW, &p) == 0 && p.node)
		node = ns_get(p.node);
	path_put(&p);
	return node;
}

/* Takes over fd on success. */
static DIR *thunk_fdopendir(int fd)
{
	int saved_errno = errno;
	struct ns_node *node = door.has_rack ? listed_node(fd) : NULL;
	errno = saved_errno;
	if (!node) {
		if (!fd_is_ours(fd))
			return real.fdopendir(fd);
		errno = ENOTDIR;
		return NULL;
	}
	DIR *dir = NULL;
	struct stat st;
	if (ns_kind(node) != NS_DIRECTORY || fstat(fd, &st) || !S_ISDIR(st.st_mode))
		errno = ENOTDIR;
	else
		dir = stream_create(fd, node);
	ns_put(node);
	return dir;
}

/* May a listing of this name hold names of ours? Those in the middle of nowhere go to libc at once. */
static DIR *thunk_opendir(const char *path)
{
	int fd = thunk_openat(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_DIRECTORY | O_CLOEXEC, 0);
	if (fd < 0)
		return NULL;
	DIR *dir = thunk_fdopendir(fd);
	if (!dir) {
		int saved_errno = errno;
		close(fd);
		errno = saved_errno;
	}
	return dir;
}

DOOR_EXPORT DIR *opendir(const char *path)
{
	return likely(!door.has_rack) || !path ? real.opendir(path) : thunk_opendir(path);
}

DOOR_EXPORT DIR *fdopendir(int fd)
{
	return thunk_fdopendir(fd);
}

/* NULL at the end, with errno as it was, or on failure with errno set. */
static struct dirent64 *stream_next(struct stream *s)
{
	int saved_errno = errno;
	pthread_mutex_lock(&s->lock);
	int found = listing_get(s->listing, s->at, &s->entry);
	if (found == 1)
		s->at++;
	pthread_mutex_unlock(&s->lock);
	errno = found < 0 ? -found : saved_errno;
	return found == 1 ? &s->entry : NULL;
}

DOOR_EXPORT struct dirent *readdir(DIR *dir)
{
	struct stream *s = stream_of(dir);
	return s ? (struct dirent *)stream_next(s) : real.readdir(dir);
}

DOOR_EXPORT struct dirent64 *readdir64(DIR *dir)
{
	struct stream *s = stream_of(dir);
	return s ? stream_next(s) : (struct dirent64 *)real.readdir(dir);
}

static int thunk_readdir_r(DIR *dir, struct dirent *entry, struct dirent **result)
{
	struct stream *s = stream_of(dir);
	if (!s)
		return real.readdir_r(dir, entry, result);
	int saved_errno = errno;
	errno = 0;
	struct dirent64 *next = stream_next(s);
	int err = next ? 0 : errno;
	errno = saved_errno;
	if (next)
		memcpy(entry, next, next->d_reclen);
	*result = next ? entry : NULL;
	return err;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
DOOR_EXPORT int readdir_r(DIR *restrict dir, struct dirent *restrict entry, struct dirent **restrict result)
{
	return thunk_readdir_r(dir, entry, result);
}

DOOR_EXPORT int readdir64_r(DIR *restrict dir, struct dirent64 *restrict entry, struct dirent64 **restrict result)
{
	return thunk_readdir_r(dir, (struct dirent *)entry, (struct dirent **)result);
}
#pragma GCC diagnostic pop

DOOR_EXPORT int closedir(DIR *dir)
{
	struct stream *s = stream_of(dir);
	if (!s)
		return real.closedir(dir);
	int fd = s->fd;
	listing_destroy(s->listing);
	pthread_mutex_destroy(&s->lock);
	s->magic = 0;
	free(s);
	return close(fd);
}

static void stream_seek(struct stream *s, long at)
{
	pthread_mutex_lock(&s->lock);
	s->at = (size_t)at;
	if (at == 0)
		listing_rewind(s->listing);
	pthread_mutex_unlock(&s->lock);
}

DOOR_EXPORT void rewinddir(DIR *dir)
{
	struct stream *s = stream_of(dir);
	if (s)
		stream_seek(s, 0);
	else
		real.rewinddir(dir);
}

DOOR_EXPORT void seekdir(DIR *dir, long at)
{
	struct stream *s = stream_of(dir);
	if (s)
		stream_seek(s, at);
	else
		real.seekdir(dir, at);
}

DOOR_EXPORT long telldir(DIR *dir)
{
	struct stream *s = stream_of(dir);
	return s ? (long)s->at : real.telldir(dir);
}

DOOR_EXPORT int dirfd(DIR *dir)
{
	struct stream *s = stream_of(dir);
	return s ? s->fd : real.dirfd(dir);
}

DOOR_EXPORT ssize_t getdents64(int fd, void *buf, size_t len)
{
	THUNK_FD(ssize_t, fd, real.getdents64(fd, buf, len), SYS_getdents64, fd, buf, len);
}
