/* SPDX-License-Identifier: BSD-3-Clause */
/* Buffers of device memory: mapped for a device, revoked beside others, touched. */
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "inside.h"
#include "p2p-function.h"

#define PAGE 4096ull
#define GIB (1ull << 30)
#define TIB (1ull << 40)
#define BAR 2

struct scene {
	int iommufd;
	uint32_t ioas; /* an engine is attached */
	struct function card, engine;
	int buffer;
	uint64_t len;
};

/* The largest card there is. */
static void card_open(struct scene *s)
{
	struct function cards[8];
	size_t nr = function_find(0x1af4, 0x1110, 0x0500, cards, 8), largest = 0;
	uint64_t most = 0;

	must(nr == 0 ? -ENODEV : 0, "a card");
	for (size_t i = 0; i < nr; i++) {
		function_open(&cards[i], s->iommufd, false);
		uint64_t size = function_bar_size(&cards[i], BAR);
		if (size > most) {
			most = size;
			largest = i;
		}
	}
	s->card = cards[largest];
}

static void scene_set(struct scene *s)
{
	struct rlimit files;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	s->iommufd = iommufd_open();
	s->ioas = ioas_create(s->iommufd);
	must(function_find(0x8086, 0x2021, 0x0880, &s->engine, 1) == 0 ? -ENODEV : 0, "an engine");
	function_open(&s->engine, s->iommufd, true);
	function_attach(&s->engine, s->ioas);
	card_open(s);
}

/* Every other page of the card, so that no two ranges are one. */
static int export_pages(struct scene *s, uint64_t first, unsigned nr)
{
	struct range *ranges = calloc(nr, sizeof(*ranges));
	int fd;

	must(ranges ? 0 : -ENOMEM, "calloc");
	for (unsigned i = 0; i < nr; i++)
		ranges[i] = (struct range){(first + 2ull * i) * PAGE, PAGE};
	fd = function_export(&s->card, BAR, ranges, nr);
	free(ranges);
	must(fd < 0 ? fd : 0, "VFIO_DEVICE_FEATURE_DMA_BUF");
	return fd;
}

static void map_buffer(struct scene *s, int fd, uint64_t len, uint64_t iova)
{
	int64_t at = ioas_map_dmabuf(s->iommufd, s->ioas, fd, 0, len, iova);

	must(at < 0 ? (int)at : 0, "IOAS_MAP_FILE");
}

static void burst_map(void *arg, unsigned rounds)
{
	struct scene *s = arg;

	for (unsigned i = 0; i < rounds; i++) {
		map_buffer(s, s->buffer, s->len, GIB);
		must(unmap(s->iommufd, s->ioas, GIB, s->len), "IOAS_UNMAP");
	}
}

void inside_buffer(unsigned repetitions)
{
	enum { RANGES = 10000 };
	struct scene one, many;

	scene_set(&one);
	many = one;
	one.buffer = export_pages(&one, 0, 1);
	one.len = PAGE;
	many.buffer = export_pages(&many, 0, RANGES);
	many.len = RANGES * PAGE;
	for (unsigned i = 0; i < repetitions; i++) {
		result("null_syscall", null_syscall_ns());
		result("buffer_one", best_burst(burst_map, &one, 1000));
		result("buffer_range", best_burst(burst_map, &many, 3) / RANGES);
	}
}

/* --- revocation --- */

static void feature_revoke(struct scene *s, int fd)
{
	struct {
		struct vfio_device_feature feature;
		struct vfio_device_feature_dma_buf_revoke set;
	} arg = {{sizeof(arg), VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_BUF_REVOKE}, {.dmabuf_fd = fd}};

	must(ioctl(s->card.fd, VFIO_DEVICE_FEATURE, &arg) ? -errno : 0, "VFIO_DEVICE_FEATURE_DMA_BUF_REVOKE");
}

