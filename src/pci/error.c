/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Errors on the bus, as registers show them: PCI Express Base Specification, "Error Signaling and Logging".
 *
 * Who gets the request and cannot serve it is the completer: it records an unsupported request in its Device Status and
 * its AER capability. A read comes back with that completion, and the requester's Status says so; nobody answers a
 * posted write. No error message travels to the root port: its Root Error Status stays as it is.
 */
#include "pci/pci_priv.h"

enum {
	TLP_FOUR_WORDS = 0x20000000, /* format: a 64-bit address */
	TLP_WITH_DATA = 0x40000000,  /* format: a write */
	TLP_MAX_WORDS = 64,	     /* 256 bytes, the largest payload here */
};

/* The header of the first TLP of the request, as the header log has it. */
static void tlp_header(const struct pci_error *e, uint32_t header[4])
{
	bool far = e->address >> 32;
	uint64_t words = MIN(e->len / 4 + 1, (uint64_t)TLP_MAX_WORDS);

	header[0] = (far ? TLP_FOUR_WORDS : 0) | (e->write ? TLP_WITH_DATA : 0) | (uint32_t)words;
	header[1] = (uint32_t)e->requester->iommu.id << 16 | 0xff;
	header[2] = far ? (uint32_t)(e->address >> 32) : (uint32_t)e->address & ~3u;
	header[3] = far ? (uint32_t)e->address & ~3u : 0;
}

/* The first error owns the pointer and the header log until software clears its status bit. */
static void log_header_locked(struct pci_function *fn, const struct pci_error *e, uint32_t bit)
{
	uint32_t control = pci_config_get(fn, fn->cap_aer + PCI_ERR_CAP, 4), header[4];

	tlp_header(e, header);
	pci_config_set(fn, fn->cap_aer + PCI_ERR_CAP, (control & ~0x1fu) | (uint32_t)__builtin_ctz(bit), 4);
	for (unsigned i = 0; i < ARRAY_SIZE(header); i++)
		pci_config_set(fn, fn->cap_aer + PCI_ERR_HEADER_LOG + 4 * i, header[i], 4);
}

/* Returns what the Device Status is to show: fatal, non-fatal, or for a read correctable, because it was answered. */
static uint16_t log_aer_locked(struct pci_function *fn, const struct pci_error *e, uint32_t bit)
{
	uint32_t status = pci_config_get(fn, fn->cap_aer + PCI_ERR_UNCOR_STATUS, 4);
	uint32_t mask = pci_config_get(fn, fn->cap_aer + PCI_ERR_UNCOR_MASK, 4);
	bool fatal = pci_config_get(fn, fn->cap_aer + PCI_ERR_UNCOR_SEVER, 4) & bit;

	if (!status && !(mask & bit))
		log_header_locked(fn, e, bit);
	pci_config_set(fn, fn->cap_aer + PCI_ERR_UNCOR_STATUS, status | bit, 4);
	if (fatal)
		return PCI_EXP_DEVSTA_FED;
	if (e->write)
		return PCI_EXP_DEVSTA_NFED;
	status = pci_config_get(fn, fn->cap_aer + PCI_ERR_COR_STATUS, 4);
	pci_config_set(fn, fn->cap_aer + PCI_ERR_COR_STATUS, status | PCI_ERR_COR_ADV_NFAT, 4);
	return PCI_EXP_DEVSTA_CED;
}

static void log_completer(struct pci_function *fn, const struct pci_error *e)
{
	uint16_t status;

	if (!fn->cap_exp)
		return;
	mutex_lock(&fn->lock);
	status = pci_config_get(fn, fn->cap_exp + PCI_EXP_DEVSTA, 2) | PCI_EXP_DEVSTA_URD;
	status |= fn->cap_aer ? log_aer_locked(fn, e, PCI_ERR_UNC_UNSUP)
			      : (e->write ? PCI_EXP_DEVSTA_NFED : PCI_EXP_DEVSTA_CED);
	pci_config_set(fn, fn->cap_exp + PCI_EXP_DEVSTA, status, 2);
	mutex_unlock(&fn->lock);
}

static void log_requester(struct pci_function *fn)
{
	uint16_t status;

	mutex_lock(&fn->lock);
	status = pci_config_get(fn, PCI_STATUS, 2);
	pci_config_set(fn, PCI_STATUS, status | PCI_STATUS_REC_MASTER_ABORT, 2);
	mutex_unlock(&fn->lock);
}

/* What no function claims arrives at the root complex, through the port where it came up. */
static struct pci_function *root_port_of(struct pci_function *fn)
{
	struct pci_port *port = fn->parent;

	while (port && port->fn.parent)
		port = port->fn.parent;
	return port ? &port->fn : NULL;
}

void pci_error_unsupported(const struct pci_error *e)
{
	struct pci_function *completer = e->completer ? e->completer : root_port_of(e->requester);

	if (completer)
		log_completer(completer, e);
	if (!e->write)
		log_requester(e->requester);
}
