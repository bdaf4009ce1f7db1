/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The walk. `text` is where it stands: an absolute path without links. What lies under a name is asked of our tree
 * first; where the tree has nothing to say, readlink(2) tells whether the real name is a link. The rest of the path
 * waits in `rest`; a link puts its target in front of it.
 */
#include "door/path.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "door/raw_syscall.h"

enum { PATH_MAX_LINKS = 40 };

struct walk {
	struct path *out;
	size_t len; /* of out->text; 0 is the root */
	unsigned flags, links;
	bool through_ours; /* the kernel could not have come this way */
	char rest[2 * PATH_MAX];
};

void path_put(struct path *p)
{
	if (p->node)
		ns_put(p->node);
	if (p->handle)
		fd_handle_put(p->handle);
	p->node = NULL;
	p->handle = NULL;
}

static void walk_set_node(struct walk *w, struct ns_node *node)
{
	if (w->out->node)
		ns_put(w->out->node);
	w->out->node = node;
}

/* The node of a normal absolute path, as a reference. */
static struct ns_node *node_of(struct ns *ns, const char *text)
{
	if (!ns)
		return NULL;
	struct ns_node *node = ns_get(ns_root(ns));
	for (const char *name = text + 1; *name;) {
		size_t n = strcspn(name, "/");
		struct ns_node *child = ns_kind(node) == NS_DIRECTORY ? ns_lookup(ns, node, name, n) : NULL;
		ns_put(node);
		if (!child)
			return NULL;
		node = child;
		name += n + (name[n] == '/');
	}
	return node;
}

/* Our node for where the walk stands; real names have none. The machine is built when the name can only be ours. */
static enum path_claim walk_look(struct walk *w)
{
	enum path_claim claim = path_claim(w->out->text);
	struct ns *ns = NULL;
	walk_set_node(w, NULL);
	if (claim == PATH_CLAIM_INSIDE)
		ns = door_ns();
	else if (claim == PATH_CLAIM_ABOVE && atomic_load(&door.machine))
		ns = door_ns();
	if (ns)
		w->out->node = node_of(ns, w->out->text);
	return claim;
}

static void walk_pop(struct walk *w)
{
	char *text = w->out->text;
	while (w->len > 0 && text[--w->len] != '/')
		;
	text[w->len] = '\0';
	if (w->len == 0)
		strcpy(text, "/");
}

static int walk_push(struct walk *w, const char *name, size_t n)
{
	if (n > NAME_MAX || w->len + 1 + n >= PATH_MAX)
		return -ENAMETOOLONG;
	w->out->text[w->len++] = '/';
	memcpy(w->out->text + w->len, name, n);
	w->len += n;
	w->out->text[w->len] = '\0';
	return 0;
}

/* Goes on with a link's target and then with what was left; the link's own name is off the text already. */
static int walk_splice(struct walk *w, const char *target, const char *rest)
{
	char joined[2 * PATH_MAX];
	if (++w->links > PATH_MAX_LINKS)
		return -ELOOP;
	int n = snprintf(joined, sizeof(joined), "%s%s%s", target + strspn(target, "/"), *rest ? "/" : "", rest);
	if (n < 0 || (size_t)n >= sizeof(joined))
		return -ENAMETOOLONG;
	memcpy(w->rest, joined, (size_t)n + 1);
	if (target[0] == '/') {
		w->len = 0;
		strcpy(w->out->text, "/");
	}
	return 0;
}

/* N of a normal /proc/<this process>/[task/<tid>/]<table>/N, or -1. */
static int proc_number(const char *text, const char *table)
{
	char head[32];
	int n = snprintf(head, sizeof(head), "/proc/%d/", getpid());
	if (strncmp(text, head, (size_t)n) != 0)
		return -1;
	const char *rest = text + n;
	if (strncmp(rest, "task/", 5) == 0) {
		rest += 5 + strspn(rest + 5, "0123456789");
		rest += *rest == '/';
	}
	size_t len = strlen(table);
	if (strncmp(rest, table, len) != 0 || rest[len] != '/')
		return -1;
	char *end;
	unsigned long fd = strtoul(rest + len + 1, &end, 10);
	return *end || end == rest + len + 1 || fd > INT_MAX ? -1 : (int)fd;
}

/* Where a real name leads when it is a link: the length of the target, 0 when it is none, or -errno. */
static long real_link(const struct walk *w, char *target, size_t size)
{
	char cwd[32];
	snprintf(cwd, sizeof(cwd), "/proc/%d/cwd", getpid());
	if (path_cwd_is_ours() && strcmp(w->out->text, cwd) == 0)
		return path_cwd(target, size);
	long n = raw_syscall(SYS_readlinkat, AT_FDCWD, w->out->text, target, size - 1);
	if (n == -EINVAL)
		return 0;
	if (n > 0)
		target[n] = '\0';
	return n;
}

