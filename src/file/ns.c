/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The tree of names. A node lives as long as somebody holds it: the tree (while it is linked), its children, its open
 * files, a resolver on its way. What is immutable is read without a lock; the lists are under the tree's lock, which is
 * held for a few instructions and never while anything else is called.
 */
#include "file/ns_priv.h"

#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

/* Far from the inode numbers of a real sysfs, which count up from 1. */
#define NS_FIRST_INO (1ull << 40)
#define NS_DEVICE_NUMBER makedev(0, 0xba7)

struct ns {
	struct mutex lock; /* guards the lists of every node, and the two counters */
	uint64_t next_seq;
	ino_t next_ino;
	struct ns_node *root;
};

static const struct lock_class ns_lock_class = {.name = "name space", .rank = LOCK_RANK_LEAF};

static void ns_node_free(struct ns_node *node)
{
	pthread_rwlock_destroy(&node->calls);
	free(node->target);
	free(node->name);
	free(node);
}

static struct ns_node *ns_node_alloc(enum ns_kind kind, const char *name, const char *target, mode_t mode)
{
	struct ns_node *node = calloc(1, sizeof(*node));
	if (!node)
		return NULL;
	pthread_rwlock_init(&node->calls, NULL);
	node->kind = kind;
	node->mode = mode;
	/* Whoever runs the program owns the rack: what an administrator does with chown on a real machine. */
	node->uid = geteuid();
	node->gid = getegid();
	clock_gettime(CLOCK_REALTIME, &node->born);
	atomic_init(&node->refs, 1);
	list_init(&node->sibling);
	list_init(&node->children);
	node->name = strdup(name);
	if (target)
		node->target = strdup(target);
	if (!node->name || (target && !node->target)) {
		ns_node_free(node);
		return NULL;
	}
	return node;
}

struct ns_node *ns_get(struct ns_node *node)
{
	atomic_fetch_add_explicit(&node->refs, 1, memory_order_relaxed);
	return node;
}

void ns_put(struct ns_node *node)
{
	while (node && atomic_fetch_sub_explicit(&node->refs, 1, memory_order_acq_rel) == 1) {
		struct ns_node *parent = node->parent == node ? NULL : node->parent;
		ns_node_free(node);
		node = parent;
	}
}

struct ns *ns_create(void)
{
	struct ns *ns = calloc(1, sizeof(*ns));
	if (!ns)
		return NULL;
	mutex_init(&ns->lock, &ns_lock_class);
	ns->next_ino = NS_FIRST_INO;
	ns->root = ns_node_alloc(NS_DIRECTORY, "", NULL, S_IFDIR | 0755);
	if (!ns->root) {
		mutex_fini(&ns->lock);
		free(ns);
		return NULL;
	}
	ns->root->parent = ns->root;
	ns->root->merged = true;
	ns->root->linked = true;
	ns->root->ino = ns->next_ino++;
	return ns;
}

static struct ns_node *ns_find_locked(struct ns_node *dir, const char *name, size_t len)
{
	struct ns_node *child;
	list_for_each (child, &dir->children, sibling)
		if (strncmp(child->name, name, len) == 0 && child->name[len] == '\0')
			return child;
	return NULL;
}

/* Publishes a node; frees it and returns NULL when it cannot be. The tree takes over the caller's reference. */
static struct ns_node *ns_add(struct ns *ns, struct ns_node *parent, struct ns_node *node)
{
	if (!node)
		return NULL;
	mutex_lock(&ns->lock);
	bool taken = !parent->linked || ns_find_locked(parent, node->name, strlen(node->name));
	if (!taken) {
		node->parent = ns_get(parent);
		node->seq = ++ns->next_seq;
		node->ino = ns->next_ino++;
		node->linked = true;
		list_add_tail(&parent->children, &node->sibling);
		if (node->kind == NS_DIRECTORY)
			atomic_fetch_add(&parent->nr_directories, 1);
	}
	mutex_unlock(&ns->lock);
	if (taken) {
		ns_node_free(node);
		return NULL;
	}
	return node;
}

/* Not a lock that this thread works under: it only keeps others out while the process is copied. */
void ns_fork_lock(struct ns *ns)
{
	futex_lock_take(&ns->lock.native);
}

void ns_fork_unlock(struct ns *ns)
{
	futex_lock_give(&ns->lock.native);
}

struct ns_node *ns_root(struct ns *ns)
{
	return ns->root;
}

