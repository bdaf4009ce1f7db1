/* SPDX-License-Identifier: BSD-3-Clause */
/* Engines and cards: copies, register stores, revocation, rest. */
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "inside.h"
#include "p2p-engine.h"

#define PAGE 4096ull
#define MIB (1ull << 20)
#define GIB (1ull << 30)
#define RING_IOVA (16 * GIB)

enum {
	REG_INTRCTRL = 0x03,
	REG_DMACOUNT = 0x86,
	REG_CHAINADDR = 0x90,
	CONTROL_WRITE_BACK = 0x08,
	DESCRIPTOR_WORDS = 16
};

static inline void relax(void)
{
#ifdef __x86_64__
	__builtin_ia32_pause();
#endif
}

struct setup {
	int iommufd;
	uint32_t ioas;
	struct function function;
	struct engine engine;
	char *memory; /* the ring, and what a test wants more */
};

static void setup_engine(struct setup *s, size_t ring_bytes)
{
	s->iommufd = iommufd_open();
	s->ioas = ioas_create(s->iommufd);
	must(function_find(ENGINE_VENDOR, ENGINE_DEVICE, ENGINE_CLASS, &s->function, 1) == 0 ? -ENODEV : 0,
	     "an engine");
	function_open(&s->function, s->iommufd, true);
	function_attach(&s->function, s->ioas);
	s->memory = anonymous(ring_bytes, 0);
	must(map_at(s->iommufd, s->ioas, s->memory, ring_bytes, RING_IOVA), "IOAS_MAP of the ring");
	engine_init(&s->engine, &s->function, s->memory, ring_bytes, RING_IOVA);
}

static void run_engine(struct setup *s, unsigned nr)
{
	engine_start(&s->engine, 0, nr, BY_WRITE_BACK, false);
	while (engine_progress(&s->engine, 0) != nr)
		sched_yield();
	struct engine_result r = engine_wait(&s->engine, 0, nr, BY_WRITE_BACK);
	if (!r.ok) {
		fprintf(stderr, "bench-inside: the engine stopped: %s\n", engine_error_name(r.error));
		exit(1);
	}
}

/* 256 descriptors of 1 MiB through an IOVA that allows leaves of one size only. */
static void copy_leaves(struct setup *s, char *to, char *from, uint64_t skew, const char *key, unsigned repetitions)
{
	const uint64_t len = 256 * MIB, to_iova = 32 * GIB + skew, from_iova = 64 * GIB + skew;
	char reference[64];

	snprintf(reference, sizeof(reference), "%s_memcpy", key);
	must(map_at(s->iommufd, s->ioas, to, len, to_iova), "IOAS_MAP");
	must(map_at(s->iommufd, s->ioas, from, len, from_iova), "IOAS_MAP");
	for (unsigned i = 0; i < len / MIB; i++)
		engine_describe(&s->engine, i, to_iova + i * MIB, from_iova + i * MIB, MIB);
	for (unsigned i = 0; i < repetitions; i++) {
		double start = now_ns();
		memcpy(to, from, len);
		double middle = now_ns();
		run_engine(s, (unsigned)(len / MIB));
		double end = now_ns();
		memcpy(to, from, len);
		result(reference, (middle - start + now_ns() - end) / 2);
		result(key, end - middle);
	}
	must(unmap(s->iommufd, s->ioas, to_iova, len), "IOAS_UNMAP");
	must(unmap(s->iommufd, s->ioas, from_iova, len), "IOAS_UNMAP");
}

void inside_copy(unsigned repetitions)
{
	char *to = anonymous(256 * MIB, 1), *from = anonymous(256 * MIB, 2);
	struct setup s;

	setup_engine(&s, 64 * PAGE);
	copy_leaves(&s, to, from, PAGE, "copy_4k", repetitions);
	copy_leaves(&s, to, from, 2 * MIB, "copy_2m", repetitions);
}

