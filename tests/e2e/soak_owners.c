/* SPDX-License-Identifier: BSD-3-Clause */
/* Who makes buffers and takes them away: one by one, with their card for a while, with their card for good. */
#include <linux/iommufd.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "soak_buffers.h"

void wrong(const char *fmt, ...)
{
	char text[300];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	fprintf(stderr, "soak_buffers: %s\n", text);
	_exit(1);
}

/* --- pages; the card's memory is looked at while it is awake --- */

static void page_fill(struct card *c, uint16_t page, uint32_t number)
{
	for (unsigned i = 0; i < PAGE / 8; i++)
		c->memory[page * (PAGE / 8) + i] = word_of(number, page, i);
}

static void page_check(const struct card *c, uint16_t page, uint32_t number, const char *when)
{
	for (unsigned i = 0; i < PAGE / 8; i++) {
		uint64_t found = ((const volatile uint64_t *)c->memory)[page * (PAGE / 8) + i];

		if (found != word_of(number, page, i))
			wrong("page %u of %s, buffer %u: word %u is %llx %s", page, c->function.name, number, i,
			      (unsigned long long)found, when);
	}
}

/* A page may be in a buffer twice, at the end. */
static unsigned nr_own_pages(const struct slot *s)
{
	return s->nr_pages - (s->nr_pages > 1 && s->pages[s->nr_pages - 1] == s->pages[0]);
}

static bool pages_take(struct slot *s, unsigned *seed)
{
	struct card *c = s->card;
	unsigned nr = 1 + dice(seed, MOST_PAGES - 1);

	pthread_mutex_lock(&c->pool_lock);
	s->nr_pages = c->nr_free < nr ? 0 : nr;
	for (unsigned i = 0; i < s->nr_pages; i++) {
		unsigned at = dice(seed, c->nr_free);

		s->pages[i] = c->free_pages[at];
		c->free_pages[at] = c->free_pages[--c->nr_free];
	}
	pthread_mutex_unlock(&c->pool_lock);
	if (nr > 2 && s->nr_pages && dice(seed, 8) == 0)
		s->pages[s->nr_pages++] = s->pages[0];
	return s->nr_pages;
}

static void pages_give_back(struct slot *s)
{
	struct card *c = s->card;

	pthread_mutex_lock(&c->pool_lock);
	for (unsigned i = 0; i < nr_own_pages(s); i++)
		c->free_pages[c->nr_free++] = s->pages[i];
	pthread_mutex_unlock(&c->pool_lock);
}

static void pages_check_all(const struct slot *s, uint32_t number, const char *when)
{
	for (unsigned i = 0; i < nr_own_pages(s); i++)
		page_check(s->card, s->pages[i], number, when);
}

static void pages_fill_all(const struct slot *s, uint32_t number)
{
	for (unsigned i = 0; i < nr_own_pages(s); i++)
		page_fill(s->card, s->pages[i], number);
}

/* --- births and deaths; the slot's lock is held --- */

static void slot_bear(struct world *w, struct slot *s, unsigned *seed)
{
	struct card *c = s->card = &w->cards[dice(seed, NR_CARDS)];
	struct range ranges[MOST_PAGES];

	if (!pages_take(s, seed))
		return;
	s->number = ++w->next_number;
	pthread_rwlock_rdlock(&c->awake);
	if (c->closing) {
		pthread_rwlock_unlock(&c->awake);
		pages_give_back(s);
		return;
	}
	pages_check_all(s, 0, "before it was anybody's");
	pages_fill_all(s, s->number);
	for (unsigned i = 0; i < s->nr_pages; i++)
		ranges[i] = (struct range){(uint64_t)s->pages[i] * PAGE, PAGE};
	s->fd = function_export(&c->function, BAR, ranges, s->nr_pages);
	pthread_rwlock_unlock(&c->awake);
	if (s->fd < 0)
		wrong("VFIO_DEVICE_FEATURE_DMA_BUF: %s", strerror(-s->fd));
	s->state = SLOT_ALIVE;
	w->nr_born++;
}

static int feature_revoke(struct card *c, int fd)
{
	struct {
		struct vfio_device_feature feature;
		int32_t fd;
		uint32_t reserved;
	} arg = {{.argsz = sizeof(arg.feature) + sizeof(struct vfio_device_feature_dma_buf_revoke),
		  .flags = VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_BUF_REVOKE},
		 fd,
		 0};

	return ioctl(c->function.fd, VFIO_DEVICE_FEATURE, &arg) ? -errno : 0;
}