struct ns_node *ns_directory(struct ns *ns, struct ns_node *parent, const char *name, bool merged)
{
	struct ns_node *node = ns_node_alloc(NS_DIRECTORY, name, NULL, S_IFDIR | 0755);
	if (node)
		node->merged = merged;
	return ns_add(ns, parent, node);
}

struct ns_node *ns_link(struct ns *ns, struct ns_node *parent, const char *name, const char *target)
{
	return ns_add(ns, parent, ns_node_alloc(NS_LINK, name, target, S_IFLNK | 0777));
}

struct ns_node *ns_attribute(struct ns *ns, struct ns_node *parent, const char *name, mode_t mode,
			     const struct ns_attribute_ops *ops, void *priv)
{
	struct ns_node *node = ns_node_alloc(NS_ATTRIBUTE, name, NULL, S_IFREG | mode);
	if (node) {
		node->ops = ops;
		node->priv = priv;
	}
	return ns_add(ns, parent, node);
}

static ssize_t ns_text_show(void *priv, uint64_t offset, char *buf, size_t capacity)
{
	size_t len = MIN(strlen(priv), capacity);
	memcpy(buf, priv, len);
	return (ssize_t)len;
}

static const struct ns_attribute_ops ns_text_ops = {.show = ns_text_show};

struct ns_node *ns_text(struct ns *ns, struct ns_node *parent, const char *name, const char *text)
{
	struct ns_node *node = ns_node_alloc(NS_ATTRIBUTE, name, text, S_IFREG | 0444);
	if (node) {
		node->ops = &ns_text_ops;
		node->priv = node->target;
	}
	return ns_add(ns, parent, node);
}

struct ns_node *ns_device(struct ns *ns, struct ns_node *parent, const char *name, mode_t mode, dev_t rdev,
			  ns_open_fn open, void *priv)
{
	struct ns_node *node = ns_node_alloc(NS_DEVICE, name, NULL, S_IFCHR | mode);
	if (node) {
		node->rdev = rdev;
		node->open = open;
		node->priv = priv;
	}
	return ns_add(ns, parent, node);
}

struct ns_node *ns_file(struct ns *ns, struct ns_node *parent, const char *name, mode_t mode, ns_open_fn open,
			void *priv)
{
	struct ns_node *node = ns_node_alloc(NS_DEVICE, name, NULL, S_IFREG | mode);
	if (node) {
		node->open = open;
		node->priv = priv;
	}
	return ns_add(ns, parent, node);
}

struct ns_node *ns_make_path(struct ns *ns, const char *path, bool merged)
{
	struct ns_node *dir = ns->root;
	for (const char *name = path + strspn(path, "/"), *rest; *name; name = rest + strspn(rest, "/")) {
		size_t len = strcspn(name, "/");
		rest = name + len;
		bool last = rest[strspn(rest, "/")] == '\0';

		mutex_lock(&ns->lock);
		struct ns_node *next = ns_find_locked(dir, name, len);
		mutex_unlock(&ns->lock);
		if (!next) {
			char *copy = strndup(name, len);
			next = copy ? ns_directory(ns, dir, copy, last ? merged : true) : NULL;
			free(copy);
		}
		if (!next || next->kind != NS_DIRECTORY)
			return NULL;
		dir = next;
	}
	return dir;
}

static void ns_forbid_calls(struct ns_node *node)
{
	pthread_rwlock_wrlock(&node->calls);
	node->gone = true;
	pthread_rwlock_unlock(&node->calls);
}

bool ns_node_enter(struct ns_node *node)
{
	pthread_rwlock_rdlock(&node->calls);
	if (!node->gone)
		return true;
	pthread_rwlock_unlock(&node->calls);
	return false;
}

void ns_node_leave(struct ns_node *node)
{
	pthread_rwlock_unlock(&node->calls);
}

static struct ns_node *ns_unlink_first_child(struct ns *ns, struct ns_node *node)
{
	struct ns_node *child = NULL;
	mutex_lock(&ns->lock);
	if (!list_empty(&node->children))
		child = list_first(&node->children, struct ns_node, sibling);
	if (child) {
		list_del(&child->sibling);
		child->linked = false;
	}
	mutex_unlock(&ns->lock);
	return child;
}

/* What is left of a subtree that nobody can reach from the root any more. */
static void ns_dismantle(struct ns *ns, struct ns_node *node)
{
	struct ns_node *child;
	while ((child = ns_unlink_first_child(ns, node)))
		ns_dismantle(ns, child);
	ns_forbid_calls(node);
	ns_put(node);
}