static void burst_store_trapped(void *arg, unsigned rounds)
{
	struct setup *s = arg;

	for (unsigned i = 0; i < rounds; i++)
		s->engine.registers[REG_INTRCTRL] = 0x08;
}

/*
 * A descriptor more is handed over as soon as the last one has completed, so the page is polled; the action is over
 * when the completion has been written.
 */
static void burst_store_polled(void *arg, unsigned rounds)
{
	struct engine *e = &((struct setup *)arg)->engine;

	engine_start(e, 0, 1, BY_WRITE_BACK, true);
	for (unsigned done = 1; done < rounds; done++) {
		while (engine_progress(e, 0) != done)
			relax();
		*(volatile uint16_t *)(e->registers + REG_DMACOUNT) = (uint16_t)(done + 1);
	}
	engine_wait(e, 0, rounds, BY_WRITE_BACK);
}

static void store_polled(struct setup *s, unsigned repetitions)
{
	struct engine *e = &s->engine;

	for (unsigned i = 0; i < e->nr; i++) {
		engine_describe(e, i, RING_IOVA + 63 * PAGE, RING_IOVA + 62 * PAGE, 8);
		((uint32_t *)e->ring)[(size_t)i * DESCRIPTOR_WORDS + 1] = CONTROL_WRITE_BACK;
	}
	for (unsigned i = 0; i < repetitions; i++)
		result("store_polled", best_burst(burst_store_polled, s, 1000));
}

void inside_store(unsigned repetitions)
{
	struct setup s;

	setup_engine(&s, 64 * PAGE);
	for (unsigned i = 0; i < repetitions; i++)
		result("store_trapped", best_burst(burst_store_trapped, &s, 200));
	store_polled(&s, repetitions);
}

/* A thread that sleeps on a futex, to be woken after as long a rest as the engine. */
struct sleeper {
	_Atomic uint32_t asked, seen;
	_Atomic bool stop;
};

static void *sleep_on_futex(void *arg)
{
	struct sleeper *s = arg;

	while (!s->stop) {
		syscall(SYS_futex, &s->asked, FUTEX_WAIT_PRIVATE, s->seen, NULL, NULL, 0);
		s->seen = s->asked;
	}
	return NULL;
}

enum { REST_US = 5000 };

