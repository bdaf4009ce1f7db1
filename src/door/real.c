/* SPDX-License-Identifier: BSD-3-Clause */
#include "door/real.h"

#include <dlfcn.h>
#include <stdlib.h>

#include "base/types.h"

/* A libc without the function: whoever calls it could not have linked, so nobody does. */
static void missing(void)
{
	abort();
}

static void *resolve(const char *name)
{
	int saved_errno = errno;
	void *function = dlsym(RTLD_NEXT, name);

	errno = saved_errno;
	return function ? function : (void *)missing;
}

#define REAL(type, name, params, args)                                                                                 \
	static type first_##name params                                                                                \
	{                                                                                                              \
		__atomic_store_n((void **)&real.name, resolve(#name), __ATOMIC_RELAXED);                               \
		return real.name args;                                                                                 \
	}
#include "door/real_calls.h"
#undef REAL

struct real_calls real = {
#define REAL(type, name, params, args) .name = first_##name,
#include "door/real_calls.h"
#undef REAL
};

void real_resolve(void)
{
#define REAL(type, name, params, args) __atomic_store_n((void **)&real.name, resolve(#name), __ATOMIC_RELAXED);
#include "door/real_calls.h"
#undef REAL
}
