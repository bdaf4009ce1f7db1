/* SPDX-License-Identifier: BSD-3-Clause */
#include "file/sequence.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/lock.h"
#include "file/task.h"

struct sequence_file {
	sequence_fn print;
	void *priv;
	struct mutex lock; /* guards the text */
	char *text;
	size_t len;
};

static const struct lock_class sequence_lock_class = {.name = "sequence file", .rank = LOCK_RANK_LEAF};

/* Made without the lock: print takes locks of the subsystem's. */
static int sequence_make(struct sequence_file *sf)
{
	char *text = NULL, *old;
	size_t len = 0;
	int err = sf->print(sf->priv, &text, &len);

	if (err)
		return err;
	mutex_lock(&sf->lock);
	old = sf->text;
	sf->text = text;
	sf->len = len;
	mutex_unlock(&sf->lock);
	free(old);
	return 0;
}

static ssize_t sequence_read(struct file *f, struct task *t, uaddr_t buf, size_t len, uint64_t *pos)
{
	struct sequence_file *sf = f->priv;
	char page[BARTER_PAGE_SIZE];
	int err = *pos == 0 ? sequence_make(sf) : 0;

	if (err)
		return err;
	mutex_lock(&sf->lock);
	len = *pos < sf->len ? MIN(MIN(len, sizeof(page)), sf->len - *pos) : 0;
	if (len)
		memcpy(page, sf->text + *pos, len);
	mutex_unlock(&sf->lock);
	lock_check_none_held("sequence read");
	if (len && copy_to_task(t, buf, page, len))
		return -EFAULT;
	*pos += len;
	return (ssize_t)len;
}

static int64_t sequence_lseek(struct file *f, int64_t offset, int whence)
{
	int64_t base = whence == SEEK_CUR ? (int64_t)atomic_load(&f->pos) : 0, pos;

	if ((whence != SEEK_SET && whence != SEEK_CUR) || __builtin_add_overflow(base, offset, &pos) || pos < 0)
		return -EINVAL;
	atomic_store(&f->pos, (uint64_t)pos);
	return pos;
}

static void sequence_release(struct file *f)
{
	struct sequence_file *sf = f->priv;

	mutex_fini(&sf->lock);
	free(sf->text);
	free(sf);
}

static const struct file_ops sequence_file_ops = {
	.name = "debugfs",
	.read = sequence_read,
	.lseek = sequence_lseek,
	.release = sequence_release,
};

int sequence_open(sequence_fn print, void *priv, int open_flags, struct file **out)
{
	struct sequence_file *sf = calloc(1, sizeof(*sf));
	struct file *f;

	if (!sf)
		return -ENOMEM;
	f = file_create(&sequence_file_ops, sf, open_flags);
	if (!f) {
		free(sf);
		return -ENOMEM;
	}
	mutex_init(&sf->lock, &sequence_lock_class);
	sf->print = print;
	sf->priv = priv;
	f->mode = 0444;
	*out = f;
	return 0;
}