/* Nothing starts any more: neither an mmap nor a mapping for devices. */
static void expect_dead(struct world *w, struct slot *s)
{
	void *p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, s->fd, 0);

	if (p != MAP_FAILED || errno != ENODEV)
		wrong("mmap of a revoked buffer: %s", p == MAP_FAILED ? strerror(errno) : "there it is");
	if (ioas_map_dmabuf(w->iommufd, w->ioas[0], s->fd, 0, PAGE, 0) != -ENODEV)
		wrong("IOMMU_IOAS_MAP_FILE of a revoked buffer");
}

/*
 * The buffer has been taken away for good. What it was holds still what its owner wrote; what nobody may write to stays
 * as it is.
 */
static void slot_bury(struct world *w, struct slot *s, unsigned *seed)
{
	struct card *c = s->card;

	pthread_rwlock_rdlock(&c->awake);
	if (dice(seed, 2))
		pages_check_all(s, s->number, "after it was taken away");
	pages_fill_all(s, 0); /* as soon as it may be: a write that comes late is seen now */
	expect_dead(w, s);
	if (dice(seed, 4) == 0)
		usleep(300);
	pages_check_all(s, 0, "while it was nobody's");
	pthread_rwlock_unlock(&c->awake);
	close(s->fd);
	pages_give_back(s);
	s->state = SLOT_DEAD;
}

static void slot_kill(struct world *w, struct slot *s, unsigned *seed)
{
	int err;

	s->state = SLOT_DYING;
	s->events++;
	pthread_rwlock_rdlock(&s->card->awake); /* not for the memory: for the device's fd */
	err = feature_revoke(s->card, s->fd);
	if (!err && dice(seed, 16) == 0 && feature_revoke(s->card, s->fd) != -EBADFD)
		wrong("a buffer was revoked twice");
	pthread_rwlock_unlock(&s->card->awake);
	if (err)
		wrong("VFIO_DEVICE_FEATURE_DMA_BUF_REVOKE: %s", strerror(-err));
	if (s->nr_pending)
		wrong("buffer %u was revoked while a fence of it was pending", s->number);
	w->nr_revoked++;
	slot_bury(w, s, seed);
}

void *run_owner(void *world)
{
	struct world *w = world;
	unsigned seed = ++w->next_number;

	while (!w->stop) {
		struct slot *s = &w->slots[dice(&seed, dice(&seed, 4) ? NR_SLOTS : NR_BUSY_SLOTS)];

		pthread_mutex_lock(&s->lock);
		if (s->state == SLOT_DEAD)
			slot_bear(w, s, &seed);
		else if (s->state == SLOT_ALIVE && dice(&seed, 8) == 0)
			slot_kill(w, s, &seed);
		pthread_mutex_unlock(&s->lock);
	}
	return NULL;
}

/* --- views --- */

bool view_take(struct world *w, unsigned slot, struct view *v)
{
	struct slot *s = &w->slots[slot];
	bool alive;

	pthread_mutex_lock(&s->lock);
	alive = s->state == SLOT_ALIVE;
	if (alive) {
		*v = (struct view){.slot = s, .card = s->card, .number = s->number, .nr_pages = s->nr_pages};
		v->fd = fcntl(s->fd, F_DUPFD_CLOEXEC, 0);
		memcpy(v->pages, s->pages, sizeof(v->pages));
		v->slot_events = s->events;
		v->card_events = s->card->events;
	}
	pthread_mutex_unlock(&s->lock);
	if (alive && v->fd < 0)
		wrong("dup of a buffer: %s", strerror(errno));
	return alive;
}

void view_drop(struct view *v)
{
	close(v->fd);
}

void view_check_page(const struct view *v, unsigned page, const uint64_t *words, const char *who)
{
	for (unsigned i = 0; i < PAGE / 8; i++)
		if (words[i] != word_of(v->number, v->pages[page], i))
			wrong("%s found %llx in buffer %u, page %u", who, (unsigned long long)words[i], v->number,
			      page);
}

void view_fill_page(const struct view *v, unsigned page, uint64_t *words)
{
	for (unsigned i = 0; i < PAGE / 8; i++)
		words[i] = word_of(v->number, v->pages[page], i);
}

