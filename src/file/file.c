/* SPDX-License-Identifier: BSD-3-Clause */
#include "file/file.h"

#include <stdlib.h>

struct file *file_create(const struct file_ops *ops, void *priv, int open_flags)
{
	struct file *f = calloc(1, sizeof(*f));
	if (!f)
		return NULL;
	f->ops = ops;
	f->priv = priv;
	f->carrier = CARRIER_PLAIN;
	f->open_flags = open_flags;
	f->event_fd = -1;
	f->mode = S_IFREG | 0600;
	atomic_init(&f->refs, 1);
	atomic_init(&f->pos, 0);
	return f;
}

struct file *file_get(struct file *f)
{
	atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
	return f;
}

void file_put(struct file *f)
{
	/* The last one must see what every other holder did to the file before it let go. */
	if (atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) > 1)
		return;
	lock_check_none_held("release of a file");
	if (f->ops->release)
		f->ops->release(f);
	free(f);
}
