/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * May a path's text be read? The kernel answers EFAULT for one that may not; who reads it before the kernel does must
 * not fault. A page is asked for by a system call that copies from it and then fails; which pages were found readable
 * is kept until the program changes its address space. Fixing up faults is no way here: most programs that have a rack
 * never use a device, and until then SIGSEGV is theirs alone.
 */
#include <signal.h>
#include <string.h>

#include "door/path.h"
#include "door/raw_syscall.h"

#define NR_KNOWN 64

/* Page | the count of changes, as far as it fits below a page's bits and is not 0. */
static _Atomic uintptr_t known[NR_KNOWN];
static _Atomic uintptr_t changes = 1;

void path_memory_changed(void)
{
	atomic_fetch_add_explicit(&changes, 1, memory_order_relaxed);
}

/* rt_sigprocmask() takes the set, unless it is NULL, before it looks at how: EFAULT, or EINVAL. */
static bool page_is_readable(uintptr_t page)
{
	uintptr_t now = atomic_load_explicit(&changes, memory_order_relaxed) % (BARTER_PAGE_SIZE - 1) + 1;
	_Atomic uintptr_t *slot = &known[page / BARTER_PAGE_SIZE % NR_KNOWN];
	if (likely(atomic_load_explicit(slot, memory_order_relaxed) == (page | now)))
		return true;
	if (raw_syscall(SYS_rt_sigprocmask, -1, page + _NSIG / 8, NULL, _NSIG / 8) == -EFAULT)
		return false;
	atomic_store_explicit(slot, page | now, memory_order_relaxed);
	return true;
}

bool path_readable(const char *path)
{
	for (size_t n = 0; n < PATH_MAX;) {
		uintptr_t in_page = (uintptr_t)(path + n) % BARTER_PAGE_SIZE;
		size_t left = BARTER_PAGE_SIZE - in_page;
		if (!page_is_readable((uintptr_t)(path + n) - in_page))
			return false;
		const char *end = memchr(path + n, '\0', left);
		if (end)
			return end - path < PATH_MAX;
		n += left;
	}
	return false;
}
