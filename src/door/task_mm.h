/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The memory half of the preload task: see struct task_ops (file/task.h) for what each does. Who may include this:
 * door/, tests/door.
 */
#ifndef BARTER_DOOR_TASK_MM_H
#define BARTER_DOOR_TASK_MM_H

#include "file/task.h"

int task_copy_from(struct task *t, void *dst, uaddr_t src, size_t len);
int task_copy_to(struct task *t, uaddr_t dst, const void *src, size_t len);

int task_pin(struct task *t, uaddr_t start, uint64_t len, bool write, struct pinned *p);
int task_pin_file(struct task *t, const struct memory_file *mf, uint64_t offset, uint64_t len, bool write,
		  struct pinned *p);
void task_unpin(struct task *t, struct pinned *p);
int task_protected_access(struct task *t, char *host, void *buf, size_t len, bool write);

int64_t task_mm_place(struct task *t, struct cpu_mapping *m, uaddr_t hint, uint64_t len, int prot, int flags);
void task_mm_zap(struct task *t, struct cpu_mapping *m);
void task_mm_restore(struct task *t, struct cpu_mapping *m);
void task_mm_retrap(struct task *t, struct cpu_mapping *m, uint64_t offset, uint64_t len);

#endif
