/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Buffers of a program's own memory: pages of memfds that it has sealed against shrinking. Linux pins the pages; here
 * each memfd is held open and mapped as a whole once, however many pieces of it the buffer has.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/trace.h"
#include "heap/heap_priv.h"
#include "memory/section.h"

struct udmabuf_file {
	struct memory_file mf;
	dev_t dev;
	ino_t ino;
	struct system_memory *memory;
};

struct udmabuf {
	struct heap_buffer base;
	struct task *task; /* whose memfds they are */
	struct udmabuf_file *files;
	size_t nr_files;
	struct phys_range *ranges;
	atomic_bool accessed; /* by SYNC */
};

static void udmabuf_free(struct udmabuf *u)
{
	for (size_t i = 0; i < u->nr_files; i++) {
		system_memory_destroy(u->files[i].memory);
		u->task->ops->memory_file_put(&u->files[i].mf);
	}
	free(u->files);
	free(u->ranges);
	free(u);
}

static void udmabuf_release(struct dma_buf *b)
{
	struct udmabuf *u = b->priv;

	section_drain(phys_sections(u->base.system->space));
	udmabuf_free(u);
}

static int64_t udmabuf_map(struct dma_buf *b, struct task *t, const struct mmap_request *req)
{
	if ((req->flags & MAP_TYPE) == MAP_PRIVATE)
		return refuse(b->trace, -EINVAL, "dma-buf mmap: a buffer of udmabuf cannot be mapped private");
	return heap_buffer_map(b, t, req);
}

/* Linux maps the pages for a device of its own at the first beginning, and has nothing to end before that. */
static int udmabuf_begin(struct dma_buf *b, unsigned rw)
{
	atomic_store_explicit(&((struct udmabuf *)b->priv)->accessed, true, memory_order_relaxed);
	return 0;
}

static int udmabuf_end(struct dma_buf *b, unsigned rw)
{
	if (atomic_load_explicit(&((struct udmabuf *)b->priv)->accessed, memory_order_relaxed))
		return 0;
	return refuse(b->trace, -EINVAL, "DMA_BUF_IOCTL_SYNC: no access to a buffer of udmabuf has begun");
}

static const struct dma_buf_ops udmabuf_ops = {
	.name = "udmabuf",
	.offers = heap_offers,
	.nr_offers = HEAP_NR_OFFERS,
	.layout = heap_buffer_layout,
	.begin_cpu_access = udmabuf_begin,
	.end_cpu_access = udmabuf_end,
	.mmap = udmabuf_map,
	.release = udmabuf_release,
};

/* The seals alone make it certain that the pages stay and can be written. */
static int check_seals(struct task *t, uint32_t fd, const struct memory_file *mf)
{
	if (!(mf->seals & F_SEAL_SHRINK))
		return refuse(t->trace, -EINVAL, "udmabuf: memfd %u is not sealed against shrinking", fd);
	if (mf->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))
		return refuse(t->trace, -EINVAL, "udmabuf: memfd %u is sealed against writing", fd);
	return 0;
}

static struct udmabuf_file *find_file(struct udmabuf *u, const struct stat *st)
{
	for (size_t i = 0; i < u->nr_files; i++)
		if (u->files[i].dev == st->st_dev && u->files[i].ino == st->st_ino)
			return &u->files[i];
	return NULL;
}

/* The memfd behind fd, held: as one that is there already, or a new one. */
static int get_file(struct udmabuf *u, uint32_t fd, struct udmabuf_file **out)
{
	struct task *t = u->task;
	struct udmabuf_file *file = &u->files[u->nr_files];
	struct memory_file mf;
	struct stat st;
	int err;

	err = t->ops->memory_file_get(t, (int)fd, &mf);
	if (err == -EBADF || err == -EINVAL)
		return refuse(t->trace, -EBADFD, "udmabuf: fd %u is no memfd", fd);
	if (err)
		return err;
	err = check_seals(t, fd, &mf);
	if (!err && fstat(mf.fd, &st))
		err = -errno;
	if (err)
		goto put;
	*out = find_file(u, &st);
	if (*out)
		goto put;
	err = mf.size ? system_memory_create_file(u->base.system->space, mf.fd, 0, align_up(mf.size, BARTER_PAGE_SIZE),
						  &file->memory)
		      : -EINVAL;
	if (err)
		goto put;
	file->mf = mf;
	file->dev = st.st_dev;
	file->ino = st.st_ino;
	u->nr_files++;
	*out = file;
	return 0;
put:
	t->ops->memory_file_put(&mf);
	return err;
}

static int add_item(struct udmabuf *u, const struct udmabuf_item *item, struct phys_range *range)
{
	struct udmabuf_file *file = NULL;
	int err = get_file(u, item->memfd, &file);

	if (err)
		return err;
	if (!item->size || item->offset > file->mf.size || item->size > file->mf.size - item->offset)
		return refuse(u->task->trace, -EINVAL,
			      "udmabuf: 0x%llx bytes at 0x%llx do not lie in a memfd of 0x%llx",
			      (unsigned long long)item->size, (unsigned long long)item->offset,
			      (unsigned long long)file->mf.size);
	/* What is a hole becomes pages now, as where Linux pins it. */
	if (fallocate(file->mf.fd, FALLOC_FL_KEEP_SIZE, (off_t)item->offset, (off_t)item->size) && errno == ENOSPC)
		return -ENOMEM;
	*range = (struct phys_range){file->memory->region.base + item->offset, item->size};
	return 0;
}

static struct udmabuf *udmabuf_alloc(struct heap_system *system, struct task *t, size_t nr)
{
	struct udmabuf *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	u->base.system = system;
	u->task = t;
	u->files = calloc(nr, sizeof(*u->files));
	u->ranges = calloc(nr, sizeof(*u->ranges));
	if (u->files && u->ranges)
		return u;
	udmabuf_free(u);
	return NULL;
}

int udmabuf_create_buffer(struct heap_system *system, struct task *t, const struct udmabuf_item *items, size_t nr,
			  struct dma_buf **out)
{
	struct udmabuf *u = udmabuf_alloc(system, t, nr);
	uint64_t size = 0;
	int err = u ? 0 : -ENOMEM;

	for (size_t i = 0; i < nr && !err; i++) {
		err = add_item(u, &items[i], &u->ranges[i]);
		size += items[i].size;
	}
	if (err)
		goto free;
	u->base.list = (struct dma_buf_phys_list){.ranges = u->ranges, .nr_ranges = nr};
	err = dma_buf_create(&udmabuf_ops, u, size, O_RDWR, true, system->registry, out);
	if (err)
		goto free;
	return 0;
free:
	if (u)
		udmabuf_free(u);
	return err;
}
