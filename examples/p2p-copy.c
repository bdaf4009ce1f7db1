/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Peer-to-peer DMA between PCI devices that this program drives itself, and what happens when one of them is reset.
 *
 * A DMA engine (Intel I/OAT) copies between our memory and the memory of PCI cards (ivshmem's ids). The cards' memory
 * is exported as dma-bufs by VFIO and mapped into the engine's I/O address space by iommufd (IOMMU_IOAS_MAP_FILE, Linux
 * 6.19 and later). In the middle of a copy the card is reset: Linux takes its memory away from the engine, which stops
 * at the descriptor that it was at; then the buffer is mapped again and the copy goes on from there.
 *
 * Every byte is compared. The exit status is 0 when all of it happened as told.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "p2p-engine.h"
#include "p2p-function.h"

#define KIB (1ull << 10)
#define MIB (1ull << 20)

#define CARD_VENDOR 0x1af4
#define CARD_DEVICE 0x1110
#define CARD_CLASS 0x0500
#define CARD_BAR 2

#define SLICE (16 * MIB)
#define TARGET (64 * MIB)
#define PART_START (4 * MIB) /* of the slice that is mapped in part */
#define PART_LENGTH (8 * MIB)
#define PART_IOVA 0x200000000ull
#define SMALL_COPY (16 * KIB) /* a descriptor of the copy that is interrupted */
#define RESET_AFTER 512	      /* descriptors */
#define UNTOUCHED 0xa5a5a5a5a5a5a5a5ull

/* Where the card's memory is cut. */
static const struct range whole_range = {0, SLICE};
static const struct range part_range = {SLICE, SLICE};
static const struct range several_ranges[] = {{2 * SLICE, MIB}, {2 * SLICE + 8 * MIB, MIB}};

struct slice {
	int dmabuf;
	uint64_t iova, len;
};

struct story {
	int iommufd;
	uint32_t ioas;
	struct function engine_function, cards[2];
	size_t nr_cards;
	struct engine engine;
	uint64_t *source, *target; /* our memory, SLICE and TARGET bytes */
	uint64_t source_iova, target_iova;
	char *card_memory;  /* the first card's BAR as the processor sees it */
	char *other_memory; /* the second card's, SLICE bytes */
	struct slice whole, part, several, other_card;
	uint64_t nr_compared; /* bytes */
	bool failed;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* One line of the story, and whether it went as told. */
__attribute__((format(printf, 3, 4))) static void tell(struct story *s, bool ok, const char *fmt, ...)
{
	char text[128];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	printf("  %-77s %s\n", text, ok ? "ok" : "WRONG");
	if (!ok)
		s->failed = true;
}

/* Bytes: each 64-bit word tells where it belongs. */
static uint64_t word(uint64_t seed, uint64_t index)
{
	return (seed << 56 | index) * 0x9e3779b97f4a7c15ull;
}

static void fill(uint64_t *p, uint64_t len, uint64_t seed)
{
	for (uint64_t i = 0; i < len / 8; i++)
		p[i] = word(seed, i);
}

/* How many bytes from the start are those of the pattern from byte `at` on. */
static uint64_t matching(struct story *s, const uint64_t *p, uint64_t len, uint64_t seed, uint64_t at)
{
	uint64_t i = 0;

	while (i < len / 8 && p[i] == word(seed, at / 8 + i))
		i++;
	s->nr_compared += i * 8;
	return i * 8;
}

static bool all(const uint64_t *p, uint64_t len, uint64_t value)
{
	for (uint64_t i = 0; i < len / 8; i++)
		if (p[i] != value)
			return false;
	return true;
}

/* A load that may meet memory which is not there. */
static sigjmp_buf bus_error;

static void on_bus_error(int signal)
{
	(void)signal;
	siglongjmp(bus_error, 1);
}

/* False: SIGBUS. */
static bool try_load(const void *p, uint64_t *value)
{
	struct sigaction action = {.sa_handler = on_bus_error}, old;
	volatile bool loaded = false;

	sigaction(SIGBUS, &action, &old);
	if (!sigsetjmp(bus_error, 1)) {
		*value = *(const volatile uint64_t *)p;
		loaded = true;
	}
	sigaction(SIGBUS, &old, NULL);
	return loaded;
}

/* Setting up. */
static void find_functions(struct story *s)
{
	size_t nr_engines = function_find(ENGINE_VENDOR, ENGINE_DEVICE, ENGINE_CLASS, &s->engine_function, 1);

	s->nr_cards = function_find(CARD_VENDOR, CARD_DEVICE, CARD_CLASS, s->cards, 2);
	errno = 0;
	if (!nr_engines)
		die("no DMA engine (8086:2021) that vfio-pci drives");
	if (!s->nr_cards)
		die("no memory card (1af4:1110) that vfio-pci drives");
}

static void *allocate(struct story *s, size_t len, uint64_t *iova)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	int64_t mapped;

