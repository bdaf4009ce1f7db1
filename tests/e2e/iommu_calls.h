/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls on /dev/iommu, most of which print their answer, for the programs that ask it questions. */
#ifndef TESTS_E2E_IOMMU_CALLS_H
#define TESTS_E2E_IOMMU_CALLS_H

#include <linux/iommufd.h>

#include "answers.h"

enum { R = IOMMU_IOAS_MAP_READABLE, W = IOMMU_IOAS_MAP_WRITEABLE, FIXED = IOMMU_IOAS_MAP_FIXED_IOVA };

static int iommu; /* the open fd */

static inline uint32_t new_ioas(void)
{
	struct iommu_ioas_alloc a = {.size = sizeof(a)};

	if (ioctl(iommu, IOMMU_IOAS_ALLOC, &a))
		die("IOMMU_IOAS_ALLOC");
	return a.out_ioas_id;
}

static inline long destroy(uint32_t id)
{
	struct iommu_destroy d = {.size = sizeof(d), .id = id};
	return io(iommu, IOMMU_DESTROY, &d);
}

static inline long map_raw(uint32_t ioas, uint32_t flags, uint32_t reserved, uint64_t va, uint64_t len, uint64_t *iova)
{
	struct iommu_ioas_map m = {.size = sizeof(m),
				   .flags = flags,
				   .ioas_id = ioas,
				   .__reserved = reserved,
				   .user_va = va,
				   .length = len,
				   .iova = *iova};
	long ret = io(iommu, IOMMU_IOAS_MAP, &m);

	*iova = m.iova;
	return ret;
}

static inline void map(const char *name, uint32_t ioas, uint32_t flags, const void *va, uint64_t len, uint64_t iova)
{
	long ret = map_raw(ioas, flags, 0, (uintptr_t)va, len, &iova);

	say(name, ret, "iova=%llx", (unsigned long long)iova);
}

static inline void map_file(const char *name, uint32_t ioas, uint32_t flags, int fd, uint64_t start, uint64_t len,
			    uint64_t iova)
{
	struct iommu_ioas_map_file m = {.size = sizeof(m),
					.flags = flags,
					.ioas_id = ioas,
					.fd = fd,
					.start = start,
					.length = len,
					.iova = iova};
	long ret = io(iommu, IOMMU_IOAS_MAP_FILE, &m);

	say(name, ret, "iova=%llx", m.iova);
}

static inline void unmap(const char *name, uint32_t ioas, uint64_t iova, uint64_t len)
{
	struct iommu_ioas_unmap u = {.size = sizeof(u), .ioas_id = ioas, .iova = iova, .length = len};
	long ret = io(iommu, IOMMU_IOAS_UNMAP, &u);

	if (name)
		say(name, ret, "length=%llx", u.length);
}

static inline void clear(uint32_t ioas)
{
	unmap(NULL, ioas, 0, UINT64_MAX);
}

static inline void copy(const char *name, uint32_t dst, uint32_t src, uint32_t flags, uint64_t len, uint64_t dst_iova,
			uint64_t src_iova)
{
	struct iommu_ioas_copy c = {.size = sizeof(c),
				    .flags = flags,
				    .dst_ioas_id = dst,
				    .src_ioas_id = src,
				    .length = len,
				    .dst_iova = dst_iova,
				    .src_iova = src_iova};
	long ret = io(iommu, IOMMU_IOAS_COPY, &c);

	say(name, ret, "iova=%llx", c.dst_iova);
}

#endif
