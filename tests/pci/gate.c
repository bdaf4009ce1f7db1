/* SPDX-License-Identifier: BSD-3-Clause */
/* The gate: every reason, every way in, one drain each, and clients that come and go meanwhile. */
#include "pci/tree.h"

#include <pthread.h>
#include <stdlib.h>

struct client {
	struct gate_client base;
	struct pci_gate *gate;
	unsigned nr_revokes, nr_restores, nr_for_good, nr_settles;
	const struct client *other; /* is settled when this one is; may be NULL */
	bool usable;		    /* guarded by the gate's lock */
};

static void client_revoke(struct gate_client *base, bool for_good)
{
	struct client *c = container_of(base, struct client, base);

	mutex_assert_held(&c->gate->lock);
	assert_false(pci_gate_is_open(c->gate));
	c->nr_revokes++;
	c->nr_for_good += for_good;
	c->usable = false;
}

static void client_restore(struct gate_client *base)
{
	struct client *c = container_of(base, struct client, base);

	mutex_assert_held(&c->gate->lock);
	assert_false(base->gone);
	assert_true(pci_gate_is_open(c->gate));
	c->nr_restores++;
	c->usable = true;
}

static void client_settle(struct gate_client *base)
{
	struct client *c = container_of(base, struct client, base);

	mutex_assert_held(&c->gate->lock);
	assert_false(pci_gate_is_open(c->gate));
	assert_false(c->usable);
	if (c->other)
		assert_false(c->other->usable);
	c->nr_settles++;
}

static const struct gate_client_ops client_ops = {
	.revoke = client_revoke, .restore = client_restore, .settle = client_settle};

static void client_add(struct client *c, struct pci_gate *g)
{
	*c = (struct client){.base.ops = &client_ops, .gate = g};
	mutex_lock(&g->lock);
	c->usable = pci_gate_is_open(g);
	pci_gate_add_client_locked(g, &c->base);
	mutex_unlock(&g->lock);
}

static void client_remove(struct client *c)
{
	mutex_lock(&c->gate->lock);
	pci_gate_remove_client_locked(c->gate, &c->base);
	mutex_unlock(&c->gate->lock);
}

struct fixture {
	struct tree *tree;
	struct card *card;
	struct pci_function *fn;
	struct client client;
};

static struct fixture *fixture_create(const struct tree_options *o)
{
	struct fixture *fx = calloc(1, sizeof(*fx));

	fx->tree = tree_create(o);
	fx->card = &fx->tree->cards[1];
	fx->fn = &fx->card->fn;
	assert_int_equal(pci_function_open(fx->fn), 0);
	client_add(&fx->client, &fx->fn->gate);
	return fx;
}

static int set_up(void **state)
{
	static const struct tree_options options;

	*state = fixture_create(&options);
	return 0;
}

static int set_up_forgetful(void **state)
{
	static const struct tree_options options = {.forgets_in_d3 = true, .no_flr = true};

	*state = fixture_create(&options);
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fx = *state;

	client_remove(&fx->client);
	tree_destroy(fx->tree);
	free(fx);
	return 0;
}

static void expect(struct fixture *fx, unsigned revokes, unsigned restores, unsigned reasons)
{
	assert_int_equal(fx->client.nr_revokes, revokes);
	assert_int_equal(fx->client.nr_restores, restores);
	assert_int_equal(fx->fn->gate.reasons, reasons);
	assert_int_equal(fx->client.usable, reasons == 0);
}

static void decode_off_and_on(void **state)
{
	struct fixture *fx = *state;
	uint64_t drains = section_drains(fx->fn->gate.sections);

	tree_command(fx->fn, 0, PCI_COMMAND_MEMORY);
	expect(fx, 1, 0, GATE_DECODE);
	assert_int_equal(section_drains(fx->fn->gate.sections), drains + 1);
	tree_command(fx->fn, PCI_COMMAND_MEMORY, 0);
	expect(fx, 1, 1, 0);
	assert_int_equal(section_drains(fx->fn->gate.sections), drains + 1);
}