	if (p == MAP_FAILED)
		die("mmap of %zu bytes", len);
	mapped = ioas_map(s->iommufd, s->ioas, p, len);
	errno = mapped < 0 ? (int)-mapped : 0;
	if (mapped < 0)
		die("IOMMU_IOAS_MAP of our memory");
	*iova = (uint64_t)mapped;
	return p;
}

static void open_functions(struct story *s)
{
	uint64_t ring_iova;
	void *ring;

	s->iommufd = iommufd_open();
	s->ioas = ioas_create(s->iommufd);
	function_open(&s->engine_function, s->iommufd, true);
	function_attach(&s->engine_function, s->ioas);
	for (size_t i = 0; i < s->nr_cards; i++)
		function_open(&s->cards[i], s->iommufd, false);
	errno = 0;
	if (function_bar_size(&s->cards[0], CARD_BAR) < 3 * SLICE)
		die("%s: has less than %llu MiB of memory", s->cards[0].name, 3 * SLICE / MIB);

	s->source = allocate(s, SLICE, &s->source_iova);
	s->target = allocate(s, TARGET, &s->target_iova);
	ring = allocate(s, MIB, &ring_iova);
	engine_init(&s->engine, &s->engine_function, ring, MIB, ring_iova);
	s->card_memory = function_map_bar(&s->cards[0], CARD_BAR, 0, 3 * SLICE);
	if (s->nr_cards > 1)
		s->other_memory = function_map_bar(&s->cards[1], CARD_BAR, 0, SLICE);
}

static void show_functions(struct story *s)
{
	unsigned version = engine_version(&s->engine);

	printf("functions\n");
	printf("  engine  %s  %-6s group %-3d I/OAT %u.%u, %llu KiB a descriptor\n", s->engine_function.name,
	       s->engine_function.vfio, s->engine_function.group, version >> 4, version & 0xf,
	       (unsigned long long)(s->engine.max_transfer / KIB));
	for (size_t i = 0; i < s->nr_cards; i++)
		printf("  card %c  %s  %-6s group %-3d %llu MiB of memory\n", 'A' + (int)i, s->cards[i].name,
		       s->cards[i].vfio, s->cards[i].group,
		       (unsigned long long)(function_bar_size(&s->cards[i], CARD_BAR) / MIB));
}

static void row(const char *what, int64_t iova, uint64_t len)
{
	if (iova >= 0)
		printf("  %-54s 0x%09llx %6llu MiB\n", what, (unsigned long long)iova, (unsigned long long)(len / MIB));
	else
		printf("  %-54s refused: %s\n", what, strerror((int)-iova));
}

static int export_or_die(struct function *card, const struct range *ranges, unsigned nr)
{
	int fd = function_export(card, CARD_BAR, ranges, nr);

	errno = fd < 0 ? -fd : 0;
	if (fd < 0)
		die("%s: VFIO_DEVICE_FEATURE_DMA_BUF", card->name);
	return fd;
}

static void map_slice(struct story *s, struct slice *slice, uint64_t start, uint64_t len, uint64_t want_iova)
{
	int64_t iova = ioas_map_dmabuf(s->iommufd, s->ioas, slice->dmabuf, start, len, want_iova);

	errno = iova < 0 ? (int)-iova : 0;
	if (iova < 0)
		die("IOMMU_IOAS_MAP_FILE of a dma-buf");
	slice->iova = (uint64_t)iova;
	slice->len = len;
}

