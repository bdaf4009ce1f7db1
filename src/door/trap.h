/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Registers that the program has mapped. A trapped page can be read but not written: a store faults, is decoded and
 * done through the region's operations with the width that the instruction has, and the program goes on behind it. The
 * page is never unprotected, so no other thread's store slips by.
 *
 * A store wider than 8 bytes becomes several, one that is not aligned becomes aligned ones, in ascending order, as PCI
 * would see them.
 *
 * Who may include this: door/, tests/door.
 */
#ifndef BARTER_DOOR_TRAP_H
#define BARTER_DOOR_TRAP_H

#include <signal.h>
#include <ucontext.h>

#include "base/types.h"

/* Loads the decoder. Before the first page that may trap is mapped; not in a signal handler. False: it is not there. */
bool trap_prepare(void);

/* In the handler of SIGSEGV: true when the fault has been dealt with and the program may go on from uc. */
bool trap_handle(const siginfo_t *info, ucontext_t *uc);

/* An access by barter on the program's behalf (copy_to, copy_from). 0 or -EFAULT. No lock held. */
int trap_copy_to(uaddr_t dst, const void *src, size_t len);
int trap_copy_from(void *dst, uaddr_t src, size_t len);

#endif
