/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * /dev/dma_heap: heaps, and the buffers that they make. Two differ as on Linux: `system` gives pages from wherever they
 * are, the one of the contiguous memory allocator memory that is one piece.
 *
 * The ioctl's number alone says what is asked. Its size may be smaller or larger than what we know: what is missing is
 * zero, what is too much is not looked at. That is how Linux lets the structure grow.
 */
#include <fcntl.h>
#include <linux/dma-heap.h>
#include <linux/ioctl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/trace.h"
#include "heap/heap_priv.h"
#include "memory/section.h"

struct heap_memory {
	struct heap_buffer base;
	struct system_memory *memory;
	struct phys_range range;
};

static void memory_release(struct dma_buf *b)
{
	struct heap_memory *hm = b->priv;

	/* A device whose driver unmapped on its own may still have been at work a moment ago. */
	section_drain(phys_sections(hm->base.system->space));
	system_memory_destroy(hm->memory);
	free(hm);
}

/*
 * The system heap's memory is chunks of these sizes, as large as the rest of the buffer has room for. They show where a
 * private mapping is asked for: Linux makes one only within a chunk.
 */
static uint64_t chunk_end(uint64_t size, uint64_t offset)
{
	static const uint64_t sizes[] = {1 << 20, 1 << 16, 1 << 12};
	uint64_t start = 0;

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		uint64_t all = align_down(size - start, sizes[i]);

		if (offset < start + all)
			return align_down(offset - start, sizes[i]) + start + sizes[i];
		start += all;
	}
	return size;
}

static int64_t system_map(struct dma_buf *b, struct task *t, const struct mmap_request *req)
{
	if ((req->flags & MAP_TYPE) == MAP_PRIVATE && req->offset + req->len > chunk_end(b->size, req->offset))
		return refuse(b->trace, -EINVAL, "dma-buf mmap: private, but 0x%llx bytes at 0x%llx are not one chunk",
			      (unsigned long long)req->len, (unsigned long long)req->offset);
	return heap_buffer_map(b, t, req);
}

static int64_t cma_map(struct dma_buf *b, struct task *t, const struct mmap_request *req)
{
	if ((req->flags & MAP_TYPE) == MAP_PRIVATE)
		return refuse(b->trace, -EINVAL, "dma-buf mmap: a buffer of %s cannot be mapped private", b->ops->name);
	return heap_buffer_map(b, t, req);
}

#define HEAP_OPS(name_, mmap_)                                                                                         \
	{                                                                                                              \
		.name = name_, .offers = heap_offers, .nr_offers = HEAP_NR_OFFERS, .layout = heap_buffer_layout,       \
		.mmap = mmap_, .release = memory_release,                                                              \
	}

static const struct dma_buf_ops heap_ops[] = {
	[HEAP_SYSTEM] = HEAP_OPS("system", system_map),
	[HEAP_CMA] = HEAP_OPS("default_cma_region", cma_map),
};

const struct dma_buf_ops *heap_exporter(unsigned device)
{
	return &heap_ops[device];
}

static int heap_memory_create(struct heap *h, uint64_t len, int open_flags, struct dma_buf **out)
{
	struct heap_memory *hm = calloc(1, sizeof(*hm));
	int err;

	if (!hm)
		return -ENOMEM;
	err = system_memory_create(h->system->space, len, &hm->memory);
	if (err)
		goto free;
	hm->range = (struct phys_range){hm->memory->region.base, len};
	hm->base.system = h->system;
	hm->base.list = (struct dma_buf_phys_list){.ranges = &hm->range, .nr_ranges = 1};
	err = dma_buf_create(h->ops, hm, len, open_flags, true, h->system->registry, out);
	if (err)
		goto destroy;
	return 0;
destroy:
	system_memory_destroy(hm->memory);
free:
	free(hm);
	return err;
}

/*
 * The ioctl
 */

struct alloc_answer {
	struct heap_answer base;
	struct dma_heap_allocation_data *data;
	uaddr_t arg;
	size_t len;
};

