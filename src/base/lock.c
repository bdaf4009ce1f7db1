/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/lock.h"

#include <stdio.h>
#include <stdlib.h>

void lock_assert_failed(const char *what, const char *file, int line)
{
	fprintf(stderr, "barter: %s:%d: %s\n", file, line, what);
	abort();
}