bool view_had_event(const struct view *v)
{
	return v->card_events & 1 || v->slot->events != v->slot_events || v->card->events != v->card_events;
}

void view_refresh(struct view *v)
{
	v->card_events = v->card->events;
}

void view_expect_revoked(const struct view *v, int err, const char *what)
{
	if (err != -ENODEV || !view_had_event(v))
		wrong("%s of buffer %u: %s, %s", what, v->number, strerror(-err),
		      view_had_event(v) ? "which is not what revoked buffers answer" : "but nobody has revoked it");
}

/* --- cards --- */

static unsigned capability(struct function *f, unsigned id)
{
	unsigned at = function_config_read(f, PCI_CAPABILITY_LIST, 1);

	while (at && function_config_read(f, at, 1) != id)
		at = function_config_read(f, at + 1, 1);
	if (!at)
		wrong("%s lacks capability %u", f->name, id);
	return at;
}

enum way { BY_RESET, BY_FLR, NR_VIRTUAL_WAYS, BY_DECODING = NR_VIRTUAL_WAYS, BY_POWER, NR_WAYS, BY_CLOSE = NR_WAYS };

static void take_away(struct function *f, enum way way)
{
	unsigned at;

	switch (way) {
	case BY_RESET:
		if (function_reset(f))
			wrong("VFIO_DEVICE_RESET");
		break;
	case BY_FLR:
		at = capability(f, PCI_CAP_ID_EXP) + PCI_EXP_DEVCTL;
		function_config_write(f, at, function_config_read(f, at, 2) | PCI_EXP_DEVCTL_BCR_FLR, 2);
		break;
	case BY_DECODING:
		function_decoding(f, false);
		break;
	default:
		function_config_write(f, capability(f, PCI_CAP_ID_PM) + PCI_PM_CTRL, 3, 2);
	}
}

static void give_back(struct function *f, enum way way)
{
	if (way == BY_POWER)
		function_config_write(f, capability(f, PCI_CAP_ID_PM) + PCI_PM_CTRL, 0, 2);
	function_decoding(f, true);
}

/* For now: everything that uses the card loses its memory, and the program's own mappings get it back. */
void *run_taker(void *world)
{
	struct world *w = world;
	unsigned seed = ++w->next_number;

	while (!w->stop) {
		struct card *c = &w->cards[dice(&seed, NR_CARDS)];
		enum way way = dice(&seed, c->is_virtual ? NR_VIRTUAL_WAYS : NR_WAYS);

		pthread_rwlock_wrlock(&c->awake);
		c->events++;
		take_away(&c->function, way);
		usleep(dice(&seed, 200));
		give_back(&c->function, way);
		c->events++;
		c->nr_taken[way]++;
		pthread_rwlock_unlock(&c->awake);
		usleep(1000 + dice(&seed, 10000));
	}
	return NULL;
}

static void card_open(struct world *w, struct card *c)
{
	function_open(&c->function, w->iommufd, false);
	c->memory = function_map_bar(&c->function, BAR, 0, CARD_PAGES * PAGE);
}

static void card_close(struct card *c)
{
	munmap(c->memory, CARD_PAGES * PAGE);
	function_close(&c->function);
}

static bool slot_begin_dying(struct slot *s, const struct card *c)
{
	bool mine;

	pthread_mutex_lock(&s->lock);
	mine = s->state == SLOT_ALIVE && s->card == c;
	if (mine) {
		s->state = SLOT_DYING;
		s->events++;
	}
	pthread_mutex_unlock(&s->lock);
	return mine;
}

/*
 * The last reference to the device's file takes all its buffers with it. Nobody is born on the card meanwhile: who was
 * about to be has either got the card for reading before, and is found, or sees that it is closing.
 */
static void close_and_reopen(struct world *w, struct card *c, bool dying[NR_SLOTS], unsigned *seed)
{
	c->closing = true;
	pthread_rwlock_wrlock(&c->awake);
	pthread_rwlock_unlock(&c->awake);
	for (unsigned i = 0; i < NR_SLOTS; i++)
		dying[i] = slot_begin_dying(&w->slots[i], c);
	pthread_rwlock_wrlock(&c->awake);
	c->events++;
	card_close(c);
	card_open(w, c);
	c->events++;
	c->nr_taken[BY_CLOSE]++;
	c->closing = false;
	pthread_rwlock_unlock(&c->awake);
	for (unsigned i = 0; i < NR_SLOTS; i++) {
		if (!dying[i])
			continue;
		pthread_mutex_lock(&w->slots[i].lock);
		slot_bury(w, &w->slots[i], seed);
		pthread_mutex_unlock(&w->slots[i].lock);
	}
}

