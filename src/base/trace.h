/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The timeline (`barter run --trace`) and the report (`--report`): what happened, what was refused and why, what still
 * lives. Anyone may include this. One `struct trace` a rack; NULL everywhere means "not recorded" and is cheap.
 *
 * Recording takes no lock that a subsystem holds, may run on any thread of ours, and never in a signal handler other
 * than the register trap.
 */
#ifndef BARTER_BASE_TRACE_H
#define BARTER_BASE_TRACE_H

#include <stdarg.h>

#include "base/types.h"

struct trace;

/* A track is one row of the timeline: a thread of the program, or a device. */
enum trace_kind { TRACE_CALL, TRACE_MAP, TRACE_DMA, TRACE_REVOKE, TRACE_IRQ, TRACE_REGISTER, TRACE_FAULT };

struct trace_span {
	uint64_t start_ns;
};

/* timeline: record events. Both may be off and the report still counts refusals. Returns NULL when out of memory. */
struct trace *trace_create(bool timeline);
void trace_destroy(struct trace *t);

static inline bool trace_enabled(const struct trace *t)
{
	return t && *(const bool *)t; /* the first member of struct trace; set once before it is shared */
}

uint64_t trace_now(void); /* nanoseconds, CLOCK_MONOTONIC */

/* device: NULL for the calling thread's own track, or the name of a device ("0000:01:00.0"). fmt gives the arguments.
 */
void trace_complete(struct trace *t, enum trace_kind kind, const char *device, const char *name, uint64_t start_ns,
		    const char *fmt, ...) __attribute__((format(printf, 6, 7)));
void trace_instant(struct trace *t, enum trace_kind kind, const char *device, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/*
 * Says which rule refused a call, with the values, and returns err (a negative errno) so that a caller can write
 * `return refuse(trace, -EINVAL, "IOMMU_IOAS_MAP: iova 0x%llx is not a multiple of 0x1000", iova)`. Identical rules
 * are counted, the newest values kept.
 */
int refuse(struct trace *t, int err, const char *fmt, ...) __attribute__((format(printf, 3, 4), cold));

/* Objects that live: name is a string literal. delta +1 at birth, -1 at release. */
void trace_count(struct trace *t, const char *object, int delta);

/*
 * One more part of the report: the elements of an array, made with malloc() when the report is written. For the time
 * before anything else has a thread, and after. Replaces the last one; NULL takes it away.
 */
typedef int (*trace_part_fn)(void *arg, char **text, size_t *len);
void trace_set_report_part(struct trace *t, const char *name, trace_part_fn part, void *arg);

/* Chrome trace JSON; the report as JSON. Return 0 or a negative errno. */
int trace_write_timeline(struct trace *t, int fd);
int trace_write_report(struct trace *t, int fd);

#endif
