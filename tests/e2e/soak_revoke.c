/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Takes the cards' memory away, in every way that there is, while engines copy to and from it and threads read it.
 *
 * Each engine has a slice on every card and sends numbered data around: our memory -> card A -> card B -> our memory.
 * When it stops, it maps anew and goes on at the descriptor where it stopped; in the end every byte has arrived. Half
 * of the time the revoker lets nobody map until it has looked twice at what the engines write to: after a revocation
 * has returned, nothing of it may change. Readers accept the right value or SIGBUS, nothing else.
 *
 * BARTER_STRESS_SECONDS says how long; three seconds unless told.
 */
#include <dirent.h>
#include <errno.h>
#include <linux/pci_regs.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "../../examples/p2p-engine.h"
#include "../../examples/p2p-function.h"

#define MIB (1ull << 20)
#define SLICE (2 * MIB)
#define PIECE (32ull << 10) /* a descriptor */
#define NR_PIECES ((unsigned)(SLICE / PIECE))
#define CONSTANT_AT (32 * MIB) /* of card A: what readers look at */
#define CONSTANT_LEN (1 * MIB)
#define SLICE_IOVA(engine, card) (0x100000000ull + ((engine)*2 + (card)) * 0x10000000ull)
#define POISON 0xa5
#define BAR 2
#define NR_READERS 2
#define MAX_ENGINES 3

struct world;

struct engine_thread {
	struct world *world;
	pthread_t thread;
	unsigned index;
	struct function function;
	struct engine engine;
	uint64_t *source, *target;
	uint64_t source_iova, target_iova;
	unsigned long rounds, stops;
};

struct world {
	int iommufd;
	uint32_t ioas;
	struct function cards[2];
	size_t nr_engines;
	struct engine_thread engines[MAX_ENGINES];
	char *card_memory; /* card A's, mapped */
	/* Guards cards[1].fd and dmabufs, which a close replaces. Mapping holds it shared, a quiet revocation alone. */
	pthread_rwlock_t mapping;
	int dmabufs[MAX_ENGINES][2];
	_Atomic bool stop;
	_Atomic unsigned long nr_loads, nr_bus_errors;
	unsigned long nr_revokes[5];
};

static uint64_t word(uint64_t seed, uint64_t index)
{
	return (seed << 32 | index) * 0x9e3779b97f4a7c15ull;
}

static void wrong(const char *what)
{
	errno = 0;
	die("soak: %s", what);
}

/* Engines. */
static void map_slices(struct engine_thread *t)
{
	struct world *w = t->world;

	for (unsigned card = 0; card < 2; card++) {
		int64_t iova;

		ioas_unmap(w->iommufd, w->ioas, SLICE_IOVA(t->index, card), SLICE);
		do {
			pthread_rwlock_rdlock(&w->mapping);
			iova = ioas_map_dmabuf(w->iommufd, w->ioas, w->dmabufs[t->index][card], 0, SLICE,
					       SLICE_IOVA(t->index, card));
			pthread_rwlock_unlock(&w->mapping);
			if (iova == -ENODEV)
				usleep(50);
		} while (iova == -ENODEV);
		errno = iova < 0 ? (int)-iova : 0;
		if (iova < 0)
			die("IOMMU_IOAS_MAP_FILE");
	}
}

/* Until the last piece is over, however often it is stopped. */
static void copy(struct engine_thread *t, uint64_t to, uint64_t from)
{
	unsigned first = 0;

	for (unsigned i = 0; i < NR_PIECES; i++)
		engine_describe(&t->engine, i, to + i * PIECE, from + i * PIECE, PIECE);
	while (first < NR_PIECES) {
		struct engine_result r;

		engine_start(&t->engine, first, NR_PIECES - first, BY_WRITE_BACK, true);
		r = engine_wait(&t->engine, first, NR_PIECES - first, BY_WRITE_BACK);
		first += r.completed;
		if (r.ok)
			continue;
		t->stops++;
		engine_recover(&t->engine);
		map_slices(t);
	}
}

static void round_trip(struct engine_thread *t, uint64_t seed)
{
	for (uint64_t i = 0; i < SLICE / 8; i++)
		t->source[i] = word(seed, i);
	memset(t->target, POISON, SLICE);
	copy(t, SLICE_IOVA(t->index, 0), t->source_iova);
	copy(t, SLICE_IOVA(t->index, 1), SLICE_IOVA(t->index, 0));
	copy(t, t->target_iova, SLICE_IOVA(t->index, 1));
	if (memcmp(t->source, t->target, SLICE))
		wrong("a byte was lost");
}

static void *run_engine(void *arg)
{
	struct engine_thread *t = arg;

	map_slices(t);
	while (!t->world->stop)
		round_trip(t, (uint64_t)t->index << 24 | ++t->rounds);
	return NULL;
}

