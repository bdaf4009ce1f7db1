/* SPDX-License-Identifier: BSD-3-Clause */
#include "iommufd/iopt.h"

#include <stdlib.h>

#include "base/trace.h"
#include "iommufd/pages.h"
#include "memory/section.h"

static const struct lock_class domains_lock_class = {.name = "IOAS domains", .rank = LOCK_RANK_IOAS_DOMAINS};
static const struct lock_class iova_lock_class = {.name = "IOAS iova", .rank = LOCK_RANK_IOAS_IOVA};

void iopt_init(struct iopt *iopt, struct section_domain *sections, struct trace *trace)
{
	iopt->sections = sections;
	iopt->trace = trace;
	rwlock_init(&iopt->domains_lock, &domains_lock_class);
	list_init(&iopt->domains);
	mutex_init(&iopt->iova_lock, &iova_lock_class);
	range_map_init(&iopt->areas);
	range_map_init(&iopt->allowed);
	list_init(&iopt->reserved);
	iopt->small_leaves = false;
	iopt->alignment = 1;
}

void iopt_fini(struct iopt *iopt)
{
	uint64_t unmapped;

	iopt_unmap(iopt, 0, UINT64_MAX, true, &unmapped);
	range_map_fini(&iopt->areas);
	range_map_fini(&iopt->allowed);
	mutex_fini(&iopt->iova_lock);
	rwlock_fini(&iopt->domains_lock);
}

/*
 * Areas
 */

static uint64_t area_len(const struct iopt_area *a)
{
	return a->last - a->iova + 1;
}

/* A chain of areas for the slices, in their order, each with the slice's reference. NULL: out of memory. */
static struct iopt_area *areas_create(struct iopt_slices *slices, unsigned prot)
{
	struct iopt_area *chain = NULL;

	for (size_t i = slices->nr; i-- > 0;) {
		struct iopt_slice *s = &slices->list[i];
		struct iopt_area *a = s->pages->first.pages ? calloc(1, sizeof(*a)) : &s->pages->first;

		if (!a)
			goto unwind;
		a->pages = s->pages;
		a->offset = s->offset;
		a->last = s->len - 1; /* until it is placed */
		a->prot = prot;
		a->next = chain;
		chain = a;
	}
	return chain;
unwind:
	while (chain) {
		struct iopt_area *next = chain->next;
		if (chain != &chain->pages->first)
			free(chain);
		else
			chain->pages = NULL;
		chain = next;
	}
	return NULL;
}

/* The last step for areas that no domain shows any more, after a drain. Call without locks. */
static void areas_destroy(struct iopt_area *chain)
{
	while (chain) {
		struct iopt_area *a = chain;
		struct iopt_pages *pages = a->pages;
		struct iopt_mapping *m, *next;

		chain = a->next;
		for (m = a->mappings.next; m; m = next) {
			next = m->next;
			free(m);
		}
		a->mappings.next = NULL;
		if (a != &pages->first)
			free(a);
		iopt_pages_put(pages);
	}
}

/*
 * Domains that hold the area lose it. domains_lock or iova_lock is held.
 */
static void area_unfill(struct iopt *iopt, struct iopt_area *a, const struct iopt_domain *up_to)
{
	struct iopt_domain *d;

	list_for_each (d, &iopt->domains, node) {
		if (d == up_to)
			return;
		iopt_pages_unfill(a, d->domain, true);
	}
}

static int area_fill(struct iopt *iopt, struct iopt_area *a)
{
	struct iopt_domain *d;

	list_for_each (d, &iopt->domains, node) {
		int err = iopt_pages_fill(a, d->domain, iopt->small_leaves);
		if (err) {
			area_unfill(iopt, a, d);
			return err;
		}
	}
	return 0;
}

/*
 * Map
 */

static uint64_t slices_len(const struct iopt_slices *slices)
{
	uint64_t len = 0;

	for (size_t i = 0; i < slices->nr; i++)
		len += slices->list[i].len;
	return len;
}

static int check_area_locked(const struct iopt *iopt, const struct iopt_area *a)
{
	uint64_t mask = iopt->alignment - 1;

	if ((a->prot & IOMMU_WRITE) && !a->pages->writable)
		return refuse(iopt->trace, -EPERM, "IOMMU_IOAS_COPY: the source was not mapped writeable");
	if (((a->pages->start + a->offset) | a->iova | area_len(a)) & mask)
		return refuse(iopt->trace, -EINVAL, "map: memory at 0x%llx is not aligned to 0x%llx",
			      (unsigned long long)(a->pages->start + a->offset), (unsigned long long)iopt->alignment);
	return 0;
}

