/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the lock checker finds, what it says, and that it says it once. Nothing deadlocks here: the orders that would
 * are seen one after the other. Each test has classes of its own, since the checker forgets nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/lock.h"
#include "base/lock_report.h"
#include "base/thread.h"

#ifdef BARTER_DEBUG

static struct {
	unsigned nr;
	enum lock_report_kind kind;
	char text[8192];
} got;

static void take_report(enum lock_report_kind kind, const char *text)
{
	got.nr++;
	got.kind = kind;
	strcpy(got.text, text);
}

static int setup(void **state)
{
	memset(&got, 0, sizeof(got));
	lock_reporter_set(take_report);
	(void)state;
	return 0;
}

static int teardown(void **state)
{
	lock_reporter_set(NULL);
	lock_check_none_held("the end of a test");
	(void)state;
	return 0;
}

/* The parts of the text, in this order; one report since the last call. */
static void expect_report(enum lock_report_kind kind, const char *const parts[])
{
	const char *at = got.text;

	assert_int_equal(got.nr, 1);
	assert_int_equal(got.kind, kind);
	for (; *parts; parts++) {
		const char *found = strstr(at, *parts);

		if (!found)
			fail_msg("\"%s\" is missing, or too late, in:\n%s", *parts, got.text);
		at = found + 1;
	}
	got.nr = 0;
}
#define EXPECT_REPORT(kind, ...) expect_report(kind, (const char *const[]){__VA_ARGS__, NULL})

static void expect_none(void)
{
	if (got.nr)
		fail_msg("reported:\n%s", got.text);
}

