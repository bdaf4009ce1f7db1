/* SPDX-License-Identifier: BSD-3-Clause */
/* The preload task: the program that we live in. Joins what touches its memory with what touches its fds. */
#include "door/door.h"
#include "door/mm.h"
#include "door/task_fd.h"
#include "door/task_mm.h"
#include "door/trap.h"
#include "door/uaccess.h"

int task_copy_from(struct task *t, void *dst, uaddr_t src, size_t len)
{
	lock_check_none_held(__func__);
	if (likely(uaccess_copy(dst, (const void *)src, len) == 0))
		return 0;
	/* The kernel's copy would have reached a device's registers, too. */
	return mm_concerns(src, len) && !door_is_forked() ? trap_copy_from(dst, src, len) : -EFAULT;
}

int task_copy_to(struct task *t, uaddr_t dst, const void *src, size_t len)
{
	lock_check_none_held(__func__);
	if (likely(uaccess_copy((void *)dst, src, len) == 0))
		return 0;
	return mm_concerns(dst, len) && !door_is_forked() ? trap_copy_to(dst, src, len) : -EFAULT;
}

const struct task_ops door_task_ops = {
	.copy_from = task_copy_from,
	.copy_to = task_copy_to,
	.file_get = task_file_get,
	.fd_is_open = task_fd_is_open,
	.fd_reserve = task_fd_reserve,
	.fd_publish = task_fd_publish,
	.fd_cancel = task_fd_cancel,
	.event_get = task_event_get,
	.event_put = task_event_put,
	.event_signal = task_event_signal,
	.event_watch = task_event_watch,
	.memory_file_get = task_memory_file_get,
	.memory_file_put = task_memory_file_put,
	.pin = task_pin,
	.pin_file = task_pin_file,
	.unpin = task_unpin,
	.protected_access = task_protected_access,
	.mm_place = task_mm_place,
	.mm_zap = task_mm_zap,
	.mm_restore = task_mm_restore,
	.mm_retrap = task_mm_retrap,
};
