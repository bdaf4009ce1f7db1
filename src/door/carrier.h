/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Carriers: the real fds behind emulated files (file/file.h), and how one is told from another. Who may include this:
 * door/.
 */
#ifndef BARTER_DOOR_CARRIER_H
#define BARTER_DOOR_CARRIER_H

#include "file/file.h"

/* ino 0: nothing that could be a carrier. */
struct carrier_identity {
	dev_t dev;
	ino_t ino;
};

/* The lowest free fd, with or without close-on-exec; what the kernel says when there is none. */
int carrier_create(struct file *f, bool cloexec);
struct carrier_identity carrier_identify(int fd);

#endif
