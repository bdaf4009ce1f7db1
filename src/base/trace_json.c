/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writing what was recorded, as JSON: the timeline in the format that Perfetto and chrome://tracing read, and the
 * report. Threads of the program are the rows of process 1, devices the rows of process 2.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/trace_priv.h"

enum { MAX_DEVICES = 256, PROCESS_PROGRAM = 1, PROCESS_RACK = 2 };

/* A buffer in front of an fd. The first error sticks, later output is dropped. */
struct out {
	int fd, err;
	size_t used;
	char buffer[8192];
};

static void out_flush(struct out *o)
{
	for (size_t done = 0; done < o->used && !o->err;) {
		ssize_t n = write(o->fd, o->buffer + done, o->used - done);

		if (n >= 0)
			done += (size_t)n;
		else if (errno != EINTR)
			o->err = -errno;
	}
	o->used = 0;
}

static void out_bytes(struct out *o, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (o->used == sizeof(o->buffer))
			out_flush(o);
		o->buffer[o->used++] = bytes[i];
	}
}

static void out_format(struct out *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void out_format(struct out *o, const char *fmt, ...)
{
	char text[256];
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	out_bytes(o, text, MIN((size_t)len, sizeof(text) - 1));
}

/* A JSON string of len bytes. Bytes that are not ASCII are taken for UTF-8. */
static void out_string(struct out *o, const char *s, size_t len)
{
	out_bytes(o, "\"", 1);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c == '"' || c == '\\')
			out_format(o, "\\%c", c);
		else if (c < 0x20)
			out_format(o, "\\u%04x", c);
		else
			out_bytes(o, &s[i], 1);
	}
	out_bytes(o, "\"", 1);
}

static void out_text(struct out *o, const char *s)
{
	out_string(o, s, strlen(s));
}

static const char *kind_name(unsigned kind)
{
	static const char *const names[] = {
		[TRACE_CALL] = "call",	   [TRACE_MAP] = "map", [TRACE_DMA] = "dma",
		[TRACE_REVOKE] = "revoke", [TRACE_IRQ] = "irq", [TRACE_REGISTER] = "register",
		[TRACE_FAULT] = "fault",
	};

	return kind < ARRAY_SIZE(names) ? names[kind] : "other";
}

/* Is text nothing but name=value words? */
static bool is_pairs(const char *text)
{
	for (const char *word = text; *word;) {
		size_t len = strcspn(word, " ");
		const char *equals = memchr(word, '=', len);

		if (!equals || equals == word)
			return false;
		word += len;
		word += strspn(word, " ");
	}
	return true;
}

/* "iova=0x1000 len=4096" becomes members of its own, anything else one text. */
static void out_arguments(struct out *o, const char *text)
{
	const char *separator = "";

	if (!*text)
		return;
	out_format(o, ",\"args\":{");
	if (!is_pairs(text)) {
		out_format(o, "\"text\":");
		out_text(o, text);
		text = "";
	}
	while (*text) {
		size_t name = strcspn(text, "="), value = strcspn(text + name + 1, " ");

		out_format(o, "%s", separator);
		out_string(o, text, name);
		out_format(o, ":");
		out_string(o, text + name + 1, value);
		text += name + 1 + value;
		text += strspn(text, " ");
		separator = ",";
	}
	out_format(o, "}");
}

/* The devices met so far: their place is their row. */
struct devices {
	const char *names[MAX_DEVICES];
	unsigned nr;
};

static unsigned device_row(struct devices *devices, const char *name)
{
	unsigned i = 0;

	while (i < devices->nr && strcmp(devices->names[i], name))
		i++;
	if (i == devices->nr && i < MAX_DEVICES - 1)
		devices->names[devices->nr++] = name;
	return i + 1;
}

static void out_event(struct out *o, const struct trace *t, const struct trace_event *e, struct devices *devices)
{
	const char *device = e->strings, *name = device + strlen(device) + 1, *text = name + strlen(name) + 1;
	uint64_t start = e->start_ns > t->start_ns ? e->start_ns - t->start_ns : 0;

	out_format(o, ",\n{\"name\":");
	out_text(o, name);
	out_format(o, ",\"cat\":\"%s\",\"ts\":%llu.%03llu", kind_name(e->kind), (unsigned long long)start / 1000,
		   (unsigned long long)start % 1000);
	if (e->duration_ns == TRACE_INSTANT)
		out_format(o, ",\"ph\":\"i\",\"s\":\"t\"");
	else
		out_format(o, ",\"ph\":\"X\",\"dur\":%llu.%03llu", (unsigned long long)e->duration_ns / 1000,
			   (unsigned long long)e->duration_ns % 1000);
	if (*device)
		out_format(o, ",\"pid\":%d,\"tid\":%u", PROCESS_RACK, device_row(devices, device));
	else
		out_format(o, ",\"pid\":%d,\"tid\":%u", PROCESS_PROGRAM, e->tid);
	out_arguments(o, text);
	out_format(o, "}");
}

