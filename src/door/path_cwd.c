/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The working directory. While it is one of ours the kernel's stands in the real directory of that name, or else in
 * one that tells its name (path_cwd_made.c); the real one is asked for once after each change that we have seen.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "door/path.h"
#include "door/raw_syscall.h"
#include "machine/machine.h"

static const struct lock_class cwd_lock_class = {.name = "working directory", .rank = LOCK_RANK_LEAF};

static struct {
	struct mutex lock;
	_Atomic bool ours;
	struct ns_node *node;		 /* guarded by lock: a reference when it is ours */
	_Atomic(void (*)(void)) look_up; /* it is ours by a name only: ends in path_cwd_is() */
	char real[PATH_MAX];		 /* guarded by lock: empty when not known */
} cwd = {.lock = {.class = &cwd_lock_class}};

void path_cwd_is(struct ns_node *node)
{
	door_enter();
	mutex_lock(&cwd.lock);
	struct ns_node *old = cwd.node;
	cwd.node = node ? ns_get(node) : NULL;
	cwd.real[0] = '\0';
	atomic_store(&cwd.look_up, NULL);
	atomic_store(&cwd.ours, node != NULL);
	mutex_unlock(&cwd.lock);
	door_leave();
	if (old)
		ns_put(old);
}

int path_chdir(struct ns_node *node)
{
	if (ns_kind(node) != NS_DIRECTORY)
		return -ENOTDIR;
	char text[PATH_MAX];
	int n = ns_path(node, text, sizeof(text));
	if (n < 0)
		return n;
	/* A real directory of the same name gives programs that are executed from here the right one, too. */
	long err = raw_syscall(SYS_chdir, text);
	if (err)
		err = path_cwd_leave_name(text);
	if (err)
		err = raw_syscall(SYS_chdir, "/");
	if (err)
		return (int)err;
	path_cwd_is(node);
	return 0;
}

void path_cwd_by_name(void (*look_up)(void))
{
	atomic_store(&cwd.look_up, look_up);
	atomic_store(&cwd.ours, true);
}

void path_chdir_real(void)
{
	if (door.has_rack)
		path_cwd_is(NULL);
}

void path_fork_lock(void)
{
	struct machine *m = atomic_load(&door.machine);
	futex_lock_take(&cwd.lock.native);
	if (m)
		ns_fork_lock(m->ns);
}

void path_fork_unlock(void)
{
	struct machine *m = atomic_load(&door.machine);
	if (m)
		ns_fork_unlock(m->ns);
	futex_lock_give(&cwd.lock.native);
}

bool path_cwd_is_ours(void)
{
	return atomic_load_explicit(&cwd.ours, memory_order_relaxed);
}

static int cwd_real_locked(char *buf, size_t len)
{
	if (!cwd.real[0]) {
		long n = raw_syscall(SYS_getcwd, cwd.real, sizeof(cwd.real));
		if (n < 0 || cwd.real[0] != '/') {
			cwd.real[0] = '\0';
			return n < 0 ? (int)n : -ENOENT;
		}
	}
	size_t n = strlen(cwd.real);
	if (n >= len)
		return -ENAMETOOLONG;
	memcpy(buf, cwd.real, n + 1);
	return (int)n;
}

int path_cwd(char *buf, size_t len)
{
	void (*look_up)(void) = atomic_load(&cwd.look_up);
	if (unlikely(look_up != NULL))
		look_up();
	door_enter();
	mutex_lock(&cwd.lock);
	int n = cwd.node ? ns_path(cwd.node, buf, len) : cwd_real_locked(buf, len);
	mutex_unlock(&cwd.lock);
	door_leave();
	return n;
}