/* Linux 7.3 maps no buffer of several ranges. That is an answer, not a failure. */
static int64_t map_several(struct story *s)
{
	int64_t iova;

	s->several.dmabuf = export_or_die(&s->cards[0], several_ranges, 2);
	iova = ioas_map_dmabuf(s->iommufd, s->ioas, s->several.dmabuf, 0, 2 * MIB, 0);
	if (iova >= 0)
		s->several = (struct slice){s->several.dmabuf, (uint64_t)iova, 2 * MIB};
	else if (iova != -EOPNOTSUPP)
		s->failed = true;
	return iova;
}

static void export_and_map(struct story *s)
{
	int64_t iova;

	s->whole.dmabuf = export_or_die(&s->cards[0], &whole_range, 1);
	map_slice(s, &s->whole, 0, SLICE, 0);
	s->part.dmabuf = export_or_die(&s->cards[0], &part_range, 1);
	map_slice(s, &s->part, PART_START, PART_LENGTH, PART_IOVA);
	iova = map_several(s);
	if (s->nr_cards > 1) {
		s->other_card.dmabuf = export_or_die(&s->cards[1], &whole_range, 1);
		map_slice(s, &s->other_card, 0, SLICE, 0);
	}

	printf("%-56s     at IOVA       size\n", "mapped for the engine");
	row("our memory, source", (int64_t)s->source_iova, SLICE);
	row("our memory, target", (int64_t)s->target_iova, TARGET);
	row("card A, dma-buf of 16 MiB, whole", (int64_t)s->whole.iova, SLICE);
	row("card A, dma-buf of 16 MiB, from 4 MiB on, IOVA fixed", (int64_t)s->part.iova, PART_LENGTH);
	row("card A, dma-buf of two ranges", iova, 2 * MIB);
	if (s->nr_cards > 1)
		row("card B, dma-buf of 16 MiB, whole", (int64_t)s->other_card.iova, SLICE);
}

/* Copies that go well. */
static struct engine_result run_copy(struct story *s, uint64_t to, uint64_t from, uint64_t len, unsigned nr,
				     enum engine_completion how)
{
	for (unsigned i = 0; i < nr; i++)
		engine_describe(&s->engine, i, to + i * (len / nr), from + i * (len / nr), (uint32_t)(len / nr));
	engine_start(&s->engine, 0, nr, how, false);
	return engine_wait(&s->engine, 0, nr, how);
}

/* Copies, and compares what is at `result` with the first len bytes of our source. */
static void copy(struct story *s, const char *what, uint64_t to, uint64_t from, uint64_t len,
		 enum engine_completion how, const void *result)
{
	unsigned nr = (unsigned)(len / (s->engine.max_transfer < len ? s->engine.max_transfer : len));
	struct engine_result r;
	double start, took;

	start = now();
	r = run_copy(s, to, from, len, nr, how);
	took = now() - start;
	if (r.ok) {
		tell(s, matching(s, result, len, 1, 0) == len, "%-18s %6llu MiB %9u   %-11s %8.2f ms %6.2f GB/s", what,
		     (unsigned long long)(len / MIB), nr, how == BY_INTERRUPT ? "MSI-X" : "write-back", took * 1e3,
		     (double)len / took / 1e9);
	} else {
		tell(s, false, "%-18s stopped, CHANERR 0x%x (%s)", what, r.error, engine_error_name(r.error));
		engine_recover(&s->engine);
	}
}

/* Into the middle of a slice; what lies around it stays as it is. */
static void copy_part(struct story *s)
{
	uint64_t *slice = (uint64_t *)(s->card_memory + part_range.offset);
	uint64_t *mapped = slice + PART_START / 8, *behind = mapped + PART_LENGTH / 8;
	uint64_t len_behind = SLICE - PART_START - PART_LENGTH;

	memset(slice, 0, SLICE);
	copy(s, "host -> A, part", s->part.iova, s->source_iova, PART_LENGTH, BY_WRITE_BACK, mapped);
	if (!all(slice, PART_START, 0) || !all(behind, len_behind, 0))
		tell(s, false, "it wrote beside its part");
}

/* The buffer is its ranges one after the other, wherever they lie in the card. */
static void copy_several(struct story *s)
{
	const char *first = s->card_memory + several_ranges[0].offset;
	const char *second = s->card_memory + several_ranges[1].offset;
	char *joined = malloc(s->several.len);

	if (!joined)
		die("malloc");
	run_copy(s, s->several.iova, s->source_iova, s->several.len, 2, BY_WRITE_BACK);
	memcpy(joined, first, MIB);
	memcpy(joined + MIB, second, MIB);
	copy(s, "host -> A, ranges", s->several.iova, s->source_iova, s->several.len, BY_WRITE_BACK, joined);
	free(joined);
}

