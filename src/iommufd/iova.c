/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which IOVAs may be used. Linux's choice of an automatic IOVA is kept to the byte, for programs come to rely on it:
 * the lowest place that keeps the alignment which the memory has, up to 2 MiB, so that large leaves are possible;
 * within the allowed ranges if there are any; never in the first or the last page.
 */
#include "base/trace.h"
#include "iommufd/iopt.h"

#define IOVA_LARGEST_ALIGNMENT (2ull << 20)

static bool range_taken(const struct range_map *m, iova_t start, iova_t last)
{
	struct range_map_entry e;

	return range_map_find_from(m, start, &e) && e.start <= last;
}

int iopt_reserve_locked(struct iopt *iopt, struct iopt_reserved *r, iova_t start, iova_t last)
{
	mutex_assert_held(&iopt->iova_lock);
	if (range_taken(&iopt->areas, start, last) || range_taken(&iopt->allowed, start, last))
		return refuse(iopt->trace, -EADDRINUSE,
			      "attach: an area or an allowed range lies in 0x%llx-0x%llx, which the device cannot use",
			      (unsigned long long)start, (unsigned long long)last);
	r->start = start;
	r->last = last;
	list_add(&iopt->reserved, &r->node);
	return 0;
}

void iopt_unreserve_locked(struct iopt_reserved *r)
{
	if (r->node.next)
		list_del(&r->node);
}

int iopt_reserve(struct iopt *iopt, struct iopt_reserved *r, iova_t start, iova_t last)
{
	int err;

	mutex_lock(&iopt->iova_lock);
	err = iopt_reserve_locked(iopt, r, start, last);
	mutex_unlock(&iopt->iova_lock);
	return err;
}

void iopt_unreserve(struct iopt *iopt, struct iopt_reserved *r)
{
	mutex_lock(&iopt->iova_lock);
	iopt_unreserve_locked(r);
	mutex_unlock(&iopt->iova_lock);
}

static const struct iopt_reserved *reserved_find_locked(struct iopt *iopt, iova_t start, iova_t last)
{
	struct iopt_reserved *r;

	list_for_each (r, &iopt->reserved, node)
		if (r->start <= last && start <= r->last)
			return r;
	return NULL;
}

bool iopt_next_usable_locked(struct iopt *iopt, iova_t pos, iova_t *start, iova_t *last)
{
	const struct iopt_reserved *r;

	mutex_assert_held(&iopt->iova_lock);
	while ((r = reserved_find_locked(iopt, pos, pos))) {
		pos = r->last + 1;
		if (pos == 0)
			return false;
	}
	*start = pos;
	*last = UINT64_MAX;
	list_for_each (r, &iopt->reserved, node)
		if (r->start > pos)
			*last = MIN(*last, r->start - 1);
	return true;
}

int iopt_set_allowed(struct iopt *iopt, struct range_map *allowed)
{
	struct range_map_entry e;
	struct range_map old;
	uint64_t pos = 0;
	int err = 0;

	mutex_lock(&iopt->iova_lock);
	while (!err && range_map_find_from(allowed, pos, &e)) {
		const struct iopt_reserved *r = reserved_find_locked(iopt, e.start, e.last);

		if (r)
			err = refuse(iopt->trace, -EADDRINUSE,
				     "IOMMU_IOAS_ALLOW_IOVAS: 0x%llx-0x%llx overlaps 0x%llx-0x%llx, which is reserved",
				     (unsigned long long)e.start, (unsigned long long)e.last,
				     (unsigned long long)r->start, (unsigned long long)r->last);
		pos = e.last + 1;
		if (pos == 0)
			break;
	}
	if (!err) {
		old = iopt->allowed;
		iopt->allowed = *allowed;
		*allowed = old;
	}
	mutex_unlock(&iopt->iova_lock);
	return err;
}

int iopt_check_iova_locked(struct iopt *iopt, iova_t iova, uint64_t len)
{
	const struct iopt_reserved *r;
	iova_t last;

	mutex_assert_held(&iopt->iova_lock);
	if (len == 0 || ((iova | len) & (iopt->alignment - 1)))
		return refuse(iopt->trace, -EINVAL, "map: iova 0x%llx, length 0x%llx: not multiples of 0x%llx",
			      (unsigned long long)iova, (unsigned long long)len, (unsigned long long)iopt->alignment);
	if (__builtin_add_overflow(iova, len - 1, &last))
		return refuse(iopt->trace, -EOVERFLOW, "map: iova 0x%llx, length 0x%llx: beyond 2^64",
			      (unsigned long long)iova, (unsigned long long)len);
	r = reserved_find_locked(iopt, iova, last);
	if (r)
		return refuse(iopt->trace, -EINVAL, "map: 0x%llx-0x%llx overlaps 0x%llx-0x%llx, which is reserved",
			      (unsigned long long)iova, (unsigned long long)last, (unsigned long long)r->start,
			      (unsigned long long)r->last);
	return 0;
}