/* Nobody is waited for before all have let go, and nobody has the memory back before all were waited for. */
static void all_let_go_before_any_is_waited_for(void **state)
{
	struct fixture *fx = *state;
	uint64_t drains = section_drains(fx->fn->gate.sections);
	struct client second;

	client_add(&second, &fx->fn->gate);
	second.other = &fx->client;
	fx->client.other = &second;
	tree_command(fx->fn, 0, PCI_COMMAND_MEMORY);
	assert_int_equal(fx->client.nr_settles, 1);
	assert_int_equal(second.nr_settles, 1);
	tree_command(fx->fn, PCI_COMMAND_MEMORY, 0);
	assert_int_equal(fx->client.nr_settles, 2);
	assert_int_equal(second.nr_settles, 2);
	client_remove(&second);
	fx->client.other = NULL;
	assert_int_equal(section_drains(fx->fn->gate.sections), drains + 1);
}

/* What is away already is nobody's to wait for. */
static void memory_that_is_away_is_not_waited_for(void **state)
{
	struct fixture *fx = *state;

	tree_command(fx->fn, 0, PCI_COMMAND_MEMORY);
	assert_int_equal(pci_reset_function(fx->fn), 0);
	assert_int_equal(fx->client.nr_settles, 1);
	pci_function_close(fx->fn);
	assert_int_equal(fx->client.nr_for_good, 1);
	assert_int_equal(fx->client.nr_settles, 1);
}

static void other_writes_disturb_nobody(void **state)
{
	struct fixture *fx = *state;
	uint64_t drains = section_drains(fx->fn->gate.sections);

	tree_command(fx->fn, PCI_COMMAND_MASTER, 0);
	pci_config_write(fx->fn, PCI_INTERRUPT_LINE, 3, 1);
	pci_config_write(fx->fn, fx->fn->cap_pm + PCI_PM_CTRL, 0, 2);
	expect(fx, 0, 0, 0);
	assert_int_equal(section_drains(fx->fn->gate.sections), drains);
}

static void sleep_and_wake(void **state)
{
	struct fixture *fx = *state;
	unsigned control = fx->fn->cap_pm + PCI_PM_CTRL;
	uint64_t drains = section_drains(fx->fn->gate.sections);

	pci_config_write(fx->fn, control, 3, 2);
	assert_int_equal(fx->client.nr_revokes, 1);
	assert_true(fx->fn->gate.reasons & GATE_POWER);
	assert_int_equal(section_drains(fx->fn->gate.sections), drains + 1);
	pci_config_write(fx->fn, control, 0, 2);
	expect(fx, 1, 1, 0);
	assert_int_equal(fx->card->nr_resets, 1); /* that of the open */
}

/* D3hot to D0 is a reset of the bare hardware; through pci_set_power_state() config comes back. */
static void sleep_and_wake_that_forgets(void **state)
{
	struct fixture *fx = *state;
	unsigned control = fx->fn->cap_pm + PCI_PM_CTRL, resets = fx->card->nr_resets;

	assert_int_equal(pci_set_power_state(fx->fn, 3), 0);
	assert_int_equal(pci_set_power_state(fx->fn, 0), 0);
	assert_int_equal(fx->card->nr_resets, resets + 1);
	expect(fx, 1, 1, 0);
	pci_config_write(fx->fn, control, 3, 2);
	pci_config_write(fx->fn, control, 0, 2);
	assert_int_equal(fx->card->nr_resets, resets + 2);
	expect(fx, 2, 1, GATE_DECODE);
}

static void reset_once_there_and_back(void **state)
{
	struct fixture *fx = *state;
	uint64_t drains = section_drains(fx->fn->gate.sections);

	assert_int_equal(pci_reset_function(fx->fn), 0);
	expect(fx, 1, 1, 0);
	assert_int_equal(section_drains(fx->fn->gate.sections), drains + 1);
}

static void reasons_add_up(void **state)
{
	struct fixture *fx = *state;

	tree_command(fx->fn, 0, PCI_COMMAND_MEMORY);
	assert_int_equal(pci_reset_function(fx->fn), 0);
	expect(fx, 1, 0, GATE_DECODE);
	pci_gate_shut(&fx->fn->gate, GATE_RESET);
	tree_command(fx->fn, PCI_COMMAND_MEMORY, 0);
	expect(fx, 1, 0, GATE_RESET);
	pci_gate_open(&fx->fn->gate, GATE_RESET);
	expect(fx, 1, 1, 0);
	/* Opening an open gate restores nobody. */
	pci_gate_open(&fx->fn->gate, GATE_RESET);
	expect(fx, 1, 1, 0);
}

