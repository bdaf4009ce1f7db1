/* SPDX-License-Identifier: BSD-3-Clause */
/* What forwarded calls need of the table: see the end of fd_table.h. */
#include "door/fd_table.h"

#include <sys/socket.h>

/* Lent numbers count from the end: so near to the kernel's own limit (NR_OPEN) no program has an fd. */
static int lent_number(unsigned index)
{
	return (int)(FD_CHUNKS * FD_CHUNK_SIZE - 1 - index);
}

static int lent_take(struct fd_table *table)
{
	for (unsigned word = 0; word < ARRAY_SIZE(table->lent); word++) {
		uint64_t taken = atomic_load(&table->lent[word]);

		while (~taken) {
			unsigned bit = (unsigned)__builtin_ctzll(~taken);

			if (atomic_compare_exchange_weak(&table->lent[word], &taken, taken | 1ull << bit))
				return lent_number(64 * word + bit);
		}
	}
	return -EMFILE;
}

static void lent_give_back(struct fd_table *table, int fd)
{
	unsigned index = (unsigned)lent_number(0) - (unsigned)fd;

	atomic_fetch_and(&table->lent[index / 64], ~(1ull << index % 64));
}

int fd_lend(struct fd_handle *h)
{
	struct fd_table *table = fd_table_get();
	int fd = table ? lent_take(table) : -ENOMEM, err;

	if (fd < 0)
		return fd;
	atomic_fetch_add(&h->refs, 1); /* the caller has one, so it is not 0 */
	err = fd_mark(fd, h);
	if (!err)
		return fd;
	fd_handle_put(h);
	lent_give_back(table, fd);
	return err;
}

void fd_unlend(int fd)
{
	struct fd_handle *h = fd_table_peek(fd);

	fd_mark(fd, NULL);
	fd_handle_put(h);
	lent_give_back(fd_table_get(), fd);
}

/* With a reference. */
static struct fd_handle *handle_after_locked(struct fd_table *table, struct fd_handle *h)
{
	struct fd_handle *next;
	bool past = !h;
	list_for_each (next, &table->live, link) {
		if (past && fd_handle_try_get(next))
			return next;
		past = past || next == h;
	}
	return NULL;
}

int fd_for_each_live(int (*fn)(const struct fd_handle *h, void *arg), void *arg)
{
	struct fd_table *table = atomic_load(&door.fds);
	struct fd_handle *h = NULL;
	int rc = 0;
	while (!rc) {
		mutex_lock(&table->lock);
		struct fd_handle *next = handle_after_locked(table, h);
		mutex_unlock(&table->lock);
		if (h)
			fd_handle_put(h);
		h = next;
		if (!h)
			return 0;
		rc = fn(h, arg);
	}
	fd_handle_put(h);
	return rc;
}

void fd_set_name(int fd, struct ns_node *node)
{
	struct fd_handle *h = fd_handle_get(fd);
	if (!h)
		return;
	/* Nobody else knows the number yet. */
	if (!h->node)
		h->node = ns_get(node);
	fd_handle_put(h);
}

bool fd_any_live(void)
{
	struct fd_table *table = atomic_load(&door.fds);
	mutex_lock(&table->lock);
	bool any = !list_empty(&table->live);
	mutex_unlock(&table->lock);
	return any;
}

static bool is_packet_socket(int fd)
{
	int type;
	socklen_t len = sizeof(type);
	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_SEQPACKET;
}

void fd_close_inherited_sockets(int except, int and_except)
{
	struct fd_table *table = atomic_load(&door.fds);
	for (unsigned chunk = 0; chunk < FD_CHUNKS; chunk++) {
		if (!atomic_load(&table->chunks[chunk]))
			continue;
		for (unsigned i = 0; i < FD_CHUNK_SIZE; i++) {
			int fd = (int)(chunk * FD_CHUNK_SIZE + i);
			if (fd != except && fd != and_except && fd_table_peek(fd) == FD_INTERNAL &&
			    is_packet_socket(fd))
				fd_drop(fd);
		}
	}
}

void fd_table_fork_lock(void)
{
	mutex_lock(&atomic_load(&door.fds)->lock);
}

void fd_table_fork_unlock(void)
{
	mutex_unlock(&atomic_load(&door.fds)->lock);
}
