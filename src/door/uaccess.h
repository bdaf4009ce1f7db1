/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Touching the program's memory at addresses that may be bad. The routines are a few instructions between known labels;
 * a fault inside them is answered by the signal handler, which moves the instruction pointer to their way out.
 *
 * Usable from any thread and in signal handlers. Without our signal handlers installed a bad address kills the program,
 * so signals_install() comes first.
 *
 * Who may include this: door/, tests/door.
 */
#ifndef BARTER_DOOR_UACCESS_H
#define BARTER_DOOR_UACCESS_H

#include <ucontext.h>

#include "base/types.h"

/* 0, or -EFAULT with a part copied. Either side may be the program's. */
int uaccess_copy(void *dst, const void *src, size_t len);

/*
 * Reads one byte of each page of [start, start + len), or adds nothing to it atomically, which needs and gets a page
 * that can be written: 0 or -EFAULT. Page aligned.
 */
int uaccess_touch(uaddr_t start, uint64_t len, bool write);

/* In the handler of SIGSEGV and SIGBUS: true when the fault was one of these routines' and uc now leaves it. */
bool uaccess_fixup(ucontext_t *uc);

#endif
