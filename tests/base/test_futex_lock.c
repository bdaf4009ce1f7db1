/* SPDX-License-Identifier: BSD-3-Clause */
/* The word under a mutex: exclusion when threads meet, errno left alone, and a try that fails. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/futex_lock.h"

enum { THREADS = 4, ROUNDS = 20000 };

static struct {
	struct futex_lock lock;
	unsigned long count; /* guarded by lock */
	atomic_int errno_changed;
} shared;

static void *adder(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		errno = 77;
		futex_lock_take(&shared.lock);
		shared.count++;
		futex_lock_give(&shared.lock);
		if (errno != 77)
			atomic_store(&shared.errno_changed, 1);
	}
	return NULL;
}

static void threads_exclude_each_other(void **state)
{
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, adder, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(shared.count, (unsigned long)THREADS * ROUNDS);
	assert_int_equal(atomic_load(&shared.errno_changed), 0);
	assert_int_equal(atomic_load(&shared.lock.state), FUTEX_LOCK_FREE);
}

static void *holder(void *arg)
{
	struct futex_lock *l = arg;

	futex_lock_take(l);
	futex_lock_give(l);
	return NULL;
}

static void one_who_sleeps_is_woken(void **state)
{
	struct futex_lock l = {0};
	pthread_t thread;

	futex_lock_take(&l);
	assert_false(futex_lock_try(&l));
	assert_int_equal(pthread_create(&thread, NULL, holder, &l), 0);
	while (atomic_load(&l.state) != FUTEX_LOCK_WAITED_FOR)
		;
	futex_lock_give(&l);
	pthread_join(thread, NULL);
	assert_true(futex_lock_try(&l));
	futex_lock_give(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads_exclude_each_other),
		cmocka_unit_test(one_who_sleeps_is_woken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