void *run_closer(void *world)
{
	struct world *w = world;
	unsigned seed = ++w->next_number;
	bool dying[NR_SLOTS];

	while (!w->stop) {
		close_and_reopen(w, &w->cards[1], dying, &seed);
		usleep(100000 + dice(&seed, 200000));
	}
	return NULL;
}

/* --- the world --- */

#define SRIOV_NUMVFS "/sys/bus/pci/devices/0000:03:00.0/sriov_numvfs"

static void enable_virtual_function(void)
{
	int fd = open(SRIOV_NUMVFS, O_WRONLY);

	if (fd < 0)
		return;
	if (write(fd, "1", 1) != 1)
		wrong(SRIOV_NUMVFS ": %s", strerror(errno));
	close(fd);
}

/* Cards, and what looks like one: a virtual function's window onto a gpu's memory. */
static void cards_open(struct world *w)
{
	struct function found[NR_CARDS];
	size_t nr;

	enable_virtual_function();
	nr = function_find(0x1af4, 0x1110, 0x0500, found, NR_CARDS);
	if (nr + function_find(0x1234, 0x6771, 0x0380, found + nr, NR_CARDS - nr) != NR_CARDS)
		wrong("wants two cards");
	for (unsigned i = 0; i < NR_CARDS; i++) {
		struct card *c = &w->cards[i];

		c->function = found[i];
		c->is_virtual = i >= nr;
		pthread_rwlock_init(&c->awake, NULL);
		pthread_mutex_init(&c->pool_lock, NULL);
		card_open(w, c);
		c->nr_free = CARD_PAGES;
		for (unsigned page = 0; page < CARD_PAGES; page++) {
			c->free_pages[page] = (uint16_t)page;
			page_fill(c, (uint16_t)page, 0);
		}
	}
}

void world_open(struct world *w)
{
	unsigned seed = 1;

	w->iommufd = iommufd_open();
	w->nr_engines = function_find(ENGINE_VENDOR, ENGINE_DEVICE, ENGINE_CLASS, w->engines, MAX_ENGINES);
	if (!w->nr_engines)
		wrong("wants an engine");
	for (unsigned i = 0; i < w->nr_engines; i++) {
		w->ioas[i] = ioas_create(w->iommufd);
		function_open(&w->engines[i], w->iommufd, true);
		function_attach(&w->engines[i], w->ioas[i]);
	}
	cards_open(w);
	for (unsigned i = 0; i < NR_SLOTS; i++) {
		pthread_mutex_init(&w->slots[i].lock, NULL);
		slot_bear(w, &w->slots[i], &seed);
	}
}

static void page_check_owned(struct world *w, const struct card *c, const uint32_t owner[CARD_PAGES])
{
	for (unsigned page = 0; page < CARD_PAGES; page++)
		page_check(c, (uint16_t)page, owner[page], "in the end");
}

/* Who owns what, and that every byte says so; then all buffers die. */
void world_close(struct world *w)
{
	static uint32_t owner[NR_CARDS][CARD_PAGES];
	unsigned seed = 1;

	for (unsigned i = 0; i < NR_SLOTS; i++) {
		const struct slot *s = &w->slots[i];

		for (unsigned k = 0; s->state == SLOT_ALIVE && k < nr_own_pages(s); k++) {
			if (owner[s->card - w->cards][s->pages[k]])
				wrong("page %u has two owners", s->pages[k]);
			owner[s->card - w->cards][s->pages[k]] = s->number;
		}
	}
	for (unsigned i = 0; i < NR_CARDS; i++)
		page_check_owned(w, &w->cards[i], owner[i]);
	for (unsigned i = 0; i < NR_SLOTS; i++)
		if (w->slots[i].state == SLOT_ALIVE)
			slot_kill(w, &w->slots[i], &seed);
	for (unsigned i = 0; i < NR_CARDS; i++)
		card_close(&w->cards[i]);
	for (unsigned i = 0; i < w->nr_engines; i++)
		function_close(&w->engines[i]);
	close(w->iommufd);
}
