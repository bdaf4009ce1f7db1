/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An open sysfs file. A text attribute is shown when it is read at offset 0 or away from where the last read ended, and
 * what was shown then is what the following reads see: so a reader of single bytes gets one consistent text, and
 * lseek(fd, 0) before a read gets a new one. A binary attribute is asked for each read. A call moves a page at most.
 */
#include "file/ns_priv.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "file/task.h"

struct attribute_file {
	struct ns_node *node; /* a reference */
	struct mutex lock;    /* guards all below */
	uint64_t read_pos;    /* where the last read of a text ended */
	size_t shown_len;
	char shown[BARTER_PAGE_SIZE];
};

static const struct lock_class attribute_lock_class = {.name = "sysfs file", .rank = LOCK_RANK_LEAF};

static ssize_t attribute_show(struct ns_node *node, uint64_t offset, char *buf, size_t capacity)
{
	if (!node->ops->show)
		return -EIO;
	if (!ns_node_enter(node))
		return -ENODEV;
	ssize_t n = node->ops->show(node->priv, offset, buf, capacity);
	ns_node_leave(node);
	return n;
}

static ssize_t attribute_read_binary(struct attribute_file *af, struct task *t, uaddr_t buf, size_t len, uint64_t *pos)
{
	char page[BARTER_PAGE_SIZE];
	size_t size = af->node->ops->binary_size;
	if (*pos >= size)
		return 0;
	len = MIN(len, sizeof(page));
	ssize_t n = attribute_show(af->node, *pos, page, MIN(len, size - *pos));
	if (n <= 0)
		return n;
	lock_check_none_held("sysfs read");
	int err = copy_to_task(t, buf, page, (size_t)n);
	if (err)
		return err;
	*pos += (uint64_t)n;
	return n;
}

/* Takes out of the shown text what a read at pos gets; -EAGAIN: it has to be shown first. */
static ssize_t attribute_take_text(struct attribute_file *af, uint64_t pos, char *out, size_t len)
{
	ssize_t n = -EAGAIN;
	mutex_lock(&af->lock);
	if (pos != 0 && pos == af->read_pos) {
		n = pos < af->shown_len ? (ssize_t)MIN(len, af->shown_len - pos) : 0;
		memcpy(out, af->shown + MIN(pos, af->shown_len), (size_t)n);
		af->read_pos = pos + (uint64_t)n;
	}
	mutex_unlock(&af->lock);
	return n;
}

static ssize_t attribute_show_text(struct attribute_file *af, uint64_t pos, char *out, size_t len)
{
	char page[BARTER_PAGE_SIZE];
	ssize_t shown = attribute_show(af->node, 0, page, sizeof(page));
	if (shown < 0)
		return shown;
	size_t n = pos < (uint64_t)shown ? MIN(len, (size_t)shown - pos) : 0;
	memcpy(out, page + MIN(pos, (uint64_t)shown), n);
	mutex_lock(&af->lock);
	memcpy(af->shown, page, (size_t)shown);
	af->shown_len = (size_t)shown;
	af->read_pos = pos + n;
	mutex_unlock(&af->lock);
	return (ssize_t)n;
}

static ssize_t attribute_read(struct file *f, struct task *t, uaddr_t buf, size_t len, uint64_t *pos)
{
	struct attribute_file *af = f->priv;
	char page[BARTER_PAGE_SIZE];
	if (len == 0)
		return 0;
	if (af->node->ops->binary_size)
		return attribute_read_binary(af, t, buf, len, pos);
	len = MIN(len, sizeof(page));
	ssize_t n = attribute_take_text(af, *pos, page, len);
	if (n == -EAGAIN)
		n = attribute_show_text(af, *pos, page, len);
	if (n <= 0)
		return n;
	lock_check_none_held("sysfs read");
	int err = copy_to_task(t, buf, page, (size_t)n);
	if (err)
		return err;
	*pos += (uint64_t)n;
	return n;
}

static ssize_t attribute_write(struct file *f, struct task *t, uaddr_t buf, size_t len, uint64_t *pos)
{
	struct attribute_file *af = f->priv;
	const struct ns_attribute_ops *ops = af->node->ops;
	char page[BARTER_PAGE_SIZE + 1];
	if (ops->binary_size && *pos >= ops->binary_size)
		return -EFBIG;
	len = MIN(len, BARTER_PAGE_SIZE);
	if (ops->binary_size)
		len = MIN(len, ops->binary_size - *pos);
	lock_check_none_held("sysfs write");
	int err = copy_from_task(t, page, buf, len);
	if (err)
		return err;
	if (len == 0)
		return 0;
	page[len] = '\0';
	if (!ops->store)
		return -EIO;
	if (!ns_node_enter(af->node))
		return -ENODEV;
	ssize_t n = ops->store(af->node->priv, ops->binary_size ? *pos : 0, page, len);
	ns_node_leave(af->node);
	if (n > 0)
		*pos += (uint64_t)n;
	return n;
}

static int64_t attribute_lseek(struct file *f, int64_t offset, int whence)
{
	struct attribute_file *af = f->priv;
	int64_t base = 0;
	switch (whence) {
	case SEEK_SET:
		break;
	case SEEK_CUR:
		base = (int64_t)atomic_load(&f->pos);
		break;
	case SEEK_END:
		base = af->node->ops->binary_size ? (int64_t)af->node->ops->binary_size : 4096;
		break;
	default:
		return -EINVAL;
	}
	int64_t pos;
	if (__builtin_add_overflow(base, offset, &pos) || pos < 0)
		return -EINVAL;
	atomic_store(&f->pos, (uint64_t)pos);
	return pos;
}

static void attribute_fstat(struct file *f, struct stat *st)
{
	const struct attribute_file *af = f->priv;
	ns_stat(af->node, st);
}

static void attribute_release(struct file *f)
{
	struct attribute_file *af = f->priv;
	ns_put(af->node);
	mutex_fini(&af->lock);
	free(af);
}

static const struct file_ops attribute_file_ops = {
	.name = "sysfs",
	.read = attribute_read,
	.write = attribute_write,
	.lseek = attribute_lseek,
	.fstat = attribute_fstat,
	.release = attribute_release,
};

/* Mode bits bind root too: nobody opens a write-only attribute for reading. */
static bool attribute_mode_allows(const struct ns_node *node, int open_flags)
{
	int access = (open_flags + 1) & O_ACCMODE; /* 1 read, 2 write; O_ACCMODE itself is neither */
	return (!(access & 1) || (node->mode & 0444)) && (!(access & 2) || (node->mode & 0222));
}

int ns_attribute_open(struct ns_node *node, int open_flags, struct file **out)
{
	if (!attribute_mode_allows(node, open_flags))
		return -EACCES;
	struct attribute_file *af = calloc(1, sizeof(*af));
	if (!af)
		return -ENOMEM;
	struct file *f = file_create(&attribute_file_ops, af, open_flags);
	if (!f) {
		free(af);
		return -ENOMEM;
	}
	mutex_init(&af->lock, &attribute_lock_class);
	af->node = ns_get(node);
	f->mode = node->mode;
	*out = f;
	return 0;
}
