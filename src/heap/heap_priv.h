/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of heap/ share. */
#ifndef BARTER_HEAP_PRIV_H
#define BARTER_HEAP_PRIV_H

#include <stdatomic.h>

#include "dmabuf/dmabuf.h"
#include "dmabuf/type_phys.h"
#include "heap/heap.h"
#include "memory/system_memory.h"

struct heap_system;

enum { HEAP_SYSTEM, HEAP_CMA, HEAP_UDMABUF, HEAP_NR_HEAPS = HEAP_UDMABUF };

/* A heap: what its device files have in priv. */
struct heap {
	struct heap_system *system;
	const struct dma_buf_ops *ops; /* of its buffers */
};

struct heap_system {
	struct phys_space *space;
	struct dma_buf_registry *registry;
	struct heap heaps[HEAP_NR_HEAPS];
	/* udmabuf's parameters, /sys/module/udmabuf/parameters */
	atomic_int list_limit, size_limit_mb;
};

/* A buffer of this room: how what its exporter has in b->priv begins. */
struct heap_buffer {
	struct heap_system *system;
	struct dma_buf_phys_list list;
};

/* What both exporters offer, and their mmap: buffer.c. */
enum { HEAP_NR_OFFERS = 2 };
extern const struct dma_buf_match heap_offers[HEAP_NR_OFFERS];
const struct dma_buf_phys_list *heap_buffer_layout(struct dma_buf *b);
int64_t heap_buffer_map(struct dma_buf *b, struct task *t, const struct mmap_request *req);

/*
 * Hands a finished buffer to the program: reserves an fd (O_CLOEXEC or 0), lets tell() write the answer, publishes. On
 * failure the buffer is gone and no fd is taken. tell may be NULL. Returns the fd or -errno.
 */
struct heap_answer {
	int (*tell)(struct heap_answer *a, struct task *t, int fd);
};
int heap_buffer_publish(struct dma_buf *b, struct task *t, int fd_flags, struct heap_answer *answer);

/* heaps.c: the exporter of one of the heaps. */
const struct dma_buf_ops *heap_exporter(unsigned device);

/* Opening the device files. */
int heap_open(void *priv, struct task *t, int open_flags, struct file **out);
int udmabuf_open(void *priv, struct task *t, int open_flags, struct file **out);

/* udmabuf.c: what udmabuf_ioctl.c makes a buffer of. */
struct udmabuf_item {
	uint32_t memfd;
	uint64_t offset, size;
};
/* -EBADFD no memfd, -EINVAL sealed wrongly or a range beyond it. */
int udmabuf_create_buffer(struct heap_system *system, struct task *t, const struct udmabuf_item *items, size_t nr,
			  struct dma_buf **out);

#endif
