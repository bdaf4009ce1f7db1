/* SPDX-License-Identifier: BSD-3-Clause */
/* read, write and their kin on an emulated fd: the checks that Linux makes before it asks the file. */
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "door/call_priv.h"
#include "door/dir.h"

#define MAX_RW_COUNT ((size_t)(INT_MAX & ~BARTER_PAGE_MASK))

typedef ssize_t (*rw_fn)(struct file *f, struct task *t, uaddr_t buf, size_t len, uint64_t *pos);

/* -EBADF when the file was not opened for this, -EINVAL when it cannot be done to it at all. */
static int rw_check(const struct file *f, bool write, bool positioned, rw_fn fn)
{
	if (positioned && f->ops->no_positions)
		return -ESPIPE;
	return !call_may(f, write) ? -EBADF : fn ? 0 : -EINVAL;
}

static rw_fn rw_fn_of(const struct file *f, bool write)
{
	return write ? f->ops->write : f->ops->read;
}

/* h may be NULL. */
static int64_t rw(struct task *t, struct fd_handle *h, uaddr_t buf, size_t len, bool write, bool positioned, int64_t at)
{
	if (!h)
		return DOOR_NOT_OURS;
	struct file *f = h->file;
	rw_fn fn = rw_fn_of(f, write);
	int64_t result = rw_check(f, write, positioned, fn);
	if (!result && (ssize_t)len < 0)
		result = -EINVAL;
	if (!result) {
		uint64_t pos = positioned ? (uint64_t)at : atomic_load(&f->pos);
		result = fn(f, t, buf, MIN(len, MAX_RW_COUNT), &pos);
		if (!positioned && result > 0)
			atomic_store(&f->pos, pos);
	}
	fd_handle_put(h);
	return result;
}

int64_t call_read(struct task *t, int fd, uaddr_t buf, size_t len)
{
	return rw(t, fd_handle_get(fd), buf, len, false, false, 0);
}

int64_t call_write(struct task *t, int fd, uaddr_t buf, size_t len)
{
	return rw(t, fd_handle_get(fd), buf, len, true, false, 0);
}

int64_t call_pread(struct task *t, int fd, uaddr_t buf, size_t len, int64_t pos)
{
	return pos < 0 ? -EINVAL : rw(t, fd_handle_get(fd), buf, len, false, true, pos);
}

int64_t call_pwrite(struct task *t, int fd, uaddr_t buf, size_t len, int64_t pos)
{
	return pos < 0 ? -EINVAL : rw(t, fd_handle_get(fd), buf, len, true, true, pos);
}

/* Piece by piece, as Linux does for a file without a vector operation; a short piece ends it. */
static int64_t rw_pieces(struct task *t, struct file *f, uaddr_t iov, size_t nr, bool write, uint64_t *pos)
{
	int64_t done = 0;
	for (size_t i = 0; i < nr; i++) {
		struct iovec piece;
		int64_t n = copy_from_task(t, &piece, iov + i * sizeof(piece), sizeof(piece));
		if (!n && (ssize_t)piece.iov_len < 0)
			n = -EINVAL;
		if (!n && piece.iov_len)
			n = rw_fn_of(f, write)(f, t, (uaddr_t)piece.iov_base,
					       MIN(piece.iov_len, MAX_RW_COUNT - (size_t)done), pos);
		if (n < 0)
			return done ? done : n;
		done += n;
		if ((size_t)n < piece.iov_len)
			break;
	}
	return done;
}

static int64_t rw_vector(struct task *t, int fd, uaddr_t iov, size_t nr, int64_t at, bool positioned, bool write)
{
	struct fd_handle *h = fd_handle_get(fd);
	if (!h)
		return DOOR_NOT_OURS;
	struct file *f = h->file;
	uint64_t pos = positioned ? (uint64_t)at : atomic_load(&f->pos);
	int64_t result = positioned && at < 0 ? -EINVAL : rw_check(f, write, positioned, rw_fn_of(f, write));
	if (!result && nr > IOV_MAX)
		result = -EINVAL;
	if (!result)
		result = rw_pieces(t, f, iov, nr, write, &pos);
	if (!positioned && result > 0)
		atomic_store(&f->pos, pos);
	fd_handle_put(h);
	return result;
}

int64_t call_readv(struct task *t, int fd, uaddr_t iov, size_t nr, int64_t pos, bool positioned)
{
	return rw_vector(t, fd, iov, nr, pos, positioned, false);
}

int64_t call_writev(struct task *t, int fd, uaddr_t iov, size_t nr, int64_t pos, bool positioned)
{
	return rw_vector(t, fd, iov, nr, pos, positioned, true);
}

int64_t call_lseek(struct task *t, int fd, int64_t offset, int whence)
{
	struct fd_handle *h = fd_handle_get(fd);
	if (!h)
		return DOOR_NOT_OURS;
	struct file *f = h->file;
	int64_t result = -EBADF;
	if (!(f->open_flags & O_PATH))
		result = (unsigned)whence > SEEK_HOLE ? -EINVAL
			 : f->ops->lseek	      ? f->ops->lseek(f, offset, whence)
						      : -ESPIPE;
	fd_handle_put(h);
	return result;
}

int64_t call_getdents64(struct task *t, int fd, uaddr_t buf, size_t len)
{
	struct fd_handle *h = fd_handle_get(fd);
	if (!h)
		return DOOR_NOT_OURS;
	int64_t result = -ENOTDIR;
	if (h->file->open_flags & O_PATH)
		result = -EBADF;
	else if (dir_file_is(h->file))
		result = dir_file_getdents(h->file, t, buf, len);
	fd_handle_put(h);
	return result;
}
