/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What areas are made of: the memory named by one IOMMU_IOAS_MAP or MAP_FILE call, shared by the areas that
 * IOMMU_IOAS_COPY makes of it. Three sources: memory of the program, a memfd, device memory behind a dma-buf.
 *
 * Memory of the program and of a memfd is pinned while some domain shows it, as a whole. Device memory is never pinned:
 * its pages are an attachment to the buffer. When the buffer is revoked, invalidate() clears the leaves in every domain
 * through the list of mappings that the pages object itself keeps, without a lock of any IOAS. From then on the object
 * is dead: its areas stay, further domains skip them, and the program has to map anew.
 */
#ifndef BARTER_IOMMUFD_PAGES_H
#define BARTER_IOMMUFD_PAGES_H

#include "dmabuf/dmabuf.h"
#include "dmabuf/type_phys.h"
#include "file/task.h"
#include "iommufd/iopt.h"
#include "memory/pinned.h"

/*
 * Dead pages objects, ready for reuse. A program that maps and unmaps thousands at a time would otherwise have libc
 * give their memory back and fault it in again, at more than the cost of a map.
 */
struct iopt_pages_cache {
	struct mutex lock; /* guards all below */
	struct iopt_pages *dead;
	unsigned nr;
};

void iopt_pages_cache_init(struct iopt_pages_cache *c);
/* No pages object is alive. */
void iopt_pages_cache_fini(struct iopt_pages_cache *c);

/* On whose behalf memory is looked at, and where. */
struct iopt_origin {
	struct iopt_pages_cache *cache;
	struct phys_space *space;
	struct task *task;
};

enum iopt_source { IOPT_USER, IOPT_MEMORY_FILE, IOPT_DMABUF };

struct iopt_pages {
	atomic_uint refs;
	enum iopt_source source;
	bool writable;
	struct iopt_origin origin; /* the task is the one whose memory it is */
	uint64_t start;		   /* address in the program, or offset in the file, of the first byte */
	uint64_t len;
	struct memory_file file;
	int file_error; /* what pinning answers: the fd is open but no memory file. 0: it is one */

	struct mutex lock; /* guards all below */
	bool is_pinned;
	size_t nr_fills; /* areas x domains that show the pinned memory */
	struct file *buffer_file;
	struct dma_buf_attachment *attachment;
	const struct dma_buf_phys_list *ranges; /* NULL: revoked */
	struct list mappings;			/* struct iopt_mapping */

	struct iopt_pages *next_dead; /* in the cache */
	struct iopt_area first;	      /* the area of the call that made the object: one allocation a map */
	struct pinned pinned;	      /* when is_pinned */
};

/* One reference each. len is not 0 and start + len does not wrap. */
int iopt_pages_create_user(const struct iopt_origin *o, uaddr_t start, uint64_t len, bool writable,
			   struct iopt_pages **out);
/* Takes over *mf unless it fails. error: pinning is to fail with it, for the fd is no memory file (mf NULL). */
int iopt_pages_create_file(const struct iopt_origin *o, struct memory_file *mf, int error, uint64_t start, uint64_t len,
			   bool writable, struct iopt_pages **out);
/* Takes a reference to the file. -EINVAL outside the buffer, -ENODEV revoked, -EOPNOTSUPP. */
int iopt_pages_create_dmabuf(const struct iopt_origin *o, struct file *f, uint64_t start, uint64_t len, bool writable,
			     struct iopt_pages **out);
void iopt_pages_get(struct iopt_pages *p);
/* No domain shows what this reference stood for, and DMA has been drained. Call without locks. */
void iopt_pages_put(struct iopt_pages *p);

/* Makes leaves for an area, pinning on the first. Revoked device memory is skipped. */
int iopt_pages_fill(struct iopt_area *area, struct iommu_domain *d, bool small_leaves);
/* clear: take the leaves out; else the caller is about to destroy the domain. */
void iopt_pages_unfill(struct iopt_area *area, struct iommu_domain *d, bool clear);
/* Lets go of memory that no domain shows any more; DMA through the domain that was last has been drained. */
void iopt_pages_unpin_idle(struct iopt_pages *p);

#endif
