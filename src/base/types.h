/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The words every room uses. Anyone may include this.
 *
 * Address types are distinct by name, not by the compiler: an iova_t is what a device puts on the bus, a phys_t lives
 * in the rack's one physical address space (memory/phys.h), a uaddr_t is an address in a program and is only ever
 * dereferenced by its task (file/task.h).
 *
 * Vocabulary: start/last is inclusive, start/end is half-open, len counts bytes, nr_ counts things.
 */
#ifndef BARTER_BASE_TYPES_H
#define BARTER_BASE_TYPES_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef uint64_t iova_t;
typedef uint64_t phys_t;
typedef uint64_t uaddr_t;

#define BARTER_PAGE_SHIFT 12
#define BARTER_PAGE_SIZE (1ull << BARTER_PAGE_SHIFT)
#define BARTER_PAGE_MASK (BARTER_PAGE_SIZE - 1)

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define MIN(a, b)                                                                                                      \
	({                                                                                                             \
		__typeof__(a) min_a_ = (a);                                                                            \
		__typeof__(b) min_b_ = (b);                                                                            \
		min_a_ < min_b_ ? min_a_ : min_b_;                                                                     \
	})
#define MAX(a, b)                                                                                                      \
	({                                                                                                             \
		__typeof__(a) max_a_ = (a);                                                                            \
		__typeof__(b) max_b_ = (b);                                                                            \
		max_a_ > max_b_ ? max_a_ : max_b_;                                                                     \
	})

static inline bool is_aligned(uint64_t value, uint64_t power_of_two)
{
	return (value & (power_of_two - 1)) == 0;
}

static inline uint64_t align_down(uint64_t value, uint64_t power_of_two)
{
	return value & ~(power_of_two - 1);
}

/* Wraps to 0 when the result does not fit: callers check the input first. */
static inline uint64_t align_up(uint64_t value, uint64_t power_of_two)
{
	return align_down(value + power_of_two - 1, power_of_two);
}

#endif