/* The first run at or above pos of allowed IOVAs; adjacent allowed ranges are one run. */
static bool next_allowed_locked(struct iopt *iopt, iova_t pos, iova_t *start, iova_t *last)
{
	struct range_map_entry e;

	if (iopt->allowed.nr_ranges == 0) {
		*start = pos;
		*last = UINT64_MAX;
		return true;
	}
	if (!range_map_find_from(&iopt->allowed, pos, &e))
		return false;
	*start = MAX(pos, e.start);
	do
		*last = e.last;
	while (*last != UINT64_MAX && range_map_find(&iopt->allowed, *last + 1, &e));
	return true;
}

/* The first window at or above pos that is allowed and not reserved. */
static bool next_window_locked(struct iopt *iopt, iova_t pos, iova_t *start, iova_t *last)
{
	iova_t usable_start, usable_last;

	for (;;) {
		if (!next_allowed_locked(iopt, pos, start, last))
			return false;
		if (!iopt_next_usable_locked(iopt, *start, &usable_start, &usable_last))
			return false;
		if (usable_start <= *last)
			break;
		pos = usable_start;
	}
	*start = usable_start;
	*last = MIN(*last, usable_last);
	return true;
}

/*
 * Memory that begins inside a page, which only an IOAS without a domain takes. Linux sets the offset bits over the
 * aligned start of each hole, which is not the same as searching for a congruent address; it is rare enough for a walk.
 */
static int scan_for_offset(const struct range_map *areas, iova_t low, iova_t high, uint64_t len, uint64_t align,
			   uint64_t offset, iova_t *iova)
{
	struct range_map_entry e;
	iova_t pos = low;

	for (;;) {
		bool more = range_map_find_from(areas, pos, &e) && e.start <= high;
		iova_t hole_last = more ? e.start - 1 : high, start = align_up(pos, align) | offset;

		if ((!more || e.start > pos) && start >= pos && start <= hole_last && hole_last - start >= len - 1) {
			*iova = start;
			return 0;
		}
		if (!more || e.last >= high)
			return -ENOSPC;
		pos = e.last + 1;
	}
}

static uint64_t round_up_to_power(uint64_t len)
{
	return len <= 1 ? 1 : 1ull << (64 - __builtin_clzll(len - 1));
}

static uint64_t alignment_for(uint64_t addr, uint64_t len)
{
	uint64_t align = round_up_to_power(len);

	if (addr)
		align = MIN(align, addr & -addr);
	return MIN(align, IOVA_LARGEST_ALIGNMENT);
}

int iopt_choose_iova_locked(struct iopt *iopt, uint64_t addr, uint64_t len, iova_t *iova)
{
	uint64_t offset = addr & BARTER_PAGE_MASK, align;
	uint64_t room = MAX(len, 2ull); /* a hole of one byte is never taken */
	iova_t pos = BARTER_PAGE_SIZE, low, high;

	mutex_assert_held(&iopt->iova_lock);
	if (len >= UINT64_MAX / 2)
		return refuse(iopt->trace, -EOVERFLOW, "map: length 0x%llx: no automatic IOVA for half the space",
			      (unsigned long long)len);
	align = alignment_for(addr, len);
	if (align < iopt->alignment || (len & (iopt->alignment - 1)))
		return refuse(iopt->trace, -EINVAL, "map: memory at 0x%llx, length 0x%llx: not multiples of 0x%llx",
			      (unsigned long long)addr, (unsigned long long)len, (unsigned long long)iopt->alignment);
	while (next_window_locked(iopt, pos, &low, &high)) {
		int err;

		high = MIN(high, UINT64_MAX - BARTER_PAGE_SIZE);
		if (low > high)
			break;
		if (offset)
			err = scan_for_offset(&iopt->areas, low, high, room, align, offset, iova);
		else
			err = range_map_find_gap(&iopt->areas, low, high, room, align, 0, iova);
		if (!err)
			return 0;
		pos = high + 1;
	}
	return refuse(iopt->trace, -ENOSPC, "map: no room for 0x%llx bytes aligned to 0x%llx", (unsigned long long)len,
		      (unsigned long long)align);
}
