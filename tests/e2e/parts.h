/* SPDX-License-Identifier: BSD-3-Clause */
/* Answers of a program that asks the same of several things: each begins with the part that it is of. */
#ifndef TESTS_E2E_PARTS_H
#define TESTS_E2E_PARTS_H

#include "answers.h"

static const char *part; /* what is asked now */

__attribute__((format(printf, 2, 3))) static inline void tell(long ret, const char *fmt, ...)
{
	char text[200];
	va_list args;
	int n = snprintf(text, sizeof(text), "%s: ", part);

	va_start(args, fmt);
	vsnprintf(text + n, sizeof(text) - (size_t)n, fmt, args);
	va_end(args);
	answer(text, ret);
}

#endif