static int area_insert_locked(struct iopt *iopt, struct iopt_area *a)
{
	int err = range_map_insert(&iopt->areas, a->iova, a->last, a);

	if (err == -EEXIST)
		return refuse(iopt->trace, err, "map: an area lies in 0x%llx-0x%llx already",
			      (unsigned long long)a->iova, (unsigned long long)a->last);
	if (err)
		return err;
	err = check_area_locked(iopt, a);
	if (err)
		range_map_remove(&iopt->areas, a->iova);
	return err;
}

/* Removes the areas of a chain before `end` from the tree. */
static void areas_remove_locked(struct iopt *iopt, struct iopt_area *chain, const struct iopt_area *end)
{
	for (struct iopt_area *a = chain; a != end; a = a->next)
		range_map_remove(&iopt->areas, a->iova);
}

static int areas_insert_locked(struct iopt *iopt, struct iopt_area *chain, iova_t iova)
{
	for (struct iopt_area *a = chain; a; a = a->next) {
		int err;

		a->last += iova;
		a->iova = iova;
		iova = a->last + 1;
		err = area_insert_locked(iopt, a);
		if (err) {
			areas_remove_locked(iopt, chain, a);
			return err;
		}
	}
	return 0;
}

static int areas_place(struct iopt *iopt, struct iopt_area *chain, uint64_t len, bool fixed, iova_t *iova)
{
	int err;

	mutex_lock(&iopt->iova_lock);
	if (fixed)
		err = iopt_check_iova_locked(iopt, *iova, len);
	else
		err = iopt_choose_iova_locked(iopt, chain->pages->start + chain->offset, len, iova);
	if (!err)
		err = areas_insert_locked(iopt, chain, *iova);
	mutex_unlock(&iopt->iova_lock);
	return err;
}

static int areas_fill(struct iopt *iopt, struct iopt_area *chain)
{
	for (struct iopt_area *a = chain; a; a = a->next) {
		int err = area_fill(iopt, a);

		if (err) {
			for (struct iopt_area *b = chain; b != a; b = b->next)
				area_unfill(iopt, b, NULL);
			return err;
		}
	}
	return 0;
}

int iopt_map(struct iopt *iopt, struct iopt_slices *slices, unsigned prot, bool fixed, iova_t *iova)
{
	uint64_t len = slices_len(slices);
	struct iopt_area *chain = areas_create(slices, prot), *a;
	iova_t place = *iova;
	int err;

	if (!chain) {
		iopt_slices_put(slices);
		return -ENOMEM;
	}
	rwlock_read_lock(&iopt->domains_lock);
	err = areas_place(iopt, chain, len, fixed, &place);
	if (err)
		goto unlock;
	err = areas_fill(iopt, chain);
	if (err) {
		mutex_lock(&iopt->iova_lock);
		areas_remove_locked(iopt, chain, NULL);
		mutex_unlock(&iopt->iova_lock);
		goto unlock;
	}
	*iova = place;
	/* From here an area belongs to the tree: another thread may unmap it at once. */
	while (chain) {
		a = chain;
		chain = a->next;
		atomic_store_explicit(&a->complete, true, memory_order_release);
	}
unlock:
	rwlock_unlock(&iopt->domains_lock);
	if (slices->list != &slices->one)
		free(slices->list);
	if (err) {
		section_drain(iopt->sections);
		areas_destroy(chain);
	}
	return err;
}

/*
 * Unmap
 */

/* Takes the areas inside [iova, last] out, one by one; what was taken out before an area that does not fit is gone. */
static int areas_take_locked(struct iopt *iopt, iova_t iova, iova_t last, struct iopt_area **chain, uint64_t *unmapped)
{
	struct range_map_entry e;
	iova_t pos = iova;

	while (range_map_find_from(&iopt->areas, pos, &e) && e.start <= last) {
		struct iopt_area *a = e.value;

		if (e.start < iova || e.last > last)
			return refuse(iopt->trace, -ENOENT,
				      "IOMMU_IOAS_UNMAP: 0x%llx-0x%llx cuts the area 0x%llx-0x%llx",
				      (unsigned long long)iova, (unsigned long long)last, (unsigned long long)e.start,
				      (unsigned long long)e.last);
		if (!atomic_load_explicit(&a->complete, memory_order_acquire))
			return -EBUSY;
		range_map_remove(&iopt->areas, a->iova);
		area_unfill(iopt, a, NULL);
		a->next = *chain;
		*chain = a;
		*unmapped += area_len(a);
		if (e.last == last)
			break;
		pos = e.last + 1;
	}
	return 0;
}

