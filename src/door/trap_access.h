/* SPDX-License-Identifier: BSD-3-Clause */
/* One access to mapped registers, by address of the program. Who may include this: door/. */
#ifndef BARTER_DOOR_TRAP_ACCESS_H
#define BARTER_DOOR_TRAP_ACCESS_H

#include "base/types.h"

enum trap_result {
	TRAP_DONE,
	TRAP_AGAIN,   /* the page can be accessed by now, or is zapped: the instruction itself finds out */
	TRAP_FOREIGN, /* not ours, or not allowed by the program itself */
};

/* What an access to this address would meet. */
enum trap_result trap_probe(uaddr_t addr, bool write);
/* len bytes; any alignment. What precedes a page that is not TRAP_DONE has been done. No lock held. */
enum trap_result trap_store(uaddr_t addr, const void *bytes, size_t len);
enum trap_result trap_load(uaddr_t addr, void *bytes, size_t len);

#endif
