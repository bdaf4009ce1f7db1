/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IOMMU_IOAS_MAP_FILE of buffers of every exporter. Linux 7.3 maps those that VFIO made of one range. With the argument
 * "next" all of them: an engine reads and writes them, whole and in every part, also when their fd is closed, and
 * nothing reaches them once they are unmapped or revoked.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-heap.h>
#include <linux/iommufd.h>
#include <linux/udmabuf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../examples/p2p-engine.h"

#define PAGE 4096ull
enum { NR_PAGES = 12, SIZE = NR_PAGES * PAGE };
#define BUFFER_IOVA 0x4000000000ull

struct world {
	bool next;
	int iommufd;
	uint32_t ioas;
	struct function card, engine_function;
	struct engine engine;
	char *staging; /* SIZE bytes that the engine reaches, too */
	uint64_t staging_iova;
};

struct exporter {
	const char *name;
	int (*make)(struct world *w);
	bool in_7_3, revocable;
};

static void check(bool right, const struct exporter *e, const char *what, long got)
{
	if (right)
		return;
	printf("%s: %s: %s\n", e->name, what, got < 0 ? strerrorname_np((int)-got) : "came through");
	exit(1);
}

/* --- the exporters --- */

static int make_heap(const char *path)
{
	struct dma_heap_allocation_data a = {.len = SIZE, .fd_flags = O_RDWR | O_CLOEXEC};
	int heap = open(path, O_RDWR);

	if (heap < 0 || ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &a))
		die("%s", path);
	close(heap);
	return (int)a.fd;
}

static int make_system(struct world *w)
{
	return make_heap("/dev/dma_heap/system");
}

static int make_cma(struct world *w)
{
	return make_heap("/dev/dma_heap/default_cma_region");
}

static int sealed_memfd(void)
{
	int fd = memfd_create("pages", MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, 4 * SIZE) || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK))
		die("memfd");
	return fd;
}

static int make_udmabuf(struct world *w)
{
	struct udmabuf_create c = {.memfd = (uint32_t)sealed_memfd(), .offset = PAGE, .size = SIZE};
	int device = open("/dev/udmabuf", O_RDWR), fd = ioctl(device, UDMABUF_CREATE, &c);

	if (fd < 0)
		die("UDMABUF_CREATE");
	close(device);
	close((int)c.memfd);
	return fd;
}

/* Pieces of two files, not in order. */
static int make_udmabuf_list(struct world *w)
{
	uint32_t files[2] = {(uint32_t)sealed_memfd(), (uint32_t)sealed_memfd()};
	struct {
		struct udmabuf_create_list head;
		struct udmabuf_create_item items[3];
	} c = {.head = {.count = 3},
	       .items = {{.memfd = files[1], .offset = 8 * PAGE, .size = 5 * PAGE},
			 {.memfd = files[0], .offset = 0, .size = PAGE},
			 {.memfd = files[1], .offset = 0, .size = 6 * PAGE}}};
	int device = open("/dev/udmabuf", O_RDWR), fd = ioctl(device, UDMABUF_CREATE_LIST, &c);

	if (fd < 0)
		die("UDMABUF_CREATE_LIST");
	close(device);
	close((int)files[0]);
	close((int)files[1]);
	return fd;
}

static int make_card(struct world *w, const struct range *ranges, unsigned nr)
{
	int fd = function_export(&w->card, 2, ranges, nr);

	if (fd < 0)
		die("the export");
	return fd;
}

static int make_one_range(struct world *w)
{
	return make_card(w, &(struct range){8 * PAGE, SIZE}, 1);
}

static int make_three_ranges(struct world *w)
{
	return make_card(w, (struct range[]){{64 * PAGE, 5 * PAGE}, {0, PAGE}, {128 * PAGE, 6 * PAGE}}, 3);
}

static const struct exporter exporters[] = {
	{"heap", make_system, false, false},
	{"cma heap", make_cma, false, false},
	{"udmabuf", make_udmabuf, false, false},
	{"udmabuf of a list", make_udmabuf_list, false, false},
	{"VFIO, one range", make_one_range, true, true},
	{"VFIO, three ranges", make_three_ranges, false, true},
};

/* --- what is asked of them --- */

static bool dma(struct world *w, uint64_t to, uint64_t from, uint64_t len)
{
	struct engine_result r;

	engine_describe(&w->engine, 0, to, from, (uint32_t)len);
	engine_start(&w->engine, 0, 1, BY_WRITE_BACK, true);
	r = engine_wait(&w->engine, 0, 1, BY_WRITE_BACK);
	if (!r.ok)
		engine_recover(&w->engine);
	return r.ok;
}

static char byte_at(uint64_t offset, unsigned round)
{
	return (char)(offset * 7 + offset / PAGE * 31 + round);
}

/* Through the engine alone, so that it is the same for memory that the program cannot map. */
static void whole_fill(struct world *w, const struct exporter *e)
{
	for (uint64_t i = 0; i < SIZE; i++)
		w->staging[i] = byte_at(i, 1);
	check(dma(w, BUFFER_IOVA, w->staging_iova, SIZE), e, "DMA to the whole", -EIO);
}

static void part_is_right(struct world *w, const struct exporter *e, uint64_t iova, uint64_t start, uint64_t len)
{
	memset(w->staging, 0, SIZE);
	check(dma(w, w->staging_iova, iova, len), e, "DMA from a part", -EIO);
	for (uint64_t i = 0; i < len; i++)
		check(w->staging[i] == byte_at(start + i, 1), e, "a byte of a part", 0);
	if (len < SIZE)
		check(!dma(w, w->staging_iova, iova + len, PAGE), e, "DMA from behind a part", 0);
}

