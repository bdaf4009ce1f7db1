/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A PCI function: config space, BARs, power, interrupts, gate, and its place in the tree. The hardware as a kernel sees
 * it; what VFIO makes of it for a program (virtual BARs, filtered config writes) is vfio/'s.
 *
 * Who may include this: pci/, device/ (the SDK, not models), rack/, dmabuf/, iommufd/, vfio/.
 */
#ifndef BARTER_PCI_FUNCTION_H
#define BARTER_PCI_FUNCTION_H

#include "base/list.h"
#include "base/lock.h"
#include "base/types.h"
#include "iommu/requester.h"
#include "memory/phys.h"
#include "pci/gate.h"

#define PCI_NR_BARS 6
#define PCI_CONFIG_SIZE 256
#define PCIE_CONFIG_SIZE 4096

struct pci_function;
struct pci_root; /* pci/topology.h */
struct pci_port;

/*
 * A BAR is a window made of regions (memory/phys.h), each page aligned and in order: plain memory, registers, the MSI-X
 * table (registers that the core itself answers). Sizes and kinds are fixed when the function is built.
 */
struct pci_bar {
	struct pci_function *fn;
	unsigned index;
	uint64_t size; /* 0: absent. A power of two */
	bool is_io, is_64bit, prefetchable;
	phys_t base; /* bus address of the window; fixed at enumeration, does not move while a driver owns the device */
	/* Immutable after the build, but for a window (pci/sriov.h): changed under the gate's and fn's lock. */
	struct phys_region *regions;
	size_t nr_regions;
	const struct pci_bar *shows; /* a window: the PF's BAR. NULL: memory of its own */
};

/* What a model does for its function; filled through device/sdk.h. All may be NULL. Called under fn->lock. */
struct pci_function_ops {
	uint64_t (*mmio_read)(void *model, unsigned bar, uint64_t offset, unsigned len);
	void (*mmio_write)(void *model, unsigned bar, uint64_t offset, uint64_t value, unsigned len);
	/*
	 * Back to the state after power-on. First dma_port_cancel() (pci/dma.h) for each port: the core drains after
	 * this returns. Contents of plain memory BARs are kept.
	 */
	void (*reset)(void *model);
	/* Model-specific config bytes changed: offset and length of the write. */
	void (*config_written)(void *model, unsigned offset, unsigned len);
	/* No lock is held: after a store, a config write or a reset. Does what must not be done under one. */
	void (*unlocked)(void *model);
	void (*fini)(void *model);
};

/* Delivery of interrupts to whoever drives the device. Called under irq_lock (LOCK_RANK_IRQ); must not block. */
typedef void (*pci_irq_handler)(void *arg, unsigned vector);

enum pci_irq_kind { PCI_IRQ_NONE, PCI_IRQ_INTX, PCI_IRQ_MSI, PCI_IRQ_MSIX };

struct pci_irq_state; /* pci/irq.h */
struct pci_sriov;     /* pci/sriov.h */

struct pci_function {
	struct pci_root *root;	 /* immutable */
	struct pci_port *parent; /* the port above; NULL on the root bus; immutable */
	struct list sibling;	 /* in the bus's list; immutable after enumeration */
	uint16_t segment;
	uint8_t bus, devfn;
	char name[16]; /* "0000:01:00.0" */
	bool is_pcie, is_bridge;

	struct mutex lock;     /* LOCK_RANK_FUNCTION: config space, registers, the model */
	uint8_t *config;       /* PCIE_CONFIG_SIZE bytes */
	uint8_t *write_mask;   /* bits that software may set and clear */
	uint8_t *clear_mask;   /* bits that writing 1 clears */
	uint8_t *reset_image;  /* what a reset brings back; immutable after the build */
	uint16_t config_size;  /* 256 or 4096 */
	bool decoding;	       /* answers accesses to its BARs: none of gate_reasons */
	bool held_in_reset;    /* by a bridge above */
	unsigned gate_reasons; /* those of enum gate_reason that follow from config space; gate's and fn's lock to write
				*/
	/* Offsets of capabilities, 0: absent. Immutable after the build. */
	uint16_t cap_pm, cap_msi, cap_msix, cap_exp, cap_aer, cap_acs, cap_sriov;
	uint16_t next_cap, next_ext_cap; /* where the next capability goes; for the build */