/* Two or more mutexes without a rank. */
#define CLASS(name) static const struct lock_class name##_class = {#name, LOCK_RANK_NONE, false}
#define MUTEX(name)                                                                                                    \
	CLASS(name);                                                                                                   \
	struct mutex name;                                                                                             \
	mutex_init(&name, &name##_class)
#define SPIN(name)                                                                                                     \
	CLASS(name);                                                                                                   \
	struct spinlock name;                                                                                          \
	spin_lock_init(&name, &name##_class)

static void take_both(struct mutex *first, struct mutex *second)
{
	mutex_lock(first);
	mutex_lock(second);
	mutex_unlock(second);
	mutex_unlock(first);
}

static void both_orders_are_a_cycle(void **state)
{
	MUTEX(apple);
	MUTEX(pear);

	take_both(&apple, &pear);
	take_both(&apple, &pear);
	expect_none();
	take_both(&pear, &apple);
	EXPECT_REPORT(LOCK_REPORT_CYCLE, "\"apple\" is taken while \"pear\" is held", "now, by this thread",
		      "\"pear\" taken at tests/base/test_lock_check.c:", "in take_both()", "thread \"",
		      "process context", "then", "\"apple\" taken at", "before:", "\"apple\" taken at", "then",
		      "\"pear\" taken at");
	take_both(&pear, &apple);
	take_both(&apple, &pear);
	expect_none();
	(void)state;
}

static void *take_third_then_first(void *arg)
{
	struct mutex **m = arg;

	take_both(m[1], m[0]);
	return NULL;
}

static void a_cycle_of_three_names_every_edge(void **state)
{
	MUTEX(one);
	MUTEX(two);
	MUTEX(three);
	pthread_t thread;

	take_both(&one, &two);
	take_both(&two, &three);
	expect_none();
	assert_int_equal(thread_start(&thread, "fruit", take_third_then_first, (struct mutex *[]){&one, &three}), 0);
	pthread_join(thread, NULL);
	EXPECT_REPORT(LOCK_REPORT_CYCLE, "\"one\" is taken while \"three\" is held", "now", "\"three\" taken",
		      "thread \"fruit\"", "worker context", "\"one\" taken", "before:", "\"one\" taken",
		      "process context", "\"two\" taken", "\"two\" taken", "\"three\" taken");
	(void)state;
}

static void trying_closes_no_cycle_but_holds(void **state)
{
	MUTEX(tried);
	MUTEX(waited);

	take_both(&waited, &tried);
	mutex_lock(&tried);
	assert_true(mutex_trylock(&waited));
	mutex_unlock(&waited);
	mutex_unlock(&tried);
	expect_none();
	assert_true(mutex_trylock(&tried));
	assert_false(mutex_trylock(&tried));
	mutex_lock(&waited);
	EXPECT_REPORT(LOCK_REPORT_CYCLE, "\"waited\" is taken while \"tried\" is held");
	mutex_unlock(&waited);
	mutex_unlock(&tried);
	(void)state;
}

static void the_declared_order_holds_unseen(void **state)
{
	static const struct lock_class gate_class = {"a gate", LOCK_RANK_GATE, false};
	static const struct lock_class pages_class = {"some pages", LOCK_RANK_PAGES, false};
	struct mutex gate, pages;

	mutex_init(&gate, &gate_class);
	mutex_init(&pages, &pages_class);
	take_both(&pages, &gate);
	EXPECT_REPORT(LOCK_REPORT_RANK, "\"a gate\" (rank 400) is taken while \"some pages\" (rank 600) is held",
		      "\"some pages\" taken at", "then", "\"a gate\" taken at");
	take_both(&pages, &gate);
	expect_none();
	(void)state;
}

/* Neither edge breaks a rank, and the order that the ranks declare was never taken: the way between them does it. */
static void the_declared_order_holds_by_way_of_others(void **state)
{
	static const struct lock_class gate_class = {"far gate", LOCK_RANK_GATE, false};
	static const struct lock_class pages_class = {"far pages", LOCK_RANK_PAGES, false};
	struct mutex gate, pages;
	MUTEX(between);

	mutex_init(&gate, &gate_class);
	mutex_init(&pages, &pages_class);
	take_both(&between, &gate);
	expect_none();
	take_both(&pages, &between);
	EXPECT_REPORT(LOCK_REPORT_RANK,
		      "\"far gate\" (rank 400) is taken while \"far pages\" (rank 600) is held, by way",
		      "\"far pages\" taken", "\"between\" taken", "\"between\" taken", "\"far gate\" taken");
	(void)state;
}

/* Two fences that share a spinlock, as in the scheduler's kill path: found before the thread stands still. */
static void the_same_lock_again(void **state)
{
	SPIN(shared_by_fences);

	spin_lock_irq(&shared_by_fences);
	lock_check_acquire(&shared_by_fences_class, &shared_by_fences.mutex);
	EXPECT_REPORT(LOCK_REPORT_AGAIN, "\"shared_by_fences\" is taken again", "taken at", "interrupts off", "again",
		      "taken at");
	lock_check_release(&shared_by_fences_class, &shared_by_fences.mutex);
	spin_unlock_irq(&shared_by_fences);
	expect_none();
	(void)state;
}

/* Backing off helps against others, not against oneself. */
static void the_same_lock_again_where_several_may_be(void **state)
{
	static const struct lock_class class = {"several", LOCK_RANK_NONE, LOCK_NESTS_BACKING_OFF};
	struct mutex m;

	mutex_init(&m, &class);
	mutex_lock(&m);
	lock_check_acquire(&class, &m);
	EXPECT_REPORT(LOCK_REPORT_AGAIN, "\"several\" is taken again");
	lock_check_release(&class, &m);
	mutex_unlock(&m);
	(void)state;
}

static void readers_do_not_read_again(void **state)
{
	static const struct lock_class read_class = {"read", LOCK_RANK_NONE, false};
	struct rwlock l;

	rwlock_init(&l, &read_class);
	rwlock_read_lock(&l);
	rwlock_read_lock(&l);
	EXPECT_REPORT(LOCK_REPORT_AGAIN, "\"read\" is taken again");
	rwlock_unlock(&l);
	rwlock_unlock(&l);
	rwlock_fini(&l);
	(void)state;
}

static void readers_have_an_order_too(void **state)
{
	static const struct lock_class read_class = {"read first", LOCK_RANK_NONE, false};
	struct rwlock l;
	MUTEX(under_read);

	rwlock_init(&l, &read_class);
	rwlock_read_lock(&l);
	mutex_lock(&under_read);
	mutex_unlock(&under_read);
	rwlock_unlock(&l);
	mutex_lock(&under_read);
	rwlock_read_lock(&l);
	EXPECT_REPORT(LOCK_REPORT_CYCLE, "\"read first\" is taken while \"under_read\" is held");
	rwlock_unlock(&l);
	mutex_unlock(&under_read);
	rwlock_fini(&l);
	(void)state;
}

static void two_of_a_class(void **state)
{
	static const struct lock_class kinds[] = {
		{"does not nest", LOCK_RANK_NONE, LOCK_NESTS_NOT},
		{"by address", LOCK_RANK_NONE, LOCK_NESTS_BY_ADDRESS},
		{"backing off", LOCK_RANK_NONE, LOCK_NESTS_BACKING_OFF},
	};
	struct mutex m[2];

	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		mutex_init(&m[0], &kinds[i]);
		mutex_init(&m[1], &kinds[i]);
		take_both(&m[0], &m[1]);
		if (i == 0)
			EXPECT_REPORT(LOCK_REPORT_NESTED, "\"does not nest\" is taken while another \"does not nest\"",
				      "the class does not nest", "then");
		expect_none();
		take_both(&m[1], &m[0]);
		if (i == 1)
			EXPECT_REPORT(LOCK_REPORT_NESTED, "\"by address\"", "against the order of address");
		expect_none();
		take_both(&m[1], &m[0]);
		expect_none();
	}
	(void)state;
}

/* --- interrupts --- */

static void take_in_interrupt(struct spinlock *l)
{
	enum lock_context before = lock_context_enter(LOCK_CONTEXT_INTERRUPT);

	spin_lock(l);
	spin_unlock(l);
	lock_context_leave(before);
}

static void take_with_interrupts_on(struct spinlock *l)
{
	spin_lock(l);
	spin_unlock(l);
}

static void take_with_interrupts_off(struct spinlock *l)
{
	spin_lock_irq(l);
	spin_unlock_irq(l);
}

static void an_interrupt_and_interrupts_on(void **state)
{
	SPIN(irq_first);
	SPIN(irq_second);

	take_with_interrupts_off(&irq_first);
	take_in_interrupt(&irq_first);
	expect_none();
	take_with_interrupts_on(&irq_first);
	EXPECT_REPORT(LOCK_REPORT_INTERRUPT, "\"irq_first\" is taken by interrupts",
		      "by an interrupt:", "in take_in_interrupt()", "interrupt context",
		      "with interrupts on:", "in take_with_interrupts_on()", "process context, interrupts on",
		      "how it deadlocks");
	take_with_interrupts_on(&irq_first);
	take_in_interrupt(&irq_first);
	expect_none();

	take_with_interrupts_on(&irq_second);
	expect_none();
	take_in_interrupt(&irq_second);
	EXPECT_REPORT(LOCK_REPORT_INTERRUPT, "\"irq_second\"", "in take_in_interrupt()",
		      "in take_with_interrupts_on()");
	(void)state;
}

static void regions_with_interrupts_off_nest(void **state)
{
	SPIN(nested_off);

	take_in_interrupt(&nested_off);
	lock_irqs_off();
	take_with_interrupts_off(&nested_off);
	take_with_interrupts_on(&nested_off); /* they are still off */
	lock_irqs_on();
	expect_none();
	take_with_interrupts_on(&nested_off);
	EXPECT_REPORT(LOCK_REPORT_INTERRUPT, "\"nested_off\"");
	(void)state;
}

static void nest_with_interrupts_off(struct spinlock *outer, struct spinlock *inner)
{
	spin_lock_irq(outer);
	spin_lock(inner);
	spin_unlock(inner);
	spin_unlock_irq(outer);
}

/* The report of the scheduler's patch, from either end: fence lock, then a container's, which others take plainly. */
static void under_an_interrupts_lock_one_with_interrupts_on(void **state)
{
	SPIN(fence_lock);
	SPIN(xa_lock);
	SPIN(fence_lock_2);
	SPIN(xa_lock_2);
	SPIN(fence_lock_3);
	SPIN(xa_lock_3);

	take_in_interrupt(&fence_lock);
	take_with_interrupts_on(&xa_lock);
	expect_none();
	nest_with_interrupts_off(&fence_lock, &xa_lock);
	EXPECT_REPORT(LOCK_REPORT_INTERRUPT_ORDER, "\"fence_lock\" is taken by interrupts, and under it \"xa_lock\"",
		      "by an interrupt:", "\"fence_lock\" taken at", "with interrupts on:", "\"xa_lock\" taken at",
		      "one under the other:", "\"fence_lock\" taken at", "interrupts off", "\"xa_lock\" taken at",
		      "takes \"xa_lock\"", "interrupts off", "takes \"fence_lock\"", "waits for \"xa_lock\"",
		      "<interrupt>", "waits for \"fence_lock\"");
	nest_with_interrupts_off(&fence_lock, &xa_lock);
	expect_none();

	nest_with_interrupts_off(&fence_lock_2, &xa_lock_2);
	take_in_interrupt(&fence_lock_2);
	expect_none();
	take_with_interrupts_on(&xa_lock_2);
	EXPECT_REPORT(LOCK_REPORT_INTERRUPT_ORDER, "\"fence_lock_2\"", "under it \"xa_lock_2\"");

	nest_with_interrupts_off(&fence_lock_3, &xa_lock_3);
	take_with_interrupts_on(&xa_lock_3);
	expect_none();
	take_in_interrupt(&fence_lock_3);
	EXPECT_REPORT(LOCK_REPORT_INTERRUPT_ORDER, "\"fence_lock_3\"", "under it \"xa_lock_3\"");
	(void)state;
}

static void the_way_from_an_interrupts_lock_may_be_long(void **state)
{
	SPIN(far_irq);
	SPIN(middle);
	SPIN(far_plain);

	take_in_interrupt(&far_irq);
	take_with_interrupts_on(&far_plain);
	nest_with_interrupts_off(&middle, &far_plain);
	expect_none();
	nest_with_interrupts_off(&far_irq, &middle);
	EXPECT_REPORT(LOCK_REPORT_INTERRUPT_ORDER, "\"far_irq\" is taken by interrupts, and under it \"far_plain\"",
		      "one under the other", "\"far_irq\" taken", "\"middle\" taken", "\"middle\" taken",
		      "\"far_plain\" taken");
	(void)state;
}

/* --- faults and fences --- */

static void fault_under(struct mutex *m)
{
	mutex_lock(m);
	lock_may_fault("copy_from_user");
	mutex_unlock(m);
}

static void a_fault_takes(struct mutex *m)
{
	lock_fault_begin("the fault of a mapping");
	mutex_lock(m);
	mutex_unlock(m);
	lock_fault_end();
}

static void a_fault_takes_what_is_held_where_it_may_come(void **state)
{
	MUTEX(mapping);
	MUTEX(other_mapping);

	a_fault_takes(&mapping);
	expect_none();
	fault_under(&mapping);
	EXPECT_REPORT(LOCK_REPORT_CYCLE, "\"<fault>\" is taken while \"mapping\" is held", "\"mapping\" taken at",
		      "then", "memory may fault in copy_from_user",
		      "before:", "a fault is handled in the fault of a mapping", "then", "\"mapping\" taken at");
	fault_under(&other_mapping);
	expect_none();
	a_fault_takes(&other_mapping);
	EXPECT_REPORT(LOCK_REPORT_CYCLE, "\"other_mapping\" is taken while \"<fault>\" is held");
	(void)state;
}

static void wait_under(struct mutex *m)
{
	mutex_lock(m);
	lock_may_wait_fence("a wait");
	mutex_unlock(m);
}

static void a_signal_takes(struct mutex *m)
{
	lock_signalling_begin("a ring's end");
	lock_signalling_begin("inside");
	mutex_lock(m);
	mutex_unlock(m);
	lock_signalling_end();
	lock_signalling_end();
}

static void a_signal_needs_what_is_held_by_one_who_waits(void **state)
{
	MUTEX(job_list);
	MUTEX(other_list);

	wait_under(&job_list);
	mutex_lock(&job_list);
	lock_signalling_begin("under a lock"); /* it waits for nothing */
	lock_signalling_end();
	mutex_unlock(&job_list);
	expect_none();
	a_signal_takes(&job_list);
	EXPECT_REPORT(LOCK_REPORT_CYCLE, "\"job_list\" is taken while \"<fence>\" is held", "now, by this thread",
		      "a fence's signal depends on a ring's end", "then", "\"job_list\" taken at",
		      "before:", "\"job_list\" taken at", "in wait_under()", "then",
		      "a fence may be waited for in a wait");
	a_signal_takes(&other_list);
	expect_none();
	wait_under(&other_list);
	EXPECT_REPORT(LOCK_REPORT_CYCLE, "\"<fence>\" is taken while \"other_list\" is held");
	(void)state;
}

static void a_signal_waits_for_no_fence_and_no_fault(void **state)
{
	lock_signalling_begin("a ring");
	lock_may_wait_fence("the wait inside");
	EXPECT_REPORT(LOCK_REPORT_CYCLE, "a fence's signal depends on a ring",
		      "a fence may be waited for in the wait inside");
	/* A fault waits for a revocation, and that for fences. */
	lock_may_fault("a copy");
	EXPECT_REPORT(LOCK_REPORT_CYCLE, "a fence's signal depends on a ring", "memory may fault in a copy",
		      "before:", "a fault is handled in any fault", "a fence may be waited for in a revocation");
	lock_may_fault("a copy");
	expect_none();
	lock_signalling_end();
	(void)state;
}

static void nothing_waits_with_interrupts_off(void **state)
{
	enum lock_context before;
	SPIN(spin_around_wait);

	spin_lock_irq(&spin_around_wait);
	lock_may_wait_fence("a wait");
	EXPECT_REPORT(LOCK_REPORT_WAIT, "a fence may be waited for with interrupts off", "in a wait",
		      "\"spin_around_wait\" taken at");
	lock_may_fault("a copy");
	EXPECT_REPORT(LOCK_REPORT_WAIT, "a program's memory may fault with interrupts off", "in a copy");
	spin_unlock_irq(&spin_around_wait);
	before = lock_context_enter(LOCK_CONTEXT_INTERRUPT);
	lock_may_wait_fence("a wait");
	EXPECT_REPORT(LOCK_REPORT_WAIT, "a fence may be waited for in interrupt context");
	lock_context_leave(before);
	lock_may_wait_fence("a wait");
	lock_may_fault("a copy");
	expect_none();
	(void)state;
}

/* --- where nothing may be held --- */

static void *end_with_a_lock(void *arg)
{
	mutex_lock((struct mutex *)arg);
	return arg;
}

static void held_where_nothing_may_be(void **state)
{
	enum lock_context before = LOCK_CONTEXT_PROCESS;
	pthread_t thread;
	MUTEX(forgotten);
	MUTEX(by_interrupt);

	lock_signalling_begin("a section is no lock");
	lock_check_none_held("a copy");
	expect_none();
	lock_signalling_end();
	mutex_lock(&forgotten);
	lock_check_none_held("a copy");
	EXPECT_REPORT(LOCK_REPORT_HELD, "a copy is reached with \"forgotten\" held", "taken at");
	lock_check_none_held_from(LOCK_RANK_LEAF, "a leaf");
	expect_none();
	lock_check_none_held_from(LOCK_RANK_NONE, "an attach");
	EXPECT_REPORT(LOCK_REPORT_HELD, "an attach is reached with \"forgotten\" held", "taken at");
	lock_check_still_held(1, "return");
	expect_none();
	lock_check_still_held(0, "return");
	EXPECT_REPORT(LOCK_REPORT_HELD, "return is reached with \"forgotten\" held");
	mutex_unlock(&forgotten);

	lock_irqs_off();
	lock_check_none_held("a copy");
	EXPECT_REPORT(LOCK_REPORT_HELD, "a copy is reached with interrupts off");
	lock_irqs_on();
	before = lock_context_enter(LOCK_CONTEXT_INTERRUPT);
	lock_check_none_held("a copy");
	EXPECT_REPORT(LOCK_REPORT_HELD, "a copy is reached in interrupt context");
	mutex_lock(&by_interrupt);
	lock_context_leave(before);
	EXPECT_REPORT(LOCK_REPORT_HELD, "the end of a context is reached with \"by_interrupt\" held");
	mutex_unlock(&by_interrupt);

	assert_int_equal(thread_start(&thread, "leaver", end_with_a_lock, &forgotten), 0);
	pthread_join(thread, NULL);
	EXPECT_REPORT(LOCK_REPORT_HELD, "the end of a thread is reached with \"forgotten\" held", "thread \"leaver\"");
	(void)state;
}

/* --- many threads --- */

enum { NR_THREADS = 4, NR_LOCKS = 24, NR_ROUNDS = 300 };

struct crowd {
	pthread_barrier_t barrier;
	struct mutex locks[NR_LOCKS];
};

/* Everyone takes pairs in ascending order, each in an order of his own: no edge is wrong, many are new at once. */
static void *take_pairs(void *arg)
{
	struct crowd *c = arg;
	unsigned seed = (unsigned)(uintptr_t)pthread_self();

	pthread_barrier_wait(&c->barrier);
	for (unsigned i = 0; i < NR_ROUNDS; i++) {
		unsigned a = rand_r(&seed) % NR_LOCKS, b = rand_r(&seed) % NR_LOCKS;

		if (a != b)
			take_both(&c->locks[MIN(a, b)], &c->locks[MAX(a, b)]);
	}
	return NULL;
}

static void threads_add_edges_at_once(void **state)
{
	static struct lock_class classes[NR_LOCKS];
	pthread_t threads[NR_THREADS];
	struct crowd c;

	pthread_barrier_init(&c.barrier, NULL, NR_THREADS);
	for (unsigned i = 0; i < NR_LOCKS; i++) {
		classes[i].name = "one of a crowd";
		mutex_init(&c.locks[i], &classes[i]);
	}
	for (unsigned i = 0; i < NR_THREADS; i++)
		assert_int_equal(thread_start(&threads[i], "crowd", take_pairs, &c), 0);
	for (unsigned i = 0; i < NR_THREADS; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&c.barrier);
	expect_none();
	take_both(&c.locks[NR_LOCKS - 1], &c.locks[0]);
	assert_true(got.nr == 1 && got.kind == LOCK_REPORT_CYCLE);
	(void)state;
}

struct half {
	pthread_barrier_t *barrier;
	struct mutex *first, *second;
};

static void *take_half(void *arg)
{
	struct half *h = arg;

	pthread_barrier_wait(h->barrier);
	lock_check_acquire(h->first->class, h->first);
	lock_check_acquire(h->second->class, h->second);
	lock_check_release(h->second->class, h->second);
	lock_check_release(h->first->class, h->first);
	return NULL;
}

static _Atomic unsigned nr_found;

static void count_report(enum lock_report_kind kind, const char *text)
{
	nr_found += kind == LOCK_REPORT_CYCLE;
	(void)text;
}

/* Each of two threads adds one half of a cycle at the same time: at least one sees the whole. */
static void no_cycle_slips_between_two_threads(void **state)
{
	enum { ROUNDS = 40 };
	static const struct lock_class classes[2 * ROUNDS] = {[0 ... 2 * ROUNDS - 1] = {.name = "half"}};
	pthread_barrier_t barrier;
	pthread_t threads[2];

	lock_reporter_set(count_report);
	pthread_barrier_init(&barrier, NULL, 2);
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct mutex a, b;
		struct half halves[2] = {{&barrier, &a, &b}, {&barrier, &b, &a}};

		mutex_init(&a, &classes[2 * i]);
		mutex_init(&b, &classes[2 * i + 1]);
		nr_found = 0;
		for (unsigned j = 0; j < 2; j++)
			pthread_create(&threads[j], NULL, take_half, &halves[j]);
		for (unsigned j = 0; j < 2; j++)
			pthread_join(threads[j], NULL);
		assert_in_range(nr_found, 1, 2);
	}
	pthread_barrier_destroy(&barrier);
	(void)state;
}

