/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The memfds that hold a rack's memory.
 *
 * Who may include this: memory/, pci/.
 */
#ifndef BARTER_MEMORY_MEMORY_FD_H
#define BARTER_MEMORY_MEMORY_FD_H

/* An empty one, closed on exec, whose number is out of the program's way; or -errno. name: for /proc/self/maps. */
int memory_fd_create(const char *name);

#endif
