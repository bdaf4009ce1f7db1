/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Paths: our tree of names laid over the real file system.
 *
 * There are two steps. path_concerns() looks at the text alone and costs a few comparisons: most paths end there and go
 * to the kernel unchanged. path_resolve() walks, component by component, as the kernel would: symbolic links on both
 * sides, "..", directory fds of ours and real ones, a working directory inside our tree.
 *
 * A text that says nothing (/tmp/link) may still lead to us. Such calls go to the kernel first, and are walked when it
 * found nothing, or something that a path of ours hides (path_retry()).
 *
 * Who may include this: door/, tests/door.
 */
#ifndef BARTER_DOOR_PATH_H
#define BARTER_DOOR_PATH_H

#include <limits.h>

#include "door/fd_table.h"
#include "file/ns.h"

/* What the text of a normal absolute path says. */
enum path_claim {
	PATH_CLAIM_NONE,
	PATH_CLAIM_ABOVE,  /* a real directory in which names of ours appear: /dev, /sys/bus */
	PATH_CLAIM_INSIDE, /* ours alone */
	PATH_CLAIM_PROC,   /* /proc/<pid>/fd and the like */
};
enum path_claim path_claim(const char *text);

enum path_kind {
	PATH_REAL,    /* the kernel's; `text` names it */
	PATH_NODE,    /* node */
	PATH_MISSING, /* no such name in the directory `node` of ours */
	PATH_HANDLE,  /* /proc/self/fd/N of an fd of ours, followed: handle */
	PATH_FD_LINK, /* the same, not followed: a link */
	PATH_FDINFO,  /* /proc/self/fdinfo/N of an fd of ours */
};

struct path {
	enum path_kind kind;
	bool elsewhere;		  /* REAL: the program's own text would lead the kernel somewhere else: use `text` */
	bool directory;		  /* the text ended with a slash */
	struct ns_node *node;	  /* a reference */
	struct fd_handle *handle; /* a reference */
	char text[PATH_MAX];
};

#define PATH_FOLLOW 1u /* the last component, when it is a link */
#define PATH_EMPTY 2u  /* AT_EMPTY_PATH: "" names the directory fd itself */

/* Its text is there, and not longer than any path: otherwise the kernel shall say what is wrong (path_text.c). */
bool path_readable(const char *path);
void path_memory_changed(void);
/* "", which names a directory fd itself. */
static inline bool path_is_empty(const char *path)
{
	return path && path_readable(path) && !path[0];
}

/* May this call concern us, by its text, its directory and the working directory? */
bool path_concerns(int dirfd, const char *path);

/* 0, or what the call answers (-errno). path_put() what it filled, whatever it returned. */
int path_resolve(int dirfd, const char *path, unsigned flags, struct path *out);
void path_put(struct path *p);

/* The kernel answered err (0: found something on device dev) for a path that did not concern us: worth a walk? */
bool path_retry(int dirfd, const char *path, int err, dev_t dev);

/* The working directory. */
int path_chdir(struct ns_node *node);	/* to a directory of ours */
void path_chdir_real(void);		/* the kernel has changed its own */
void path_cwd_is(struct ns_node *node); /* NULL: none of ours */
/* It is one of ours, as look_up will tell when it is needed, by path_cwd_is(). */
void path_cwd_by_name(void (*look_up)(void));
/* When the library is loaded: path_cwd_name.c. */
void path_cwd_inherit(void);
/* Puts the kernel where a program that is executed finds that it is in `text`. 0 or -errno. */
int path_cwd_leave_name(const char *text);
/* What was left, in the path that /proc/self/cwd shows, which is changed; NULL: nothing. */
const char *path_cwd_left_name(char *path);
bool path_cwd_is_ours(void);
int path_cwd(char *buf, size_t len); /* length or -errno; the kernel's when it is not ours */

/* Around fork(), as ns_fork_lock(): the tree and the working directory. */
void path_fork_lock(void);
void path_fork_unlock(void);

/* What readlink("/proc/self/fd/N") says; length or -errno. */
int path_of_handle(const struct fd_handle *h, char *buf, size_t len);

#endif
