/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The paths that programs see: /dev/iommu, /dev/vfio, /sys/bus/pci and what belongs to them, as a tree of nodes laid
 * over the real file system. Rooms add their nodes when a rack is built; the door resolves paths against it.
 *
 * A directory is either merged (listing and look-up fall through to the real directory of the same name: /dev, /sys) or
 * opaque (what we say is all there is: /sys/bus/pci).
 *
 * Nodes are added and removed under the tree's own lock (LOCK_RANK_LEAF); look-ups return a reference. An attribute's
 * show and store run without locks.
 */
#ifndef BARTER_FILE_NS_H
#define BARTER_FILE_NS_H

#include <sys/stat.h>

#include "base/types.h"
#include "file/file.h"

struct ns;
struct ns_node;

enum ns_kind { NS_DIRECTORY, NS_LINK, NS_ATTRIBUTE, NS_DEVICE };

/*
 * A sysfs file. show fills buf (capacity bytes, one page for text attributes) and returns the length or -errno; a
 * binary attribute has a size and is given the offset. store consumes len bytes and returns len or -errno. NULL: EIO,
 * as sysfs answers when the mode allowed the open.
 */
struct ns_attribute_ops {
	ssize_t (*show)(void *priv, uint64_t offset, char *buf, size_t capacity);
	ssize_t (*store)(void *priv, uint64_t offset, const char *buf, size_t len);
	size_t binary_size; /* 0: a text attribute; stat shows 4096 */
};

/* A character device: opens a file (one reference, no fd) or returns -errno. */
typedef int (*ns_open_fn)(void *priv, struct task *t, int open_flags, struct file **out);

/* Around fork(): the child finds a tree that nobody was changing. unlock: in the parent and in the child. */
void ns_fork_lock(struct ns *ns);
void ns_fork_unlock(struct ns *ns);

struct ns *ns_create(void);
void ns_destroy(struct ns *ns);

/* All of these return a node owned by the tree, or NULL when out of memory or when the name is taken. */
struct ns_node *ns_root(struct ns *ns);
struct ns_node *ns_directory(struct ns *ns, struct ns_node *parent, const char *name, bool merged);
struct ns_node *ns_link(struct ns *ns, struct ns_node *parent, const char *name, const char *target);
struct ns_node *ns_attribute(struct ns *ns, struct ns_node *parent, const char *name, mode_t mode,
			     const struct ns_attribute_ops *ops, void *priv);
/* A text attribute whose contents never change; text is copied. */
struct ns_node *ns_text(struct ns *ns, struct ns_node *parent, const char *name, const char *text);
struct ns_node *ns_device(struct ns *ns, struct ns_node *parent, const char *name, mode_t mode, dev_t rdev,
			  ns_open_fn open, void *priv);
/* A regular file to stat, opened as a device is: what debugfs is made of. */
struct ns_node *ns_file(struct ns *ns, struct ns_node *parent, const char *name, mode_t mode, ns_open_fn open,
			void *priv);
/* Makes every directory of an absolute path that is not there yet (merged ones) and returns the last. */
struct ns_node *ns_make_path(struct ns *ns, const char *path, bool merged);
/* Takes the node and all below it out of the tree; open files of it live on. */
void ns_remove(struct ns *ns, struct ns_node *node);

/* What a node is, for the door. Names and targets live as long as the node. */
struct ns_node *ns_lookup(struct ns *ns, struct ns_node *dir, const char *name, size_t name_len);
struct ns_node *ns_parent(struct ns_node *node); /* the root's is itself */
enum ns_kind ns_kind(const struct ns_node *node);
const char *ns_name(const struct ns_node *node);
const char *ns_link_target(const struct ns_node *node);
bool ns_is_merged(const struct ns_node *node);
void ns_stat(const struct ns_node *node, struct stat *st);
/* The absolute path; returns its length or -ENAMETOOLONG. */
int ns_path(struct ns_node *node, char *buf, size_t len);
/* The entry after `previous` (NULL: the first) in the order they were made. Call ns_put() on what you no longer need.
 */
struct ns_node *ns_next(struct ns *ns, struct ns_node *dir, struct ns_node *previous);
struct ns_node *ns_get(struct ns_node *node);
void ns_put(struct ns_node *node);
/* Opens an attribute or a device: a file with one reference. */
int ns_open(struct ns_node *node, struct task *t, int open_flags, struct file **out);

#endif
