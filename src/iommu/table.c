/* SPDX-License-Identifier: BSD-3-Clause */
#include "iommu/table.h"

#include <string.h>
#include <sys/mman.h>

void table_pool_init(struct table_pool *p, struct section_domain *sections)
{
	*p = (struct table_pool){.sections = sections};
	p->retired_tail = &p->retired;
}

void table_pool_fini(struct table_pool *p)
{
	while (p->slabs) {
		struct table_slab *slab = p->slabs;
		p->slabs = slab->next;
		munmap(slab, SLAB_BYTES);
	}
}

static void list_push(struct io_table **list, struct io_table *t)
{
	table_info(t)->next = *list;
	*list = t;
}

static struct io_table *list_pop(struct io_table **list)
{
	struct io_table *t = *list;

	if (t)
		*list = table_info(t)->next;
	return t;
}

static int slab_add(struct table_pool *p)
{
	char *raw =
		mmap(NULL, 2 * SLAB_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (raw == MAP_FAILED)
		return -ENOMEM;
	char *start = (char *)align_up((uintptr_t)raw, SLAB_BYTES);
	if (start > raw)
		munmap(raw, start - raw);
	if (start < raw + SLAB_BYTES)
		munmap(start + SLAB_BYTES, raw + SLAB_BYTES - start);
	/* A huge page would make tables resident that nobody uses. */
	madvise(start, SLAB_BYTES, MADV_NOHUGEPAGE);

	struct table_slab *slab = (struct table_slab *)start;
	slab->next = p->slabs;
	p->slabs = slab;
	p->nr_fresh = SLAB_TABLES - 1;
	p->nr_resident++;
	return 0;
}

static struct io_table *take_fresh(struct table_pool *p)
{
	if (p->nr_fresh == 0)
		return NULL;
	p->nr_resident++;
	return (struct io_table *)((char *)p->slabs + (SLAB_TABLES - p->nr_fresh--) * TABLE_BYTES);
}

/* The oldest retired table, if a drain has passed since. Its entries are as they were when it left the tree. */
static struct io_table *take_retired(struct table_pool *p)
{
	struct io_table *t = p->retired;

	if (!t || !section_passed(p->sections, table_info(t)->stamp))
		return NULL;
	list_pop(&p->retired);
	if (!p->retired)
		p->retired_tail = &p->retired;
	p->nr_retired--;
	return t;
}

struct io_table *table_take_raw(struct table_pool *p)
{
	struct io_table *t = take_retired(p);

	return t ? t : table_take(p);
}

struct io_table *table_take(struct table_pool *p)
{
	struct io_table *t = list_pop(&p->zeroed);

	if (t) {
		p->nr_zeroed--;
		return t;
	}
	t = take_retired(p);
	if (t) {
		memset(t, 0, sizeof(*t));
		return t;
	}
	t = list_pop(&p->cold);
	if (t) {
		p->nr_cold--;
		p->nr_resident++;
		return t;
	}
	if (p->nr_fresh == 0 && slab_add(p))
		return NULL;
	return take_fresh(p);
}

int table_reserve(struct table_pool *p)
{
	struct io_table *t;

	if (p->nr_zeroed + p->nr_cold + p->nr_fresh >= TABLES_IN_RESERVE)
		return 0;
	/* A new slab makes the rest of the old one unreachable for take_fresh(). */
	while ((t = take_fresh(p))) {
		list_push(&p->zeroed, t);
		p->nr_zeroed++;
	}
	return slab_add(p);
}

void table_retire(struct table_pool *p, struct io_table *t)
{
	list_push(&p->retiring, t);
}

/* Gives back the memory of what is more than a busy domain needs again soon. */
static void trim(struct table_pool *p)
{
	struct io_table *t;

	while (p->nr_retired > TABLES_KEPT && (t = take_retired(p))) {
		madvise(t, sizeof(*t), MADV_DONTNEED);
		table_info(t)->nr_live = 0;
		list_push(&p->cold, t);
		p->nr_cold++;
		p->nr_resident--;
	}
}

void table_commit(struct table_pool *p)
{
	struct io_table *t;

	if (!p->retiring)
		return;
	uint64_t stamp = section_stamp(p->sections);
	while ((t = list_pop(&p->retiring))) {
		*table_info(t) = (struct table_info){.stamp = stamp};
		*p->retired_tail = t;
		p->retired_tail = &table_info(t)->next;
		p->nr_retired++;
	}
	trim(p);
}