static void copy_all_ways(struct story *s)
{
	printf("%-25s length descriptors   completion       time   bandwidth      bytes\n", "copies");
	fill(s->source, SLICE, 1);
	/* Cards keep what an earlier run has left in them. */
	memset(s->card_memory, 0, SLICE);
	if (s->nr_cards > 1)
		memset(s->other_memory, 0, SLICE);
	copy(s, "host -> card A", s->whole.iova, s->source_iova, SLICE, BY_WRITE_BACK, s->card_memory);
	copy(s, "card A -> host", s->target_iova, s->whole.iova, SLICE, BY_INTERRUPT, s->target);
	if (s->nr_cards > 1) {
		copy(s, "card A -> card B", s->other_card.iova, s->whole.iova, SLICE, BY_INTERRUPT, s->other_memory);
		memset(s->target, 0, SLICE);
		copy(s, "card B -> host", s->target_iova, s->other_card.iova, SLICE, BY_WRITE_BACK, s->target);
	}
	copy_part(s);
	if (s->several.len)
		copy_several(s);
}

/* The copy that is interrupted: card A's slice, four times over, into our memory. */
static const unsigned nr_small = TARGET / SMALL_COPY;

static uint64_t small_source(unsigned i)
{
	return i * SMALL_COPY % SLICE;
}

static void describe_small(struct story *s, unsigned first)
{
	for (unsigned i = first; i < nr_small; i++)
		engine_describe(&s->engine, i, s->target_iova + i * SMALL_COPY, s->whole.iova + small_source(i),
				SMALL_COPY);
}

static const uint64_t *small_target(const struct story *s, unsigned i)
{
	return s->target + i * SMALL_COPY / 8;
}

static unsigned nr_small_right(struct story *s, unsigned end)
{
	unsigned i = 0;

	while (i < end && matching(s, small_target(s, i), SMALL_COPY, 1, small_source(i)) == SMALL_COPY)
		i++;
	return i;
}

/* Linux does not map a buffer again by itself: what was mapped when the reset came stays dead. */
static void map_again(struct story *s)
{
	int err = ioas_unmap(s->iommufd, s->ioas, s->whole.iova, SLICE);

	errno = -err;
	if (err)
		die("IOMMU_IOAS_UNMAP of the old mapping");
	map_slice(s, &s->whole, 0, SLICE, 0);
}

/*
 * The reset may come too late, when another program has the processor: then the copy is done and goes again, from a new
 * mapping.
 */
static struct engine_result reset_in_the_middle(struct story *s, unsigned *at, double *took)
{
	struct engine_result r;
	double start;
	int err;

	for (unsigned attempt = 0; attempt < 20; attempt++) {
		memset(s->target, 0xa5, TARGET);
		describe_small(s, 0);
		engine_start(&s->engine, 0, nr_small, BY_WRITE_BACK, true);
		while (engine_progress(&s->engine, 0) < RESET_AFTER && !engine_halted(&s->engine))
			;
		*at = engine_progress(&s->engine, 0);
		start = now();
		err = function_reset(&s->cards[0]);
		*took = now() - start;
		errno = -err;
		if (err)
			die("%s: VFIO_DEVICE_RESET", s->cards[0].name);
		r = engine_wait(&s->engine, 0, nr_small, BY_WRITE_BACK);
		if (!r.ok)
			return r;
		map_again(s);
	}
	errno = 0;
	die("the copy was always done before the reset");
}

/* Before the descriptor: all there. Of the descriptor itself: some of it. Behind it: nothing. */
static void check_stopped_at(struct story *s, unsigned stopped)
{
	const uint64_t *partial = small_target(s, stopped);
	uint64_t moved;

	tell(s, nr_small_right(s, stopped) == stopped, "the %u before it have moved every byte", stopped);
	moved = matching(s, partial, SMALL_COPY, 1, small_source(stopped));
	tell(s, all(partial + moved / 8, TARGET - stopped * SMALL_COPY - moved, UNTOUCHED),
	     "it has moved %llu of its %llu bytes, those behind it none", (unsigned long long)moved, SMALL_COPY);
}

