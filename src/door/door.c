/* SPDX-License-Identifier: BSD-3-Clause */
#include "door/door.h"

#include <sys/mman.h>
#include <unistd.h>

struct door door = {
	.task.ops = &door_task_ops,
	.build_lock = PTHREAD_MUTEX_INITIALIZER,
	.signals.lock = PTHREAD_MUTEX_INITIALIZER,
};

bool door_mark_alive(void)
{
	_Atomic uint32_t *page;

	if (door.alive)
		return true;
	page = real.mmap(NULL, BARTER_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return false;
	/* A page of its own: the kernel clears it in every child. */
	if (real.madvise((void *)page, BARTER_PAGE_SIZE, MADV_WIPEONFORK)) {
		real.munmap((void *)page, BARTER_PAGE_SIZE);
		return false;
	}
	atomic_init(page, 1);
	door.pid = getpid();
	door.alive = page;
	return true;
}

bool door_is_borrowed(void)
{
	return door.alive && !door_is_forked() && getpid() != door.pid;
}
