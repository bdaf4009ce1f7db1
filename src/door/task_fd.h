/* SPDX-License-Identifier: BSD-3-Clause */
/* The fd half of the preload task: see struct task_ops (file/task.h) for what each does. Who may include this: door/.
 */
#ifndef BARTER_DOOR_TASK_FD_H
#define BARTER_DOOR_TASK_FD_H

#include "file/task.h"

struct file *task_file_get(struct task *t, int fd);
bool task_fd_is_open(struct task *t, int fd);
int task_fd_reserve(struct task *t, struct file *f, int flags);
void task_fd_publish(struct task *t, int fd, struct file *f);
void task_fd_cancel(struct task *t, int fd);
int task_event_get(struct task *t, int fd, struct event **event);
void task_event_put(struct event *event);
void task_event_signal(struct event *event);
int task_event_watch(struct event *event, event_callback callback, void *arg);
int task_memory_file_get(struct task *t, int fd, struct memory_file *out);
void task_memory_file_put(struct memory_file *mf);

#endif
