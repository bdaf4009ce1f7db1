/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What owner and children say to each other (forward.h). One datagram a message; both run the same code, so the layout
 * is the compiler's. Who may include this: door/forward*.c.
 */
#ifndef BARTER_DOOR_FORWARD_MSG_H
#define BARTER_DOOR_FORWARD_MSG_H

#include "door/carrier.h"

enum forward_kind {
	/* Child to owner. */
	FORWARD_CLAIM = 1, /* id: the child has it, too; answered by RESULT */
	FORWARD_RELEASE,   /* id: the child has it no more; no answer */
	FORWARD_CALL,	   /* pid, id, nr, a; answered by RESULT, after any number of the owner's requests */
	FORWARD_OPEN,	   /* pid, a: path (absolute, without links), flags; answered as a call */
	FORWARD_RESERVED,  /* number, or -errno */
	/* Device memory (mm_share.h); a slot is in number. */
	FORWARD_CONTROL,  /* answered by RESULT with an fd: the child's end of its control connection */
	FORWARD_INHERIT,  /* slot: the child has it mapped, too; answered by RESULT */
	FORWARD_UNMAPPED, /* slot: it has it no more; no answer */
	FORWARD_BORN,	  /* pid: the child's own; no answer */
	FORWARD_MMAP,	  /* pid, id, a: hint, length, protection, flags, offset; answered as a call */
	FORWARD_STORE,	  /* slot, a: offset in the mapping, value, length; answered by RESULT */
	FORWARD_PLACED,	  /* result: the address or -errno */
	/* Owner to child. */
	FORWARD_RESERVE, /* with an fd, a carrier: give it a number; flags: O_CLOEXEC; answered by RESERVED */
	FORWARD_PUBLISH, /* number, id: it leads to that file; flags: as it is open; no answer */
	FORWARD_CANCEL,	 /* number: close it; no answer */
	/* slot, a: hint, length, protection, flags, extents; flags: denied protection; nr: private; answered by PLACED
	 */
	FORWARD_PLACE,
	FORWARD_EXTENT, /* a: offset, length, registers; with an fd, unless it is the previous one's */
	FORWARD_RESULT, /* result */
};

struct forward_msg {
	enum forward_kind kind;
	int number;
	int flags;
	pid_t pid;
	struct carrier_identity id;
	long nr;
	unsigned long a[6];
	int64_t result;
};

/* Both block; 0 or -errno (-EPIPE: the other side is gone). fd: passed along, -1 for none. */
int forward_send(int socket, const struct forward_msg *m, int fd);
int forward_receive(int socket, struct forward_msg *m, int *fd);

#endif
