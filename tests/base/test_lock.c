/* SPDX-License-Identifier: BSD-3-Clause */
/* The order checker: what is in order passes, each violation aborts. A violation happens in a child. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/lock.h"

static const struct lock_class outer_class = {"outer", LOCK_RANK_GATE, false};
static const struct lock_class inner_class = {"inner", LOCK_RANK_PAGES, false};
static const struct lock_class nesting_class = {"nesting", LOCK_RANK_RESERVATION, true};

struct locks {
	struct mutex outer, inner, nesting[2];
	struct rwlock shared;
};

static void locks_init(struct locks *l)
{
	mutex_init(&l->outer, &outer_class);
	mutex_init(&l->inner, &inner_class);
	mutex_init(&l->nesting[0], &nesting_class);
	mutex_init(&l->nesting[1], &nesting_class);
	rwlock_init(&l->shared, &outer_class);
}

static void locks_fini(struct locks *l)
{
	mutex_fini(&l->outer);
	mutex_fini(&l->inner);
	mutex_fini(&l->nesting[0]);
	mutex_fini(&l->nesting[1]);
	rwlock_fini(&l->shared);
}

static void what_is_in_order_passes(void **state)
{
	struct locks l;

	locks_init(&l);
	mutex_lock(&l.outer);
	mutex_lock(&l.nesting[0]);
	mutex_lock(&l.nesting[1]);
	mutex_lock(&l.inner);
	mutex_assert_held(&l.nesting[0]);
	/* Release in any order. */
	mutex_unlock(&l.outer);
	mutex_unlock(&l.inner);
	mutex_unlock(&l.nesting[0]);
	mutex_unlock(&l.nesting[1]);
	lock_check_none_held("test");
	rwlock_read_lock(&l.shared);
	mutex_lock(&l.inner);
	mutex_unlock(&l.inner);
	rwlock_assert_held(&l.shared);
	rwlock_unlock(&l.shared);
	locks_fini(&l);
	(void)state;
}

#ifdef BARTER_DEBUG
static void inner_before_outer(struct locks *l)
{
	mutex_lock(&l->inner);
	mutex_lock(&l->outer);
}

static void one_class_twice(struct locks *l)
{
	rwlock_read_lock(&l->shared);
	mutex_lock(&l->outer);
}

static void nesting_backwards(struct locks *l)
{
	mutex_lock(&l->nesting[1]);
	mutex_lock(&l->nesting[0]);
}

static void the_same_lock_again(struct locks *l)
{
	mutex_lock(&l->outer);
	mutex_lock(&l->outer);
}

static void release_of_what_is_not_held(struct locks *l)
{
	mutex_unlock(&l->outer);
}

static void assertion_without_the_lock(struct locks *l)
{
	mutex_assert_held(&l->outer);
}

static void copy_under_a_lock(struct locks *l)
{
	mutex_lock(&l->outer);
	lock_check_none_held("copy_from_task");
}

static int status_of(void (*violation)(struct locks *))
{
	struct locks l;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		signal(SIGABRT, SIG_DFL);
		if (!freopen("/dev/null", "w", stderr))
			_exit(1);
		locks_init(&l);
		violation(&l);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void each_violation_aborts(void **state)
{
	void (*const violations[])(struct locks *) = {
		inner_before_outer,	     one_class_twice,
		nesting_backwards,	     the_same_lock_again,
		release_of_what_is_not_held, assertion_without_the_lock,
		copy_under_a_lock,
	};

	for (unsigned i = 0; i < ARRAY_SIZE(violations); i++) {
		int status = status_of(violations[i]);

		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	}
	(void)state;
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_in_order_passes),
#ifdef BARTER_DEBUG
		cmocka_unit_test(each_violation_aborts),
#endif
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
