/* SPDX-License-Identifier: BSD-3-Clause */
#include "fake/allocator.h"

#include <stddef.h>
#include <string.h>

void *__real_malloc(size_t n);
void *__real_calloc(size_t nr, size_t n);
void *__real_realloc(void *p, size_t n);
void *__real_aligned_alloc(size_t align, size_t n);
void __real_free(void *p);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t nr, size_t n);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_aligned_alloc(size_t align, size_t n);
void __wrap_free(void *p);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t n);

struct allocator allocator = {.countdown = -1};

static bool fails(void)
{
	long left = allocator.countdown;

	while (left >= 0 && !atomic_compare_exchange_weak(&allocator.countdown, &left, left - 1))
		;
	if (left)
		return false;
	allocator.failed = true;
	return true;
}

static void *counted(void *p)
{
	allocator.live += p != NULL;
	return p;
}

void *__wrap_malloc(size_t n)
{
	return fails() ? NULL : counted(__real_malloc(n));
}

void *__wrap_calloc(size_t nr, size_t n)
{
	return fails() ? NULL : counted(__real_calloc(nr, n));
}

void *__wrap_aligned_alloc(size_t align, size_t n)
{
	return fails() ? NULL : counted(__real_aligned_alloc(align, n));
}

void *__wrap_realloc(void *p, size_t n)
{
	void *q = fails() ? NULL : __real_realloc(p, n);

	allocator.live += q && !p;
	return q;
}

void __wrap_free(void *p)
{
	allocator.live -= p != NULL;
	__real_free(p);
}

char *__wrap_strdup(const char *s)
{
	char *copy = __wrap_malloc(strlen(s) + 1);

	return copy ? strcpy(copy, s) : NULL;
}

char *__wrap_strndup(const char *s, size_t n)
{
	size_t len = strnlen(s, n);
	char *copy = __wrap_calloc(1, len + 1);

	return copy ? memcpy(copy, s, len) : NULL;
}
