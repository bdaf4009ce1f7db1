/* SPDX-License-Identifier: BSD-3-Clause */
/* The conversation between the owner and the thread that serves it in a child. Who may include this: door/mm_*.c. */
#ifndef BARTER_DOOR_MM_PEER_H
#define BARTER_DOOR_MM_PEER_H

#include "door/mm_share.h"

/* Look: the slots have changed `changes` times. Answered by how often they had when the child looked. */
struct mm_control_msg {
	uint32_t changes;
};

/* In siginfo.si_errno of the signal that stands for a message; si_value is `changes`. */
#define MM_CONTROL_SIGNAL SIGBUS
#define MM_CONTROL_MAGIC 0x62617274

static inline bool mm_changes_reached(uint32_t have, uint32_t want)
{
	return (int32_t)(have - want) >= 0;
}

/* Returns when the child has looked. zapped: or cannot reach the memory any more before it has. */
void mm_peer_tell(struct mm_peer *p, uint32_t changes, bool zapped);
void mm_peer_disconnect(struct mm_peer *p);

#endif
