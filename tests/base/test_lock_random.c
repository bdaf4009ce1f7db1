/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The lock checker against one that is too simple to be wrong: random classes, ranks, contexts and orders, and after
 * each step the whole graph is looked at anew (Warshall). Both must find the first mistake at the same step, the
 * checker's kind must be one of those that are there, and the chains of its report must be ways in the graph.
 *
 * What the checker has learnt cannot be forgotten, so each graph is a process of its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/lock.h"
#include "base/lock_report.h"

#ifdef BARTER_DEBUG

/* A sanitizer takes its time to fork. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { GRAPHS = 250 };
#else
enum { GRAPHS = 1500 };
#endif

enum { CLASSES = 9, FENCE = CLASSES, FAULT, NODES, STEPS = 120, DEPTH = 5 };

/* --- what is true --- */

static struct {
	bool edge[NODES][NODES], way[NODES][NODES];
	bool in_interrupt[NODES], interrupts_on[NODES];
	unsigned held[DEPTH + 1], nr_held;
	bool waits_wrongly;
} model;

static struct lock_class classes[CLASSES];
static char names[CLASSES][24];
static struct spinlock locks[CLASSES];
static unsigned nr_classes, irqs_off;
static bool careful; /* hardly ever makes a mistake: what is long and right must stay unreported */
static enum lock_context context;
static unsigned seed;

/* --- what the checker said --- */

static struct {
	unsigned nr;
	enum lock_report_kind kind;
	char text[8192];
} said;

static void take_report(enum lock_report_kind kind, const char *text)
{
	if (said.nr++)
		return;
	said.kind = kind;
	snprintf(said.text, sizeof(said.text), "%s", text);
}

static unsigned below(unsigned n)
{
	return (unsigned)rand_r(&seed) % n;
}

static enum lock_rank rank_of(unsigned node)
{
	return node < CLASSES ? classes[node].rank : LOCK_RANK_NONE;
}

static void model_ways(void)
{
	memcpy(model.way, model.edge, sizeof(model.way));
	for (unsigned k = 0; k < NODES; k++)
		for (unsigned i = 0; i < NODES; i++)
			for (unsigned j = 0; j < NODES; j++)
				model.way[i][j] |= model.way[i][k] && model.way[k][j];
}

static bool pair_is(enum lock_report_kind kind, unsigned a, unsigned b)
{
	switch (kind) {
	case LOCK_REPORT_CYCLE:
		return a == b && model.way[a][a];
	case LOCK_REPORT_RANK:
		return model.way[a][b] && rank_of(a) && rank_of(b) && rank_of(a) >= rank_of(b);
	case LOCK_REPORT_INTERRUPT:
		return a == b && model.in_interrupt[a] && model.interrupts_on[a];
	case LOCK_REPORT_INTERRUPT_ORDER:
		return a != b && model.way[a][b] && model.in_interrupt[a] && model.interrupts_on[b];
	default:
		return false;
	}
}

static bool model_says(enum lock_report_kind kind)
{
	if (kind == LOCK_REPORT_WAIT)
		return model.waits_wrongly;
	for (unsigned a = 0; a < NODES; a++)
		for (unsigned b = 0; b < NODES; b++)
			if (pair_is(kind, a, b))
				return true;
	return false;
}

static bool model_says_anything(void)
{
	for (unsigned kind = 0; kind <= LOCK_REPORT_FULL; kind++)
		if (model_says((enum lock_report_kind)kind))
			return true;
	return false;
}

/* --- random steps, told to both --- */

static bool model_holds(unsigned node)
{
	for (unsigned i = 0; i < model.nr_held; i++)
		if (model.held[i] == node)
			return true;
	return false;
}

static bool irqs_are_on(void)
{
	return context != LOCK_CONTEXT_INTERRUPT && !irqs_off;
}

static void model_edges_to(unsigned node)
{
	for (unsigned i = 0; i < model.nr_held; i++)
		model.edge[model.held[i]][node] = true;
}

static void model_use(unsigned node)
{
	model.in_interrupt[node] |= context == LOCK_CONTEXT_INTERRUPT;
	model.interrupts_on[node] |= irqs_are_on();
}

static void step_wait(unsigned node)
{
	model.waits_wrongly |= !irqs_are_on();
	model.edge[FAULT][FENCE] = true; /* a fault may wait for a fence: known from the start */
	model_edges_to(node);
	if (node == FENCE)
		lock_may_wait_fence("step_wait");
	else
		lock_may_fault("step_wait");
}

