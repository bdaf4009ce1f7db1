/* SPDX-License-Identifier: BSD-3-Clause */
#include "door/fd_table.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <stdlib.h>
#include <unistd.h>

#include "door/carrier.h"
#include "door/carrier_poll.h"
#include "door/forward.h"
#include "door/raw_syscall.h"

static const struct lock_class fd_table_lock_class = {.name = "fd table", .rank = LOCK_RANK_FD_TABLE};

struct fd_table *fd_table_get(void)
{
	struct fd_table *table = atomic_load(&door.fds), *expected = NULL;
	if (table)
		return table;
	table = calloc(1, sizeof(*table));
	if (!table)
		return NULL;
	mutex_init(&table->lock, &fd_table_lock_class);
	list_init(&table->live);
	list_init(&table->pool);
	table->owner = getpid();
	if (atomic_compare_exchange_strong(&door.fds, &expected, table))
		return table;
	mutex_fini(&table->lock);
	free(table);
	return expected;
}

/* May this process change the table? Not on borrowed memory (vfork). */
static bool fd_table_is_mine(const struct fd_table *table)
{
	return door_is_forked() || table->owner == getpid();
}

static _Atomic(struct fd_handle *) *fd_slot(struct fd_table *table, int fd)
{
	if ((unsigned)fd >= FD_CHUNKS * FD_CHUNK_SIZE)
		return NULL;
	struct fd_chunk *chunk = atomic_load(&table->chunks[(unsigned)fd >> FD_CHUNK_SHIFT]);
	return chunk ? &chunk->slots[(unsigned)fd & (FD_CHUNK_SIZE - 1)] : NULL;
}

/* Makes the slot's chunk. */
static int fd_slot_prepare(struct fd_table *table, int fd)
{
	if ((unsigned)fd >= FD_CHUNKS * FD_CHUNK_SIZE)
		return -EMFILE;
	_Atomic(struct fd_chunk *) *place = &table->chunks[(unsigned)fd >> FD_CHUNK_SHIFT];
	struct fd_chunk *expected = NULL;
	if (atomic_load(place))
		return 0;
	struct fd_chunk *chunk = calloc(1, sizeof(*chunk));
	if (!chunk)
		return -ENOMEM;
	if (!atomic_compare_exchange_strong(place, &expected, chunk))
		free(chunk);
	return 0;
}

bool fd_handle_try_get(struct fd_handle *h)
{
	int refs = atomic_load_explicit(&h->refs, memory_order_relaxed);
	while (refs > 0)
		if (atomic_compare_exchange_weak_explicit(&h->refs, &refs, refs + 1, memory_order_acquire,
							  memory_order_relaxed))
			return true;
	return false;
}

struct fd_handle *fd_handle_get(int fd)
{
	for (;;) {
		struct fd_handle *h = fd_table_peek(fd);
		if (!h || h == FD_INTERNAL)
			return NULL;
		if (!fd_handle_try_get(h))
			continue; /* closed this moment: look again */
		if (likely(fd_table_peek(fd) == h))
			return h;
		fd_handle_put(h);
	}
}

void fd_handle_put(struct fd_handle *h)
{
	if (atomic_fetch_sub_explicit(&h->refs, 1, memory_order_acq_rel) > 1)
		return;
	struct fd_table *table = atomic_load(&door.fds);
	struct file *f = h->file;
	struct ns_node *node = h->node;
	/* A fork's copies of files have no threads behind them: the owner drops what this process had. */
	bool forked = door_is_forked();
	if (forked)
		forward_release(h);
	mutex_lock(&table->lock);
	list_del(&h->link);
	list_add(&table->pool, &h->link);
	table->nr_pool++;
	mutex_unlock(&table->lock);
	if (forked)
		return;
	if (node)
		ns_put(node);
	file_put(f);
}