static void *allocate(struct engine_thread *t, size_t len, uint64_t *iova)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int64_t mapped = p == MAP_FAILED ? -ENOMEM : ioas_map(t->world->iommufd, t->world->ioas, p, len);

	errno = mapped < 0 ? (int)-mapped : 0;
	if (mapped < 0)
		die("IOMMU_IOAS_MAP");
	*iova = (uint64_t)mapped;
	return p;
}

static void engine_open(struct engine_thread *t, struct world *w, unsigned index)
{
	uint64_t ring_iova;
	void *ring;

	t->world = w;
	t->index = index;
	function_open(&t->function, w->iommufd, true);
	function_attach(&t->function, w->ioas);
	t->source = allocate(t, SLICE, &t->source_iova);
	t->target = allocate(t, SLICE, &t->target_iova);
	ring = allocate(t, 65536, &ring_iova);
	engine_init(&t->engine, &t->function, ring, 65536, ring_iova);
}

/* Readers. */
static __thread sigjmp_buf bus_error;

static void on_bus_error(int sig)
{
	(void)sig;
	siglongjmp(bus_error, 1);
}

static void *run_reader(void *arg)
{
	struct world *w = arg;
	unsigned seed = (unsigned)(uintptr_t)&seed;

	while (!w->stop) {
		unsigned i = (unsigned)rand_r(&seed) % (CONSTANT_LEN / 8);

		if (sigsetjmp(bus_error, 1)) {
			w->nr_bus_errors++;
			usleep(100);
			continue;
		}
		if (((const volatile uint64_t *)(w->card_memory + CONSTANT_AT))[i] != word(7, i))
			wrong("a load found another value");
		w->nr_loads++;
	}
	return NULL;
}

/* The revoker. */
static void export_slices(struct world *w, unsigned card)
{
	for (unsigned i = 0; i < w->nr_engines; i++) {
		struct range range = {i * SLICE, SLICE};
		int fd = function_export(&w->cards[card], BAR, &range, 1);

		errno = fd < 0 ? -fd : 0;
		if (fd < 0)
			die("VFIO_DEVICE_FEATURE_DMA_BUF");
		w->dmabufs[i][card] = fd;
	}
}

static unsigned capability(struct function *f, unsigned id)
{
	unsigned at = function_config_read(f, PCI_CAPABILITY_LIST, 1);

	while (at && function_config_read(f, at, 1) != id)
		at = function_config_read(f, at + 1, 1);
	if (!at)
		wrong("the card lacks a capability");
	return at;
}

enum way { BY_RESET, BY_FLR, BY_DECODING, BY_POWER, BY_CLOSE, NR_WAYS };

static void take_away(struct function *f, enum way way)
{
	unsigned at;

	switch (way) {
	case BY_RESET:
		errno = -function_reset(f);
		if (errno)
			die("VFIO_DEVICE_RESET");
		break;
	case BY_FLR:
		at = capability(f, PCI_CAP_ID_EXP) + PCI_EXP_DEVCTL;
		function_config_write(f, at, function_config_read(f, at, 2) | PCI_EXP_DEVCTL_BCR_FLR, 2);
		break;
	case BY_DECODING:
		function_decoding(f, false);
		break;
	case BY_POWER:
		function_config_write(f, capability(f, PCI_CAP_ID_PM) + PCI_PM_CTRL, 3, 2);
		break;
	default:
		break;
	}
}

static void give_back(struct function *f, enum way way)
{
	if (way == BY_POWER)
		function_config_write(f, capability(f, PCI_CAP_ID_PM) + PCI_PM_CTRL, 0, 2);
	function_decoding(f, true);
}

/* The last reference to card B: its buffers are dead for good, and the fds stay good for nothing but close(). */
static void close_and_reopen(struct world *w)
{
	int old[MAX_ENGINES];

	pthread_rwlock_wrlock(&w->mapping);
	for (unsigned i = 0; i < w->nr_engines; i++)
		old[i] = w->dmabufs[i][1];
	function_close(&w->cards[1]);
	for (unsigned i = 0; i < w->nr_engines; i++) {
		if (ioas_map_dmabuf(w->iommufd, w->ioas, old[i], 0, SLICE, 0x300000000ull) != -ENODEV)
			wrong("a buffer outlived its device");
		close(old[i]);
	}
	function_open(&w->cards[1], w->iommufd, false);
	export_slices(w, 1);
	pthread_rwlock_unlock(&w->mapping);
}

/* Nobody maps meanwhile: what was written to a moment ago stands still, for the old mappings are dead. */
static void revoke_quietly(struct world *w, enum way way)
{
	static char before[MAX_ENGINES * SLICE];
	size_t len = w->nr_engines * SLICE;

	pthread_rwlock_wrlock(&w->mapping);
	take_away(&w->cards[0], way);
	give_back(&w->cards[0], way);
	memcpy(before, w->card_memory, len);
	usleep(500);
	if (memcmp(before, w->card_memory, len))
		wrong("an engine wrote after the revocation had returned");
	pthread_rwlock_unlock(&w->mapping);
}