struct mistake {
	pthread_barrier_t barrier;
	struct mutex a, b;
	struct spinlock irq;
};

static void *make_mistakes(void *arg)
{
	struct mistake *m = arg;
	enum lock_context before;

	pthread_barrier_wait(&m->barrier);
	take_both(&m->b, &m->a);
	before = lock_context_enter(LOCK_CONTEXT_INTERRUPT);
	spin_lock(&m->irq);
	spin_unlock(&m->irq);
	lock_context_leave(before);
	spin_lock(&m->irq);
	spin_unlock(&m->irq);
	return NULL;
}

static _Atomic unsigned nr_of_kind[LOCK_REPORT_FULL + 1];

static void count_kinds(enum lock_report_kind kind, const char *text)
{
	nr_of_kind[kind]++;
	(void)text;
}

/* A mistake that many threads make at once is told once. */
static void a_mistake_of_many_is_told_once(void **state)
{
	enum { ROUNDS = 20 };
	static struct lock_class classes[ROUNDS][3];
	pthread_t threads[NR_THREADS];
	struct mistake m;

	lock_reporter_set(count_kinds);
	pthread_barrier_init(&m.barrier, NULL, NR_THREADS);
	for (unsigned i = 0; i < ROUNDS; i++) {
		mutex_init(&m.a, &classes[i][0]);
		mutex_init(&m.b, &classes[i][1]);
		spin_lock_init(&m.irq, &classes[i][2]);
		for (unsigned j = 0; j < 3; j++)
			classes[i][j].name = "mistaken";
		take_both(&m.a, &m.b);
		for (unsigned j = 0; j < NR_THREADS; j++)
			assert_int_equal(thread_start(&threads[j], "mistaken", make_mistakes, &m), 0);
		for (unsigned j = 0; j < NR_THREADS; j++)
			pthread_join(threads[j], NULL);
	}
	pthread_barrier_destroy(&m.barrier);
	assert_int_equal(nr_of_kind[LOCK_REPORT_CYCLE], ROUNDS);
	assert_int_equal(nr_of_kind[LOCK_REPORT_INTERRUPT], ROUNDS);
	for (unsigned kind = 0; kind < ARRAY_SIZE(nr_of_kind); kind++)
		if (kind != LOCK_REPORT_CYCLE && kind != LOCK_REPORT_INTERRUPT)
			assert_int_equal(nr_of_kind[kind], 0);
	(void)state;
}

