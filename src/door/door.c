/* SPDX-License-Identifier: BSD-3-Clause */
#include "door/door.h"

struct door door = {
	.build_lock = PTHREAD_MUTEX_INITIALIZER,
};
