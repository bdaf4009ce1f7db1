/* SPDX-License-Identifier: BSD-3-Clause */
/* Where stores are not decoded yet: they reach the program as the SIGSEGV that they are. */
#include "door/trap.h"

bool trap_prepare(void)
{
	return true; /* registers can be read */
}

bool trap_handle(const siginfo_t *info, ucontext_t *uc)
{
	return false;
}