int iopt_unmap(struct iopt *iopt, iova_t iova, iova_t last, bool everything, uint64_t *unmapped)
{
	struct iopt_area *chain = NULL;
	int err;

	*unmapped = 0;
	mutex_lock(&iopt->iova_lock);
	err = areas_take_locked(iopt, iova, last, &chain, unmapped);
	mutex_unlock(&iopt->iova_lock);

	if (!err && !chain && !everything)
		err = refuse(iopt->trace, -ENOENT, "IOMMU_IOAS_UNMAP: nothing is mapped at 0x%llx-0x%llx",
			     (unsigned long long)iova, (unsigned long long)last);
	if (chain) {
		section_drain(iopt->sections);
		areas_destroy(chain);
	}
	return err;
}

/*
 * Copy
 */

static int slices_add(struct iopt_slices *s, size_t *room, struct iopt_slice slice)
{
	if (s->nr == *room) {
		size_t more = *room * 2;
		struct iopt_slice *list = malloc(more * sizeof(*list));

		if (!list)
			return -ENOMEM;
		for (size_t i = 0; i < s->nr; i++)
			list[i] = s->list[i];
		if (s->list != &s->one)
			free(s->list);
		s->list = list;
		*room = more;
	}
	iopt_pages_get(slice.pages);
	s->list[s->nr++] = slice;
	return 0;
}

static int slices_collect_locked(struct iopt *iopt, iova_t iova, iova_t last, struct iopt_slices *out)
{
	struct range_map_entry e;
	size_t room = 1;

	for (;;) {
		struct iopt_area *a;
		int err;

		if (!range_map_find(&iopt->areas, iova, &e))
			return -ENOENT;
		a = e.value;
		if (!atomic_load_explicit(&a->complete, memory_order_acquire))
			return -ENOENT;
		err = slices_add(out, &room,
				 (struct iopt_slice){.pages = a->pages,
						     .offset = a->offset + (iova - a->iova),
						     .len = MIN(last, a->last) - iova + 1});
		if (err || a->last >= last)
			return err;
		iova = a->last + 1;
	}
}

int iopt_slices_get(struct iopt *iopt, iova_t iova, iova_t last, struct iopt_slices *out)
{
	int err;

	out->nr = 0;
	out->list = &out->one;
	mutex_lock(&iopt->iova_lock);
	err = slices_collect_locked(iopt, iova, last, out);
	mutex_unlock(&iopt->iova_lock);
	if (!err)
		return 0;
	iopt_slices_put(out);
	return err == -ENOENT ? refuse(iopt->trace, err, "IOMMU_IOAS_COPY: 0x%llx-0x%llx is not mapped throughout",
				       (unsigned long long)iova, (unsigned long long)last)
			      : err;
}

void iopt_slices_put(struct iopt_slices *slices)
{
	for (size_t i = 0; i < slices->nr; i++)
		iopt_pages_put(slices->list[i].pages);
	if (slices->list != &slices->one)
		free(slices->list);
}

/*
 * Domains
 */

/* What each area must be a multiple of. -EADDRINUSE: one that is there is not. Both locks held, domains for writing. */
static int alignment_set_locked(struct iopt *iopt, uint64_t alignment)
{
	struct range_map_entry e;
	iova_t pos = 0;

	if (alignment > iopt->alignment)
		while (range_map_find_from(&iopt->areas, pos, &e)) {
			struct iopt_area *a = e.value;

			if ((a->iova | area_len(a) | (a->pages->start + a->offset)) & (alignment - 1))
				return refuse(iopt->trace, -EADDRINUSE,
					      "attach: the area at 0x%llx is not aligned to 0x%llx",
					      (unsigned long long)a->iova, (unsigned long long)alignment);
			pos = e.last + 1;
			if (pos == 0)
				break;
		}
	iopt->alignment = alignment;
	return 0;
}

static uint64_t alignment_needed(const struct iopt *iopt)
{
	return iopt->small_leaves || !list_empty(&iopt->domains) ? BARTER_PAGE_SIZE : 1;
}

