/* SPDX-License-Identifier: BSD-3-Clause */
#include "pci/pci_priv.h"

/* Several gates at once (a bus reset): in order of address. */
static const struct lock_class gate_lock_class = {.name = "gate", .rank = LOCK_RANK_GATE, .nests = true};

void pci_gate_init(struct pci_gate *g, struct section_domain *sections, unsigned reasons)
{
	mutex_init(&g->lock, &gate_lock_class);
	g->reasons = reasons;
	list_init(&g->clients);
	g->sections = sections;
}

void pci_gate_fini(struct pci_gate *g)
{
	if (!list_empty(&g->clients))
		lock_assert_failed("a gate is gone before its buffers", __FILE__, __LINE__);
	mutex_fini(&g->lock);
}

static void settle_all(const struct list *clients)
{
	struct gate_client *c;

	list_for_each (c, clients, node)
		if (c->ops->settle)
			c->ops->settle(c);
}

static void revoke_client_locked(struct gate_client *c, struct list *revoked)
{
	list_del(&c->node);
	list_add_tail(revoked, &c->node);
	c->gone = true;
	c->ops->revoke(c, true);
}

/* They cannot go before the gate's lock is let go of. What was away before is nobody's to wait for. */
static void let_go_locked(struct list *revoked, bool was_open)
{
	if (was_open)
		settle_all(revoked);
	while (!list_empty(revoked))
		list_del(revoked->next);
}

static void revoke_for_good_locked(struct pci_gate *g, bool was_open)
{
	struct list revoked;

	list_init(&revoked);
	while (!list_empty(&g->clients))
		revoke_client_locked(list_first(&g->clients, struct gate_client, node), &revoked);
	let_go_locked(&revoked, was_open);
}

/*
 * The reasons are stored before any client hears of it: a DMA section that opens after a client's mapping is gone
 * finds the gate shut, one that opened earlier is waited for by the caller's drain.
 */
bool gate_set_locked(struct pci_gate *g, unsigned reasons)
{
	unsigned before = g->reasons;
	struct gate_client *c;

	mutex_assert_held(&g->lock);
	g->reasons = before | reasons;
	if (reasons & ~before & (GATE_GONE | GATE_ABSENT | GATE_WINDOW)) {
		revoke_for_good_locked(g, !before);
		return true;
	}
	if (before || !reasons)
		return false;
	list_for_each (c, &g->clients, node)
		c->ops->revoke(c, false);
	settle_all(&g->clients);
	return true;
}

void gate_clear_locked(struct pci_gate *g, unsigned reasons)
{
	unsigned before = g->reasons, after = before & ~(reasons & ~GATE_GONE);
	struct gate_client *c;

	mutex_assert_held(&g->lock);
	if (before && !after)
		settle_all(&g->clients);
	g->reasons = after;
	if (!before || after)
		return;
	list_for_each (c, &g->clients, node)
		c->ops->restore(c);
}

void pci_gate_shut(struct pci_gate *g, enum gate_reason reason)
{
	mutex_lock(&g->lock);
	if (gate_set_locked(g, reason))
		section_drain(g->sections);
	mutex_unlock(&g->lock);
}

void pci_gate_open(struct pci_gate *g, enum gate_reason reason)
{
	mutex_lock(&g->lock);
	gate_clear_locked(g, reason);
	mutex_unlock(&g->lock);
}

void pci_gate_close(struct pci_gate *g)
{
	bool was_open;

	mutex_lock(&g->lock);
	was_open = pci_gate_is_open(g);
	g->reasons |= GATE_CLOSED;
	revoke_for_good_locked(g, was_open);
	section_drain(g->sections);
	mutex_unlock(&g->lock);
}

bool pci_gate_revoke_client(struct pci_gate *g, struct gate_client *c)
{
	struct list revoked;
	bool there;

	list_init(&revoked);
	mutex_lock(&g->lock);
	there = !c->gone;
	if (there) {
		revoke_client_locked(c, &revoked);
		let_go_locked(&revoked, pci_gate_is_open(g));
		section_drain(g->sections);
	}
	mutex_unlock(&g->lock);
	return there;
}

void pci_gate_add_client_locked(struct pci_gate *g, struct gate_client *c)
{
	mutex_assert_held(&g->lock);
	c->gone = false;
	list_add_tail(&g->clients, &c->node);
}

void pci_gate_remove_client_locked(struct pci_gate *g, struct gate_client *c)
{
	mutex_assert_held(&g->lock);
	list_del(&c->node);
}
