/* SPDX-License-Identifier: BSD-3-Clause */
/* What a signal handler asks of the interrupted registers, per architecture. Who may include this: door/. */
#ifndef BARTER_DOOR_CONTEXT_H
#define BARTER_DOOR_CONTEXT_H

#include <ucontext.h>

#include "base/types.h"

static inline uaddr_t context_sp(const ucontext_t *uc)
{
#if defined(__x86_64__)
	return (uaddr_t)uc->uc_mcontext.gregs[REG_RSP];
#elif defined(__aarch64__)
	return uc->uc_mcontext.sp;
#endif
}

#endif
