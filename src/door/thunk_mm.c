/* SPDX-License-Identifier: BSD-3-Clause */
/* The program's calls about its address space. */
#undef _FORTIFY_SOURCE
#undef _FILE_OFFSET_BITS
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>

#include "door/mm.h"
#include "door/path.h"

static void *address_return(int64_t result)
{
	return (void *)door_return(result);
}

static void *do_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	int64_t result;

	if (flags & MAP_FIXED)
		path_memory_changed();
	result = mm_sys_mmap((uaddr_t)addr, len, prot, flags, fd, (uint64_t)offset);

	if (likely(result == DOOR_NOT_OURS))
		return real.mmap(addr, len, prot, flags, fd, offset);
	return address_return(result);
}

DOOR_EXPORT void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	return do_mmap(addr, len, prot, flags, fd, offset);
}

DOOR_EXPORT void *mmap64(void *addr, size_t len, int prot, int flags, int fd, off64_t offset)
{
	return do_mmap(addr, len, prot, flags, fd, offset);
}

DOOR_EXPORT int munmap(void *addr, size_t len)
{
	int64_t result = mm_sys_munmap((uaddr_t)addr, len);

	path_memory_changed();
	return likely(result == DOOR_NOT_OURS) ? real.munmap(addr, len) : (int)door_return(result);
}

DOOR_EXPORT void *mremap(void *old, size_t old_len, size_t new_len, int flags, ...)
{
	void *new_addr = NULL;
	int64_t result;
	va_list args;

	if (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) {
		va_start(args, flags);
		new_addr = va_arg(args, void *);
		va_end(args);
	}
	path_memory_changed();
	result = mm_sys_mremap((uaddr_t)old, old_len, new_len, flags, (uaddr_t)new_addr);
	return likely(result == DOOR_NOT_OURS) ? real.mremap(old, old_len, new_len, flags, new_addr)
					       : address_return(result);
}

DOOR_EXPORT int mprotect(void *addr, size_t len, int prot)
{
	int64_t result = mm_sys_mprotect((uaddr_t)addr, len, prot, -1);

	path_memory_changed();
	return likely(result == DOOR_NOT_OURS) ? real.mprotect(addr, len, prot) : (int)door_return(result);
}

DOOR_EXPORT int pkey_mprotect(void *addr, size_t len, int prot, int key)
{
	int64_t result = mm_sys_mprotect((uaddr_t)addr, len, prot, key);

	return likely(result == DOOR_NOT_OURS) ? real.pkey_mprotect(addr, len, prot, key) : (int)door_return(result);
}

DOOR_EXPORT int madvise(void *addr, size_t len, int advice)
{
	int64_t result = mm_sys_madvise((uaddr_t)addr, len, advice);

	return likely(result == DOOR_NOT_OURS) ? real.madvise(addr, len, advice) : (int)door_return(result);
}

DOOR_EXPORT int msync(void *addr, size_t len, int flags)
{
	int64_t result = mm_sys_msync((uaddr_t)addr, len, flags);

	return likely(result == DOOR_NOT_OURS) ? real.msync(addr, len, flags) : (int)door_return(result);
}

static int lock_whole(uaddr_t start, uint64_t len, int flags)
{
	return real.mlock((void *)start, len);
}

static int lock_with_flags(uaddr_t start, uint64_t len, int flags)
{
	return real.mlock2((void *)start, len, (unsigned)flags);
}

DOOR_EXPORT int mlock(const void *addr, size_t len)
{
	int64_t result = mm_sys_mlock((uaddr_t)addr, len, lock_whole, 0);

	return likely(result == DOOR_NOT_OURS) ? real.mlock(addr, len) : (int)door_return(result);
}

DOOR_EXPORT int mlock2(const void *addr, size_t len, unsigned flags)
{
	int64_t result = mm_sys_mlock((uaddr_t)addr, len, lock_with_flags, (int)flags);

	return likely(result == DOOR_NOT_OURS) ? real.mlock2(addr, len, flags) : (int)door_return(result);
}

DOOR_EXPORT void *shmat(int id, const void *addr, int flags)
{
	int64_t result = mm_sys_shmat(id, (uaddr_t)addr, flags);

	return likely(result == DOOR_NOT_OURS) ? real.shmat(id, addr, flags) : address_return(result);
}

DOOR_EXPORT int brk(void *end)
{
	if (unlikely(door.mm != NULL))
		mm_break_shrinks((uaddr_t)end, (uaddr_t)real.sbrk(0));
	return real.brk(end);
}

DOOR_EXPORT void *sbrk(intptr_t delta)
{
	if (unlikely(delta < 0 && door.mm != NULL)) {
		uaddr_t current = (uaddr_t)real.sbrk(0);

		mm_break_shrinks(current + (uaddr_t)delta, current);
	}
	return real.sbrk(delta);
}
