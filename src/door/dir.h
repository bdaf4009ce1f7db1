/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Listings of directories of ours, and of real ones in which names of ours appear. A listing is a snapshot taken by the
 * first read and dropped by a rewind.
 *
 * Who may include this: door/.
 */
#ifndef BARTER_DOOR_DIR_H
#define BARTER_DOOR_DIR_H

#include <dirent.h>

#include "file/file.h"
#include "file/ns.h"

struct listing;

/* real_fd: the real directory that is merged in, -1: none; borrowed. Takes its own reference to node. NULL: no memory.
 */
struct listing *listing_create(struct ns_node *node, int real_fd);
void listing_destroy(struct listing *l);
/* 1: entry i is in out, 0: past the end, -errno. */
int listing_get(struct listing *l, size_t i, struct dirent64 *out);
void listing_rewind(struct listing *l);

/* A file for a directory of ours. */
int dir_file_create(struct ns_node *node, int open_flags, struct file **out);
bool dir_file_is(const struct file *f);
int64_t dir_file_getdents(struct file *f, struct task *t, uaddr_t buf, size_t len);

#endif