static void take(unsigned node, bool tried)
{
	model_use(node);
	if (!tried)
		model_edges_to(node);
	model.held[model.nr_held++] = node;
	if (tried)
		lock_check_tried(&classes[node], &locks[node].mutex);
	else
		lock_check_acquire(&classes[node], &locks[node].mutex);
}

static void give(unsigned node)
{
	lock_check_release(&classes[node], &locks[node].mutex);
	model.nr_held--;
}

static unsigned steps;

static void walk(unsigned depth);

/* Both agree so far: silent, or this graph is done. */
static void walk_on(unsigned depth)
{
	model_ways();
	if (said.nr || model_says_anything())
		return;
	if (depth < DEPTH)
		walk(depth + 1);
}

static bool is_over(void)
{
	return said.nr || model_says_anything() || steps > STEPS;
}

static void walk_lock(unsigned depth)
{
	unsigned node = below(nr_classes);
	bool off = careful ? below(150) : below(2), tried = below(8) == 0;

	if (model_holds(node) || (careful && model.nr_held && model.held[model.nr_held - 1] >= node && below(100)))
		return;
	if (off) {
		lock_irqs_off();
		irqs_off++;
	}
	take(node, tried);
	walk_on(depth);
	if (is_over())
		return;
	give(node);
	if (off) {
		lock_irqs_on();
		irqs_off--;
	}
}

static void walk_interrupt(unsigned depth)
{
	enum lock_context before = context;

	lock_context_enter(LOCK_CONTEXT_INTERRUPT);
	context = LOCK_CONTEXT_INTERRUPT;
	walk_on(depth);
	if (is_over())
		return;
	lock_context_leave(before);
	context = before;
}

static void walk_section(unsigned depth, unsigned node)
{
	if (model_holds(node) || (careful && model.nr_held))
		return;
	model.held[model.nr_held++] = node;
	if (node == FENCE)
		lock_signalling_begin("walk_section");
	else
		lock_fault_begin("walk_section");
	walk_on(depth);
	if (is_over())
		return;
	if (node == FENCE)
		lock_signalling_end();
	else
		lock_fault_end();
	model.nr_held--;
}

static void walk(unsigned depth)
{
	for (unsigned n = 1 + below(3); n && !is_over(); n--) {
		unsigned what = below(40);

		steps++;
		if (what < 30)
			walk_lock(depth);
		else if (what < 34)
			walk_interrupt(depth);
		else if (what < 36)
			walk_section(depth, FENCE + below(2));
		else if (what == 36 && !(careful && (model.nr_held || !irqs_are_on())))
			step_wait(FENCE + below(2));
		model_ways();
	}
}

/* --- the chains of a report --- */

static unsigned node_named(const char *line)
{
	char name[32];

	if (strstr(line, "  a fence's signal depends on") == line ||
	    strstr(line, "  a fence may be waited for") == line)
		return FENCE;
	if (strstr(line, "  a fault is handled in") == line || strstr(line, "  memory may fault in") == line)
		return FAULT;
	if (sscanf(line, "  \"%31[^\"]\" taken", name) != 1)
		return NODES;
	for (unsigned i = 0; i < nr_classes; i++)
		if (!strcmp(name, names[i]))
			return i;
	return NODES;
}

/* The pairs that are joined by "then", in order. */
static unsigned pairs_read(char *text, unsigned (*pairs)[2], unsigned room)
{
	unsigned nr = 0, last = NODES;
	bool then = false;

	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		unsigned node = node_named(line);

		if (!strcmp(line, "  then")) {
			then = true;
		} else if (node < NODES) {
			if (then && nr < room) {
				pairs[nr][0] = last;
				pairs[nr++][1] = node;
			}
			then = false;
			last = node;
		}
	}
	return nr;
}

static bool chains_are_true(void)
{
	unsigned pairs[32][2], nr = pairs_read(said.text, pairs, 32);

	for (unsigned i = 0; i < nr; i++)
		if (!model.edge[pairs[i][0]][pairs[i][1]] || (i && pairs[i - 1][1] != pairs[i][0]))
			return false;
	if (said.kind == LOCK_REPORT_INTERRUPT || said.kind == LOCK_REPORT_WAIT)
		return nr == 0;
	if (!nr)
		return false;
	if (said.kind == LOCK_REPORT_CYCLE)
		return pairs[nr - 1][1] == pairs[0][0];
	return pair_is(said.kind, pairs[0][0], pairs[nr - 1][1]);
}

