/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Carriers whose poll state changes (CARRIER_POLL). The kernel answers poll, select and epoll on the carrier by itself,
 * so the carrier is brought into the state that it is to answer. It is one end of a pair of datagram sockets:
 *
 *   readable  a datagram from the other end waits in it;
 *   writable  the other end has no datagram of its own, which would fill its small send buffer.
 *
 * Bringing either about wakes who waits, as a ready file does on Linux; and unlike a stream's, such an end never hangs
 * up. All carriers of a file are duplicates of one end, so they agree, in children too.
 *
 * The file keeps the other end and a duplicate of the carrier, out of the program's sight. The duplicate would hide
 * that a message which held the file is lost (fd_flight.c): it is let go of while nothing but messages holds the file,
 * and taken up when one is received.
 *
 * Who may include this: door/.
 */
#ifndef BARTER_DOOR_CARRIER_POLL_H
#define BARTER_DOOR_CARRIER_POLL_H

#include "file/file.h"

/* A carrier with the lowest free number, or -errno. */
int carrier_poll_create(struct file *f, bool cloexec);

/* fd: a carrier of f. Harmless when nothing was let go of. Neither is for files of another kind. */
void carrier_poll_let_go(struct file *f);
void carrier_poll_take_up(struct file *f, int fd);

#endif
