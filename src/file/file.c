/* SPDX-License-Identifier: BSD-3-Clause */
#include "file/file.h"

#include <poll.h>
#include <stdlib.h>

static const struct lock_class ready_lock_class = {.name = "readiness of a file", .rank = LOCK_RANK_LEAF};

struct file *file_create(const struct file_ops *ops, void *priv, int open_flags)
{
	struct file *f = calloc(1, sizeof(*f));
	if (!f)
		return NULL;
	f->ops = ops;
	f->priv = priv;
	f->carrier = CARRIER_PLAIN;
	f->open_flags = open_flags;
	f->mode = S_IFREG | 0600;
	atomic_init(&f->refs, 1);
	atomic_init(&f->pos, 0);
	spin_lock_init(&f->ready_lock, &ready_lock_class);
	f->ready = POLLIN | POLLOUT;
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
	if (f->carrier_ops)
		f->carrier_ops->release(f);
	spin_lock_fini(&f->ready_lock);
	free(f);
}

void file_set_ready(struct file *f, unsigned events)
{
	spin_lock_irq(&f->ready_lock);
	f->ready = events;
	if (f->carrier_ops)
		f->carrier_ops->show_ready(f);
	spin_unlock_irq(&f->ready_lock);
}

unsigned file_ready(struct file *f)
{
	spin_lock_irq(&f->ready_lock);
	unsigned events = f->ready;
	spin_unlock_irq(&f->ready_lock);
	return events;
}
