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

/* The counter gives nested uses names of their own. */
#define BARTER_PICK(a, b, op, x, y)                                                                                    \
	({                                                                                                             \
		__typeof__(a) x = (a);                                                                                 \
		__typeof__(b) y = (b);                                                                                 \
		x op y ? x : y;                                                                                        \
	})
#define BARTER_NAME_2(name, n) name##n
#define BARTER_NAME(name, n) BARTER_NAME_2(name, n)
#define BARTER_PICK_N(a, b, op, n) BARTER_PICK(a, b, op, BARTER_NAME(pick_a_, n), BARTER_NAME(pick_b_, n))
#define MIN(a, b) BARTER_PICK_N(a, b, <, __COUNTER__)
#define MAX(a, b) BARTER_PICK_N(a, b, >, __COUNTER__)

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
