/* SPDX-License-Identifier: BSD-3-Clause */
/* Everything that tells the checker something, compiled as in a build without checks: release_locks.sh looks at it. */
#include "base/lock.h"

void release_locks(struct mutex *m, struct rwlock *l, struct spinlock *s);

void release_locks(struct mutex *m, struct rwlock *l, struct spinlock *s)
{
	enum lock_context before = lock_context_enter(LOCK_CONTEXT_INTERRUPT);

	lock_context_leave(before);
	lock_may_fault("here");
	lock_may_wait_fence("here");
	lock_fault_begin("here");
	lock_signalling_begin("here");
	mutex_lock(m);
	mutex_assert_held(m);
	rwlock_read_lock(l);
	rwlock_assert_held(l);
	rwlock_unlock(l);
	rwlock_write_lock(l);
	rwlock_unlock(l);
	spin_lock_irq(s);
	spin_assert_held(s);
	spin_unlock_irq(s);
	mutex_unlock(m);
	lock_check_none_held("here");
	lock_signalling_end();
	lock_fault_end();
	if (mutex_trylock(m))
		mutex_unlock(m);
}
