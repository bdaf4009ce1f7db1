/* SPDX-License-Identifier: BSD-3-Clause */
/* Signals that come while a thread is inside barter; tests/e2e/signals.c asks for all that a program can see. */
#include "rig.h"

#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "door/signals.h"

static _Atomic int seen, seen_inside, seen_value;
static _Atomic uint64_t seen_mask;

static void note(int sig, siginfo_t *info, void *context)
{
	seen++;
	seen_inside += door_thread.inside > 0;
	seen_value = info->si_value.sival_int;
	seen_mask = *(uint64_t *)&((ucontext_t *)context)->uc_sigmask;
}

static void handle(int sig, int flags)
{
	struct sigaction act = {.sa_sigaction = note, .sa_flags = SA_SIGINFO | flags};

	signals_install();
	assert_int_equal(signals_set_action(sig, &act, NULL), 0);
	seen = seen_inside = 0;
}

/* ThreadSanitizer hands signals on when it is next called. */
static void settle(int expected)
{
	for (unsigned i = 0; i < 100 && seen < expected; i++)
		usleep(100);
	assert_int_equal(seen, expected);
}

static void queue(int sig, int value)
{
	union sigval v = {.sival_int = value};

	assert_int_equal(sigqueue(getpid(), sig, v), 0);
}

static void test_waits_until_outside(void **state)
{
	sigset_t before, after;

	handle(SIGUSR1, 0);
	pthread_sigmask(SIG_BLOCK, NULL, &before);
	door_enter();
	door_enter();
	queue(SIGUSR1, 42);
	assert_int_equal(seen, 0);
	door_leave();
	assert_int_equal(seen, 0);
	door_leave();
	settle(1);
	assert_int_equal(seen_inside, 0);
	assert_int_equal(seen_value, 42);
	pthread_sigmask(SIG_BLOCK, NULL, &after);
	assert_memory_equal(&before, &after, 8);
	assert_int_equal(seen_mask, *(uint64_t *)&before);
}

/* Several: the first is put off, the others wait in the kernel, and none is lost. */
static void test_several_wait(void **state)
{
#ifdef __SANITIZE_THREAD__
	/* It calls handlers with a copy of the context, so that no mask can be set in it. */
	skip();
#endif
	handle(SIGUSR1, 0);
	handle(SIGUSR2, 0);
	door_enter();
	queue(SIGUSR1, 1);
	queue(SIGUSR2, 2);
	assert_int_equal(seen, 0);
	door_leave();
	settle(2);
	door_enter();
	door_leave();
	settle(2);
}

static void test_once(void **state)
{
	struct sigaction act;

	handle(SIGUSR1, (int)SA_RESETHAND);
	door_enter();
	queue(SIGUSR1, 1);
	door_leave();
	settle(1);
	signals_set_action(SIGUSR1, NULL, &act);
	assert_true(act.sa_handler == SIG_DFL);
}

static void test_owned_signal_waits_too(void **state)
{
	handle(SIGTRAP, 0);
	door_enter();
	queue(SIGTRAP, 3);
	assert_int_equal(seen, 0);
	door_leave();
	settle(1);
}

static _Atomic int reached;

static void *cancelled_main(void *arg)
{
	door_enter();
	pthread_cancel(pthread_self());
	usleep(0); /* a cancellation point */
	reached++;
	door_leave();
	pthread_testcancel();
	reached++;
	return NULL;
}

static void test_no_cancellation_inside(void **state)
{
	pthread_t thread;
	void *result;

	reached = 0;
	assert_int_equal(pthread_create(&thread, NULL, cancelled_main, NULL), 0);
	pthread_join(thread, &result);
	assert_ptr_equal(result, PTHREAD_CANCELED);
	assert_int_equal(reached, 1);
}

static void *storm_main(void *arg)
{
	atomic_bool *stop = arg;

	while (!*stop)
		queue(SIGUSR1, 1);
	return NULL;
}

/* Signals at any moment: none runs inside, and every real mask stays free of the owned ones. */
static void test_storm(void **state)
{
	atomic_bool stop = false;
	pthread_t thread;
	sigset_t usr1, mask;

	handle(SIGUSR1, 0);
	pthread_create(&thread, NULL, storm_main, &stop);
	for (unsigned i = 0; i < 100000 || seen < 100; i++) {
		door_enter();
		atomic_signal_fence(memory_order_seq_cst);
		door_leave();
	}
	stop = true;
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	pthread_join(thread, NULL);
	pthread_sigmask(SIG_BLOCK, NULL, &mask);
	assert_int_equal(seen_inside, 0);
	assert_int_equal(*(uint64_t *)&mask & *(uint64_t *)&usr1, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_waits_until_outside),
		cmocka_unit_test(test_several_wait),
		cmocka_unit_test(test_once),
		cmocka_unit_test(test_owned_signal_waits_too),
		cmocka_unit_test(test_no_cancellation_inside),
		cmocka_unit_test(test_storm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
