/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of pci/ tell each other. Nobody else includes this. */
#ifndef BARTER_PCI_PCI_PRIV_H
#define BARTER_PCI_PCI_PRIV_H

#include <linux/pci_regs.h>

#include "base/work.h"
#include "pci/build.h"
#include "pci/irq.h"
#include "pci/sriov.h"

/* gate.c. The gate's lock is held. True: the caller owes a drain. */
bool gate_set_locked(struct pci_gate *g, unsigned reasons);
void gate_clear_locked(struct pci_gate *g, unsigned reasons);

/* irq.c */
struct pci_irq_state {
	struct mutex lock; /* LOCK_RANK_IRQ; guards all below */
	enum pci_irq_kind kind;
	unsigned nr;
	pci_irq_handler handler;
	void *arg;
	bool intx_asserted, intx_disabled, intx_delivered;
	bool msi_on, msix_on, msix_masked;
	uint32_t msi_mask, msi_pending;
	/* Immutable after the build. */
	unsigned nr_msi, nr_msix;
	bool has_intx;
	struct phys_region *msix_region;
	uint32_t msix_table, msix_pba; /* offsets in the region */
};

int irq_state_init(struct pci_function *fn);
void irq_state_fini(struct pci_function *fn);
/* fn->lock is held: config space has changed, or was reset. Delivers what has become unmasked. */
void irq_config_changed_locked(struct pci_function *fn);
void irq_reset_locked(struct pci_function *fn);
uint32_t irq_msi_pending(const struct pci_function *fn);
/* Accesses to the MSI-X region. fn->lock is held. */
void irq_msix_write_locked(struct pci_function *fn, uint64_t offset, uint64_t value, unsigned len);
/* Masks every entry, as power-on and reset do. */
void irq_msix_table_reset(struct pci_function *fn);
/* words: nr_msix entries of PCI_MSIX_ENTRY_SIZE bytes. */
void irq_msix_table_save(struct pci_function *fn, uint32_t *words);
void irq_msix_table_restore(struct pci_function *fn, const uint32_t *words);

/* sriov.c */
struct pci_sriov {
	struct pci_function *vfs[PCI_MAX_VFS]; /* immutable after the build, as are these: */
	unsigned total;
	uint16_t vf_device;
	/* What the PF's config space says; written under its lock, read by the VFs. */
	_Atomic unsigned nr_present;
	_Atomic bool decodes, powered;
	_Atomic unsigned nr_resets; /* VF Enable was cleared, by whatever */
	/* What the windows of the VFs shall show (sriov_window.c); guarded by the PF's lock. */
	struct pci_wish {
		struct pci_fragment fragments[PCI_MAX_FRAGMENTS];
		size_t nr;
		uint64_t made, done; /* how many, and up to which they have been carried out */
	} wishes[PCI_MAX_VFS];
	struct work_queue *carrier; /* immutable; of its own, for it is waited for by traps */
	struct work carry;
	struct pci_function *pf;
};

/* A driver opens the PF: what takes long gets a thread. 0 or -errno. */
int sriov_start(struct pci_function *pf);
void sriov_fini(struct pci_function *pf);
/* sriov_window.c */
void sriov_carry(struct work *w);

/* pf->lock is held. */
void sriov_update_locked(struct pci_function *pf, bool powered);
/* The gates of all VFs: around a reset of the PF. No lock is held. */
void sriov_gates_shut(struct pci_function *pf);
void sriov_gates_open(struct pci_function *pf);
/* The PF is being added to its bus: the VFs go behind it. -EINVAL: not all are built, or not alike. */
int sriov_place(struct pci_function *pf);
/* Base address of the VFs' windows, into the capability. */
void sriov_bar_place(struct pci_function *pf, unsigned bar, phys_t base);

/* No lock is held, after calls of the model that may want something done when its lock is free. */
static inline void function_unlocked(struct pci_function *fn)
{
	if (unlikely(fn->sriov))
		pci_sriov_apply(fn);
	if (fn->ops && fn->ops->unlocked)
		fn->ops->unlocked(fn->model);
}

static inline void function_unlock(struct pci_function *fn)
{
	mutex_unlock(&fn->lock);
	function_unlocked(fn);
}

/* reset.c. Gate and fn->lock are held. To the state after power-on but for the place in the tree; the caller drains. */
void function_reset_locked(struct pci_function *fn);

/* state.c. fn->lock is held. Works out decoding, bus mastering and what a port forwards from config space. */
void function_update_locked(struct pci_function *fn);
unsigned function_power_state(const struct pci_function *fn);
/* Gate held, fn->lock not: makes the gate agree with fn->gate_reasons. True: the caller drains. */
bool function_settle_gate(struct pci_function *fn);
/* What functions that depend on this one look at, in one word; fn->lock is held. Ports and PFs have such. */
unsigned function_shows_locked(const struct pci_function *fn);
/* No lock held: they follow what it shows now, each under its own locks. */
void function_changed(struct pci_function *fn);

/* memory.c: one sparse memfd for a root, so that a rack costs a program one fd. */
struct pci_memory;
int pci_memory_create(struct pci_memory **out);
void pci_memory_destroy(struct pci_memory *m);
/* [*offset, *offset + len) of the file behind pci_memory_fd(), mapped at *host. */
int pci_memory_alloc(struct pci_memory *m, uint64_t len, uint64_t *offset, char **host);
void pci_memory_free(struct pci_memory *m, uint64_t len, char *host);

/* bar.c */
void bar_fini(struct pci_bar *bar);
/* The register of a BAR at `offset` of fn's config space: flags, and which bits can be written. */
void bar_build_register(struct pci_function *fn, unsigned offset, const struct pci_bar *bar);

/* windows.c, groups.c: steps of pci_enumerate(). */
int pci_assign_windows(struct pci_root *root);
void pci_assign_groups(struct pci_root *root);

static inline struct list *pci_bus_of(struct pci_root *root, struct pci_port *parent)
{
	return parent ? &parent->children : &root->bus0;
}

#endif
