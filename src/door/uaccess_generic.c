/* SPDX-License-Identifier: BSD-3-Clause */
/* Where there is no routine with known labels yet: the kernel copies, and answers for bad addresses. */
#include "door/uaccess.h"

#include <sys/uio.h>
#include <unistd.h>

int uaccess_copy(void *dst, const void *src, size_t len)
{
	struct iovec local = {dst, len}, remote = {(void *)src, len};
	int saved_errno = errno;
	bool whole = len == 0 || process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == (ssize_t)len;

	errno = saved_errno;
	return whole ? 0 : -EFAULT;
}

int uaccess_touch(uaddr_t start, uint64_t len, bool write)
{
	for (uaddr_t page = start; page != start + len; page += BARTER_PAGE_SIZE) {
		char byte;

		if (uaccess_copy(&byte, (const void *)page, 1))
			return -EFAULT;
		/* Racy against a writer of this byte in between; the assembly routine is not. */
		if (write && uaccess_copy((void *)page, &byte, 1))
			return -EFAULT;
	}
	return 0;
}

bool uaccess_fixup(ucontext_t *uc)
{
	return false;
}
