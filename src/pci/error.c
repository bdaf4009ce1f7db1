/* SPDX-License-Identifier: BSD-3-Clause */
/* Errors on the bus, as a function's registers show them. */
#include "pci/pci_priv.h"

/* A read comes back with the completion status; nobody answers a posted write. */
void pci_error_unsupported(struct pci_function *requester, bool write)
{
	uint16_t status;

	if (write)
		return;
	mutex_lock(&requester->lock);
	status = pci_config_get(requester, PCI_STATUS, 2);
	pci_config_set(requester, PCI_STATUS, status | PCI_STATUS_REC_MASTER_ABORT, 2);
	mutex_unlock(&requester->lock);
}
