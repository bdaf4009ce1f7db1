/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory is neither allocated nor freed in a signal handler (base/thread.h): in builds with checks the preload
 * library's calls of the allocator come here, by the linker's --wrap, and one that breaks the rule ends the process.
 */
#include <stdlib.h>

#include "base/lock.h"
#include "base/thread.h"

void *__real_malloc(size_t n);
void *__real_calloc(size_t nr, size_t n);
void *__real_realloc(void *p, size_t n);
void *__real_aligned_alloc(size_t align, size_t n);
char *__real_strdup(const char *s);
void __real_free(void *p);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t nr, size_t n);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_aligned_alloc(size_t align, size_t n);
char *__wrap_strdup(const char *s);
void __wrap_free(void *p);

static void check(const char *what)
{
	if (unlikely(thread_in_handler)) {
		thread_in_handler = false; /* the message may allocate */
		lock_assert_failed(what, __FILE__, __LINE__);
	}
}

void *__wrap_malloc(size_t n)
{
	check("malloc() in a signal handler");
	return __real_malloc(n);
}

void *__wrap_calloc(size_t nr, size_t n)
{
	check("calloc() in a signal handler");
	return __real_calloc(nr, n);
}

void *__wrap_realloc(void *p, size_t n)
{
	check("realloc() in a signal handler");
	return __real_realloc(p, n);
}

void *__wrap_aligned_alloc(size_t align, size_t n)
{
	check("aligned_alloc() in a signal handler");
	return __real_aligned_alloc(align, n);
}

char *__wrap_strdup(const char *s)
{
	check("strdup() in a signal handler");
	return __real_strdup(s);
}

void __wrap_free(void *p)
{
	if (p)
		check("free() in a signal handler");
	__real_free(p);
}
