/* SPDX-License-Identifier: BSD-3-Clause */
/* Pins come and go; where they are. pin_check.c decides whether memory may be pinned, pin_move.c moves it. */
#include "door/pin_priv.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "door/pin_check.h"
#include "door/signals.h"
#include "door/task_mm.h"

static struct list *home_of(struct pins *pins, const struct pin_node *n)
{
	uint64_t first = n->start >> PIN_BUCKET_SHIFT, last = (pin_node_end(n) - 1) >> PIN_BUCKET_SHIFT;

	return first == last ? &pins->buckets[first % PIN_NR_BUCKETS] : &pins->large;
}

void pin_node_link_locked(struct mm *mm, struct pin_node *n)
{
	mutex_assert_held(&mm->lock);
	list_add(home_of(mm->pins, n), &n->by_place);
}

static struct pins *pins_get_locked(struct mm *mm)
{
	struct pins *pins = mm->pins;

	if (pins)
		return pins;
	pins = malloc(sizeof(*pins));
	if (!pins)
		return NULL;
	for (size_t i = 0; i < PIN_NR_BUCKETS; i++)
		list_init(&pins->buckets[i]);
	list_init(&pins->large);
	pins->nr_nodes = 0;
	mm->pins = pins;
	return pins;
}

static struct pin_node *node_create(struct pinned *p)
{
	struct pin_node *n = malloc(sizeof(*n));

	if (n) {
		*n = (struct pin_node){.pinned = p, .len = p->region.len};
		list_init(&n->by_place);
	}
	return n;
}

static void nodes_destroy_locked(struct mm *mm, struct pinned *p)
{
	struct pin_node *n = p->task_private, *next;

	for (; n; n = next) {
		next = n->next;
		list_del(&n->by_place);
		if (n->aside && --n->aside->nr_nodes == 0) {
			real.munmap(n->aside->host, n->aside->len);
			free(n->aside);
		}
		free(n);
		mm->pins->nr_nodes--;
	}
	p->task_private = NULL;
}

/* Known first, checked then: what the program does to the range from now on is noticed. */
static int pin_announce(struct mm *mm, struct pinned *p, uaddr_t start, uint64_t len)
{
	struct pin_node *n = node_create(p);
	int err = -ENOMEM;

	if (!n)
		return err;
	n->start = start;
	mutex_lock(&mm->lock);
	if (mm_has_parts_locked(mm, start, start + len))
		err = -EFAULT;
	else if (pins_get_locked(mm))
		err = 0;
	if (!err) {
		pin_node_link_locked(mm, n);
		mm->pins->nr_nodes++;
		mm_grow_bounds_locked(mm, start, len);
		p->task_private = n;
	}
	mutex_unlock(&mm->lock);
	if (err)
		free(n);
	return err;
}

int task_pin(struct task *t, uaddr_t start, uint64_t len, bool write, struct pinned *p)
{
	struct mm *mm = mm_get();
	int err;

	if (!mm)
		return -ENOMEM;
	if (start + len < start)
		return -EFAULT;
	atomic_store_explicit(&p->region.host, (char *)start, memory_order_release);
	err = pin_announce(mm, p, start, len);
	if (err)
		return err;
	err = pin_check(mm, start, len, write);
	if (err)
		task_unpin(t, p);
	return err;
}

int task_pin_file(struct task *t, const struct memory_file *mf, uint64_t offset, uint64_t len, bool write,
		  struct pinned *p)
{
	/* Linux pins the pages of a sealed file for writing; we cannot write to them, and DMA that does is a fault. */
	int prot = PROT_READ | (write && mf->writable ? PROT_WRITE : 0), err = -ENOMEM;
	struct mm *mm = mm_get();
	struct pin_node *n = node_create(p);
	struct pin_aside *aside = malloc(sizeof(*aside));

