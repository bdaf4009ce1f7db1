/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "memory/section.h"

struct drainer {
	struct section_domain *domain;
	atomic_bool done;
};

static void *drain_thread(void *arg)
{
	struct drainer *d = arg;
	section_drain(d->domain);
	d->done = true;
	return NULL;
}

static void drain_waits_for_an_open_section(void **state)
{
	struct section_domain *d = section_domain_create();
	struct section_port stuck, idle;
	struct drainer drainer = {.domain = d};
	pthread_t thread;

	section_port_init(&stuck, d);
	section_port_init(&idle, d);
	section_enter(&stuck);
	pthread_create(&thread, NULL, drain_thread, &drainer);
	usleep(20000);
	assert_false(drainer.done);
	section_leave(&stuck);
	pthread_join(thread, NULL);
	assert_true(drainer.done);
	assert_int_equal(section_drains(d), 1);
	section_port_fini(&idle);
	section_port_fini(&stuck);
	section_domain_destroy(d);
}

static void *reopen_thread(void *arg)
{
	struct section_port *p = arg;
	for (int i = 0; i < 2000; i++) {
		section_enter(p);
		section_leave(p);
	}
	return NULL;
}

/* A section opened after the drain began is not waited for: an engine that never rests cannot starve it. */
static void drain_ignores_later_sections(void **state)
{
	struct section_domain *d = section_domain_create();
	struct section_port busy;
	pthread_t thread;

	section_port_init(&busy, d);
	pthread_create(&thread, NULL, reopen_thread, &busy);
	for (int i = 0; i < 200; i++)
		section_drain(d);
	pthread_join(thread, NULL);
	section_port_fini(&busy);
	section_domain_destroy(d);
}

static void stamps_pass_with_the_next_drain(void **state)
{
	struct section_domain *d = section_domain_create();

	section_drain(d);
	uint64_t stamp = section_stamp(d);
	assert_false(section_passed(d, stamp));
	section_drain(d);
	assert_true(section_passed(d, stamp));
	assert_false(section_passed(d, section_stamp(d)));
	section_domain_destroy(d);
}

/* The contract itself: what a drain has passed is never touched, under threads that read and one that frees. */
struct shared {
	struct section_domain *domain;
	_Atomic(int *) target;
	atomic_bool stop;
	atomic_ulong bad;
};

static void *reader_thread(void *arg)
{
	struct shared *s = arg;
	struct section_port port;

	section_port_init(&port, s->domain);
	while (!s->stop) {
		section_enter(&port);
		int *p = atomic_load_explicit(&s->target, memory_order_acquire);
		for (int i = 0; i < 8; i++)
			if (p[i] != 7)
				s->bad++;
		section_leave(&port);
	}
	section_port_fini(&port);
	return NULL;
}

static int *make_target(void)
{
	int *p = malloc(8 * sizeof(int));
	for (int i = 0; i < 8; i++)
		p[i] = 7;
	return p;
}

static void freed_memory_is_never_read(void **state)
{
	struct shared s = {.domain = section_domain_create()};
	pthread_t threads[2];

	s.target = make_target();
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, reader_thread, &s);
	for (int i = 0; i < 3000; i++) {
		int *old = atomic_exchange(&s.target, make_target());
		section_drain(s.domain);
		for (int j = 0; j < 8; j++)
			old[j] = -1;
		free(old);
	}
	s.stop = true;
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(s.bad, 0);
	free(s.target);
	section_domain_destroy(s.domain);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(drain_waits_for_an_open_section),
		cmocka_unit_test(drain_ignores_later_sections),
		cmocka_unit_test(stamps_pass_with_the_next_drain),
		cmocka_unit_test(freed_memory_is_never_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
