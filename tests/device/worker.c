/* SPDX-License-Identifier: BSD-3-Clause */
/* Workers: no wake-up is lost, nobody runs who was not woken, spinning has a budget, an end comes at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "device/device_priv.h"

struct job {
	struct device device;
	struct pci_root root;
	struct device_worker *worker;
	_Atomic unsigned asked, done, runs;
};

static void run(void *model)
{
	struct job *j = model;

	j->runs++;
	atomic_store(&j->done, atomic_load(&j->asked));
	device_worker_wait(j->worker);
}

static int setup(void **state)
{
	struct job *j = aligned_alloc(64, (sizeof(*j) + 63) / 64 * 64);

	memset(j, 0, sizeof(*j));
	j->device.fn.root = &j->root;
	list_init(&j->device.workers);
	j->worker = device_worker_create(&j->device, "a name that is too long", run, j);
	assert_non_null(j->worker);
	*state = j;
	return 0;
}

static int teardown(void **state)
{
	struct job *j = *state;

	device_worker_destroy(j->worker);
	free(j);
	return 0;
}

static unsigned nr_threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	unsigned nr = 0;

	for (struct dirent *e = readdir(dir); e; e = readdir(dir))
		nr += e->d_name[0] != '.';
	closedir(dir);
	return nr;
}

/* A wake-up makes no thread, and waits for one. */
static void test_no_thread_before_the_start(void **state)
{
	struct job *j = *state;
	unsigned before = nr_threads();

	device_worker_wake(j->worker);
	assert_int_equal(nr_threads(), before);
	assert_int_equal(before, 1);
	device_worker_start(j->worker);
	device_worker_start(j->worker);
	while (!j->runs)
		sched_yield();
	/* ThreadSanitizer adds one of its own. */
	assert_true(nr_threads() > before);
}

static void *ask(void *arg)
{
	struct job *j = arg;

	for (unsigned i = 0; i < 20000; i++) {
		j->asked++;
		device_worker_wake(j->worker);
	}
	return NULL;
}

static void test_no_wake_is_lost(void **state)
{
	struct job *j = *state;
	pthread_t threads[3];

	device_worker_start(j->worker);
	for (unsigned i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, ask, j);
	for (unsigned i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	while (j->done != 60000)
		sched_yield();
	/* And one by one, with the worker asleep or on its way there. */
	for (unsigned i = 0; i < 3000; i++) {
		unsigned want = ++j->asked;

		device_worker_wake(j->worker);
		while (j->done != want)
			sched_yield();
		if (i % 64 == 0)
			usleep(100);
	}
}

static void test_sleeps_when_not_woken(void **state)
{
	struct job *j = *state;

	device_worker_start(j->worker);
	device_worker_wake(j->worker);
	while (!j->runs)
		sched_yield();
	usleep(10000);
	assert_true(j->runs <= 2);
}

static void test_spin_budget(void **state)
{
	struct device_worker *workers[64];
	struct job *j = *state;
	cpu_set_t set;
	int allowed = 0;

	sched_getaffinity(0, sizeof(set), &set);
	for (unsigned i = 0; i < ARRAY_SIZE(workers); i++) {
		workers[i] = device_worker_create(&j->device, "w", run, j);
		allowed += device_worker_spin_begin(workers[i]);
	}
	assert_int_equal(allowed, CPU_COUNT(&set) - 1 < 64 ? CPU_COUNT(&set) - 1 : 64);
	for (unsigned i = 0; i < ARRAY_SIZE(workers); i++) {
		device_worker_spin_end(workers[i]);
		device_worker_destroy(workers[i]);
	}
	assert_int_equal(j->root.nr_spinning, 0);
}

static _Atomic unsigned nr_signals;
static pthread_t signalled;

static void on_signal(int sig)
{
	(void)sig;
	signalled = pthread_self();
	nr_signals++;
}

/* A signal to the process never lands on a worker, even when every other thread has it blocked. */
static void test_signals_are_the_programs(void **state)
{
	struct job *j = *state;
	sigset_t mask, old;

	signal(SIGUSR1, on_signal);
	device_worker_start(j->worker);
	device_worker_wake(j->worker);
	while (!j->runs)
		sched_yield();
	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &mask, &old);
	kill(getpid(), SIGUSR1);
	usleep(5000);
	assert_int_equal(nr_signals, 0);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	assert_int_equal(nr_signals, 1);
	assert_true(pthread_equal(signalled, pthread_self()));
}

#define JOB_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		JOB_TEST(test_no_thread_before_the_start), JOB_TEST(test_no_wake_is_lost),
		JOB_TEST(test_sleeps_when_not_woken),	   JOB_TEST(test_spin_budget),
		JOB_TEST(test_signals_are_the_programs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