/* Both locks held, domains for writing. */
static void domain_unfill_locked(struct iopt *iopt, struct iopt_domain *d, iova_t before)
{
	struct range_map_entry e;
	iova_t pos = 0;

	while (range_map_find_from(&iopt->areas, pos, &e) && e.start < before) {
		iopt_pages_unfill(e.value, d->domain, false);
		pos = e.last + 1;
		if (pos == 0)
			break;
	}
}

static int domain_fill_locked(struct iopt *iopt, struct iopt_domain *d)
{
	struct range_map_entry e;
	iova_t pos = 0;

	while (range_map_find_from(&iopt->areas, pos, &e)) {
		int err = iopt_pages_fill(e.value, d->domain, iopt->small_leaves);

		if (err) {
			domain_unfill_locked(iopt, d, e.start);
			return err;
		}
		pos = e.last + 1;
		if (pos == 0)
			break;
	}
	return 0;
}

static int aperture_reserve_locked(struct iopt *iopt, struct iopt_domain *d, const struct iommu_geometry *g)
{
	int err = 0;

	if (g->aperture_start > 0)
		err = iopt_reserve_locked(iopt, &d->below, 0, g->aperture_start - 1);
	if (!err && g->aperture_last < UINT64_MAX)
		err = iopt_reserve_locked(iopt, &d->above, g->aperture_last + 1, UINT64_MAX);
	return err;
}

/* The domain's leaves are forgotten; memory that only this domain showed is let go of. */
static void domain_take_out_locked(struct iopt *iopt, struct iopt_domain *d)
{
	struct range_map_entry e;
	iova_t pos = 0;

	list_del(&d->node);
	iopt_unreserve_locked(&d->below);
	iopt_unreserve_locked(&d->above);
	iopt->alignment = alignment_needed(iopt);
	while (list_empty(&iopt->domains) && range_map_find_from(&iopt->areas, pos, &e)) {
		iopt_pages_unpin_idle(((struct iopt_area *)e.value)->pages);
		pos = e.last + 1;
		if (pos == 0)
			break;
	}
}

int iopt_add_domain(struct iopt *iopt, struct iopt_domain *d, const struct iommu_geometry *g)
{
	int err;

	rwlock_write_lock(&iopt->domains_lock);
	mutex_lock(&iopt->iova_lock);
	list_add_tail(&iopt->domains, &d->node);
	err = aperture_reserve_locked(iopt, d, g);
	if (!err)
		err = alignment_set_locked(iopt, BARTER_PAGE_SIZE);
	if (!err)
		err = domain_fill_locked(iopt, d);
	if (err)
		domain_take_out_locked(iopt, d);
	mutex_unlock(&iopt->iova_lock);
	rwlock_unlock(&iopt->domains_lock);
	return err;
}

void iopt_remove_domain(struct iopt *iopt, struct iopt_domain *d)
{
	if (!d->node.next || list_empty(&d->node))
		return;
	rwlock_write_lock(&iopt->domains_lock);
	mutex_lock(&iopt->iova_lock);
	domain_unfill_locked(iopt, d, UINT64_MAX);
	domain_take_out_locked(iopt, d);
	mutex_unlock(&iopt->iova_lock);
	rwlock_unlock(&iopt->domains_lock);
}

int iopt_set_small_leaves(struct iopt *iopt, bool small)
{
	int err = 0;

	rwlock_write_lock(&iopt->domains_lock);
	mutex_lock(&iopt->iova_lock);
	if (small && !list_empty(&iopt->domains) && iopt->areas.nr_ranges)
		err = refuse(iopt->trace, -EINVAL, "IOMMU_OPTION_HUGE_PAGES: areas are mapped in a domain already");
	if (!err && small)
		err = alignment_set_locked(iopt, BARTER_PAGE_SIZE);
	if (!err) {
		iopt->small_leaves = small;
		iopt->alignment = alignment_needed(iopt);
	}
	mutex_unlock(&iopt->iova_lock);
	rwlock_unlock(&iopt->domains_lock);
	return err;
}

bool iopt_has_user_memory(struct iopt *iopt)
{
	struct range_map_entry e;
	iova_t pos = 0;
	bool found = false;

	mutex_lock(&iopt->iova_lock);
	while (!found && range_map_find_from(&iopt->areas, pos, &e)) {
		found = ((struct iopt_area *)e.value)->pages->source == IOPT_USER;
		pos = e.last + 1;
		if (pos == 0)
			break;
	}
	mutex_unlock(&iopt->iova_lock);
	return found;
}