static void close_is_for_good(void **state)
{
	struct fixture *fx = *state;
	struct client late;

	tree_command(fx->fn, 0, PCI_COMMAND_MEMORY);
	pci_function_close(fx->fn);
	assert_int_equal(fx->client.nr_for_good, 1);
	assert_true(fx->client.base.gone);
	assert_int_equal(pci_function_open(fx->fn), 0);
	assert_int_equal(fx->client.nr_restores, 0);
	client_add(&late, &fx->fn->gate);
	assert_true(late.usable);
	client_remove(&late);
}

static void unplugged_never_opens(void **state)
{
	struct fixture *fx = *state;

	pci_gate_shut(&fx->fn->gate, GATE_GONE);
	assert_int_equal(fx->client.nr_for_good, 1);
	pci_gate_open(&fx->fn->gate, GATE_GONE);
	assert_int_equal(fx->fn->gate.reasons, GATE_GONE);
}

static void functions_without_a_reset_say_so(void **state)
{
	struct fixture *fx = *state;
	struct pci_function *bridge = fx->tree->root.host_bridge;

	assert_int_equal(pci_reset_method(fx->fn, 0), PCI_RESET_PM);
	assert_int_equal(pci_reset_method(fx->fn, 1), PCI_RESET_BUS);
	assert_int_equal(pci_reset_method(fx->fn, 2), PCI_RESET_NONE);
	assert_int_equal(pci_reset_function(bridge), -ENOTTY);
	assert_int_equal(pci_set_power_state(bridge, 0), 0);
	assert_int_equal(pci_set_power_state(bridge, 3), -EINVAL);
	assert_int_equal(pci_set_power_state(fx->fn, 1), -EINVAL);
}

struct race {
	struct fixture *fx;
	atomic_bool stop;
};

static void *toggle_decoding(void *arg)
{
	struct race *r = arg;

	while (!r->stop) {
		tree_command(r->fx->fn, 0, PCI_COMMAND_MEMORY);
		tree_command(r->fx->fn, PCI_COMMAND_MEMORY, 0);
	}
	return NULL;
}

static void *reset_again_and_again(void *arg)
{
	struct race *r = arg;

	while (!r->stop)
		assert_int_equal(pci_reset_function(r->fx->fn), 0);
	return NULL;
}

/* Clients come and go while others shut and open: whoever holds the lock finds usable == open, always. */
static void clients_race_with_the_gate(void **state)
{
	struct fixture *fx = *state;
	struct race race = {.fx = fx};
	pthread_t threads[2];

	pthread_create(&threads[0], NULL, toggle_decoding, &race);
	pthread_create(&threads[1], NULL, reset_again_and_again, &race);
	for (int i = 0; i < 5000; i++) {
		struct client c;

		client_add(&c, &fx->fn->gate);
		mutex_lock(&fx->fn->gate.lock);
		assert_int_equal(c.usable, pci_gate_is_open(&fx->fn->gate));
		assert_int_equal(fx->client.usable, pci_gate_is_open(&fx->fn->gate));
		mutex_unlock(&fx->fn->gate.lock);
		client_remove(&c);
	}
	race.stop = true;
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	tree_command(fx->fn, PCI_COMMAND_MEMORY, 0);
	assert_true(fx->client.usable);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(decode_off_and_on),
		T(all_let_go_before_any_is_waited_for),
		T(memory_that_is_away_is_not_waited_for),
		T(other_writes_disturb_nobody),
		T(sleep_and_wake),
		cmocka_unit_test_setup_teardown(sleep_and_wake_that_forgets, set_up_forgetful, tear_down),
		T(reset_once_there_and_back),
		T(reasons_add_up),
		T(close_is_for_good),
		T(unplugged_never_opens),
		cmocka_unit_test_setup_teardown(functions_without_a_reset_say_so, set_up_forgetful, tear_down),
		T(clients_race_with_the_gate),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
