/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The gate of a PCI function: the one place where access to its memory is taken away and given back (SPEC S3).
 *
 * A gate is open when no reason holds it shut. FLR, hot reset, memory decoding, D3 and close all come through
 * pci_gate_shut() and pci_gate_open(); nothing else zaps, unmaps or drains. Buffers register as clients.
 *
 * pci_gate_shut(): takes the lock, sets the reason, calls revoke() of every client when the gate was open, then
 * settle() of every one, then drains DMA once and returns: no importer's mapping exists, no work that uses the memory
 * is pending, no DMA is in flight to it, no CPU mapping reaches it. Opening settles too, before it restores. Client
 * callbacks run under the gate's lock (LOCK_RANK_GATE), may take the reservation lock and what lies below, must not
 * drain themselves and cannot fail. settle() alone may wait, for fences: so may who shuts or opens a gate, and the
 * locks that are held around it are never taken on the way to a signal.
 *
 * Who may include this: pci/, dmabuf/, vfio/, drm/.
 */
#ifndef BARTER_PCI_GATE_H
#define BARTER_PCI_GATE_H

#include "base/list.h"
#include "base/lock.h"
#include "base/types.h"
#include "memory/section.h"

enum gate_reason {
	GATE_DECODE = 1 << 0, /* COMMAND.MSE is clear */
	GATE_POWER = 1 << 1,  /* not in D0 */
	GATE_RESET = 1 << 2,  /* a reset is under way */
	GATE_CLOSED = 1 << 3, /* no driver has the device open */
	GATE_GONE = 1 << 4,   /* unplugged; never cleared */
	GATE_BRIDGE = 1 << 6, /* a bridge above does not forward, or holds it in reset */
	GATE_IDLE = 1 << 5,   /* its driver let it suspend (runtime power management) */
	GATE_ABSENT = 1 << 7, /* a virtual function that is not enabled; takes the memory away for good */
	GATE_PHYSFN = 1 << 8, /* the physical function is being reset */
	GATE_WINDOW = 1 << 9, /* what its window shows is changing; takes the memory away for good */
};

struct gate_client;

struct gate_client_ops {
	/* Take every mapping away now. `for_good`: the memory will not come back for this client. */
	void (*revoke)(struct gate_client *c, bool for_good);
	/* Wait for what still counts on the memory, or on its being away. NULL: nothing does. */
	void (*settle)(struct gate_client *c);
	/* The memory is usable again. Not called after revoke(for_good). */
	void (*restore)(struct gate_client *c);
};

struct gate_client {
	const struct gate_client_ops *ops;
	struct list node; /* guarded by the gate's lock */
	bool gone;	  /* was revoked for good; guarded by the gate's lock */
};

struct pci_gate {
	struct mutex lock;	  /* guards all below */
	_Atomic unsigned reasons; /* written under lock; read without by the DMA path inside a section: shut() drains
				     after writing it, so a stale "open" ends before shut() returns */
	struct list clients;
	struct section_domain *sections;
};

void pci_gate_init(struct pci_gate *g, struct section_domain *sections, unsigned reasons);
void pci_gate_fini(struct pci_gate *g);

void pci_gate_shut(struct pci_gate *g, enum gate_reason reason);
void pci_gate_open(struct pci_gate *g, enum gate_reason reason);
/* Shuts with GATE_CLOSED and revokes every client for good, leaving the client list empty. */
void pci_gate_close(struct pci_gate *g);
/* One client for good, then drains; the others and the reasons stay. False: it was gone already. */
bool pci_gate_revoke_client(struct pci_gate *g, struct gate_client *c);

static inline bool pci_gate_is_open(const struct pci_gate *g)
{
	return g->reasons == 0;
}

/* The caller holds g->lock for both. */
void pci_gate_add_client_locked(struct pci_gate *g, struct gate_client *c);
void pci_gate_remove_client_locked(struct pci_gate *g, struct gate_client *c);

#endif
