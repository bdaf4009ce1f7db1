/* SPDX-License-Identifier: BSD-3-Clause */
/* A node of the name space. Who may include this: file/. */
#ifndef BARTER_FILE_NS_PRIV_H
#define BARTER_FILE_NS_PRIV_H

#include "base/list.h"
#include "base/lock.h"
#include "file/ns.h"

struct ns_node {
	/* Immutable. */
	enum ns_kind kind;
	bool merged;
	mode_t mode;
	dev_t rdev;
	ino_t ino;
	uid_t uid;
	gid_t gid;
	struct timespec born;
	char *name;
	char *target; /* LINK: where to; a text attribute made by ns_text(): its contents */
	const struct ns_attribute_ops *ops;
	ns_open_fn open;
	void *priv;
	struct ns_node *parent; /* a reference, but for the root's to itself */
	uint64_t seq;		/* orders the entries of one directory, so that a listing survives removals */

	atomic_int refs;
	atomic_uint nr_directories; /* DIRECTORY: for st_nlink; written under the tree's lock */

	/* Guarded by the tree's lock. */
	struct list sibling, children;
	bool linked;

	/*
	 * Calls out of the tree (show, store, open) hold it for reading, removal takes it for writing and leaves `gone`
	 * behind: after ns_remove() nobody is in priv. No lock of the global order: nothing is held when it is taken.
	 */
	pthread_rwlock_t calls;
	bool gone;
};

/* False when the node was removed: -ENODEV. */
bool ns_node_enter(struct ns_node *node);
void ns_node_leave(struct ns_node *node);

/* Opens an attribute: attribute.c. */
int ns_attribute_open(struct ns_node *node, int open_flags, struct file **out);

#endif
