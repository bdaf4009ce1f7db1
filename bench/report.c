/* SPDX-License-Identifier: BSD-3-Clause */
/* The rows as a table for people and as JSON. */
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "bench.h"

struct bench_row *bench_row(struct bench *b, const char *name, const char *unit, double limit, bool at_least,
			    const struct samples *figure)
{
	if (b->nr_rows == BENCH_MAX_ROWS)
		abort();
	struct bench_row *row = &b->rows[b->nr_rows++];
	snprintf(row->name, sizeof(row->name), "%s", name);
	snprintf(row->unit, sizeof(row->unit), "%s", unit);
	row->limit = limit;
	row->at_least = at_least;
	if (figure)
		row->figure = *figure;
	return row;
}

void bench_detail(struct bench_row *row, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(row->detail, sizeof(row->detail), fmt, args);
	va_end(args);
}

static bool row_measured(const struct bench_row *row)
{
	return row->figure.nr > 0;
}

static bool row_reached(const struct bench_row *row)
{
	double median = samples_median(&row->figure);

	return row_measured(row) && (row->at_least ? median >= row->limit : median <= row->limit);
}

static const char *row_verdict(const struct bench_row *row)
{
	if (!row_measured(row))
		return "not measured";
	return row_reached(row) ? "yes" : "NO";
}

struct machine_facts {
	struct utsname name;
	char cpu[128];
	long processors;
	double memory_gib;
	double load;
};

static void machine_look(struct machine_facts *m)
{
	char line[512];
	FILE *f = fopen("/proc/cpuinfo", "r");

	memset(m, 0, sizeof(*m));
	uname(&m->name);
	m->processors = sysconf(_SC_NPROCESSORS_ONLN);
	m->memory_gib = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE) / (1 << 30);
	getloadavg(&m->load, 1);
	while (f && fgets(line, sizeof(line), f)) {
		char *value = strchr(line, ':');
		if (strncmp(line, "model name", 10) == 0 && value) {
			value[strcspn(value, "\n")] = 0;
			snprintf(m->cpu, sizeof(m->cpu), "%.120s", value + 2);
			break;
		}
	}
	if (f)
		fclose(f);
}

static void print_reference(const char *name, const struct samples *s, const char *end)
{
	printf("%s %.0f ns [%.0f..%.0f]%s", name, samples_median(s), samples_min(s), samples_max(s), end);
}

static void print_machine(const struct bench *b)
{
	struct machine_facts m;

	machine_look(&m);
	printf("%s, %ld processors, %.0f GiB, Linux %s %s, load %.1f at the end\n", m.cpu, m.processors, m.memory_gib,
	       m.name.release, m.name.machine, m.load);
	print_reference("null system call", &b->null_syscall, ", ");
	print_reference("SIGSEGV and back", &b->segv, ", ");
	print_reference("futex wake", &b->futex_wake, "\n");
	printf("%u repetitions; median [lowest..highest]\n\n", b->repetitions);
}

static void print_row(const struct bench_row *row)
{
	char target[80], figure[80] = "-";

	snprintf(target, sizeof(target), "%s %g %s", row->at_least ? ">=" : "<=", row->limit, row->unit);
	if (row_measured(row))
		snprintf(figure, sizeof(figure), "%.3g [%.3g..%.3g]", samples_median(&row->figure),
			 samples_min(&row->figure), samples_max(&row->figure));
	printf("%-58s %-34s %-26s %-5s %s\n", row->name, target, figure, row_verdict(row), row->detail);
}

void bench_print(const struct bench *b)
{
	unsigned reached = 0;

	print_machine(b);
	printf("%-58s %-34s %-26s %-5s\n", "", "to reach", "measured", "");
	for (unsigned i = 0; i < b->nr_rows; i++) {
		print_row(&b->rows[i]);
		reached += row_reached(&b->rows[i]);
	}
	printf("\n%u of %u reached\n", reached, b->nr_rows);
	for (unsigned i = 0; i < b->nr_rows; i++)
		if (!row_reached(&b->rows[i]) && b->rows[i].when_missed)
			printf("- %s: %s\n", b->rows[i].name, b->rows[i].when_missed);
}

static json_t *spread(const struct samples *s)
{
	return json_pack("{s:f, s:f, s:f, s:i}", "median", samples_median(s), "min", samples_min(s), "max",
			 samples_max(s), "samples", (int)s->nr);
}

static json_t *row_json(const struct bench_row *row)
{
	json_t *o = json_pack("{s:s, s:s, s:s, s:f, s:b, s:b, s:s}", "name", row->name, "unit", row->unit, "relation",
			      row->at_least ? ">=" : "<=", "target", row->limit, "measured", row_measured(row),
			      "reached", row_reached(row), "detail", row->detail);

	if (row_measured(row))
		json_object_set_new(o, "figure", spread(&row->figure));
	if (!row_reached(row) && row->when_missed)
		json_object_set_new(o, "when_missed", json_string(row->when_missed));
	return o;
}

int bench_print_json(const struct bench *b)
{
	struct machine_facts m;
	json_t *rows = json_array();

	machine_look(&m);
	for (unsigned i = 0; i < b->nr_rows; i++)
		json_array_append_new(rows, row_json(&b->rows[i]));
	json_t *all = json_pack("{s:{s:s, s:i, s:f, s:s, s:s, s:f}, s:{s:o, s:o, s:o}, s:o}", "machine", "cpu", m.cpu,
				"processors", (int)m.processors, "memory_gib", m.memory_gib, "kernel", m.name.release,
				"architecture", m.name.machine, "load", m.load, "reference_ns", "null_syscall",
				spread(&b->null_syscall), "segv_round_trip", spread(&b->segv), "futex_wake",
				spread(&b->futex_wake), "rows", rows);
	int err = all ? json_dumpf(all, stdout, JSON_INDENT(2)) : -1;
	puts("");
	json_decref(all);
	return err;
}
