/* SPDX-License-Identifier: BSD-3-Clause */
/* The ways out of a process that pass by no destructor; quick_exit() has its own list (init.c). */
#undef _FORTIFY_SOURCE
#undef _FILE_OFFSET_BITS
#include <stdlib.h>
#include <unistd.h>

#include "door/door.h"

DOOR_EXPORT void _exit(int status)
{
	door_exit();
	real._exit(status);
	__builtin_unreachable();
}

DOOR_EXPORT void _Exit(int status)
{
	door_exit();
	real._exit(status);
	__builtin_unreachable();
}
