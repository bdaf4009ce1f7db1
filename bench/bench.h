/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The cost of emulation, against what the same machine does without it in the same run.
 *
 * A figure is a ratio. It is measured several times, each time right beside its reference, and shown as the median with
 * the lowest and highest; the median is held against the target.
 */
#ifndef BARTER_BENCH_BENCH_H
#define BARTER_BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum { BENCH_MAX_SAMPLES = 64, BENCH_MAX_ROWS = 48 };

struct samples {
	double values[BENCH_MAX_SAMPLES];
	unsigned nr;
};

void samples_add(struct samples *s, double value);
double samples_median(const struct samples *s);
double samples_min(const struct samples *s);
double samples_max(const struct samples *s);
/* Pairwise; as many as the shorter has. */
struct samples samples_ratio(const struct samples *a, const struct samples *b);
struct samples samples_scale(const struct samples *s, double factor);

struct bench_row {
	char name[96];
	char unit[48]; /* of the figure: "x null system call" */
	double limit;
	bool at_least;		 /* the limit is a floor */
	struct samples figure;	 /* empty: could not be measured */
	char detail[160];	 /* the figure in absolute terms, or why there is none */
	const char *when_missed; /* what it takes to reach the limit; shown when it is not reached */
};

struct bench {
	struct bench_row rows[BENCH_MAX_ROWS];
	unsigned nr_rows;
	struct samples null_syscall; /* nanoseconds */
	struct samples segv;	     /* a SIGSEGV, its handler, and back */
	struct samples futex_wake;   /* from the waker's call to the sleeper's first instruction */
	char directory[4096];	     /* of the build: where barter and the examples are */
	unsigned repetitions;
};

/* limit is a ceiling unless at_least. */
struct bench_row *bench_row(struct bench *b, const char *name, const char *unit, double limit, bool at_least,
			    const struct samples *figure);
void bench_detail(struct bench_row *row, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void bench_print(const struct bench *b);
int bench_print_json(const struct bench *b);

/* reference.c */
void reference_measure(struct bench *b);
double null_syscall_ns(void);
double burst_futex_wake(void); /* nanoseconds a wake, in one short burst */

/* Rows; each file measures its own. */
void rows_tables(struct bench *b);   /* IO page tables and sections, as libraries */
void rows_copy(struct bench *b);     /* dma_copy() */
void rows_iommufd(struct bench *b);  /* a program under barter */
void rows_device(struct bench *b);   /* a program under barter that drives an engine */
void rows_dmabuf(struct bench *b);   /* buffers */
void rows_fence(struct bench *b);    /* fences, reservation objects */
void rows_sched(struct bench *b);    /* the job scheduler */
void rows_gpu(struct bench *b);	     /* a program under barter that gives a gpu jobs */
void rows_programs(struct bench *b); /* whole programs */

static inline double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

#endif