/* Promises one handle of the pool to the caller. */
static int fd_pool_promise(struct fd_table *table)
{
	struct fd_handle *h = NULL;
	mutex_lock(&table->lock);
	bool enough = table->nr_pool > table->nr_promised;
	if (enough)
		table->nr_promised++;
	mutex_unlock(&table->lock);
	if (enough)
		return 0;
	h = calloc(1, sizeof(*h));
	if (!h)
		return -ENOMEM;
	mutex_lock(&table->lock);
	list_add(&table->pool, &h->link);
	table->nr_pool++;
	table->nr_promised++;
	mutex_unlock(&table->lock);
	return 0;
}

static struct fd_handle *fd_pool_take_locked(struct fd_table *table)
{
	struct fd_handle *h = list_first(&table->pool, struct fd_handle, link);
	list_del(&h->link);
	table->nr_pool--;
	table->nr_promised--;
	return h;
}

/* Puts h (or NULL) into the slot; returns what was there, for the caller to put without the lock. */
static struct fd_handle *fd_slot_swap(struct fd_table *table, int fd, struct fd_handle *h)
{
	_Atomic(struct fd_handle *) *slot = fd_slot(table, fd);
	return slot ? atomic_exchange(slot, h) : NULL;
}

static void fd_slot_set(struct fd_table *table, int fd, struct fd_handle *h)
{
	struct fd_handle *old = fd_slot_swap(table, fd, h);
	if (old && old != FD_INTERNAL)
		fd_handle_put(old);
}

int fd_prepare(int fd)
{
	struct fd_table *table = fd_table_get();
	int err = table ? fd_slot_prepare(table, fd) : -ENOMEM;
	return err ? err : fd_pool_promise(table);
}

void fd_unprepare(void)
{
	struct fd_table *table = atomic_load(&door.fds);
	mutex_lock(&table->lock);
	table->nr_promised--;
	mutex_unlock(&table->lock);
}

int fd_mark(int fd, struct fd_handle *h)
{
	struct fd_table *table = fd_table_get();
	int err = table ? fd_slot_prepare(table, fd) : -ENOMEM;
	if (!err)
		fd_slot_swap(table, fd, h);
	return err;
}

void fd_publish(int fd, struct file *f, struct ns_node *node)
{
	struct fd_table *table = atomic_load(&door.fds);
	struct carrier_identity id = carrier_identify(fd);
	mutex_lock(&table->lock);
	struct fd_handle *h = fd_pool_take_locked(table);
	h->file = f;
	h->node = node ? ns_get(node) : NULL;
	h->dev = id.dev;
	h->ino = id.ino;
	f->ino = id.ino;
	h->in_flight = 0;
	h->probe = -1;
	list_add(&table->live, &h->link);
	atomic_store(&h->refs, 1);
	mutex_unlock(&table->lock);
	fd_slot_set(table, fd, h);
}

struct fd_handle *fd_find(struct carrier_identity id)
{
	struct fd_table *table = atomic_load(&door.fds);
	struct fd_handle *h, *found = NULL;
	mutex_lock(&table->lock);
	list_for_each (h, &table->live, link) {
		if (h->ino != id.ino || h->dev != id.dev || !fd_handle_try_get(h))
			continue;
		found = h;
		break;
	}
	mutex_unlock(&table->lock);
	return found;
}

struct fd_handle *fd_adopt(int fd)
{
	struct fd_table *table = atomic_load(&door.fds);
	struct fd_handle *h = fd_handle_get(fd);
	if (h || !table || fd_is_ours(fd))
		return h;
	struct carrier_identity id = carrier_identify(fd);
	if (id.ino == 0)
		return NULL;
	h = fd_find(id);
	/* An O_PATH fd of a carrier is no fd of the file. */
	if (h && (raw_syscall(SYS_fcntl, fd, F_GETFL) & O_PATH)) {
		fd_handle_put(h);
		return NULL;
	}
	if (!h || !fd_table_is_mine(table) || fd_slot_prepare(table, fd))
		return h;
	carrier_poll_take_up(h->file, fd);
	atomic_fetch_add(&h->refs, 1);
	fd_slot_set(table, fd, h);
	return h;
}

