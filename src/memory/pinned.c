/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A pin begins as one piece: region.host says it all and `pieces` is NULL. pinned_move() replaces the list as a whole
 * and drains, so readers inside a section see either the old places or the new ones, both valid until they leave.
 */
#include "memory/pinned.h"

#include <stdlib.h>

#include "memory/section.h"

static void pinned_prepare(struct pinned *p, struct phys_space *s, struct task *t, uaddr_t start, uint64_t len,
			   bool write)
{
	phys_region_init(&p->region, PHYS_PAGES, len);
	p->region.owner = p;
	p->space = s;
	p->task = t;
	p->writable = write;
	atomic_init(&p->pieces, NULL);
	atomic_init(&p->moving, 0);
	atomic_init(&p->moves, 0);
	p->uaddr = start;
	p->task_private = NULL;
}

/* err: what the task's pin answered. */
static int pinned_place(struct pinned *p, int err)
{
	if (err)
		goto fini;
	err = phys_add_pages(p->space, &p->region);
	if (err)
		goto unpin;
	return 0;
unpin:
	p->task->ops->unpin(p->task, p);
fini:
	free(atomic_load_explicit(&p->pieces, memory_order_acquire));
	phys_region_fini(&p->region);
	return err;
}

int pinned_init_user(struct pinned *p, struct phys_space *s, struct task *t, uaddr_t start, uint64_t len, bool write)
{
	pinned_prepare(p, s, t, start, len, write);
	return pinned_place(p, t->ops->pin(t, start, len, write, p));
}

int pinned_init_file(struct pinned *p, struct phys_space *s, struct task *t, const struct memory_file *mf,
		     uint64_t offset, uint64_t len, bool write)
{
	pinned_prepare(p, s, t, 0, len, write);
	return pinned_place(p, t->ops->pin_file(t, mf, offset, len, write, p));
}

void pinned_fini(struct pinned *p)
{
	/* Before the address can be given to another: the task may still move the pages until unpin() returns. */
	p->task->ops->unpin(p->task, p);
	phys_remove(p->space, &p->region);
	free(atomic_load_explicit(&p->pieces, memory_order_acquire));
	phys_region_fini(&p->region);
}

/* err: what init answered. */
static int pinned_hand_over(struct pinned *p, int err, struct pinned **out)
{
	if (err)
		free(p);
	else
		*out = p;
	return err;
}

int pinned_create_user(struct phys_space *s, struct task *t, uaddr_t start, uint64_t len, bool write,
		       struct pinned **out)
{
	struct pinned *p = malloc(sizeof(*p));
	return p ? pinned_hand_over(p, pinned_init_user(p, s, t, start, len, write), out) : -ENOMEM;
}

int pinned_create_file(struct phys_space *s, struct task *t, const struct memory_file *mf, uint64_t offset,
		       uint64_t len, bool write, struct pinned **out)
{
	struct pinned *p = malloc(sizeof(*p));
	return p ? pinned_hand_over(p, pinned_init_file(p, s, t, mf, offset, len, write), out) : -ENOMEM;
}

void pinned_destroy(struct pinned *p)
{
	pinned_fini(p);
	free(p);
}

/* Adds a piece to the list under construction, joined to the last one where both are one run. */
static void pieces_append(struct pinned_pieces *list, uint64_t offset, uint64_t len, char *host, bool protected_)
{
	if (len == 0)
		return;
	if (list->nr > 0) {
		struct pinned_piece *last = &list->pieces[list->nr - 1];
		if (last->host + last->len == host && last->protected_ == protected_) {
			last->len += len;
			return;
		}
	}
	list->pieces[list->nr++] = (struct pinned_piece){offset, len, host, protected_};
}

/* The parts of one old piece that lie outside [start, end), on the side asked for. */
static void pieces_append_outside(struct pinned_pieces *list, const struct pinned_piece *old, uint64_t start,
				  uint64_t end, bool before)
{
	uint64_t from = before ? old->offset : MAX(old->offset, end);
	uint64_t to = before ? MIN(old->offset + old->len, start) : old->offset + old->len;

	if (from < to)
		pieces_append(list, from, to - from, old->host + (from - old->offset), old->protected_);
}

int pinned_move(struct pinned *p, uint64_t offset, uint64_t len, char *host, bool protected_)
{
	struct pinned_pieces *old = atomic_load_explicit(&p->pieces, memory_order_acquire);
	struct pinned_piece whole = {0, p->region.len, atomic_load_explicit(&p->region.host, memory_order_acquire),
				     false};
	const struct pinned_piece *pieces = old ? old->pieces : &whole;
	size_t nr = old ? old->nr : 1;

	/* The moved part cuts at most one piece in two and adds itself. */
	struct pinned_pieces *new = malloc(sizeof(*new) + (nr + 2) * sizeof(new->pieces[0]));
	if (!new)
		return -ENOMEM;
	new->nr = 0;
	for (size_t i = 0; i < nr; i++)
		pieces_append_outside(new, &pieces[i], offset, offset + len, true);
	pieces_append(new, offset, len, host, protected_);
	for (size_t i = 0; i < nr; i++)
		pieces_append_outside(new, &pieces[i], offset, offset + len, false);

	atomic_store_explicit(&p->pieces, new, memory_order_release);
	section_drain(phys_sections(p->space));
	free(old);
	return 0;
}

static const struct pinned_piece *pieces_find(const struct pinned_pieces *list, uint64_t offset)
{
	size_t low = 0, high = list->nr;

	while (high - low > 1) {
		size_t middle = (low + high) / 2;
		if (list->pieces[middle].offset <= offset)
			low = middle;
		else
			high = middle;
	}
	return &list->pieces[low];
}

char *pinned_host(struct pinned *p, uint64_t offset, uint64_t *run_len, bool *protected_)
{
	const struct pinned_pieces *list = atomic_load_explicit(&p->pieces, memory_order_acquire);

	if (!list) {
		*run_len = p->region.len - offset;
		*protected_ = false;
		return atomic_load_explicit(&p->region.host, memory_order_acquire) + offset;
	}
	const struct pinned_piece *piece = pieces_find(list, offset);
	*run_len = piece->offset + piece->len - offset;
	*protected_ = piece->protected_;
	return piece->host + (offset - piece->offset);
}