/* One page, for an engine and a processor; the call alone is timed. */
static double revoke_one(struct scene *s)
{
	int fd = export_pages(s, 1, 1);
	volatile char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	double ns;

	must(p == MAP_FAILED ? -errno : 0, "mmap of a buffer");
	map_buffer(s, fd, PAGE, GIB);
	*p = 1;
	ns = now_ns();
	feature_revoke(s, fd);
	ns = now_ns() - ns;
	munmap((void *)p, PAGE);
	must(unmap(s->iommufd, s->ioas, GIB, PAGE), "IOAS_UNMAP");
	close(fd);
	return ns;
}

static double revoke_best(struct scene *s)
{
	enum { ROUNDS = 200 };
	double best = 1e18;

	for (int i = 0; i < ROUNDS; i++) {
		double ns = revoke_one(s);
		best = ns < best ? ns : best;
	}
	return best;
}

/* Half of them for the engine, half for the processor: an mmap of the BAR is a buffer, too, and takes no fd. */
static void make_others(struct scene *s, unsigned nr)
{
	for (unsigned i = 0; i < nr / 2; i++) {
		int fd = export_pages(s, 2 + i, 1);

		map_buffer(s, fd, PAGE, 2 * GIB + i * PAGE);
		close(fd);
		*(volatile char *)function_map_bar(&s->card, BAR, (2 + 2 * i) * PAGE, PAGE) = 1;
	}
}

/* Once more with the whole BAR mapped, touched here and there, and 10 000 other buffers. */
void inside_revoke_one(unsigned repetitions)
{
	enum { OTHERS = 10000, TOUCHED = 1000 };
	struct scene s;
	uint64_t size;
	char *bar;

	scene_set(&s);
	for (unsigned i = 0; i < repetitions; i++)
		result("revoke_alone", revoke_best(&s));
	size = function_bar_size(&s.card, BAR);
	must(size == TIB ? 0 : -ENODEV, "a card of 1 TiB");
	bar = function_map_bar(&s.card, BAR, 0, size);
	for (unsigned i = 0; i < TOUCHED; i++)
		bar[size / TOUCHED / PAGE * PAGE * i] = 1;
	make_others(&s, OTHERS);
	for (unsigned i = 0; i < repetitions; i++)
		result("revoke_among", revoke_best(&s));
}

/* --- page faults --- */

static double faults_of(char *p, size_t len, bool write)
{
	struct rusage before, after;
	char sum = 0;

	getrusage(RUSAGE_SELF, &before);
	for (size_t at = 0; at < len; at += PAGE) {
		if (write)
			((volatile char *)p)[at] = 1;
		else
			sum += ((volatile char *)p)[at];
	}
	getrusage(RUSAGE_SELF, &after);
	(void)sum;
	return (double)(after.ru_minflt - before.ru_minflt + after.ru_majflt - before.ru_majflt);
}

static char *map_shared(int fd, size_t len, uint64_t offset)
{
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset);

	must(p == MAP_FAILED ? -errno : 0, "mmap");
	return p;
}

/* Memory that nobody has touched yet is written to through one mapping and read through another. */
static void count_faults(int fd, size_t len, uint64_t offset, const char *key)
{
	char *p = map_shared(fd, len, offset), *q = map_shared(fd, len, offset);

	result(key, faults_of(p, len, true) + faults_of(q, len, false));
	munmap(p, len);
	munmap(q, len);
}

void inside_faults(unsigned repetitions)
{
	enum { LEN = 2 << 20 };
	struct scene s;

	scene_set(&s);
	for (unsigned i = 0; i < repetitions; i++) {
		struct range range = {(uint64_t)i * LEN, LEN};
		int buffer = function_export(&s.card, BAR, &range, 1), memfd = memfd_create("pages", 0);

		must(buffer < 0 ? buffer : 0, "VFIO_DEVICE_FEATURE_DMA_BUF");
		must(memfd < 0 || ftruncate(memfd, LEN) ? -errno : 0, "memfd");
		count_faults(memfd, LEN, 0, "faults_memfd");
		count_faults(buffer, LEN, 0, "faults_buffer");
		close(memfd);
		close(buffer);
	}
}
