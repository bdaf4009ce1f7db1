/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SR-IOV: a physical function (PF) and its virtual functions (VFs).
 *
 * VFs are built with their PF and are in root->functions from the start, but absent: their config space reads all ones,
 * their gates are shut, nothing lists them. They are there while the PF's capability has VF Enable set, as many as
 * NumVFs said at that moment. Each has a gate, a requester, a group and interrupts of its own. What a VF does follows
 * from its PF as what a function does follows from the bridges above it: the PF publishes atomics, and after a change
 * of them each VF works out its own state anew, under its own locks (state.c).
 *
 *   VF Enable cleared        gone for good: buffers of the VF are revoked for good, its state is that after power-on
 *   VF MSE cleared, PF asleep  revoked for now
 *   PF reset by a kernel     revoked for now: the kernel restores the capability; the VF has been reset with it
 *   PF reset by itself (FLR through config space, waking from a D3hot that forgets)  VF Enable is cleared
 *
 * A VF's BAR may be a window: a view of fragments of its PF's memory, which the PF's model sets and changes. A change
 * revokes the VF's buffers for good before the old fragments are let go, and the VF's gate opens on the new ones.
 *
 * Functions are numbered 1 .. 7 behind their PF, which stands alone at its device number: no ARI is needed.
 *
 * Who may include this: pci/, device/ (the SDK), dmabuf/, vfio/, drm/, machine/, cmd/, tests.
 */
#ifndef BARTER_PCI_SRIOV_H
#define BARTER_PCI_SRIOV_H

#include "pci/function.h"

#define PCI_MAX_VFS 7
#define PCI_MAX_FRAGMENTS 16

/* The PF of a VF; NULL for any other function. */
static inline struct pci_function *pci_physfn(const struct pci_function *fn)
{
	return fn->physfn;
}
/* A VF's number, from 0; -1 for any other function. */
static inline int pci_vf_index(const struct pci_function *fn)
{
	return fn->physfn ? (int)fn->vf_index : -1;
}
/* The i-th VF, present or not; NULL when there is none. */
struct pci_function *pci_sriov_vf(const struct pci_function *pf, unsigned i);
/* What the hardware has; 0: no SR-IOV. */
unsigned pci_sriov_total(const struct pci_function *pf);
unsigned pci_sriov_offset(const struct pci_function *pf);
unsigned pci_sriov_stride(const struct pci_function *pf);
/* How many VFs are there now. */
unsigned pci_sriov_enabled(const struct pci_function *pf);
static inline bool pci_is_present(const struct pci_function *fn)
{
	return fn->present;
}
/* What a kernel knows them by: the registers of a VF read as all ones. */
uint16_t pci_vendor_id(const struct pci_function *fn);
uint16_t pci_device_id(const struct pci_function *fn);

/*
 * What a kernel's PF driver does: NumVFs, then VF Enable and VF MSE. -ENODEV: no SR-IOV; -EINVAL: none or more than
 * there are; -EBUSY: some are enabled. No lock is held. disable returns when the VFs are gone and their DMA has
 * drained.
 */
int pci_sriov_enable(struct pci_function *pf, unsigned nr);
void pci_sriov_disable(struct pci_function *pf);

/* A piece of a BAR of the PF. */
struct pci_fragment {
	uint64_t offset, len; /* page aligned, inside one region of plain memory */
};
/*
 * pf->lock is held: the VF's window shall show these, one behind the other, and a hole in the rest. It does when the
 * register access or the reset in which this was called is over; the newest wish wins.
 */
void pci_vf_set_window_locked(struct pci_function *pf, unsigned vf, const struct pci_fragment *fragments, size_t nr);
/* Carries out the wishes: for who takes pf->lock by itself. No lock is held. */
void pci_sriov_apply(struct pci_function *pf);

#endif
