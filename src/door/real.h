/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The functions that stand behind our thunks: libc's own, or another preloaded library's. Code of the door that means
 * the real call says `real.mmap(...)`.
 *
 * Each pointer starts at a small function that resolves it at its first use, so that they may be called before our
 * constructor has run and cost one indirect jump afterwards. real_resolve() resolves all of them: dlsym() is not for
 * signal handlers.
 *
 * Who may include this: door/, tests/door.
 */
#ifndef BARTER_DOOR_REAL_H
#define BARTER_DOOR_REAL_H

#include <dirent.h>
#include <ftw.h>
#include <glob.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

struct iovec;
struct statfs;
struct statvfs;
struct statx;

struct real_calls {
#define REAL(type, name, params, args) type(*name) params;
#include "door/real_calls.h"
#undef REAL
};

/* Written by the resolution only, always with the same values. */
extern struct real_calls real;

void real_resolve(void);

#endif