static void check_old_mapping(struct story *s)
{
	struct engine_result r;

	engine_recover(&s->engine);
	r = run_copy(s, s->target_iova, s->whole.iova, SMALL_COPY, 1, BY_WRITE_BACK);
	tell(s, !r.ok && r.error, "after the reset, through the old mapping: CHANERR 0x%x (%s)", r.error,
	     engine_error_name(r.error));
	engine_recover(&s->engine);
}

/* Returns the descriptor at which the engine stopped. */
static unsigned reset_story(struct story *s)
{
	struct engine_result r;
	unsigned asked_at;
	double took;

	printf("card A -> host, %u descriptors of %llu KiB, and card A is reset in the middle\n", nr_small,
	       SMALL_COPY / KIB);
	r = reset_in_the_middle(s, &asked_at, &took);
	tell(s, true, "VFIO_DEVICE_RESET when %u were done; it took %.2f ms", asked_at, took * 1e3);
	tell(s, r.completed >= asked_at && r.completed < nr_small,
	     "the engine stopped at descriptor %u: CHANERR 0x%x (%s)", r.completed, r.error,
	     engine_error_name(r.error));
	check_stopped_at(s, r.completed);
	check_old_mapping(s);
	return r.completed;
}

/* While the card does not decode memory, as during a reset, but for as long as one likes. */
static void decoding_story(struct story *s)
{
	uint64_t value = 0;
	int64_t iova;
	bool loaded;

	printf("card A with memory decoding off\n");
	function_decoding(&s->cards[0], false);
	iova = ioas_map_dmabuf(s->iommufd, s->ioas, s->whole.dmabuf, 0, SLICE, 0);
	tell(s, iova == -ENODEV, "mapping its dma-buf: %s", iova < 0 ? strerror((int)-iova) : "mapped");
	loaded = try_load(s->card_memory, &value);
	tell(s, !loaded, "a load through the CPU mapping: %s", loaded ? "a value" : "SIGBUS");
	function_decoding(&s->cards[0], true);
	loaded = try_load(s->card_memory, &value);
	tell(s, loaded && value == word(1, 0), "decoding on again, the same load: %s",
	     loaded ? "the value from before" : "SIGBUS");
}

/* Maps the buffer anew and goes on at the descriptor where the engine stopped. */
static void finish_story(struct story *s, unsigned first)
{
	struct engine_result r;
	double start;

	map_again(s);
	printf("unmapped, mapped again at IOVA 0x%llx, and on from descriptor %u\n", (unsigned long long)s->whole.iova,
	       first);
	describe_small(s, first);
	start = now();
	engine_start(&s->engine, first, nr_small - first, BY_WRITE_BACK, true);
	r = engine_wait(&s->engine, first, nr_small - first, BY_WRITE_BACK);
	tell(s, r.ok && nr_small_right(s, nr_small) == nr_small, "%u descriptors in %.2f ms; all %llu MiB are there",
	     nr_small - first, (now() - start) * 1e3, TARGET / MIB);
}

static void close_all(struct story *s)
{
	const int dmabufs[] = {s->whole.dmabuf, s->part.dmabuf, s->several.dmabuf, s->other_card.dmabuf};

	for (size_t i = 0; i < (s->nr_cards > 1 ? 4 : 3); i++)
		close(dmabufs[i]);
	munmap(s->card_memory, 3 * SLICE);
	if (s->other_memory)
		munmap(s->other_memory, SLICE);
	for (size_t i = 0; i < s->nr_cards; i++)
		function_close(&s->cards[i]);
	function_close(&s->engine_function);
	close(s->iommufd);
}

int main(void)
{
	struct story s = {};
	double start = now();
	unsigned stopped;

	find_functions(&s);
	open_functions(&s);
	show_functions(&s);
	export_and_map(&s);
	copy_all_ways(&s);
	stopped = reset_story(&s);
	decoding_story(&s);
	finish_story(&s, stopped);
	close_all(&s);
	printf("%s: %llu MiB compared in %.2f s\n", s.failed ? "something DIFFERS" : "all as it should be",
	       (unsigned long long)(s.nr_compared / MIB), now() - start);
	return s.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
