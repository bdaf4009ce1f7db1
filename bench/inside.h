/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An ordinary Linux program that times what it does: libc, uAPI headers, nothing of barter. bench runs it under
 * `barter run`, and some of it without. Every measurement is a line "key nanoseconds" on its output.
 */
#ifndef BARTER_BENCH_INSIDE_H
#define BARTER_BENCH_INSIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

static inline double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

void result(const char *key, double ns);
/*
 * Nanoseconds of one round in the best of some short bursts: short, so that another program that wants the processor
 * does not stretch every one of them.
 */
double best_burst(void (*burst)(void *arg, unsigned rounds), void *arg, unsigned rounds);
double null_syscall_ns(void);	       /* not through libc, which barter may stand in front of */
void *anonymous(size_t len, int byte); /* mmapped; byte < 0: not touched */

/* 0 or -errno. */
int map_at(int iommufd, uint32_t ioas, const void *memory, uint64_t len, uint64_t iova);
int map_anywhere(int iommufd, uint32_t ioas, const void *memory, uint64_t len, uint64_t *iova);
int unmap(int iommufd, uint32_t ioas, uint64_t iova, uint64_t len);
void must(int err, const char *what); /* exits when err is not 0 */

/* inside_iommufd.c */
void inside_null(unsigned repetitions);
void inside_page(unsigned repetitions);
void inside_gib(unsigned repetitions);
void inside_areas(unsigned repetitions);
/* inside_device.c */
void inside_copy(unsigned repetitions);
void inside_store(unsigned repetitions);
void inside_doorbell(unsigned repetitions);
void inside_revoke(unsigned repetitions);
void inside_idle(unsigned repetitions);
/* inside_buffers.c */
void inside_buffer(unsigned repetitions);
void inside_revoke_one(unsigned repetitions);
void inside_faults(unsigned repetitions);
/* inside_gpu.c */
void inside_jobs(unsigned repetitions);
/* inside.c */
void inside_read(unsigned repetitions);
void inside_resident(unsigned repetitions);

#endif
