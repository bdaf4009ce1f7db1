/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From the model's signal to the driver's handler.
 *
 * What decides delivery lies in config space and in the MSI-X table, which change under the function lock; copies of
 * the enable and mask bits are kept under the delivery lock, because a model may signal with or without the function
 * lock. A message that is masked waits in the pending bits and is delivered, once, by whatever unmasks it. A line is a
 * level: the handler is called when it becomes both asserted and enabled.
 */
#include <stdlib.h>
#include <string.h>

#include "base/trace.h"
#include "pci/pci_priv.h"

#define MESSAGE_ADDRESS 0xfee00000u

static const struct lock_class irq_lock_class = {.name = "interrupt delivery", .rank = LOCK_RANK_IRQ};

int irq_state_init(struct pci_function *fn)
{
	fn->irq = calloc(1, sizeof(*fn->irq));
	if (!fn->irq)
		return -ENOMEM;
	mutex_init(&fn->irq->lock, &irq_lock_class);
	return 0;
}

void irq_state_fini(struct pci_function *fn)
{
	mutex_fini(&fn->irq->lock);
	free(fn->irq);
}

/* --- the MSI-X table and pending bits, as they lie in the BAR; the delivery lock is held --- */

static _Atomic uint32_t *table_word(const struct pci_irq_state *s, unsigned vector, unsigned offset)
{
	return (_Atomic uint32_t *)(s->msix_region->host + s->msix_table + vector * PCI_MSIX_ENTRY_SIZE + offset);
}

static _Atomic uint64_t *pending_word(const struct pci_irq_state *s, unsigned vector)
{
	return (_Atomic uint64_t *)(s->msix_region->host + s->msix_pba + vector / 64 * 8);
}

static bool msix_is_masked(const struct pci_irq_state *s, unsigned vector)
{
	return s->msix_masked || (*table_word(s, vector, PCI_MSIX_ENTRY_VECTOR_CTRL) & PCI_MSIX_ENTRY_CTRL_MASKBIT);
}

static bool msix_take_pending(const struct pci_irq_state *s, unsigned vector)
{
	uint64_t bit = 1ull << (vector % 64);

	return atomic_fetch_and(pending_word(s, vector), ~bit) & bit;
}

/* --- delivery; the delivery lock is held --- */

static void deliver(struct pci_function *fn, const char *kind, unsigned vector)
{
	struct pci_irq_state *s = fn->irq;

	enum lock_context before;

	if (vector >= s->nr || !s->handler)
		return;
	if (trace_enabled(fn->root->trace))
		trace_instant(fn->root->trace, TRACE_IRQ, fn->name, kind, "vector=%u", vector);
	before = lock_context_enter(LOCK_CONTEXT_INTERRUPT);
	s->handler(s->arg, vector);
	lock_context_leave(before);
}

static void raise_msix(struct pci_function *fn, unsigned vector)
{
	struct pci_irq_state *s = fn->irq;

	if (vector >= s->nr_msix)
		return;
	if (msix_is_masked(s, vector))
		atomic_fetch_or(pending_word(s, vector), 1ull << (vector % 64));
	else if (fn->bus_master) /* a message is a write like any other */
		deliver(fn, "MSI-X", vector);
}

static void raise_msi(struct pci_function *fn, unsigned vector)
{
	struct pci_irq_state *s = fn->irq;

	if (vector >= s->nr_msi)
		return;
	if (s->msi_mask & 1u << vector)
		s->msi_pending |= 1u << vector;
	else if (fn->bus_master)
		deliver(fn, "MSI", vector);
}

void pci_irq_raise(struct pci_function *fn, unsigned vector)
{
	struct pci_irq_state *s = fn->irq;

	mutex_lock(&s->lock);
	if (s->msix_on)
		raise_msix(fn, vector);
	else if (s->msi_on)
		raise_msi(fn, vector);
	mutex_unlock(&s->lock);
}

/* The line reaches the driver while it is asserted, not disabled, and no message kind is on. */
static void update_line(struct pci_function *fn)
{
	struct pci_irq_state *s = fn->irq;
	bool reaches = s->intx_asserted && !s->intx_disabled && !s->msi_on && !s->msix_on;
	bool rises = reaches && !s->intx_delivered;

	s->intx_delivered = reaches && s->kind == PCI_IRQ_INTX;
	if (rises && s->kind == PCI_IRQ_INTX)
		deliver(fn, "INTx", 0);
}

void pci_intx_set(struct pci_function *fn, bool asserted)
{
	struct pci_irq_state *s = fn->irq;

	if (!s->has_intx)
		return;
	mutex_lock(&s->lock);
	s->intx_asserted = asserted;
	update_line(fn);
	mutex_unlock(&s->lock);
}

