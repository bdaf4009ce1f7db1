/* SPDX-License-Identifier: BSD-3-Clause */
#include "door/dir.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "door/path.h"
#include "door/raw_syscall.h"

struct listing_entry {
	ino_t ino;
	unsigned char type;
	char *name;
};

struct listing {
	struct ns_node *node;
	int real_fd;
	bool filled;
	struct listing_entry *entries;
	size_t nr, capacity;
};

struct listing *listing_create(struct ns_node *node, int real_fd)
{
	struct listing *l = calloc(1, sizeof(*l));
	if (!l)
		return NULL;
	l->node = ns_get(node);
	l->real_fd = real_fd;
	return l;
}

void listing_rewind(struct listing *l)
{
	for (size_t i = 0; i < l->nr; i++)
		free(l->entries[i].name);
	l->nr = 0;
	l->filled = false;
}

void listing_destroy(struct listing *l)
{
	listing_rewind(l);
	free(l->entries);
	ns_put(l->node);
	free(l);
}

static int listing_add(struct listing *l, const char *name, ino_t ino, unsigned char type)
{
	if (l->nr == l->capacity) {
		size_t capacity = l->capacity ? 2 * l->capacity : 32;
		struct listing_entry *grown = realloc(l->entries, capacity * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		l->entries = grown;
		l->capacity = capacity;
	}
	char *copy = strdup(name);
	if (!copy)
		return -ENOMEM;
	l->entries[l->nr++] = (struct listing_entry){.ino = ino, .type = type, .name = copy};
	return 0;
}

static int listing_add_node(struct listing *l, struct ns_node *node, const char *name)
{
	struct stat st;
	ns_stat(node, &st);
	return listing_add(l, name, st.st_ino, IFTODT(st.st_mode));
}

static int listing_add_ours(struct listing *l)
{
	struct ns *ns = door_ns();
	struct ns_node *child = NULL, *next;
	int err = l->real_fd >= 0 ? 0 : listing_add_node(l, l->node, ".");
	if (!err && l->real_fd < 0)
		err = listing_add_node(l, ns_parent(l->node), "..");
	while (!err && (next = ns_next(ns, l->node, child))) {
		if (child)
			ns_put(child);
		child = next;
		err = listing_add_node(l, child, ns_name(child));
	}
	if (child)
		ns_put(child);
	return err;
}

/* A real name that shows: not one that we have as well, and none of those that are ours alone. */
static bool real_name_shows(const struct listing *l, const char *name)
{
	char text[PATH_MAX];
	int n = ns_path(l->node, text, sizeof(text) - NAME_MAX - 2);
	if (n < 0)
		return false;
	for (size_t i = 0; i < l->nr; i++)
		if (strcmp(l->entries[i].name, name) == 0)
			return false;
	snprintf(text + n, sizeof(text) - (size_t)n, "/%s", name);
	return path_claim(text) != PATH_CLAIM_INSIDE;
}

static int listing_add_real(struct listing *l)
{
	_Alignas(struct dirent64) char buf[4096];
	long n;
	if (l->real_fd < 0)
		return 0;
	raw_syscall(SYS_lseek, l->real_fd, 0, SEEK_SET);
	while ((n = raw_syscall(SYS_getdents64, l->real_fd, buf, sizeof(buf))) > 0) {
		for (long at = 0; at < n;) {
			const struct dirent64 *d = (const struct dirent64 *)(buf + at);
			int err = real_name_shows(l, d->d_name) ? listing_add(l, d->d_name, d->d_ino, d->d_type) : 0;
			if (err)
				return err;
			at += d->d_reclen;
		}
	}
	return (int)n;
}

static int listing_fill(struct listing *l)
{
	if (l->filled)
		return 0;
	door_enter();
	int err = listing_add_ours(l);
	if (!err)
		err = listing_add_real(l);
	door_leave();
	l->filled = !err;
	if (err)
		listing_rewind(l);
	return err;
}

int listing_get(struct listing *l, size_t i, struct dirent64 *out)
{
	int err = listing_fill(l);
	if (err || i >= l->nr)
		return err;
	const struct listing_entry *e = &l->entries[i];
	size_t len = strlen(e->name);
	out->d_ino = e->ino;
	out->d_off = (off64_t)i + 1;
	out->d_reclen = (unsigned short)align_up(offsetof(struct dirent64, d_name) + len + 1, 8);
	out->d_type = e->type;
	memcpy(out->d_name, e->name, len + 1);
	return 1;
}

struct dir_file {
	struct mutex lock; /* guards the listing */
	struct listing *listing;
	struct ns_node *node; /* the listing's */
};

static const struct lock_class dir_lock_class = {.name = "directory", .rank = LOCK_RANK_ADDRESS_SPACE};

static ssize_t dir_read(struct file *f, struct task *t, uaddr_t buf, size_t len, uint64_t *pos)
{
	return -EISDIR;
}

static int64_t dir_lseek(struct file *f, int64_t offset, int whence)
{
	struct dir_file *d = f->priv;
	int64_t pos = whence == SEEK_CUR ? (int64_t)atomic_load(&f->pos) + offset : offset;
	if (whence > SEEK_CUR || pos < 0)
		return -EINVAL;
	atomic_store(&f->pos, (uint64_t)pos);
	mutex_lock(&d->lock);
	if (pos == 0)
		listing_rewind(d->listing);
	mutex_unlock(&d->lock);
	return pos;
}

static void dir_fstat(struct file *f, struct stat *st)
{
	ns_stat(((struct dir_file *)f->priv)->node, st);
}

static void dir_release(struct file *f)
{
	struct dir_file *d = f->priv;
	listing_destroy(d->listing);
	mutex_fini(&d->lock);
	free(d);
}

static const struct file_ops dir_ops = {
	.name = "directory", .read = dir_read, .lseek = dir_lseek, .fstat = dir_fstat, .release = dir_release};

int dir_file_create(struct ns_node *node, int open_flags, struct file **out)
{
	struct dir_file *d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	d->listing = listing_create(node, -1);
	*out = d->listing ? file_create(&dir_ops, d, open_flags) : NULL;
	if (!*out) {
		if (d->listing)
			listing_destroy(d->listing);
		free(d);
		return -ENOMEM;
	}
	mutex_init(&d->lock, &dir_lock_class);
	d->node = node;
	(*out)->mode = S_IFDIR | 0755;
	return 0;
}

bool dir_file_is(const struct file *f)
{
	return f->ops == &dir_ops;
}

int64_t dir_file_getdents(struct file *f, struct task *t, uaddr_t buf, size_t len)
{
	struct dir_file *d = f->priv;
	uint64_t pos = atomic_load(&f->pos);
	size_t done = 0;
	for (;;) {
		struct dirent64 entry;
		memset(&entry, 0, sizeof(entry));
		mutex_lock(&d->lock);
		int err = listing_get(d->listing, pos, &entry);
		mutex_unlock(&d->lock);
		if (err == 1 && entry.d_reclen > len - done)
			err = done ? 0 : -EINVAL;
		else if (err == 1 && copy_to_task(t, buf + done, &entry, entry.d_reclen))
			err = -EFAULT;
		if (err < 1) {
			atomic_store(&f->pos, pos);
			return done ? (int64_t)done : err;
		}
		done += entry.d_reclen;
		pos++;
	}
}