void ns_remove(struct ns *ns, struct ns_node *node)
{
	mutex_lock(&ns->lock);
	bool linked = node->linked && node != ns->root;
	if (linked) {
		list_del(&node->sibling);
		node->linked = false;
		if (node->kind == NS_DIRECTORY)
			atomic_fetch_sub(&node->parent->nr_directories, 1);
	}
	mutex_unlock(&ns->lock);
	if (linked)
		ns_dismantle(ns, node);
}

void ns_destroy(struct ns *ns)
{
	if (!ns)
		return;
	ns->root->linked = false;
	ns_dismantle(ns, ns->root);
	mutex_fini(&ns->lock);
	free(ns);
}

struct ns_node *ns_lookup(struct ns *ns, struct ns_node *dir, const char *name, size_t name_len)
{
	mutex_lock(&ns->lock);
	struct ns_node *node = ns_find_locked(dir, name, name_len);
	if (node)
		ns_get(node);
	mutex_unlock(&ns->lock);
	return node;
}

struct ns_node *ns_next(struct ns *ns, struct ns_node *dir, struct ns_node *previous)
{
	uint64_t seq = previous ? previous->seq : 0;
	struct ns_node *node, *next = NULL;
	mutex_lock(&ns->lock);
	if (previous && previous->linked)
		node = list_entry(previous->sibling.next, struct ns_node, sibling);
	else
		node = list_first(&dir->children, struct ns_node, sibling);
	for (; &node->sibling != &dir->children; node = list_entry(node->sibling.next, struct ns_node, sibling)) {
		if (node->seq <= seq)
			continue;
		next = ns_get(node);
		break;
	}
	mutex_unlock(&ns->lock);
	return next;
}

struct ns_node *ns_parent(struct ns_node *node)
{
	return node->parent;
}

enum ns_kind ns_kind(const struct ns_node *node)
{
	return node->kind;
}

const char *ns_name(const struct ns_node *node)
{
	return node->name;
}

const char *ns_link_target(const struct ns_node *node)
{
	return node->kind == NS_LINK ? node->target : NULL;
}

bool ns_is_merged(const struct ns_node *node)
{
	return node->merged;
}

static off_t ns_size(const struct ns_node *node)
{
	switch (node->kind) {
	case NS_LINK:
		return 0; /* as in sysfs */
	case NS_ATTRIBUTE:
		return node->ops->binary_size ? (off_t)node->ops->binary_size : 4096;
	default:
		return 0;
	}
}

void ns_stat(const struct ns_node *node, struct stat *st)
{
	memset(st, 0, sizeof(*st));
	st->st_dev = NS_DEVICE_NUMBER;
	st->st_ino = node->ino;
	st->st_mode = node->mode;
	st->st_nlink = node->kind == NS_DIRECTORY ? 2 + atomic_load(&node->nr_directories) : 1;
	st->st_uid = node->uid;
	st->st_gid = node->gid;
	st->st_rdev = node->rdev;
	st->st_size = ns_size(node);
	st->st_blksize = 4096;
	st->st_atim = st->st_mtim = st->st_ctim = node->born;
}

int ns_path(struct ns_node *node, char *buf, size_t len)
{
	size_t need = 0;
	for (struct ns_node *n = node; n->parent != n; n = n->parent)
		need += 1 + strlen(n->name);
	if (need == 0)
		return len < 2 ? -ENAMETOOLONG : (memcpy(buf, "/", 2), 1);
	if (need >= len)
		return -ENAMETOOLONG;
	char *end = buf + need;
	*end = '\0';
	for (struct ns_node *n = node; n->parent != n; n = n->parent) {
		size_t name_len = strlen(n->name);
		end -= name_len;
		memcpy(end, n->name, name_len);
		*--end = '/';
	}
	return (int)need;
}

int ns_open(struct ns_node *node, struct task *t, int open_flags, struct file **out)
{
	int err;
	if (node->kind == NS_ATTRIBUTE)
		return ns_attribute_open(node, open_flags, out);
	if (node->kind != NS_DEVICE)
		return node->kind == NS_DIRECTORY ? -EISDIR : -ELOOP;
	if (!ns_node_enter(node))
		return -ENODEV;
	err = node->open(node->priv, t, open_flags, out);
	ns_node_leave(node);
	if (err == 0) {
		(*out)->mode = node->mode;
		(*out)->rdev = node->rdev;
	}
	return err;
}
