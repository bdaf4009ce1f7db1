/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What `--kernel next` adds to Linux 7.3: one row each. docs/beyond-linux.md has a line for every row, with the test
 * that shows both answers; tools/check-next compares the two.
 *
 * Who may include this: the subsystems above file/.
 */
#ifndef BARTER_FILE_KERNEL_H
#define BARTER_FILE_KERNEL_H

#include "base/types.h"

struct task;

enum kernel_next {
	NEXT_MAP_FILE_RANGES,
	NEXT_MAP_FILE_EXPORTERS,
	NEXT_DMA_BUF_MMAP,
	NEXT_DMA_BUF_REVOKE,
	NEXT_DMA_BUF_MEMATTR,
	NEXT_DMA_BUF_IOV,
};

/* 0, or the negative errno that 7.3 answers; then the report says what is missing. */
int kernel_check(const struct task *t, enum kernel_next what);
/* For what is not asked for by a call and refused, but is there or not. */
bool kernel_has(const struct task *t, enum kernel_next what);

#endif