static void revoke_once(struct world *w, unsigned *seed)
{
	enum way way = (unsigned)rand_r(seed) % NR_WAYS;
	struct function *f = &w->cards[rand_r(seed) % 2];

	w->nr_revokes[way]++;
	if (way == BY_CLOSE) {
		close_and_reopen(w);
	} else if (rand_r(seed) % 2) {
		revoke_quietly(w, way);
	} else {
		take_away(f, way);
		usleep((unsigned)rand_r(seed) % 300);
		give_back(f, way);
	}
	usleep((unsigned)rand_r(seed) % 2000);
}

static void run_revoker(struct world *w)
{
	const char *text = getenv("BARTER_STRESS_SECONDS");
	time_t end = time(NULL) + (text ? atoi(text) : 3);
	unsigned seed = 1;

	while (time(NULL) < end)
		revoke_once(w, &seed);
}

static void world_open(struct world *w)
{
	struct function engines[MAX_ENGINES];

	w->iommufd = iommufd_open();
	w->ioas = ioas_create(w->iommufd);
	w->nr_engines = function_find(ENGINE_VENDOR, ENGINE_DEVICE, ENGINE_CLASS, engines, MAX_ENGINES);
	if (!w->nr_engines || function_find(0x1af4, 0x1110, 0x0500, w->cards, 2) != 2)
		wrong("wants an engine and two cards");
	pthread_rwlock_init(&w->mapping, NULL);
	for (unsigned card = 0; card < 2; card++) {
		function_open(&w->cards[card], w->iommufd, false);
		export_slices(w, card);
	}
	for (unsigned i = 0; i < w->nr_engines; i++) {
		w->engines[i].function = engines[i];
		engine_open(&w->engines[i], w, i);
	}
	w->card_memory = function_map_bar(&w->cards[0], BAR, 0, CONSTANT_AT + CONSTANT_LEN);
	for (unsigned i = 0; i < CONSTANT_LEN / 8; i++)
		((uint64_t *)(w->card_memory + CONSTANT_AT))[i] = word(7, i);
}

static void world_close(struct world *w)
{
	munmap(w->card_memory, CONSTANT_AT + CONSTANT_LEN);
	for (unsigned i = 0; i < w->nr_engines; i++) {
		close(w->dmabufs[i][0]);
		close(w->dmabufs[i][1]);
		munmap((void *)w->engines[i].engine.registers, 4096);
		close(w->engines[i].engine.irq);
		function_close(&w->engines[i].function);
	}
	for (unsigned card = 0; card < 2; card++)
		function_close(&w->cards[card]);
	close(w->iommufd);
}

/* High numbers are what the surroundings keep for themselves. */
static unsigned nr_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned nr = 0;

	for (struct dirent *e = readdir(dir); e; e = readdir(dir))
		nr += atoi(e->d_name) < 512;
	closedir(dir);
	return nr;
}

static void show(const struct world *w)
{
	unsigned long rounds = 0, stops = 0;

	for (unsigned i = 0; i < w->nr_engines; i++) {
		rounds += w->engines[i].rounds;
		stops += w->engines[i].stops;
	}
	printf("revocations: reset %lu, FLR %lu, decoding %lu, D3hot %lu, close %lu\n", w->nr_revokes[0],
	       w->nr_revokes[1], w->nr_revokes[2], w->nr_revokes[3], w->nr_revokes[4]);
	printf("%zu engines: %lu round trips, stopped %lu times; %lu loads, %lu SIGBUS\n", w->nr_engines, rounds, stops,
	       w->nr_loads, w->nr_bus_errors);
}

int main(void)
{
	static struct world w;
	pthread_t readers[NR_READERS];
	unsigned fds;

	signal(SIGBUS, on_bus_error);
	/* What the first mapping makes stays. */
	world_open(&w);
	world_close(&w);
	memset(&w, 0, sizeof(w));
	fds = nr_fds();
	world_open(&w);
	for (unsigned i = 0; i < w.nr_engines; i++)
		pthread_create(&w.engines[i].thread, NULL, run_engine, &w.engines[i]);
	for (unsigned i = 0; i < NR_READERS; i++)
		pthread_create(&readers[i], NULL, run_reader, &w);
	run_revoker(&w);
	w.stop = true;
	for (unsigned i = 0; i < w.nr_engines; i++)
		pthread_join(w.engines[i].thread, NULL);
	for (unsigned i = 0; i < NR_READERS; i++)
		pthread_join(readers[i], NULL);
	show(&w);
	world_close(&w);
	if (nr_fds() != fds)
		wrong("fds are left");
	return 0;
}
