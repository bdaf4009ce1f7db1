/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>

#include "dma/dma_priv.h"

/* More than these are worth a drain of our own, when nobody else's comes by. */
enum { RESTING_MOST = 256 };

static const struct lock_class iova_class = {.name = "IOVA", .rank = LOCK_RANK_IOVA};

void iova_space_init(struct iova_space *s, struct section_domain *sections, iova_t first, iova_t last)
{
	*s = (struct iova_space){.sections = sections, .first = first, .last = last};
	mutex_init(&s->lock, &iova_class);
	range_map_init(&s->runs);
	list_init(&s->resting);
}

static void run_forget_locked(struct iova_space *s, struct iova_run *run)
{
	mutex_assert_held(&s->lock);
	list_del(&run->node);
	s->nr_resting--;
	range_map_remove(&s->runs, run->start);
	free(run);
}

void iova_space_fini(struct iova_space *s)
{
	struct range_map_entry e;

	mutex_lock(&s->lock);
	while (!list_empty(&s->resting))
		run_forget_locked(s, list_first(&s->resting, struct iova_run, node));
	for (iova_t at = 0; range_map_find_from(&s->runs, at, &e) && e.last + 1; at = e.last + 1)
		if (e.value != &s->reserved)
			lock_assert_failed("a DMA mapping outlives its device", __FILE__, __LINE__);
	mutex_unlock(&s->lock);
	range_map_fini(&s->runs);
	mutex_fini(&s->lock);
}

int iova_reserve(struct iova_space *s, iova_t start, iova_t last)
{
	int err;

	mutex_lock(&s->lock);
	err = range_map_insert(&s->runs, start, last, &s->reserved);
	mutex_unlock(&s->lock);
	return err;
}

/* Those whose drain has come by. */
static void rested_reclaim_locked(struct iova_space *s)
{
	mutex_assert_held(&s->lock);
	while (!list_empty(&s->resting)) {
		struct iova_run *run = list_first(&s->resting, struct iova_run, node);

		if (!section_passed(s->sections, run->stamp))
			return;
		run_forget_locked(s, run);
	}
}

static int run_find_locked(struct iova_space *s, struct iova_run *run, uint64_t align, uint64_t skew)
{
	mutex_assert_held(&s->lock);
	rested_reclaim_locked(s);
	if (s->nr_resting >= RESTING_MOST) {
		section_drain(s->sections);
		rested_reclaim_locked(s);
	}
	return range_map_find_gap(&s->runs, s->first, s->last, run->len, align, skew, &run->start);
}

int iova_take(struct iova_space *s, uint64_t len, uint64_t align, uint64_t skew, iova_t *start)
{
	struct iova_run *run = malloc(sizeof(*run));
	int err;

	if (!run)
		return -ENOMEM;
	run->len = len;
	list_init(&run->node);
	mutex_lock(&s->lock);
	err = run_find_locked(s, run, align, skew);
	if (err == -ENOSPC && s->nr_resting) {
		section_drain(s->sections);
		err = run_find_locked(s, run, align, skew);
	}
	if (!err)
		err = range_map_insert(&s->runs, run->start, run->start + len - 1, run);
	*start = run->start;
	mutex_unlock(&s->lock);
	if (err)
		free(run);
	return err;
}

static struct iova_run *run_at_locked(struct iova_space *s, iova_t start)
{
	struct range_map_entry e;

	mutex_assert_held(&s->lock);
	if (!range_map_find(&s->runs, start, &e) || e.start != start || e.value == &s->reserved)
		return NULL;
	return e.value;
}

bool iova_is_taken(struct iova_space *s, iova_t start, uint64_t len)
{
	struct iova_run *run;
	bool taken;

	mutex_lock(&s->lock);
	run = run_at_locked(s, start);
	taken = run && list_empty(&run->node);
	if (taken && run->len != len)
		lock_assert_failed("a DMA mapping is unmapped in part", __FILE__, __LINE__);
	mutex_unlock(&s->lock);
	return taken;
}

void iova_rest(struct iova_space *s, iova_t start)
{
	struct iova_run *run;

	mutex_lock(&s->lock);
	run = run_at_locked(s, start);
	run->stamp = section_stamp(s->sections);
	list_add_tail(&s->resting, &run->node);
	s->nr_resting++;
	mutex_unlock(&s->lock);
}
