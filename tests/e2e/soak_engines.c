/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Engines: each maps some buffers at a time, reads all of them into memory of the program's or into a heap's, and
 * writes to them what they hold. What arrived for a descriptor that was completed is the buffer's, to the byte.
 */
#include <linux/dma-heap.h>
#include <linux/iommufd.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "soak_buffers.h"

enum { NR_VIEWS = 4, STAGING_PAGES = NR_VIEWS * MOST_PAGES, RING_BYTES = 65536 };

struct copier {
	struct world *world;
	uint32_t ioas;
	struct engine engine;
	struct staging {
		uint64_t *memory;
		uint64_t iova;
	} stagings[2]; /* anonymous memory, a heap's */
	void *ring;
	uint64_t ring_iova;
	unsigned seed;
};

#define VIEW_IOVA(i) (0x100000000ull + (uint64_t)(i)*MOST_PAGES * PAGE)
#define HEAP_IOVA 0x200000000ull

static uint64_t mapped(int64_t iova, const char *what)
{
	if (iova < 0)
		wrong("%s: %s", what, strerror((int)-iova));
	return (uint64_t)iova;
}

static void *anonymous(struct copier *c, size_t len, uint64_t *iova)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		wrong("mmap: %s", strerror(errno));
	*iova = mapped(ioas_map(c->world->iommufd, c->ioas, p, len), "IOMMU_IOAS_MAP");
	return p;
}

static void *heap_memory(struct copier *c, size_t len, uint64_t iova)
{
	struct dma_heap_allocation_data a = {.len = len, .fd_flags = O_RDWR | O_CLOEXEC};
	int heap = open("/dev/dma_heap/system", O_RDWR);
	void *p;

	if (heap < 0 || ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &a))
		wrong("a heap's memory: %s", strerror(errno));
	p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, (int)a.fd, 0);
	if (p == MAP_FAILED)
		wrong("mmap of a heap's memory: %s", strerror(errno));
	mapped(ioas_map_dmabuf(c->world->iommufd, c->ioas, (int)a.fd, 0, len, iova), "IOMMU_IOAS_MAP_FILE of a heap");
	close((int)a.fd);
	close(heap);
	return p;
}

static void unmap(struct copier *c, uint64_t iova, uint64_t len)
{
	int err = ioas_unmap(c->world->iommufd, c->ioas, iova, len);

	if (err)
		wrong("IOMMU_IOAS_UNMAP: %s", strerror(-err));
}

static void copier_init(struct copier *c, unsigned index)
{
	c->ioas = c->world->ioas[index];
	c->stagings[0].memory = anonymous(c, STAGING_PAGES * PAGE, &c->stagings[0].iova);
	c->stagings[1].memory = heap_memory(c, STAGING_PAGES * PAGE, HEAP_IOVA);
	c->stagings[1].iova = HEAP_IOVA;
	c->ring = anonymous(c, RING_BYTES, &c->ring_iova);
	engine_init(&c->engine, &c->world->engines[index], c->ring, RING_BYTES, c->ring_iova);
}

static void copier_fini(struct copier *c)
{
	munmap((void *)c->engine.registers, PAGE);
	close(c->engine.irq);
	unmap(c, c->ring_iova, RING_BYTES);
	munmap(c->ring, RING_BYTES);
	for (unsigned i = 0; i < 2; i++) {
		unmap(c, c->stagings[i].iova, STAGING_PAGES * PAGE);
		munmap(c->stagings[i].memory, STAGING_PAGES * PAGE);
	}
}

/* One descriptor a page. How many were completed; an error needs an event. */
static unsigned run(struct copier *c, const struct view *v, unsigned slot, const struct staging *s, bool to_buffer)
{
	struct engine_result r;

	for (unsigned i = 0; i < v->nr_pages; i++) {
		uint64_t buffer = VIEW_IOVA(slot) + i * PAGE, memory = s->iova + i * PAGE;

		engine_describe(&c->engine, i, to_buffer ? buffer : memory, to_buffer ? memory : buffer, PAGE);
	}
	engine_start(&c->engine, 0, v->nr_pages, BY_WRITE_BACK, true);
	r = engine_wait(&c->engine, 0, v->nr_pages, BY_WRITE_BACK);
	c->world->nr_copies += r.completed;
	if (r.ok)
		return r.completed;
	if (!view_had_event(v))
		wrong("DMA to buffer %u stopped (%s), but nobody has revoked it", v->number,
		      engine_error_name(r.error));
	c->world->nr_faults++;
	engine_recover(&c->engine);
	return r.completed;
}

static void use_view(struct copier *c, const struct view *v, unsigned slot)
{
	const struct staging *s = &c->stagings[dice(&c->seed, 2)];
	unsigned done;

	memset(s->memory, 0xa5, v->nr_pages * PAGE);
	done = run(c, v, slot, s, false);
	for (unsigned i = 0; i < done; i++)
		view_check_page(v, i, s->memory + i * (PAGE / 8), "an engine");
	for (unsigned i = 0; i < v->nr_pages; i++)
		view_fill_page(v, i, s->memory + i * (PAGE / 8));
	run(c, v, slot, s, true);
}

static bool view_map(struct copier *c, struct view *v, unsigned slot)
{
	int64_t iova;

	if (!view_take(c->world, dice(&c->seed, NR_SLOTS), v))
		return false;
	iova = ioas_map_dmabuf(c->world->iommufd, c->ioas, v->fd, 0, v->nr_pages * PAGE, VIEW_IOVA(slot));
	if (iova >= 0) {
		c->world->nr_maps++;
		return true;
	}
	view_expect_revoked(v, (int)iova, "IOMMU_IOAS_MAP_FILE");
	c->world->nr_denied++;
	view_drop(v);
	return false;
}

static void view_unmap(struct copier *c, struct view *v, unsigned slot)
{
	unmap(c, VIEW_IOVA(slot), v->nr_pages * PAGE);
	view_drop(v);
}

void *run_engine(void *world)
{
	static atomic_uint nr_started;
	struct copier c = {.world = world, .seed = ++((struct world *)world)->next_number};
	struct view views[NR_VIEWS];
	bool is_mapped[NR_VIEWS];

	copier_init(&c, nr_started++);
	while (!c.world->stop) {
		for (unsigned i = 0; i < NR_VIEWS; i++)
			is_mapped[i] = view_map(&c, &views[i], i);
		for (unsigned i = 0; i < NR_VIEWS; i++)
			if (is_mapped[i])
				use_view(&c, &views[i], i);
		for (unsigned i = 0; i < NR_VIEWS; i++)
			if (is_mapped[i])
				view_unmap(&c, &views[i], i);
	}
	copier_fini(&c);
	return NULL;
}
