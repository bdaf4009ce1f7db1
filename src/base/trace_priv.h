/* SPDX-License-Identifier: BSD-3-Clause */
/* What recording (trace.c) leaves for writing (trace_json.c). */
#ifndef BARTER_BASE_TRACE_PRIV_H
#define BARTER_BASE_TRACE_PRIV_H

#include "base/list.h"
#include "base/lock.h"
#include "base/trace.h"

enum {
	TRACE_SHARDS = 16, /* a power of two */
	TRACE_CHUNK_SIZE = 1 << 16,
	TRACE_MAX_CHUNKS = 1 << 11, /* of all shards: 128 MiB */
	TRACE_TEXT_MAX = 200,
	RULE_BUCKETS = 64,
};

/* An event as it lies in a chunk: three strings follow, each with its zero, then padding to 8 bytes. */
struct trace_event {
	uint64_t start_ns, duration_ns; /* TRACE_INSTANT: no duration */
	uint32_t tid;
	uint16_t len; /* of the whole event */
	uint16_t kind;
	char strings[]; /* device or "", name, arguments */
};
#define TRACE_INSTANT UINT64_MAX

/* From mmap, so that the register trap may record. */
struct trace_chunk {
	struct trace_chunk *next;
	size_t used;
	char events[];
};

/* Threads are spread over the shards, so that they rarely meet. */
struct trace_shard {
	struct spinlock lock;		  /* recording is allowed in any context */
	struct trace_chunk *first, *last; /* guarded by lock */
};

struct trace_rule {
	struct trace_rule *next;
	const char *fmt; /* a literal */
	int err;
	uint64_t count;
	char newest[TRACE_TEXT_MAX];
};

/* What rules are cut from; from mmap for the same reason. */
struct trace_rule_chunk {
	struct trace_rule_chunk *next;
	unsigned used;
	struct trace_rule rules[];
};

struct trace_object {
	struct trace_object *next;
	const char *name; /* a literal */
	int64_t live, peak;
	uint64_t born;
};

struct trace {
	bool timeline; /* first: trace_enabled() reads it */
	uint64_t start_ns;
	struct trace_shard shards[TRACE_SHARDS];
	uint32_t nr_chunks; /* atomic */
	uint64_t dropped;   /* atomic: events there was no room for */

	const char *part_name; /* immutable while there are threads */
	trace_part_fn part;
	void *part_arg;

	struct spinlock report_lock;
	struct trace_rule *rules[RULE_BUCKETS]; /* guarded by report_lock */
	struct trace_rule_chunk *rule_chunks;	/* guarded by report_lock */
	struct trace_object *objects;		/* guarded by report_lock */
};

#endif