/* A name in /proc/self/fd or fdinfo. Positive: it is one of ours, and the walk ends here. */
static int walk_proc(struct walk *w, bool last)
{
	struct path *p = w->out;
	int fd = proc_number(p->text, "fd"), info = proc_number(p->text, "fdinfo");
	p->handle = fd_adopt(fd >= 0 ? fd : info);
	if (!p->handle)
		return 0;
	if (info >= 0)
		p->kind = PATH_FDINFO;
	else
		p->kind = last && !(w->flags & PATH_FOLLOW) ? PATH_FD_LINK : PATH_HANDLE;
	return 1;
}

/* An fd of ours in the middle of a path: a directory of ours, or nothing to go on from. */
static int walk_enter_handle(struct walk *w)
{
	struct path *p = w->out;
	struct ns_node *node = p->handle->node;
	int err = -ENOTDIR;
	if (node && ns_kind(node) == NS_DIRECTORY) {
		err = ns_path(node, p->text, sizeof(p->text));
		w->len = err > 1 ? (size_t)err : 0;
		w->through_ours = true;
	}
	fd_handle_put(p->handle);
	p->handle = NULL;
	p->kind = PATH_REAL;
	return err < 0 ? err : 0;
}

/* The walk stands on a name that is not in our tree. 1: the kernel shall finish. */
static int walk_real(struct walk *w, const char *rest, bool last)
{
	char target[PATH_MAX];
	if (strncmp(w->out->text, "/proc/", 6) == 0 && walk_proc(w, last))
		return last ? 1 : walk_enter_handle(w);
	long n = real_link(w, target, sizeof(target));
	if (n < 0)
		return 1;
	if (n == 0 || (last && !(w->flags & PATH_FOLLOW)))
		return 0;
	/* pipe:[1], /tmp/x (deleted): only the kernel can follow these. */
	bool magic = strncmp(w->out->text, "/proc/", 6) == 0 && (last || target[0] != '/') &&
		     proc_number(w->out->text, "fd") >= 0;
	if (magic)
		return 1;
	walk_pop(w);
	return walk_splice(w, target, rest);
}

/* The walk stands on a node of ours. */
static int walk_node(struct walk *w, const char *rest, bool last)
{
	struct ns_node *node = w->out->node;
	char target[PATH_MAX];
	switch (ns_kind(node)) {
	case NS_DIRECTORY:
		w->through_ours = true;
		return 0;
	case NS_LINK:
		w->through_ours = true;
		if (last && !(w->flags & PATH_FOLLOW))
			return 0;
		snprintf(target, sizeof(target), "%s", ns_link_target(node));
		walk_pop(w);
		return walk_splice(w, target, rest);
	default:
		w->through_ours = true;
		return last && !w->out->directory ? 0 : -ENOTDIR;
	}
}

/* A claimed name that our tree has not got, with the directory of ours in which it is missing. */
static int walk_missing(struct walk *w, bool last)
{
	struct ns *ns = door_ns();
	if (!ns)
		return 1; /* no rack could be built: the kernel's own answer */
	if (!last)
		return -ENOENT;
	char name[NAME_MAX + 1];
	snprintf(name, sizeof(name), "%s", strrchr(w->out->text, '/') + 1);
	walk_pop(w);
	walk_set_node(w, node_of(ns, w->out->text));
	walk_push(w, name, strlen(name));
	w->out->kind = PATH_MISSING;
	return w->out->node ? 0 : -ENOENT;
}

/* ".." of something that is no directory is an error, and only the kernel knows about real names. */
static bool is_real_directory(const char *text)
{
	struct stat st;
	return raw_syscall(SYS_newfstatat, AT_FDCWD, text, &st, 0) == 0 && S_ISDIR(st.st_mode);
}

static int walk_component(struct walk *w, const char *name, size_t n, const char *rest)
{
	bool last = *rest == '\0';
	if (n == 1 && name[0] == '.')
		return 0;
	if (n == 2 && name[0] == '.' && name[1] == '.') {
		if (!w->out->node && w->len && !is_real_directory(w->out->text))
			return 1;
		walk_pop(w);
		walk_look(w);
		return 0;
	}
	int err = walk_push(w, name, n);
	if (err)
		return err;
	enum path_claim claim = walk_look(w);
	if (claim == PATH_CLAIM_INSIDE)
		return w->out->node ? walk_node(w, rest, last) : walk_missing(w, last);
	err = walk_real(w, rest, last);
	/* A directory above ours that this machine has not got: no /sys is mounted. */
	return err == 1 && w->out->node && !w->out->handle ? 0 : err;
}