	struct pci_bar bars[PCI_NR_BARS];
	struct pci_gate gate;
	struct iommu_requester iommu;
	_Atomic bool bus_master; /* COMMAND.BME and D0, here and in every bridge above; read in DMA
				     sections, changes drain */

	struct pci_sriov *sriov;     /* of a PF, NULL: not one; immutable after the build */
	struct pci_function *physfn; /* of a VF, NULL: not one; immutable */
	unsigned vf_index;	     /* immutable */
	unsigned pf_resets;	     /* of the PF, as far as this VF has followed; fn->lock */
	_Atomic bool present;	     /* false: a VF that is not enabled. fn->lock to write */

	struct pci_irq_state *irq;
	const struct pci_function_ops *ops;
	void *model;
	const char *model_name; /* "ioat", "memcard", ... literal. NULL: a port or the host bridge */

	unsigned iommu_group; /* sysfs number */
	int numa_node;
};

/*
 * Config space as the bus sees it. len 1, 2 or 4, offset aligned to it; beyond config_size reads all ones and drops
 * writes. A write has all its effects when it returns: the gate has shut, a reset has happened, DMA has drained. Takes
 * the gate's lock and fn->lock inside; call without either.
 */
uint32_t pci_config_read(struct pci_function *fn, unsigned offset, unsigned len);
void pci_config_write(struct pci_function *fn, unsigned offset, uint32_t value, unsigned len);

/* One access to a BAR, as the bus does it: all ones and dropped while decoding is off. len 1, 2, 4, 8; aligned. */
uint64_t pci_mmio_read(struct pci_function *fn, unsigned bar, uint64_t offset, unsigned len);
void pci_mmio_write(struct pci_function *fn, unsigned bar, uint64_t offset, uint64_t value, unsigned len);
/* The region that holds offset of a BAR. */
struct phys_region *pci_bar_region(const struct pci_bar *bar, uint64_t offset, uint64_t *region_offset);

/* The ways a kernel has to reset a function on its own, best first, as sysfs lists them in reset_method. */
enum pci_reset_method { PCI_RESET_NONE, PCI_RESET_FLR, PCI_RESET_PM, PCI_RESET_BUS };
/* The idx-th way, PCI_RESET_NONE after the last. PCI_RESET_BUS: it is alone below its port. */
enum pci_reset_method pci_reset_method(const struct pci_function *fn, unsigned idx);

/*
 * Function-level reset with config state saved and restored around it, as a kernel's reset does (the gate is shut with
 * GATE_RESET meanwhile). -ENOTTY when the function has no way to be reset on its own.
 */
int pci_reset_function(struct pci_function *fn);
bool pci_can_reset_function(const struct pci_function *fn);
/* D0 or D3hot through the PM capability; 0 when there is none and D0 is asked, -EINVAL otherwise. */
int pci_set_power_state(struct pci_function *fn, unsigned state);

/* A request that was not supported. */
struct pci_error {
	struct pci_function *requester;
	struct pci_function *completer; /* who could not serve it; NULL: the root complex */
	uint64_t address, len;
	bool write;
};
/* Both sides' registers say so (Status, Device Status, AER). Called outside DMA sections, without locks. */
void pci_error_unsupported(const struct pci_error *e);

/* Does the driver's open and close: bus mastering off, gate. */
int pci_function_open(struct pci_function *fn);	  /* a driver takes it: decoding on, reset, gate opens */
void pci_function_close(struct pci_function *fn); /* pci_gate_close(), bus mastering off, reset */

#endif
