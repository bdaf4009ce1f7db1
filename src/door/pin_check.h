/* SPDX-License-Identifier: BSD-3-Clause */
/* May devices reach this memory of the program? Who may include this: door/. */
#ifndef BARTER_DOOR_PIN_CHECK_H
#define BARTER_DOOR_PIN_CHECK_H

#include "base/types.h"

struct mm;

/* 0, or -EFAULT for a hole or a mapping that does not allow it. Page aligned. No lock held: it may fault and wait. */
int pin_check(struct mm *mm, uaddr_t start, uint64_t len, bool write);
/* The same for memory of another process; the ends of its files are not looked at. */
int pin_check_process(pid_t pid, uaddr_t start, uint64_t len, bool write);

#endif