static int alloc_tell(struct heap_answer *base, struct task *t, int fd)
{
	struct alloc_answer *a = container_of(base, struct alloc_answer, base);

	a->data->fd = (uint32_t)fd;
	return copy_to_task(t, a->arg, a->data, a->len);
}

static int alloc_check(struct task *t, const struct dma_heap_allocation_data *data)
{
	if (data->fd)
		return refuse(t->trace, -EINVAL, "DMA_HEAP_IOCTL_ALLOC: fd %u, not 0", data->fd);
	if (data->fd_flags & ~DMA_HEAP_VALID_FD_FLAGS)
		return refuse(t->trace, -EINVAL, "DMA_HEAP_IOCTL_ALLOC: fd_flags 0%o", data->fd_flags);
	if (data->heap_flags & ~DMA_HEAP_VALID_HEAP_FLAGS)
		return refuse(t->trace, -EINVAL, "DMA_HEAP_IOCTL_ALLOC: heap_flags 0x%llx",
			      (unsigned long long)data->heap_flags);
	if (align_up(data->len, BARTER_PAGE_SIZE) == 0)
		return refuse(t->trace, -EINVAL, "DMA_HEAP_IOCTL_ALLOC: len 0x%llx", (unsigned long long)data->len);
	return 0;
}

/* Linux would go on until it has killed somebody for memory. */
static int alloc_check_memory(struct task *t, uint64_t len)
{
	uint64_t pages = (uint64_t)sysconf(_SC_PHYS_PAGES);

	if (len / BARTER_PAGE_SIZE <= pages)
		return 0;
	return refuse(t->trace, -ENOMEM, "DMA_HEAP_IOCTL_ALLOC: 0x%llx bytes are more than the machine has",
		      (unsigned long long)len);
}

static int heap_alloc(struct heap *h, struct task *t, struct alloc_answer *answer)
{
	struct dma_heap_allocation_data *data = answer->data;
	uint64_t len = align_up(data->len, BARTER_PAGE_SIZE);
	struct dma_buf *b;
	int err = alloc_check(t, data);

	if (!err)
		err = alloc_check_memory(t, len);
	if (!err)
		err = heap_memory_create(h, len, data->fd_flags & O_ACCMODE, &b);
	if (!err)
		err = heap_buffer_publish(b, t, data->fd_flags & O_CLOEXEC, &answer->base);
	return MIN(err, 0);
}

static long heap_ioctl(struct file *f, struct task *t, unsigned long cmd, unsigned long arg)
{
	size_t size = _IOC_SIZE(cmd), in = _IOC_DIR(cmd) & _IOC_WRITE ? size : 0;
	size_t room = MAX(size, sizeof(struct dma_heap_allocation_data));
	struct alloc_answer answer = {.base.tell = alloc_tell, .arg = arg};
	long err = -EFAULT;

	lock_check_none_held(__func__);
	if (_IOC_NR(cmd) != 0)
		return refuse(t->trace, -EINVAL, "a heap has no ioctl %lu", (unsigned long)_IOC_NR(cmd));
	answer.data = calloc(1, room);
	if (!answer.data)
		return -ENOMEM;
	answer.len = _IOC_DIR(cmd) & _IOC_READ ? size : 0;
	if (!copy_from_task(t, answer.data, arg, in))
		err = heap_alloc(f->priv, t, &answer);
	free(answer.data);
	return err;
}

static void heap_file_release(struct file *f)
{
}

static const struct file_ops heap_file_ops = {
	.name = "/dev/dma_heap",
	.ioctl = heap_ioctl,
	.release = heap_file_release,
};

int heap_open(void *priv, struct task *t, int open_flags, struct file **out)
{
	*out = file_create(&heap_file_ops, priv, open_flags);
	if (!*out)
		return -ENOMEM;
	(*out)->carrier = CARRIER_PLAIN;
	return 0;
}
