/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Recording. Events go as bytes into chunks, one list of chunks a shard; nothing is looked up and nothing is formatted
 * but the arguments. When the timeline is full, events are dropped and counted. Refusals and object counts are kept in
 * any case: they are few.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/trace_priv.h"

static const struct lock_class shard_class = {"trace shard", LOCK_RANK_TRACE, false};
static const struct lock_class report_class = {"trace report", LOCK_RANK_TRACE, false};

uint64_t trace_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

struct trace *trace_create(bool timeline)
{
	struct trace *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->timeline = timeline;
	t->start_ns = trace_now();
	for (unsigned i = 0; i < TRACE_SHARDS; i++)
		spin_lock_init(&t->shards[i].lock, &shard_class);
	spin_lock_init(&t->report_lock, &report_class);
	return t;
}

static void chunks_free(struct trace_shard *shard)
{
	for (struct trace_chunk *chunk = shard->first, *next; chunk; chunk = next) {
		next = chunk->next;
		munmap(chunk, TRACE_CHUNK_SIZE);
	}
	spin_lock_fini(&shard->lock);
}

void trace_destroy(struct trace *t)
{
	if (!t)
		return;
	for (unsigned i = 0; i < TRACE_SHARDS; i++)
		chunks_free(&t->shards[i]);
	for (struct trace_rule_chunk *chunk = t->rule_chunks, *next; chunk; chunk = next) {
		next = chunk->next;
		munmap(chunk, TRACE_CHUNK_SIZE);
	}
	for (struct trace_object *object = t->objects, *next; object; object = next) {
		next = object->next;
		free(object);
	}
	spin_lock_fini(&t->report_lock);
	free(t);
}

static uint32_t this_tid(void)
{
	static _Thread_local uint32_t tid;

	if (!tid)
		tid = (uint32_t)syscall(SYS_gettid);
	return tid;
}

/* Room for len bytes in the shard's last chunk, or in a new one. */
static struct trace_event *event_room(struct trace *t, struct trace_shard *shard, size_t len)
{
	struct trace_chunk *chunk = shard->last;

	spin_assert_held(&shard->lock);
	if (!chunk || sizeof(*chunk) + chunk->used + len > TRACE_CHUNK_SIZE) {
		if (__atomic_fetch_add(&t->nr_chunks, 1, __ATOMIC_RELAXED) >= TRACE_MAX_CHUNKS)
			return NULL;
		chunk = mmap(NULL, TRACE_CHUNK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (chunk == MAP_FAILED)
			return NULL;
		if (shard->last)
			shard->last->next = chunk;
		else
			shard->first = chunk;
		shard->last = chunk;
	}
	chunk->used += len;
	return (struct trace_event *)(chunk->events + chunk->used - len);
}

static char *string_put(char *to, const char *from)
{
	return stpcpy(to, from) + 1;
}

static void record(struct trace *t, enum trace_kind kind, const char *device, const char *name, uint64_t start_ns,
		   uint64_t duration_ns, const char *text)
{
	uint32_t tid = this_tid();
	struct trace_shard *shard = &t->shards[tid % TRACE_SHARDS];
	size_t len = sizeof(struct trace_event) + strlen(device) + strlen(name) + strlen(text) + 3;
	struct trace_event *e = NULL;

	len = align_up(len, 8);
	spin_lock_irq(&shard->lock);
	if (len <= UINT16_MAX)
		e = event_room(t, shard, len);
	if (e) {
		*e = (struct trace_event){start_ns, duration_ns, tid, len, kind};
		string_put(string_put(string_put(e->strings, device), name), text);
	} else {
		__atomic_fetch_add(&t->dropped, 1, __ATOMIC_RELAXED);
	}
	spin_unlock_irq(&shard->lock);
}

void trace_complete(struct trace *t, enum trace_kind kind, const char *device, const char *name, uint64_t start_ns,
		    const char *fmt, ...)
{
	char text[TRACE_TEXT_MAX];
	uint64_t now;
	va_list args;

	if (!trace_enabled(t))
		return;
	now = trace_now();
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	record(t, kind, device ? device : "", name, start_ns, now - start_ns, text);
}

void trace_instant(struct trace *t, enum trace_kind kind, const char *device, const char *name, const char *fmt, ...)
{
	char text[TRACE_TEXT_MAX];
	va_list args;

	if (!trace_enabled(t))
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	record(t, kind, device ? device : "", name, trace_now(), TRACE_INSTANT, text);
}

static struct trace_rule *rule_alloc(struct trace *t)
{
	const size_t capacity = (TRACE_CHUNK_SIZE - sizeof(struct trace_rule_chunk)) / sizeof(struct trace_rule);
	struct trace_rule_chunk *chunk = t->rule_chunks;

	spin_assert_held(&t->report_lock);
	if (!chunk || chunk->used == capacity) {
		chunk = mmap(NULL, TRACE_CHUNK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (chunk == MAP_FAILED)
			return NULL;
		chunk->next = t->rule_chunks;
		t->rule_chunks = chunk;
	}
	return &chunk->rules[chunk->used++];
}

/* The same text at two places may be one literal or two: the text decides. */
static struct trace_rule *rule_find(struct trace *t, int err, const char *fmt)
{
	unsigned bucket = (unsigned)-err;
	struct trace_rule *rule;

	spin_assert_held(&t->report_lock);
	for (const char *c = fmt; *c; c++)
		bucket = bucket * 31 + (unsigned char)*c;
	bucket %= RULE_BUCKETS;
	for (rule = t->rules[bucket]; rule; rule = rule->next)
		if (rule->err == err && (rule->fmt == fmt || !strcmp(rule->fmt, fmt)))
			return rule;
	rule = rule_alloc(t);
	if (!rule)
		return NULL;
	*rule = (struct trace_rule){.next = t->rules[bucket], .fmt = fmt, .err = err};
	t->rules[bucket] = rule;
	return rule;
}

int refuse(struct trace *t, int err, const char *fmt, ...)
{
	char text[TRACE_TEXT_MAX];
	struct trace_rule *rule;
	va_list args;

	if (!t)
		return err;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	spin_lock_irq(&t->report_lock);
	rule = rule_find(t, err, fmt);
	if (rule) {
		rule->count++;
		memcpy(rule->newest, text, sizeof(text));
	}
	spin_unlock_irq(&t->report_lock);
	if (t->timeline)
		record(t, TRACE_CALL, "", "refused", trace_now(), TRACE_INSTANT, text);
	return err;
}

void trace_set_report_part(struct trace *t, const char *name, trace_part_fn part, void *arg)
{
	if (!t)
		return;
	t->part_name = name;
	t->part = part;
	t->part_arg = arg;
}

void trace_count(struct trace *t, const char *name, int delta)
{
	struct trace_object *object;

	if (!t)
		return;
	spin_lock_irq(&t->report_lock);
	for (object = t->objects; object; object = object->next)
		if (object->name == name || !strcmp(object->name, name))
			break;
	if (!object) {
		object = calloc(1, sizeof(*object));
		if (object) {
			*object = (struct trace_object){.next = t->objects, .name = name};
			t->objects = object;
		}
	}
	if (object) {
		object->live += delta;
		object->peak = MAX(object->peak, object->live);
		object->born += delta > 0 ? (uint64_t)delta : 0;
	}
	spin_unlock_irq(&t->report_lock);
}