/* --- one graph --- */

static void graph_begin(unsigned number)
{
	static const enum lock_rank ranks[] = {LOCK_RANK_GATE, LOCK_RANK_PAGES, LOCK_RANK_FENCE, LOCK_RANK_LEAF};

	seed = number;
	careful = number % 3 == 0;
	nr_classes = 3 + below(CLASSES - 2);
	for (unsigned i = 0; i < nr_classes; i++) {
		snprintf(names[i], sizeof(names[i]), "class %u", i);
		classes[i].name = names[i];
		classes[i].rank = number % 2 && below(2) ? ranks[below(ARRAY_SIZE(ranks))] : LOCK_RANK_NONE;
	}
	lock_reporter_set(take_report);
}

enum { CLEAN = LOCK_REPORT_FULL + 1, WRONG = 100 };

static int graph_check(unsigned number)
{
	char text[sizeof(said.text)];

	graph_begin(number);
	while (!is_over())
		walk(0);
	model_ways();
	if (!said.nr && !model_says_anything())
		return CLEAN;
	strcpy(text, said.text);
	if (said.nr && model_says(said.kind) && chains_are_true())
		return said.kind;
	fprintf(stderr, "graph %u, step %u: the checker says %s\n%s", number, steps, said.nr ? "this:" : "nothing",
		text);
	return WRONG;
}

static void the_checker_finds_what_is_there(void **state)
{
	unsigned found[CLEAN + 1] = {0};

	for (unsigned i = 0; i < GRAPHS; i++) {
		int status;
		pid_t pid;

		fflush(NULL);
		pid = fork();
		if (pid == 0)
			_exit(graph_check(i));
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (!WIFEXITED(status) || WEXITSTATUS(status) > CLEAN)
			fail_msg("graph %u ended with status 0x%x", i, (unsigned)status);
		found[WEXITSTATUS(status)]++;
	}
	print_message("%u rank, %u cycle, %u interrupt, %u interrupt order, %u wait, %u clean\n",
		      found[LOCK_REPORT_RANK], found[LOCK_REPORT_CYCLE], found[LOCK_REPORT_INTERRUPT],
		      found[LOCK_REPORT_INTERRUPT_ORDER], found[LOCK_REPORT_WAIT], found[CLEAN]);
	assert_true(found[LOCK_REPORT_RANK] > 0 && found[LOCK_REPORT_CYCLE] > 0 && found[LOCK_REPORT_INTERRUPT] > 0);
	assert_true(found[LOCK_REPORT_INTERRUPT_ORDER] > 0 && found[LOCK_REPORT_WAIT] > 0 && found[CLEAN] > 0);
	(void)state;
}

/* More edges than there is room for: said once, and what is known goes on to be checked. */
static int fill_edges(void)
{
	enum { MANY = 100 };
	static struct lock_class many[MANY];
	static struct mutex mutexes[MANY];

	lock_reporter_set(take_report);
	for (unsigned i = 0; i < MANY; i++) {
		many[i].name = "one of many";
		mutex_init(&mutexes[i], &many[i]);
	}
	for (unsigned i = 0; i < MANY; i++) {
		for (unsigned j = i + 1; j < MANY; j++) {
			mutex_lock(&mutexes[i]);
			mutex_lock(&mutexes[j]);
			mutex_unlock(&mutexes[j]);
			mutex_unlock(&mutexes[i]);
		}
	}
	if (said.nr != 1 || said.kind != LOCK_REPORT_FULL ||
	    strcmp(said.text, "more edges between locks than the checker has room for\n") != 0)
		return 1;
	said.nr = 0;
	mutex_lock(&mutexes[0]);
	lock_check_none_held("here");
	mutex_unlock(&mutexes[0]);
	return said.nr != 1 || said.kind != LOCK_REPORT_HELD;
}

static void too_many_edges_are_told_once(void **state)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0)
		_exit(fill_edges());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_checker_finds_what_is_there),
		cmocka_unit_test(too_many_edges_are_told_once),
	};

	return cmocka_run_group_tests_name("lock checker, random graphs", tests, NULL, NULL);
}

#else
int main(void)
{
	return 77; /* builds without checks have none of this */
}
#endif
