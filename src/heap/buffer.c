/* SPDX-License-Identifier: BSD-3-Clause */
/* What the buffers of this room have in common. */
#include <fcntl.h>
#include <sys/mman.h>

#include "dmabuf/cpu_mapping.h"
#include "dmabuf/type_sgt.h"
#include "heap/heap_priv.h"

static int buffer_map_phys(struct dma_buf_attachment *a, const struct dma_buf_phys_list **list)
{
	*list = heap_buffer_layout(a->buf);
	return 0;
}

static const struct dma_buf_phys_ops phys_ops = {.map = buffer_map_phys};

const struct dma_buf_match heap_offers[HEAP_NR_OFFERS] = {
	{.type = &dma_buf_type_phys, .ops = &phys_ops},
	{.type = &dma_buf_type_sgt, .ops = &dma_buf_sgt_of_layout},
};

const struct dma_buf_phys_list *heap_buffer_layout(struct dma_buf *b)
{
	const struct heap_buffer *hb = b->priv;

	return &hb->list;
}

/* A mapping keeps the buffer, as the file of a VMA does. */
static void mapping_gone(void *arg)
{
	file_put(arg);
}

int64_t heap_buffer_map(struct dma_buf *b, struct task *t, const struct mmap_request *req)
{
	const struct heap_buffer *hb = b->priv;
	bool read_only = (b->file->open_flags & O_ACCMODE) == O_RDONLY && (req->flags & MAP_TYPE) != MAP_PRIVATE;
	struct cpu_mapping_how how = {
		.space = hb->system->space,
		.offset = req->offset,
		.denied_prot = PROT_EXEC | (read_only ? PROT_WRITE : 0),
		.on_gone = mapping_gone,
		.arg = file_get(b->file),
	};
	int64_t addr = cpu_mapping_create(b, t, req, &how);

	if (addr < 0)
		file_put(b->file);
	return addr;
}

int heap_buffer_publish(struct dma_buf *b, struct task *t, int fd_flags, struct heap_answer *answer)
{
	int fd = t->ops->fd_reserve(t, b->file, fd_flags), err = fd;

	if (fd < 0)
		goto put;
	err = answer ? answer->tell(answer, t, fd) : 0;
	if (err)
		goto cancel;
	t->ops->fd_publish(t, fd, b->file);
	return fd;
cancel:
	t->ops->fd_cancel(t, fd);
put:
	file_put(b->file);
	return err;
}