static int walk(struct walk *w)
{
	int err = 0;
	while (!err && w->rest[0] && w->out->kind == PATH_REAL) {
		char name[PATH_MAX];
		const char *rest = w->rest + strcspn(w->rest, "/");
		size_t n = MIN((size_t)(rest - w->rest), sizeof(name));
		memcpy(name, w->rest, n);
		rest += strspn(rest, "/");
		w->out->directory |= *rest == '\0' && rest > w->rest && rest[-1] == '/';
		/* A link on the way to a directory is followed, whatever was asked for. */
		if (w->out->directory)
			w->flags |= PATH_FOLLOW;
		char *tail = w->rest;
		unsigned links = w->links;
		err = walk_component(w, name, n, rest);
		if (w->links == links)
			memmove(tail, rest, strlen(rest) + 1);
	}
	return err;
}

static int walk_start(struct walk *w, int dirfd, const char *path)
{
	struct path *p = w->out;
	strcpy(p->text, "/");
	if (path[0] == '/')
		return 0;
	if (dirfd == AT_FDCWD) {
		int n = path_cwd(p->text, sizeof(p->text));
		w->through_ours = path_cwd_is_ours();
		w->len = n > 1 ? (size_t)n : 0;
		return n < 0 ? n : 0;
	}
	struct fd_handle *h = fd_handle_get(dirfd);
	if (h) {
		int n = h->node && ns_kind(h->node) == NS_DIRECTORY ? ns_path(h->node, p->text, sizeof(p->text))
								    : -ENOTDIR;
		fd_handle_put(h);
		w->through_ours = true;
		w->len = n > 1 ? (size_t)n : 0;
		return n < 0 ? n : 0;
	}
	char link[32];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", dirfd);
	long n = raw_syscall(SYS_readlinkat, AT_FDCWD, link, p->text, sizeof(p->text) - 1);
	p->text[n > 0 ? n : 0] = '\0';
	w->len = n > 1 ? (size_t)n : 0;
	return p->text[0] == '/' ? 0 : 1;
}

/* "": the fd itself, also when it is no directory. */
static int resolve_empty(int dirfd, unsigned flags, struct path *out)
{
	if (!(flags & PATH_EMPTY))
		return -ENOENT;
	if (dirfd == AT_FDCWD) {
		int n = path_cwd(out->text, sizeof(out->text));
		out->node = n > 0 && path_cwd_is_ours() ? node_of(door_ns(), out->text) : NULL;
		out->kind = out->node ? PATH_NODE : PATH_REAL;
	} else {
		out->handle = fd_handle_get(dirfd);
		out->kind = out->handle ? PATH_HANDLE : PATH_REAL;
	}
	return 0;
}

static int resolve(int dirfd, const char *path, unsigned flags, struct path *out)
{
	struct walk w = {.out = out, .flags = flags};
	memset(out, 0, offsetof(struct path, text));
	if (!path[0])
		return resolve_empty(dirfd, flags, out);
	if (strlen(path) >= PATH_MAX)
		return -ENAMETOOLONG;
	int err = walk_start(&w, dirfd, path);
	if (err == 1)
		return 0;
	if (err)
		return err;
	strcpy(w.rest, path + strspn(path, "/"));
	out->directory = path[0] == '/' && !w.rest[0];
	walk_look(&w);
	err = walk(&w);
	if (err < 0)
		return err;
	if (out->kind == PATH_REAL && out->node) {
		/* A directory above ours is the kernel's as long as it has it. */
		if (path_claim(out->text) == PATH_CLAIM_INSIDE || !is_real_directory(out->text))
			out->kind = PATH_NODE;
	}
	out->elsewhere = out->kind == PATH_REAL && w.through_ours;
	if (err == 1 && w.rest[0] && out->elsewhere)
		return -ENOENT;
	return 0;
}

int path_resolve(int dirfd, const char *path, unsigned flags, struct path *out)
{
	door_enter();
	int err = resolve(dirfd, path, flags, out);
	door_leave();
	return err;
}

int path_of_handle(const struct fd_handle *h, char *buf, size_t len)
{
	if (h->node)
		return ns_path(h->node, buf, len);
	const char *name = h->file->ops->name;
	bool whole = name[0] == '/' || strncmp(name, "anon_inode:", strlen("anon_inode:")) == 0;
	const char *head = whole ? "" : name[0] == '[' ? "anon_inode:" : "/", *tail = head[0] == '/' ? ":" : "";
	int n = snprintf(buf, len, "%s%s%s", head, name, tail);
	return n < 0 || (size_t)n >= len ? -ENAMETOOLONG : n;
}