bool pci_intx_pending(const struct pci_function *fn)
{
	bool asserted;

	mutex_lock(&fn->irq->lock);
	asserted = fn->irq->intx_asserted;
	mutex_unlock(&fn->irq->lock);
	return asserted;
}

static void deliver_unmasked(struct pci_function *fn)
{
	struct pci_irq_state *s = fn->irq;

	for (unsigned i = 0; s->msix_on && !s->msix_masked && i < s->nr_msix; i++)
		if (!msix_is_masked(s, i) && msix_take_pending(s, i))
			raise_msix(fn, i);
	for (unsigned i = 0; s->msi_on && i < s->nr_msi; i++) {
		if (!(s->msi_pending & ~s->msi_mask & 1u << i))
			continue;
		s->msi_pending &= ~(1u << i);
		raise_msi(fn, i);
	}
	update_line(fn);
}

/* --- config space and table; fn->lock is held --- */

static void read_config(struct pci_function *fn)
{
	struct pci_irq_state *s = fn->irq;

	s->intx_disabled = pci_config_get(fn, PCI_COMMAND, 2) & PCI_COMMAND_INTX_DISABLE;
	if (fn->cap_msi) {
		s->msi_on = pci_config_get(fn, fn->cap_msi + PCI_MSI_FLAGS, 2) & PCI_MSI_FLAGS_ENABLE;
		s->msi_mask = pci_config_get(fn, fn->cap_msi + PCI_MSI_MASK_64, 4);
	}
	if (fn->cap_msix) {
		uint16_t flags = pci_config_get(fn, fn->cap_msix + PCI_MSIX_FLAGS, 2);

		s->msix_on = flags & PCI_MSIX_FLAGS_ENABLE;
		s->msix_masked = flags & PCI_MSIX_FLAGS_MASKALL;
	}
}

void irq_config_changed_locked(struct pci_function *fn)
{
	mutex_assert_held(&fn->lock);
	mutex_lock(&fn->irq->lock);
	read_config(fn);
	deliver_unmasked(fn);
	mutex_unlock(&fn->irq->lock);
}

uint32_t irq_msi_pending(const struct pci_function *fn)
{
	uint32_t pending;

	mutex_lock(&fn->irq->lock);
	pending = fn->irq->msi_pending;
	mutex_unlock(&fn->irq->lock);
	return pending;
}

void irq_msix_table_reset(struct pci_function *fn)
{
	struct pci_irq_state *s = fn->irq;

	for (unsigned i = 0; i < s->nr_msix; i++) {
		*table_word(s, i, PCI_MSIX_ENTRY_LOWER_ADDR) = 0;
		*table_word(s, i, PCI_MSIX_ENTRY_UPPER_ADDR) = 0;
		*table_word(s, i, PCI_MSIX_ENTRY_DATA) = 0;
		*table_word(s, i, PCI_MSIX_ENTRY_VECTOR_CTRL) = PCI_MSIX_ENTRY_CTRL_MASKBIT;
		msix_take_pending(s, i);
	}
}

/* Word by word: a vector may be raised at the same time, and programs have the table mapped. */
void irq_msix_table_save(struct pci_function *fn, uint32_t *words)
{
	for (unsigned i = 0; i < fn->irq->nr_msix * PCI_MSIX_ENTRY_SIZE / 4; i++)
		words[i] = *table_word(fn->irq, 0, i * 4);
}

void irq_msix_table_restore(struct pci_function *fn, const uint32_t *words)
{
	for (unsigned i = 0; i < fn->irq->nr_msix * PCI_MSIX_ENTRY_SIZE / 4; i++)
		*table_word(fn->irq, 0, i * 4) = words[i];
}

void irq_reset_locked(struct pci_function *fn)
{
	struct pci_irq_state *s = fn->irq;

	mutex_lock(&s->lock);
	s->intx_asserted = false;
	s->msi_pending = 0;
	irq_msix_table_reset(fn);
	mutex_unlock(&s->lock);
}

void irq_msix_write_locked(struct pci_function *fn, uint64_t offset, uint64_t value, unsigned len)
{
	struct pci_irq_state *s = fn->irq;
	uint64_t table_end = s->msix_table + (uint64_t)s->nr_msix * PCI_MSIX_ENTRY_SIZE;

	/* The pending bits are read-only; what software stores there is lost, as are accesses of less than 4 bytes. */
	if (len < 4 || offset < s->msix_table || offset >= table_end)
		return;
	mutex_lock(&s->lock);
	for (unsigned i = 0; i < len; i += 4, value >>= 32) {
		uint64_t at = offset - s->msix_table + i;

		*table_word(s, at / PCI_MSIX_ENTRY_SIZE, at % PCI_MSIX_ENTRY_SIZE) = (uint32_t)value;
	}
	deliver_unmasked(fn);
	mutex_unlock(&s->lock);
}

