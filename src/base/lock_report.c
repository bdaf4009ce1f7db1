/* SPDX-License-Identifier: BSD-3-Clause */
/* The checker's findings in words. Built on the stack: a finding may come where nothing can be allocated. */
#include "base/lock_check_priv.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Atomic(lock_reporter) reporter;

lock_reporter lock_reporter_set(lock_reporter r)
{
	return atomic_exchange(&reporter, r);
}

/* By system call: stdio may be what is being waited for, and write() may be ours. */
static void say(const char *text)
{
	static const char prefix[] = "barter: locks: ";

	syscall(SYS_write, STDERR_FILENO, prefix, sizeof(prefix) - 1);
	syscall(SYS_write, STDERR_FILENO, text, strlen(text));
}

void lock_report(enum lock_report_kind kind, const char *text)
{
	lock_reporter r = atomic_load(&reporter);

	if (r) {
		r(kind, text);
		return;
	}
	say(text);
	abort();
}

/* --- events --- */

static void event_who(struct lock_event *e)
{
	e->tid = (int)syscall(SYS_gettid);
	prctl(PR_GET_NAME, e->thread);
}

void lock_event_now(struct lock_event *e, const struct lock_at *at, const char *where)
{
	*e = (struct lock_event){
		.at = *at, .where = where, .context = lock_thread.context, .irqs_on = lock_irqs_are_on()};
	event_who(e);
}

void lock_event_of_held(struct lock_event *e, const struct lock_held *h)
{
	*e = (struct lock_event){.at = h->at, .where = h->where, .context = h->context, .irqs_on = h->irqs_on};
	event_who(e);
}

/* --- text --- */

void lock_text_add(struct lock_text *t, const char *fmt, ...)
{
	size_t room = (size_t)(t->limit - t->end);
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(t->end, room, fmt, args);
	va_end(args);
	t->end += len < 0 ? 0 : (size_t)len < room ? (size_t)len : room - 1;
}

/* As the compiler names it, from the build directory. */
static const char *file_name(const char *path)
{
	while (!strncmp(path, "../", 3))
		path += 3;
	return path;
}

/* Internal functions have no symbol: the offset is for addr2line. */
static void text_caller(struct lock_text *t, const void *caller)
{
	Dl_info info;
	const char *base;

	if (!caller || !dladdr(caller, &info) || !info.dli_fname)
		return;
	base = strrchr(info.dli_fname, '/');
	lock_text_add(t, ", called from %s+0x%zx", base ? base + 1 : info.dli_fname,
		      (size_t)((const char *)caller - (const char *)info.dli_fbase));
}

static const char *verb(const struct lock_class *class, bool is_from)
{
	if (class == &lock_fence_class)
		return is_from ? "a fence's signal depends on" : "a fence may be waited for in";
	if (class == &lock_fault_class)
		return is_from ? "a fault is handled in" : "memory may fault in";
	return NULL;
}

void lock_text_event(struct lock_text *t, unsigned node, const struct lock_event *e, bool is_from)
{
	static const char *const contexts[] = {"process", "worker", "interrupt"};
	const struct lock_class *class = lock_node_class(node);
	const char *section = verb(class, is_from);

	if (section)
		lock_text_add(t, "  %s %s", section, e->where);
	else
		lock_text_add(t, "  \"%s\" taken", class->name);
	if (e->at.place)
		lock_text_add(t, " at %s:%d in %s()", file_name(e->at.place->file), e->at.place->line,
			      e->at.place->function);
	text_caller(t, e->at.caller);
	if (e->tid)
		lock_text_add(t, "\n    thread \"%s\" (%d), %s context, interrupts %s", e->thread, e->tid,
			      contexts[e->context], e->irqs_on ? "on" : "off");
	lock_text_add(t, "\n");
}

void lock_text_edge(struct lock_text *t, unsigned from, unsigned to)
{
	const struct lock_edge *e = lock_edge_get(from, to);

	lock_text_event(t, from, &e->from, true);
	lock_text_add(t, "  then\n");
	lock_text_event(t, to, &e->to, false);
}

/* --- findings about one class or none --- */

void lock_report_again(const struct lock_held *held, const struct lock_event *now)
{
	char text[LOCK_TEXT_SIZE];
	struct lock_text t = {text, text + sizeof(text)};

	struct lock_event before;

	lock_text_add(&t, "\"%s\" is taken again by the thread that holds it\n", held->class->name);
	lock_event_of_held(&before, held);
	lock_text_event(&t, held->node, &before, true);
	lock_text_add(&t, "  again\n");
	lock_text_event(&t, held->node, now, false);
	lock_report(LOCK_REPORT_AGAIN, text);
}

void lock_report_nested(const struct lock_held *held, const struct lock_event *now, bool backwards)
{
	char text[LOCK_TEXT_SIZE];
	struct lock_text t = {text, text + sizeof(text)};
	struct lock_event before;

	lock_event_of_held(&before, held);
	lock_text_add(&t, "\"%s\" is taken while another \"%s\" is held%s\n", held->class->name, held->class->name,
		      backwards ? ", against the order of address" : "; the class does not nest");
	lock_text_event(&t, held->node, &before, true);
	lock_text_add(&t, "  then\n");
	lock_text_event(&t, held->node, now, false);
	lock_report(LOCK_REPORT_NESTED, text);
}

void lock_report_held(const struct lock_held *held, const char *where)
{
	char text[LOCK_TEXT_SIZE];
	struct lock_text t = {text, text + sizeof(text)};
	struct lock_event before;

	if (held) {
		lock_text_add(&t, "%s is reached with \"%s\" held\n", where, held->class->name);
		lock_event_of_held(&before, held);
		lock_text_event(&t, held->node, &before, true);
	} else {
		lock_text_add(&t, "%s is reached %s\n", where,
			      lock_thread.context == LOCK_CONTEXT_INTERRUPT ? "in interrupt context"
			      : lock_thread.irqs_off			    ? "with interrupts off"
									    : "with a lock let go of");
	}
	lock_report(LOCK_REPORT_HELD, text);
}