static double wake_after_rest(struct sleeper *s)
{
	usleep(REST_US);
	double start = now_ns();
	uint32_t asked = ++s->asked;
	syscall(SYS_futex, &s->asked, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	while (s->seen != asked)
		relax();
	return now_ns() - start;
}

static double doorbell_after_rest(struct setup *s, char value)
{
	volatile char *from = s->memory + 62 * PAGE, *to = s->memory + 63 * PAGE;

	/* All but the last store, then rest: the engine sleeps. */
	engine_start(&s->engine, 0, 1, BY_WRITE_BACK, true);
	engine_wait(&s->engine, 0, 1, BY_WRITE_BACK);
	*from = value;
	*(volatile uint64_t *)(s->engine.registers + REG_CHAINADDR) = s->engine.ring_iova;
	usleep(REST_US);
	double start = now_ns();
	*(volatile uint16_t *)(s->engine.registers + REG_DMACOUNT) = 1;
	while (*to != value)
		relax();
	return now_ns() - start;
}

/* A processor that has rested is slow to wake, so the futex it is held against is measured in turn with it. */
void inside_doorbell(unsigned repetitions)
{
	struct sleeper sleeper = {0};
	pthread_t thread;
	struct setup s;

	setup_engine(&s, 64 * PAGE);
	engine_describe(&s.engine, 0, RING_IOVA + 63 * PAGE, RING_IOVA + 62 * PAGE, 64);
	pthread_create(&thread, NULL, sleep_on_futex, &sleeper);
	for (unsigned i = 0; i < repetitions * 4; i++) {
		result("wake_after_rest", wake_after_rest(&sleeper));
		result("doorbell", doorbell_after_rest(&s, (char)(i + 1)));
	}
	sleeper.stop = true;
	wake_after_rest(&sleeper);
	pthread_join(thread, NULL);
}

/* Areas of one slice of a card's memory; then its decoding goes off. */
static void revoke_areas(struct setup *s, struct function *card, unsigned nr, const char *key, unsigned repetitions)
{
	struct range range = {0, MIB};

	for (unsigned i = 0; i < repetitions; i++) {
		int dmabuf = function_export(card, 2, &range, 1);
		must(dmabuf < 0 ? dmabuf : 0, "the export");
		for (unsigned j = 0; j < nr; j++)
			if (ioas_map_dmabuf(s->iommufd, s->ioas, dmabuf, 0, PAGE, 128 * GIB + j * MIB) < 0)
				must(-EINVAL, "IOAS_MAP_FILE");
		double start = now_ns();
		function_decoding(card, false);
		result(key, now_ns() - start);
		must(unmap(s->iommufd, s->ioas, 128 * GIB, (uint64_t)nr * MIB), "IOAS_UNMAP");
		close(dmabuf);
		function_decoding(card, true);
	}
}

void inside_revoke(unsigned repetitions)
{
	struct function card;
	struct setup s;

	setup_engine(&s, 64 * PAGE);
	must(function_find(0x1af4, 0x1110, 0x0500, &card, 1) == 0 ? -ENODEV : 0, "a memory card");
	function_open(&card, s.iommufd, false);
	for (unsigned i = 0; i < repetitions; i++)
		result("null_syscall", null_syscall_ns());
	revoke_areas(&s, &card, 1, "revoke_1", repetitions);
	revoke_areas(&s, &card, 100, "revoke_100", repetitions);
	revoke_areas(&s, &card, 10000, "revoke_10000", repetitions);
}

/* Every function is open, every engine has worked; then nothing happens for a while. */
void inside_idle(unsigned repetitions)
{
	enum { MAX = 8, SECONDS = 1 };
	struct function f[MAX];
	struct engine e[MAX];
	struct rusage before, after;
	int iommufd = iommufd_open();
	uint32_t ioas = ioas_create(iommufd);
	char *memory = anonymous(MAX * PAGE, 0);

	must(map_at(iommufd, ioas, memory, MAX * PAGE, RING_IOVA), "IOAS_MAP");
	size_t engines = function_find(ENGINE_VENDOR, ENGINE_DEVICE, ENGINE_CLASS, f, MAX);
	for (size_t i = 0; i < engines; i++) {
		function_open(&f[i], iommufd, true);
		function_attach(&f[i], ioas);
		engine_init(&e[i], &f[i], memory + i * PAGE, PAGE, RING_IOVA + i * PAGE);
		engine_describe(&e[i], 0, RING_IOVA + i * PAGE + 2048, RING_IOVA + i * PAGE + 3072, 64);
		engine_start(&e[i], 0, 1, BY_WRITE_BACK, true);
		engine_wait(&e[i], 0, 1, BY_WRITE_BACK);
	}
	size_t cards = function_find(0x1af4, 0x1110, 0x0500, f, MAX);
	for (size_t i = 0; i < cards; i++)
		function_open(&f[i], iommufd, false);
	result("functions", (double)(engines + cards));
	usleep(100000);
	for (unsigned i = 0; i < (repetitions < 3 ? repetitions : 3); i++) {
		double start = now_ns();
		getrusage(RUSAGE_SELF, &before);
		sleep(SECONDS);
		getrusage(RUSAGE_SELF, &after);
		double used = ((double)(after.ru_utime.tv_sec - before.ru_utime.tv_sec) +
			       (double)(after.ru_stime.tv_sec - before.ru_stime.tv_sec)) *
				      1e9 +
			      ((double)(after.ru_utime.tv_usec - before.ru_utime.tv_usec) +
			       (double)(after.ru_stime.tv_usec - before.ru_stime.tv_usec)) *
				      1e3;
		result("idle_percent", used / (now_ns() - start) * 100);
	}
}