/* --- the driver's side --- */

unsigned pci_irq_count(const struct pci_function *fn, enum pci_irq_kind kind)
{
	switch (kind) {
	case PCI_IRQ_INTX:
		return fn->irq->has_intx;
	case PCI_IRQ_MSI:
		return fn->irq->nr_msi;
	case PCI_IRQ_MSIX:
		return fn->irq->nr_msix;
	default:
		return 0;
	}
}

static void set_bits(struct pci_function *fn, unsigned offset, uint16_t mask, uint16_t bits)
{
	pci_config_set(fn, offset, (pci_config_get(fn, offset, 2) & ~mask) | bits, 2);
}

/* One kind on, the others off; the line is disabled while messages are used, as Linux does. */
static void program_config(struct pci_function *fn, enum pci_irq_kind kind, unsigned nr)
{
	bool messages = kind == PCI_IRQ_MSI || kind == PCI_IRQ_MSIX;
	unsigned order = 0;

	while (1u << order < nr)
		order++;
	if (fn->write_mask[PCI_COMMAND + 1] & PCI_COMMAND_INTX_DISABLE >> 8)
		set_bits(fn, PCI_COMMAND, PCI_COMMAND_INTX_DISABLE, messages ? PCI_COMMAND_INTX_DISABLE : 0);
	if (fn->cap_msi) {
		pci_config_set(fn, fn->cap_msi + PCI_MSI_ADDRESS_LO, MESSAGE_ADDRESS, 4);
		pci_config_set(fn, fn->cap_msi + PCI_MSI_MASK_64, 0, 4);
		set_bits(fn, fn->cap_msi + PCI_MSI_FLAGS, PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE,
			 kind == PCI_IRQ_MSI ? PCI_MSI_FLAGS_ENABLE | order << 4 : 0);
	}
	if (fn->cap_msix)
		set_bits(fn, fn->cap_msix + PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL,
			 kind == PCI_IRQ_MSIX ? PCI_MSIX_FLAGS_ENABLE : 0);
}

static void program_table(struct pci_irq_state *s, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++) {
		*table_word(s, i, PCI_MSIX_ENTRY_LOWER_ADDR) = MESSAGE_ADDRESS;
		*table_word(s, i, PCI_MSIX_ENTRY_DATA) = i;
		*table_word(s, i, PCI_MSIX_ENTRY_VECTOR_CTRL) = 0;
	}
}

static void irq_program(struct pci_function *fn, enum pci_irq_kind kind, unsigned nr, pci_irq_handler handler,
			void *arg)
{
	struct pci_irq_state *s = fn->irq;

	mutex_lock(&fn->lock);
	mutex_lock(&s->lock);
	s->kind = kind;
	s->nr = nr;
	s->handler = handler;
	s->arg = arg;
	s->msi_pending = 0;
	s->intx_delivered = false;
	irq_msix_table_reset(fn);
	if (kind == PCI_IRQ_MSIX)
		program_table(s, nr);
	program_config(fn, kind, nr);
	read_config(fn);
	deliver_unmasked(fn);
	mutex_unlock(&s->lock);
	mutex_unlock(&fn->lock);
}

int pci_irq_enable(struct pci_function *fn, enum pci_irq_kind kind, unsigned nr, pci_irq_handler handler, void *arg)
{
	if (nr == 0 || nr > pci_irq_count(fn, kind))
		return -EINVAL;
	irq_program(fn, kind, nr, handler, arg);
	return 0;
}

void pci_irq_disable(struct pci_function *fn)
{
	irq_program(fn, PCI_IRQ_NONE, 0, NULL, NULL);
}

enum pci_irq_kind pci_irq_enabled(const struct pci_function *fn)
{
	enum pci_irq_kind kind;

	mutex_lock(&fn->irq->lock);
	kind = fn->irq->kind;
	mutex_unlock(&fn->irq->lock);
	return kind;
}

void pci_intx_mask(struct pci_function *fn, bool masked)
{
	mutex_lock(&fn->lock);
	set_bits(fn, PCI_COMMAND, PCI_COMMAND_INTX_DISABLE, masked ? PCI_COMMAND_INTX_DISABLE : 0);
	irq_config_changed_locked(fn);
	mutex_unlock(&fn->lock);
}
