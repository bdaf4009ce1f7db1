/* SPDX-License-Identifier: BSD-3-Clause */
/* What the door's memory tests share: a machine of two regions, without a rack. */
#ifndef BARTER_TESTS_DOOR_RIG_H
#define BARTER_TESTS_DOOR_RIG_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <cmocka.h>

#include "door/door.h"
#include "memory/phys.h"

#define RIG_PAGES 8
#define RIG_PAGE 4096ull

/* Device memory is shared without locks, as on a machine: ThreadSanitizer is told to look away. */
#define RACES_ON_PURPOSE __attribute__((no_sanitize("thread")))

/* A store or load that reached the "model". */
struct rig_access {
	uint64_t offset, value;
	unsigned len;
	bool write;
};

struct rig {
	struct phys_region memory, registers;
	struct cpu_extent extent;
	struct cpu_mapping mapping;
	_Atomic unsigned released;
	_Atomic unsigned nr_stores; /* that have been done; the log is for one thread */
	pthread_mutex_t lock;	    /* a function's: one register action at a time */
	struct rig_access log[128];
	_Atomic unsigned nr_log; /* the compiler does not know what a store to mapped registers does */
};

void rig_create(struct rig *r);
void rig_destroy(struct rig *r);
/* Takes the signals over, also from cmocka, which sets its own before each test; rig_read and rig_write need it. */
void rig_signals(void);
/* Places all of a region; the address. */
char *rig_place(struct rig *r, struct phys_region *region, int prot);

/* Runs an access and tells what signal it met: 0 none; *code its si_code. */
int rig_read(const volatile char *p, int *code);
int rig_write(volatile char *p, int *code);

#endif
