/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Timelines that a program moves on by hand: /sys/kernel/debug/sync/sw_sync, each open of which is one, and the list of
 * them, /sys/kernel/debug/sync/info.
 *
 * Who may include this: machine/, tests.
 */
#ifndef BARTER_FENCE_SW_SYNC_H
#define BARTER_FENCE_SW_SYNC_H

#include "file/file.h"

/* The timelines of one machine. */
struct sw_sync;

struct sw_sync *sw_sync_create(void);
/* No file of it is open any more; fences may live on. */
void sw_sync_destroy(struct sw_sync *s);

/* ns_open_fn: priv is the struct sw_sync. */
int sw_sync_open(void *priv, struct task *t, int open_flags, struct file **out);
int sw_sync_open_info(void *priv, struct task *t, int open_flags, struct file **out);

#endif