	if (!mm || !n || !aside)
		goto free_both;
	*aside = (struct pin_aside){.len = len, .nr_nodes = 1};
	aside->host = real.mmap(NULL, len, prot, MAP_SHARED | MAP_NORESERVE, mf->fd, (off_t)offset);
	if (aside->host == MAP_FAILED) {
		err = -errno;
		goto free_both;
	}
	n->aside = aside;
	atomic_store_explicit(&p->region.host, aside->host, memory_order_release);
	mutex_lock(&mm->lock);
	if (pins_get_locked(mm)) {
		mm->pins->nr_nodes++;
		p->task_private = n;
		err = 0;
	}
	mutex_unlock(&mm->lock);
	if (!err)
		return 0;
	real.munmap(aside->host, len);
free_both:
	free(aside);
	free(n);
	return err;
}

void task_unpin(struct task *t, struct pinned *p)
{
	struct mm *mm = door.mm;

	mutex_lock(&mm->lock);
	nodes_destroy_locked(mm, p);
	mutex_unlock(&mm->lock);
}

static size_t touching(struct list *place, uaddr_t start, uaddr_t end, struct pin_node **out, size_t nr)
{
	struct pin_node *n;

	list_for_each (n, place, by_place)
		if (n->start < end && start < pin_node_end(n)) {
			if (out)
				out[nr] = n;
			nr++;
		}
	return nr;
}

/* Counts, and fills out when it is given. */
static size_t gather_locked(struct mm *mm, uaddr_t start, uaddr_t end, struct pin_node **out)
{
	uint64_t first = start >> PIN_BUCKET_SHIFT, last = (end - 1) >> PIN_BUCKET_SHIFT;
	size_t nr = touching(&mm->pins->large, start, end, out, 0);

	if (last - first >= PIN_NR_BUCKETS)
		last = first + PIN_NR_BUCKETS - 1;
	for (uint64_t b = first; b <= last; b++)
		nr = touching(&mm->pins->buckets[b % PIN_NR_BUCKETS], start, end, out, nr);
	return nr;
}

bool pin_any_locked(struct mm *mm, uaddr_t start, uint64_t len)
{
	return mm->pins && mm->pins->nr_nodes && gather_locked(mm, start, start + len, NULL) > 0;
}

static int by_start(const void *a, const void *b)
{
	const struct pin_node *x = *(struct pin_node *const *)a, *y = *(struct pin_node *const *)b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* Cuts n in two at addr; the new node is the part above. Returns it or NULL when out of memory. */
static struct pin_node *node_cut_locked(struct mm *mm, struct pin_node *n, uaddr_t addr)
{
	struct pin_node *tail = malloc(sizeof(*tail));

	if (!tail)
		return NULL;
	*tail = *n;
	tail->start = addr;
	tail->offset = n->offset + (addr - n->start);
	tail->len = pin_node_end(n) - addr;
	n->len = addr - n->start;
	n->next = tail;
	list_del(&n->by_place);
	pin_node_link_locked(mm, n);
	pin_node_link_locked(mm, tail);
	mm->pins->nr_nodes++;
	return tail;
}

static int cut_at_borders_locked(struct mm *mm, struct pin_node **n, uaddr_t start, uaddr_t end)
{
	if ((*n)->start < start) {
		struct pin_node *inside = node_cut_locked(mm, *n, start);

		if (!inside)
			return -ENOMEM;
		*n = inside;
	}
	if (pin_node_end(*n) > end && !node_cut_locked(mm, *n, end))
		return -ENOMEM;
	return 0;
}

ssize_t pin_collect_locked(struct mm *mm, uaddr_t start, uaddr_t end, struct pin_node ***list)
{
	struct pin_node **found;
	size_t nr;

	mutex_assert_held(&mm->lock);
	*list = NULL;
	nr = mm->pins && mm->pins->nr_nodes ? gather_locked(mm, start, end, NULL) : 0;
	if (nr == 0)
		return 0;
	found = malloc(nr * sizeof(*found));
	if (!found)
		return -ENOMEM;
	gather_locked(mm, start, end, found);
	for (size_t i = 0; i < nr; i++)
		if (cut_at_borders_locked(mm, &found[i], start, end)) {
			free(found);
			return -ENOMEM;
		}
	qsort(found, nr, sizeof(found[0]), by_start);
	*list = found;
	return (ssize_t)nr;
}
