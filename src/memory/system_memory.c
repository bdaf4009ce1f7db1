/* SPDX-License-Identifier: BSD-3-Clause */
#include "memory/system_memory.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "memory/copy.h"
#include "memory/memory_fd.h"

/* The file only ever grows in length; what is given back is punched out of it, and costs nothing any more. */
struct system_file {
	int fd; /* immutable */
	struct mutex lock;
	uint64_t size;
};

static const struct lock_class system_file_class = {.name = "system memory", .rank = LOCK_RANK_LEAF};

struct system_file *system_file_create(void)
{
	struct system_file *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->fd = memory_fd_create("barter system memory");
	if (f->fd < 0) {
		free(f);
		return NULL;
	}
	mutex_init(&f->lock, &system_file_class);
	return f;
}

void system_file_destroy(struct system_file *f)
{
	close(f->fd);
	mutex_fini(&f->lock);
	free(f);
}

int system_memory_fd(struct phys_space *s)
{
	return phys_system_file(s)->fd;
}

static int system_file_grow(struct system_file *f, uint64_t len, uint64_t *offset)
{
	int err = 0;

	mutex_lock(&f->lock);
	if (len > INT64_MAX - f->size || ftruncate(f->fd, (off_t)(f->size + len)))
		err = -ENOMEM;
	if (!err) {
		*offset = f->size;
		f->size += len;
	}
	mutex_unlock(&f->lock);
	return err;
}

static void system_file_punch(struct system_file *f, uint64_t offset, uint64_t len)
{
	fallocate(f->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)len);
}

/* A huge page that loses its memory meanwhile (the program has punched it out, none is free) reads as zeros. */
static uint64_t part_read(struct phys_region *r, uint64_t offset, unsigned len)
{
	const char *at = atomic_load_explicit(&r->host, memory_order_relaxed) + offset;
	uint64_t value = 0;

	if (len >= 4)
		copy_load_guarded(at, len, &value);
	else
		copy_guarded(&value, at, len);
	return value;
}

static void part_write(struct phys_region *r, uint64_t offset, uint64_t value, unsigned len)
{
	char *at = atomic_load_explicit(&r->host, memory_order_relaxed) + offset;

	if (len >= 4)
		copy_store_guarded(at, len, value);
	else
		copy_guarded(at, &value, len);
}

static const struct phys_register_ops part_ops = {.read = part_read, .write = part_write};

/* The kernel maps huge pages as a whole, and only where they are aligned: a part of one is reached access by access. */
static bool has_huge_pages(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == HUGETLBFS_MAGIC;
}

/* Maps the part of the file and places it in the space. What the file holds is the caller's, also when this fails. */
static int memory_create(struct phys_space *s, int fd, uint64_t offset, uint64_t len, struct system_memory **out)
{
	struct system_memory *m = calloc(1, sizeof(*m));
	void *host;
	int err = -ENOMEM;

	if (!m)
		return -ENOMEM;
	host = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, (off_t)offset);
	if (host == MAP_FAILED)
		goto undo_alloc;
	m->space = s;
	phys_region_init(&m->region, PHYS_SYSTEM, len);
	m->region.owner = m;
	m->region.fd = fd;
	m->region.fd_offset = offset;
	atomic_store_explicit(&m->region.host, host, memory_order_relaxed);
	err = phys_add_pages(s, &m->region);
	if (err)
		goto undo_map;
	*out = m;
	return 0;

undo_map:
	phys_region_fini(&m->region);
	munmap(host, len);
undo_alloc:
	free(m);
	return err;
}

int system_memory_create(struct phys_space *s, uint64_t len, struct system_memory **out)
{
	struct system_file *f = phys_system_file(s);
	uint64_t offset;
	int err = system_file_grow(f, len, &offset);

	return err ? err : memory_create(s, f->fd, offset, len, out);
}

int system_memory_create_file(struct phys_space *s, int fd, uint64_t offset, uint64_t len, struct system_memory **out)
{
	int err = memory_create(s, fd, offset, len, out);

	if (err)
		return err;
	(*out)->borrowed = true;
	if (has_huge_pages(fd)) {
		(*out)->region.fd = -1;
		(*out)->region.ops = &part_ops;
	}
	return 0;
}

void system_memory_destroy(struct system_memory *m)
{
	if (!m)
		return;
	phys_remove(m->space, &m->region);
	munmap(atomic_load_explicit(&m->region.host, memory_order_relaxed), m->region.len);
	if (!m->borrowed)
		system_file_punch(phys_system_file(m->space), m->region.fd_offset, m->region.len);
	phys_region_fini(&m->region);
	free(m);
}
