/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Functions and ports under construction: what the device SDK, the rack and tests call before pci_enumerate().
 *
 *   pci_function_init(); pci_build_*() in any order; pci_root_add_function(); ... pci_enumerate(root).
 *
 * Single threaded, no lock. Every call returns 0, or -EINVAL when the hardware would be impossible, or -ENOMEM; then
 * the function is still good for pci_function_fini() and nothing else.
 *
 * Who may include this: pci/, device/ (the SDK), rack/, tests.
 */
#ifndef BARTER_PCI_BUILD_H
#define BARTER_PCI_BUILD_H

#include "pci/topology.h"

struct pci_ids {
	uint16_t vendor, device, subsystem_vendor, subsystem;
	uint32_t class_code; /* 24 bits */
	uint8_t revision;
};

/* fn is zeroed memory of the caller's. ops, model and model_name live as long as it does. */
int pci_function_init(struct pci_function *fn, struct pci_root *root, const struct pci_ids *ids,
		      const struct pci_function_ops *ops, void *model, const char *model_name);
/* Calls ops->fini and takes the windows out of the physical space. Nobody uses it any more; in any order. */
void pci_function_fini(struct pci_function *fn);

enum pci_region_kind {
	PCI_REGION_MEMORY,
	PCI_REGION_REGISTERS,	      /* loads see the memory behind them, stores go to ops->mmio_write */
	PCI_REGION_REGISTERS_NO_MMAP, /* every access calls the model */
	PCI_REGION_MSIX,	      /* table and pending bits, answered by pci/ */
	PCI_REGION_HOLE,
};

struct pci_region {
	enum pci_region_kind kind;
	uint64_t len; /* page aligned */
};

#define PCI_BAR_64BIT 1u
#define PCI_BAR_PREFETCHABLE 2u
/* The regions add up to a power of two. Memory takes nothing from the host until it is touched. */
int pci_build_bar(struct pci_function *fn, unsigned bar, unsigned flags, const struct pci_region *regions, size_t nr);

/*
 * SR-IOV: pci_build_sriov() on a PCI Express function, then pci_function_init_vf() for each VF on zeroed memory, then
 * their BARs and capabilities, all alike; then pci_root_add_function() of the PF, which places them. A VF ends by
 * pci_function_fini() before its PF does.
 */
int pci_build_sriov(struct pci_function *pf, unsigned total, uint16_t vf_device);
int pci_function_init_vf(struct pci_function *vf, struct pci_function *pf, unsigned index,
			 const struct pci_function_ops *ops, void *model, const char *model_name);
/* A BAR of a VF that shows fragments of its PF's BAR pf_bar; at first none: a hole. */
int pci_build_window(struct pci_function *vf, unsigned bar, unsigned flags, uint64_t size, unsigned pf_bar);

/* Room for a capability in config space; the chain is kept. Returns its offset, -EINVAL when config space is full. */
int pci_build_capability(struct pci_function *fn, uint8_t id, unsigned len);
int pci_build_extended_capability(struct pci_function *fn, uint16_t id, unsigned version, unsigned len);

struct pci_link {
	uint8_t speed; /* PCI_EXP_LNKCAP_SLS_*: 1 = 2.5 GT/s ... 5 = 32 GT/s */
	uint8_t width; /* lanes */
};
/* type: PCI_EXP_TYPE_*. link NULL: 8 GT/s x8. Makes config space 4096 bytes. */
int pci_build_express(struct pci_function *fn, unsigned type, bool flr, const struct pci_link *link);
int pci_build_aer(struct pci_function *fn);
int pci_build_acs(struct pci_port *port, uint16_t capable, uint16_t enabled);
int pci_build_pm(struct pci_function *fn, bool no_soft_reset);
int pci_build_msi(struct pci_function *fn, unsigned nr_vectors);
/* The table and the pending bits must lie in one PCI_REGION_MSIX region of that BAR, which is built before. */
int pci_build_msix(struct pci_function *fn, unsigned nr_vectors, unsigned bar, uint32_t table, uint32_t pba);
int pci_build_intx(struct pci_function *fn);
/* Bytes of the model's own. Masks may be NULL. */
int pci_build_config(struct pci_function *fn, unsigned offset, const void *bytes, const void *write_mask,
		     const void *clear_mask, size_t len);

/*
 * Puts the function on bus 0 (parent NULL) or below a port; slot -1: the next free device number. -EINVAL: the slot is
 * taken, or not 0 on a PCI Express link; -ENOSPC: the bus is full.
 */
int pci_root_add_function(struct pci_root *root, struct pci_port *parent, struct pci_function *fn, int slot);

/* A root port or a switch port, ready to be added. acs: PCI_ACS_* bits that start enabled (not for upstream ports). */
int pci_port_create(struct pci_root *root, int type, uint16_t acs, struct pci_port **out);
void pci_port_destroy(struct pci_port *port);

/* Config bytes without side effects; the function's lock is held, or nobody else knows the function yet. */
uint32_t pci_config_get(const struct pci_function *fn, unsigned offset, unsigned len);
void pci_config_set(struct pci_function *fn, unsigned offset, uint32_t value, unsigned len);

/* The memfd behind every mappable page of the tree: a door keeps the program's hands off it. */
int pci_memory_fd(const struct pci_memory *m);

#endif
