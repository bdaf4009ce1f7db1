/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What every thunk does: shapes its libc call into a system call, gives it to door_call(), and goes on to the real
 * function when it is not ours. errno and the return value are libc's; errno is untouched on success.
 *
 * Included first of all by thunk_*.c, which define both names of a function (open and open64): the build's choice of
 * 64-bit offsets must not rename them.
 */
#ifndef BARTER_DOOR_THUNK_H
#define BARTER_DOOR_THUNK_H

#undef _FILE_OFFSET_BITS
#undef _FORTIFY_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "door/call.h"
#include "door/door.h"
#include "door/fd_table.h"
#include "door/path.h"

/* True: it was ours; *out is what the function returns and errno is set. */
static inline bool thunk_answer(int64_t result, int saved_errno, long *out)
{
	errno = saved_errno;
	if (result == DOOR_NOT_OURS)
		return false;
	*out = door_return(result);
	return true;
}

#define THUNK_ARGS_(a0, a1, a2, a3, a4, a5, ...)                                                                       \
	(unsigned long)(a0), (unsigned long)(a1), (unsigned long)(a2), (unsigned long)(a3), (unsigned long)(a4),       \
		(unsigned long)(a5)
#define THUNK_ARGS(...) THUNK_ARGS_(__VA_ARGS__, 0, 0, 0, 0, 0, 0)

#define THUNK_BY_(door_fn, out, ...)                                                                                   \
	({                                                                                                             \
		int saved_errno_ = errno;                                                                              \
		thunk_answer(door_fn(door_task(), THUNK_CALL_(__VA_ARGS__)), saved_errno_, out);                       \
	})
#define THUNK_CALL(out, ...) THUNK_BY_(door_call, out, __VA_ARGS__)
#define THUNK_WALK(out, ...) THUNK_BY_(door_call_walk, out, __VA_ARGS__)
#define THUNK_CALL_(nr, ...) nr, THUNK_ARGS(__VA_ARGS__)

/*
 * A function of one path: ours by its text, or the real one's, or ours when the real one found nothing. The variable
 * arguments are the system call.
 */
#define THUNK_PATH(type, dirfd, path, real_call, ...)                                                                  \
	do {                                                                                                           \
		long ours_;                                                                                            \
		if (unlikely(path_concerns(dirfd, path)) && THUNK_CALL(&ours_, __VA_ARGS__))                           \
			return (type)ours_;                                                                            \
		type result_ = real_call;                                                                              \
		if (unlikely(result_ < 0) && path_retry(dirfd, path, errno, 0) && THUNK_WALK(&ours_, __VA_ARGS__))     \
			return (type)ours_;                                                                            \
		return result_;                                                                                        \
	} while (0)

/* A function of one fd. */
#define THUNK_FD(type, fd, real_call, ...)                                                                             \
	do {                                                                                                           \
		long ours_;                                                                                            \
		if (fd_is_ours(fd) && THUNK_CALL(&ours_, __VA_ARGS__))                                                 \
			return (type)ours_;                                                                            \
		return real_call;                                                                                      \
	} while (0)

/* Opens like openat(2), for every function that opens. A real fd or one of ours, or -1 and errno. */
int thunk_openat(int dirfd, const char *path, int flags, mode_t mode);

#endif
