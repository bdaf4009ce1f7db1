/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The one function that every call becomes, whichever door it came by (DESIGN: Door).
 *
 * Who may include this: door/.
 */
#ifndef BARTER_DOOR_CALL_H
#define BARTER_DOOR_CALL_H

#include "base/types.h"
#include "file/task.h"

/*
 * nr is the kernel's system call number (asm/unistd.h), the arguments are the kernel's. Returns the result or -errno.
 * DOOR_NOT_OURS: nothing here concerns barter; the caller goes on to the real call, unchanged.
 */
#define DOOR_NOT_OURS INT64_MIN
int64_t door_call(struct task *t, long nr, unsigned long a0, unsigned long a1, unsigned long a2, unsigned long a3,
		  unsigned long a4, unsigned long a5);
/*
 * The same for a call whose path said nothing but whose real answer makes one suspicious (door/path.h): walks it.
 */
int64_t door_call_walk(struct task *t, long nr, unsigned long a0, unsigned long a1, unsigned long a2, unsigned long a3,
		       unsigned long a4, unsigned long a5);

#endif
