/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A fence as a file: what programs wait for and pass on. Readable once the fence has signalled.
 *
 * Linux takes the fd before it looks at anything else, so making one is three steps: reserve, then find the fence and
 * tell the program the number, then publish or cancel.
 *
 * Who may include this: fence/, sched/, dmabuf/, drm/, machine/, tests.
 */
#ifndef BARTER_FENCE_SYNC_FILE_H
#define BARTER_FENCE_SYNC_FILE_H

#include "fence/dma_fence.h"
#include "file/file.h"

/* A sync file without a fence, and an fd for it: the fd or -errno. */
int sync_file_reserve(struct task *t, struct file **out);
/* From now on it is the fence's: takes a reference of its own. name: as the program gave it, or NULL. */
void sync_file_publish(struct task *t, int fd, struct file *f, struct dma_fence *fence, const char *name);
void sync_file_cancel(struct task *t, int fd, struct file *f);

/* The fence of a program's fd, with a reference; NULL when the fd is not open or not a sync file. */
struct dma_fence *sync_file_get_fence(struct task *t, int fd);

#endif