static void out_shard(struct out *o, const struct trace *t, struct trace_shard *shard, struct devices *devices)
{
	spin_lock_irq(&shard->lock);
	for (const struct trace_chunk *chunk = shard->first; chunk; chunk = chunk->next) {
		const struct trace_event *e;

		for (size_t at = 0; at < chunk->used; at += e->len) {
			e = (const struct trace_event *)(chunk->events + at);
			out_event(o, t, e, devices);
		}
	}
	spin_unlock_irq(&shard->lock);
}

static void out_process_name(struct out *o, const char *separator, int pid, const char *name)
{
	out_format(o, "%s{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":%d,\"args\":{\"name\":\"%s\"}}", separator,
		   pid, name);
}

int trace_write_timeline(struct trace *t, int fd)
{
	struct out o = {.fd = fd};
	struct devices devices = {.nr = 0};

	if (!t)
		return 0;
	out_format(&o, "{\"displayTimeUnit\":\"ns\",\"otherData\":{\"dropped\":%llu},\"traceEvents\":[\n",
		   (unsigned long long)__atomic_load_n(&t->dropped, __ATOMIC_RELAXED));
	out_process_name(&o, "", PROCESS_PROGRAM, "program");
	out_process_name(&o, ",\n", PROCESS_RACK, "rack");
	for (unsigned i = 0; i < TRACE_SHARDS; i++)
		out_shard(&o, t, &t->shards[i], &devices);
	for (unsigned i = 0; i < devices.nr; i++) {
		out_format(&o, ",\n{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":%d,\"tid\":%u,\"args\":{\"name\":",
			   PROCESS_RACK, i + 1);
		out_text(&o, devices.names[i]);
		out_format(&o, "}}");
	}
	out_format(&o, "\n]}\n");
	out_flush(&o);
	return o.err;
}

static void out_objects(struct out *o, const struct trace *t)
{
	const char *separator = "\n";

	for (const struct trace_object *object = t->objects; object; object = object->next) {
		out_format(o, "%s{\"name\":", separator);
		out_text(o, object->name);
		out_format(o, ",\"live\":%lld,\"born\":%llu,\"peak\":%lld}", (long long)object->live,
			   (unsigned long long)object->born, (long long)object->peak);
		separator = ",\n";
	}
}

static void out_refusals(struct out *o, const struct trace *t)
{
	const char *separator = "\n";

	for (unsigned i = 0; i < RULE_BUCKETS; i++) {
		for (const struct trace_rule *rule = t->rules[i]; rule; rule = rule->next) {
			const char *name = strerrorname_np(-rule->err);

			out_format(o, "%s{\"errno\":\"%s\",\"count\":%llu,\"rule\":", separator, name ? name : "?",
				   (unsigned long long)rule->count);
			out_text(o, rule->fmt);
			out_format(o, ",\"newest\":");
			out_text(o, rule->newest);
			out_format(o, "}");
			separator = ",\n";
		}
	}
}

static void out_part(struct out *o, const struct trace *t)
{
	char *text = NULL;
	size_t len = 0;

	if (!t->part || t->part(t->part_arg, &text, &len))
		return;
	out_format(o, ",\"%s\":[", t->part_name);
	out_bytes(o, text, len);
	out_format(o, "\n]");
	free(text);
}

int trace_write_report(struct trace *t, int fd)
{
	struct out o = {.fd = fd};

	if (!t)
		return 0;
	spin_lock_irq(&t->report_lock);
	out_format(&o, "{\"objects\":[");
	out_objects(&o, t);
	out_format(&o, "\n],\"refusals\":[");
	out_refusals(&o, t);
	out_format(&o, "\n]");
	spin_unlock_irq(&t->report_lock);
	out_part(&o, t);
	out_format(&o, "}\n");
	out_flush(&o);
	return o.err;
}
