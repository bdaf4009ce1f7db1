/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A thousand buffers of two cards, and who owns which byte.
 *
 * Each page of a card belongs to one buffer or to none. A buffer has a number of its own, never used again, and its
 * pages hold words that are made of that number and of their place. Its owner takes a buffer away for good before it
 * gives the pages to another; from then on whoever reads old words, or writes new ones, reached foreign bytes.
 *
 *   slot    a place for a buffer: born, used, taken away, born again with another number and other pages
 *   view    what a user of a buffer has: an fd of its own, so that it outlives the slot's buffer, and what it must find
 *   event   a buffer's memory goes away, or a card's. What fails in a view without one is a finding, too
 */
#ifndef TESTS_E2E_SOAK_BUFFERS_H
#define TESTS_E2E_SOAK_BUFFERS_H

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../examples/p2p-engine.h"
#include "../../examples/p2p-function.h"

enum {
	PAGE = 4096,
	NR_CARDS = 2,
	NR_SLOTS = 1000,
	NR_BUSY_SLOTS = 16,
	CARD_PAGES = 4096,
	MOST_PAGES = 8,
	BAR = 2,
	MAX_ENGINES = 3
};

struct card {
	struct function function;
	bool is_virtual; /* a gpu's virtual function: decoding and power are not its own */
	/* For writing: who takes its memory away. For reading: who looks at `memory`, which then does not give SIGBUS.
	 */
	pthread_rwlock_t awake;
	uint64_t *memory;
	atomic_uint events; /* odd: its memory is away */
	atomic_bool closing;
	pthread_mutex_t pool_lock;
	uint16_t free_pages[CARD_PAGES];
	unsigned nr_free;
	unsigned long nr_taken[8];
};

struct slot {
	pthread_mutex_t lock; /* guards all but the counters */
	enum { SLOT_DEAD, SLOT_ALIVE, SLOT_DYING } state;
	struct card *card;
	int fd;
	uint32_t number;
	unsigned nr_pages;
	uint16_t pages[MOST_PAGES]; /* of the card, in any order, one of them perhaps twice */
	atomic_uint events;
	atomic_uint nr_pending; /* fences in the buffer that have not signalled */
};

struct view {
	int fd;
	struct slot *slot;
	struct card *card;
	uint32_t number;
	unsigned nr_pages;
	uint16_t pages[MOST_PAGES];
	unsigned slot_events, card_events;
};

struct world {
	int iommufd;
	struct card cards[NR_CARDS];
	struct slot slots[NR_SLOTS];
	size_t nr_engines;
	struct function engines[MAX_ENGINES];
	uint32_t ioas[MAX_ENGINES]; /* one for each engine */
	atomic_bool stop;
	atomic_uint next_number;
	atomic_ulong nr_born, nr_revoked, nr_maps, nr_copies, nr_faults, nr_loads, nr_bus_errors, nr_denied;
};

void wrong(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Word `index` of a page. */
static inline uint64_t word_of(uint32_t number, uint16_t page, unsigned index)
{
	return ((uint64_t)number << 32 | (uint64_t)page << 12 | index) * 0x9e3779b97f4a7c15ull;
}

static inline unsigned dice(unsigned *seed, unsigned sides)
{
	return (unsigned)rand_r(seed) % sides;
}

/* soak_owners.c */
void world_open(struct world *w);
void world_close(struct world *w);
/* False: there is no buffer there now. */
bool view_take(struct world *w, unsigned slot, struct view *v);
void view_drop(struct view *v);
/* Words of a page of it that were brought somewhere, or shall be. */
void view_check_page(const struct view *v, unsigned page, const uint64_t *words, const char *who);
void view_fill_page(const struct view *v, unsigned page, uint64_t *words);
/* Has its memory been away since the view was taken, or is it? */
bool view_had_event(const struct view *v);
/* The card's events only, from now on. */
void view_refresh(struct view *v);
/* The call failed with err: ENODEV and an event, or a finding. */
void view_expect_revoked(const struct view *v, int err, const char *what);
void *run_owner(void *world);
void *run_taker(void *world);
void *run_closer(void *world);

/* soak_users.c */
void users_init(void);
void *run_cpu(void *world);
void *run_mapper(void *world);
void *run_exporters(void *world); /* heaps and udmabuf */

/* soak_fencers.c */
void *run_fencer(void *world);

/* soak_gpu.c */
#define RENDER_NODE "/dev/dri/renderD128"
void *run_gpu(void *world);

/* soak_engines.c */
void *run_engine(void *world); /* one for each engine */

#endif