void fd_forget(int fd)
{
	struct fd_table *table = atomic_load(&door.fds);
	if (fd >= 0 && unlikely(fd_is_ours(fd)) && fd_table_is_mine(table))
		fd_slot_set(table, fd, NULL);
}

int fd_close(int fd)
{
	struct fd_table *table = atomic_load(&door.fds);
	struct fd_handle *h = NULL;
	if (fd_is_ours(fd)) {
		if (fd_table_peek(fd) == FD_INTERNAL)
			return -EBADF;
		/* Off the table before the number is free again for another thread. */
		if (fd_table_is_mine(table)) {
			fd_collect(fd);
			h = fd_slot_swap(table, fd, NULL);
		}
	}
	int err = real.close(fd) ? -errno : 0;
	if (h)
		fd_handle_put(h);
	return err;
}

int fd_dup(int fd, int lowest, bool cloexec)
{
	struct fd_table *table = atomic_load(&door.fds);
	struct fd_handle *h = fd_handle_get(fd);
	int copy = real.fcntl(fd, cloexec ? F_DUPFD_CLOEXEC : F_DUPFD, (unsigned long)lowest);
	if (copy < 0)
		copy = -errno;
	else if (!h)
		fd_forget(copy);
	else if (!fd_table_is_mine(table))
		;
	else if (fd_slot_prepare(table, copy)) {
		real.close(copy);
		copy = -EMFILE;
	} else {
		fd_slot_set(table, copy, h);
		return copy;
	}
	if (h)
		fd_handle_put(h);
	return copy;
}

int fd_dup_to(int from, int to, int flags)
{
	struct fd_table *table = atomic_load(&door.fds);
	if (fd_table_peek(to) == FD_INTERNAL || fd_table_peek(from) == FD_INTERNAL)
		return -EBADF;
	struct fd_handle *h = fd_handle_get(from);
	int err = h && to >= 0 ? fd_slot_prepare(table, to) : 0;
	/* A vfork child duplicates for the program it is about to start. */
	bool mine = (h || fd_is_ours(to)) && fd_table_is_mine(table);
	if (mine)
		fd_collect(to);
	if (!err && real.dup3(from, to, flags) < 0)
		err = -errno;
	if (!err && mine) {
		fd_slot_set(table, to, h);
		return to;
	}
	if (h)
		fd_handle_put(h);
	return err ? err : to;
}

/* Takes every slot of ours in the range off the table; barter's own stay. Returns the first one of those, or last + 1.
 */
static uint64_t fd_clear_until_internal(struct fd_table *table, uint64_t first, uint64_t last, bool clear)
{
	uint64_t fd = first;
	while (fd <= last && fd < (uint64_t)FD_CHUNKS * FD_CHUNK_SIZE) {
		_Atomic(struct fd_handle *) *slot = fd_slot(table, (int)fd);
		if (!slot) {
			fd = align_up(fd + 1, FD_CHUNK_SIZE);
			continue;
		}
		struct fd_handle *h = atomic_load(slot);
		if (h == FD_INTERNAL)
			return fd;
		if (h && clear)
			fd_slot_set(table, (int)fd, NULL);
		fd++;
	}
	return last + 1;
}

int fd_close_range(unsigned first, unsigned last, unsigned flags)
{
	struct fd_table *table = atomic_load(&door.fds);
	bool clear = !(flags & CLOSE_RANGE_CLOEXEC);
	if (first > last || (flags & ~(unsigned)(CLOSE_RANGE_CLOEXEC | CLOSE_RANGE_UNSHARE)))
		return -EINVAL;
	if (!table)
		return real.close_range(first, last, (int)flags) ? -errno : 0;
	clear = clear && fd_table_is_mine(table);
	for (uint64_t fd = first; fd <= last;) {
		uint64_t internal = fd_clear_until_internal(table, fd, last, clear);
		if (internal > fd && real.close_range((unsigned)fd, (unsigned)(internal - 1), (int)flags))
			return -errno;
		fd = internal + 1;
	}
	if (fd_any_in_flight())
		fd_flight_sweep();
	return 0;
}
