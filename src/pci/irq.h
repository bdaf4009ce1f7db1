/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Interrupts of a PCI function: INTx, MSI and MSI-X, with masking and pending bits, from the model's signal to the
 * driver's handler.
 *
 * Who may include this: pci/, device/, vfio/.
 */
#ifndef BARTER_PCI_IRQ_H
#define BARTER_PCI_IRQ_H

#include "pci/function.h"

/* How many vectors the hardware has: 0 or 1 for INTx, 0..32 MSI, 0..2048 MSI-X. */
unsigned pci_irq_count(const struct pci_function *fn, enum pci_irq_kind kind);

/*
 * The driver's side; not from inside a handler. pci_irq_enable() turns the kind on in config space (and others off) for
 * nr vectors whose handler is `handler`; the core fills MSI-X table entries and unmasks them. -EINVAL when the hardware
 * has fewer. pci_irq_disable() returns when no handler runs.
 */
int pci_irq_enable(struct pci_function *fn, enum pci_irq_kind kind, unsigned nr, pci_irq_handler handler, void *arg);
void pci_irq_disable(struct pci_function *fn);
enum pci_irq_kind pci_irq_enabled(const struct pci_function *fn);
/* INTx at the source: COMMAND.INTX_DISABLE. Unmasking a line that is still asserted calls the handler again. */
void pci_intx_mask(struct pci_function *fn, bool masked);
bool pci_intx_pending(const struct pci_function *fn); /* STATUS.INTX */

/* The device's side (through the SDK). Any thread, with or without fn->lock, outside DMA sections. */
void pci_irq_raise(struct pci_function *fn, unsigned vector); /* MSI or MSI-X, whichever is on; else pulses nothing */
void pci_intx_set(struct pci_function *fn, bool asserted);

#endif