static int64_t map_part(struct world *w, int fd, uint64_t start, uint64_t len)
{
	return ioas_map_dmabuf(w->iommufd, w->ioas, fd, start, len, BUFFER_IOVA);
}

static void parts_are_refused(struct world *w, const struct exporter *e, int fd)
{
	static const struct {
		uint64_t start, len;
		int err;
	} bad[] = {{512, PAGE, -EINVAL},  {0, 512, -EINVAL}, {0, SIZE + PAGE, -EINVAL},
		   {SIZE, PAGE, -EINVAL}, {0, 0, -EINVAL},   {UINT64_MAX - PAGE + 1, 2 * PAGE, -EOVERFLOW}};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int64_t got = map_part(w, fd, bad[i].start, bad[i].len);

		check(got == bad[i].err, e, "a bad part", got);
	}
}

static void unmap_part(struct world *w, const struct exporter *e, uint64_t len)
{
	check(!ioas_unmap(w->iommufd, w->ioas, BUFFER_IOVA, len), e, "IOAS_UNMAP", -EINVAL);
	check(!dma(w, w->staging_iova, BUFFER_IOVA, PAGE), e, "DMA after the unmap", 0);
}

static void every_part(struct world *w, const struct exporter *e, int fd)
{
	for (uint64_t start = 0; start < NR_PAGES; start++) {
		for (uint64_t nr = 1; start + nr <= NR_PAGES; nr++) {
			check(map_part(w, fd, start * PAGE, nr * PAGE) == (int64_t)BUFFER_IOVA, e, "a part", -EINVAL);
			part_is_right(w, e, BUFFER_IOVA, start * PAGE, nr * PAGE);
			unmap_part(w, e, nr * PAGE);
		}
	}
}

/* Linux keeps the buffer for who has it mapped, and iommufd does not map again what was taken away from it. */
static void revoked(struct world *w, const struct exporter *e, int fd)
{
	check(map_part(w, fd, 0, SIZE) == (int64_t)BUFFER_IOVA, e, "the whole", -EINVAL);
	function_decoding(&w->card, false);
	check(!dma(w, w->staging_iova, BUFFER_IOVA, PAGE), e, "DMA after the revocation", 0);
	check(map_part(w, fd, 0, PAGE) < 0, e, "a map while it is revoked", 0);
	function_decoding(&w->card, true);
	check(!dma(w, w->staging_iova, BUFFER_IOVA, PAGE), e, "DMA by the mapping of before", 0);
	check(!ioas_unmap(w->iommufd, w->ioas, BUFFER_IOVA, SIZE), e, "IOAS_UNMAP of what was revoked", -EINVAL);
	check(map_part(w, fd, 0, SIZE) == (int64_t)BUFFER_IOVA, e, "a new map", -EINVAL);
	part_is_right(w, e, BUFFER_IOVA, 0, SIZE);
	unmap_part(w, e, SIZE);
}

static void ask(struct world *w, const struct exporter *e)
{
	int fd = e->make(w);
	int64_t got = map_part(w, fd, 0, SIZE);

	if (!w->next && !e->in_7_3) {
		check(got == -EOPNOTSUPP, e, "Linux 7.3 refuses it", got);
		close(fd);
		return;
	}
	check(got == (int64_t)BUFFER_IOVA, e, "IOAS_MAP_FILE", got);
	whole_fill(w, e);
	part_is_right(w, e, BUFFER_IOVA, 0, SIZE);
	unmap_part(w, e, SIZE);
	parts_are_refused(w, e, fd);
	every_part(w, e, fd);
	if (e->revocable)
		revoked(w, e, fd);
	check(map_part(w, fd, 0, SIZE) == (int64_t)BUFFER_IOVA, e, "the whole again", -EINVAL);
	close(fd);
	part_is_right(w, e, BUFFER_IOVA, 0, SIZE);
	unmap_part(w, e, SIZE);
}

static char *shared_memory(const struct world *w, size_t len, uint64_t *iova)
{
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int64_t at = p == MAP_FAILED ? -1 : ioas_map(w->iommufd, w->ioas, p, len);

	if (at < 0)
		die("memory for the engine");
	*iova = (uint64_t)at;
	return p;
}

static void world_open(struct world *w)
{
	enum { RING_BYTES = 4 * PAGE };
	uint64_t ring_iova;
	char *ring;

	w->iommufd = iommufd_open();
	w->ioas = ioas_create(w->iommufd);
	if (!function_find(0x1af4, 0x1110, 0x0500, &w->card, 1) ||
	    !function_find(ENGINE_VENDOR, ENGINE_DEVICE, ENGINE_CLASS, &w->engine_function, 1))
		die("a memory card and an engine");
	function_open(&w->card, w->iommufd, false);
	function_open(&w->engine_function, w->iommufd, true);
	function_attach(&w->engine_function, w->ioas);
	w->staging = shared_memory(w, SIZE, &w->staging_iova);
	ring = shared_memory(w, RING_BYTES, &ring_iova);
	engine_init(&w->engine, &w->engine_function, ring, RING_BYTES, ring_iova);
}

int main(int argc, char **argv)
{
	static struct world w;

	w.next = argc > 1 && strcmp(argv[1], "next") == 0;
	world_open(&w);
	for (size_t i = 0; i < sizeof(exporters) / sizeof(exporters[0]); i++)
		ask(&w, &exporters[i]);
	printf("%zu exporters, %s\n", sizeof(exporters) / sizeof(exporters[0]), w.next ? "next" : "7.3");
	return 0;
}
