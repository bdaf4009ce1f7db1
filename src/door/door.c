/* SPDX-License-Identifier: BSD-3-Clause */
#include "door/door.h"

struct door door = {
	.task.ops = &door_task_ops,
	.build_lock = PTHREAD_MUTEX_INITIALIZER,
	.signals.lock = PTHREAD_MUTEX_INITIALIZER,
};