/* Last: there is no room afterwards. */
static void full_tables_are_told_once(void **state)
{
	static struct lock_class classes[400];
	struct mutex m;

	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < ARRAY_SIZE(classes); i++) {
			classes[i].name = "one too many";
			mutex_init(&m, &classes[i]);
			mutex_lock(&m);
			mutex_assert_held(&m);
			mutex_unlock(&m);
		}
	}
	EXPECT_REPORT(LOCK_REPORT_FULL, "more lock classes than the checker has room for");
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(both_orders_are_a_cycle, setup, teardown),
		cmocka_unit_test_setup_teardown(a_cycle_of_three_names_every_edge, setup, teardown),
		cmocka_unit_test_setup_teardown(trying_closes_no_cycle_but_holds, setup, teardown),
		cmocka_unit_test_setup_teardown(the_declared_order_holds_unseen, setup, teardown),
		cmocka_unit_test_setup_teardown(the_declared_order_holds_by_way_of_others, setup, teardown),
		cmocka_unit_test_setup_teardown(the_same_lock_again, setup, teardown),
		cmocka_unit_test_setup_teardown(the_same_lock_again_where_several_may_be, setup, teardown),
		cmocka_unit_test_setup_teardown(readers_do_not_read_again, setup, teardown),
		cmocka_unit_test_setup_teardown(readers_have_an_order_too, setup, teardown),
		cmocka_unit_test_setup_teardown(two_of_a_class, setup, teardown),
		cmocka_unit_test_setup_teardown(an_interrupt_and_interrupts_on, setup, teardown),
		cmocka_unit_test_setup_teardown(regions_with_interrupts_off_nest, setup, teardown),
		cmocka_unit_test_setup_teardown(under_an_interrupts_lock_one_with_interrupts_on, setup, teardown),
		cmocka_unit_test_setup_teardown(the_way_from_an_interrupts_lock_may_be_long, setup, teardown),
		cmocka_unit_test_setup_teardown(a_fault_takes_what_is_held_where_it_may_come, setup, teardown),
		cmocka_unit_test_setup_teardown(a_signal_needs_what_is_held_by_one_who_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(a_signal_waits_for_no_fence_and_no_fault, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_waits_with_interrupts_off, setup, teardown),
		cmocka_unit_test_setup_teardown(held_where_nothing_may_be, setup, teardown),
		cmocka_unit_test_setup_teardown(threads_add_edges_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(no_cycle_slips_between_two_threads, setup, teardown),
		cmocka_unit_test_setup_teardown(a_mistake_of_many_is_told_once, setup, teardown),
		cmocka_unit_test_setup_teardown(full_tables_are_told_once, setup, teardown),
	};

	return cmocka_run_group_tests_name("lock checker", tests, NULL, NULL);
}

#else
int main(void)
{
	return 77; /* builds without checks have none of this */
}
#endif
