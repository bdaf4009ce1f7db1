/* SPDX-License-Identifier: BSD-3-Clause */
/* Birth and death of a function, and what a driver does to it when it takes it and lets go. */
#include <stdlib.h>
#include <string.h>

#include "pci/pci_priv.h"

static const struct lock_class function_lock_class = {.name = "function", .rank = LOCK_RANK_FUNCTION};

static void header_build(struct pci_function *fn, const struct pci_ids *ids)
{
	pci_config_set(fn, PCI_VENDOR_ID, ids->vendor, 2);
	pci_config_set(fn, PCI_DEVICE_ID, ids->device, 2);
	pci_config_set(fn, PCI_CLASS_REVISION, ids->class_code << 8 | ids->revision, 4);
	pci_config_set(fn, PCI_SUBSYSTEM_VENDOR_ID, ids->subsystem_vendor, 2);
	pci_config_set(fn, PCI_SUBSYSTEM_ID, ids->subsystem, 2);
	fn->write_mask[PCI_CACHE_LINE_SIZE] = 0xff;
	fn->write_mask[PCI_INTERRUPT_LINE] = 0xff;
	fn->write_mask[PCI_COMMAND] = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY;
	fn->write_mask[PCI_COMMAND + 1] = (PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE) >> 8;
	fn->clear_mask[PCI_STATUS + 1] =
		(PCI_STATUS_PARITY | PCI_STATUS_SIG_TARGET_ABORT | PCI_STATUS_REC_TARGET_ABORT |
		 PCI_STATUS_REC_MASTER_ABORT | PCI_STATUS_SIG_SYSTEM_ERROR | PCI_STATUS_DETECTED_PARITY) >>
		8;
}

int pci_function_init(struct pci_function *fn, struct pci_root *root, const struct pci_ids *ids,
		      const struct pci_function_ops *ops, void *model, const char *model_name)
{
	int err;

	fn->root = root;
	fn->ops = ops;
	fn->model = model;
	fn->model_name = model_name;
	fn->segment = root->segment;
	fn->config_size = PCI_CONFIG_SIZE;
	fn->numa_node = -1;
	fn->present = true;
	list_init(&fn->sibling);
	for (unsigned i = 0; i < PCI_NR_BARS; i++) {
		fn->bars[i].fn = fn;
		fn->bars[i].index = i;
	}
	fn->config = calloc(4, PCIE_CONFIG_SIZE);
	if (!fn->config)
		return -ENOMEM;
	fn->write_mask = fn->config + PCIE_CONFIG_SIZE;
	fn->clear_mask = fn->write_mask + PCIE_CONFIG_SIZE;
	fn->reset_image = fn->clear_mask + PCIE_CONFIG_SIZE;
	err = irq_state_init(fn);
	if (err) {
		free(fn->config);
		fn->config = NULL;
		return err;
	}
	mutex_init(&fn->lock, &function_lock_class);
	pci_gate_init(&fn->gate, root->space ? phys_sections(root->space) : NULL, GATE_DECODE | GATE_CLOSED);
	header_build(fn, ids);
	return 0;
}

void pci_function_fini(struct pci_function *fn)
{
	if (!fn->config)
		return;
	/* The model's workers end before the memory that they work on. */
	if (fn->ops && fn->ops->fini)
		fn->ops->fini(fn->model);
	list_del(&fn->sibling);
	for (unsigned i = 0; i < PCI_NR_BARS; i++)
		bar_fini(&fn->bars[i]);
	pci_gate_fini(&fn->gate);
	mutex_fini(&fn->lock);
	irq_state_fini(fn);
	sriov_fini(fn);
	free(fn->config);
	fn->config = NULL;
}

static void command_change(struct pci_function *fn, uint16_t set, uint16_t clear)
{
	uint16_t command = pci_config_read(fn, PCI_COMMAND, 2);

	pci_config_write(fn, PCI_COMMAND, (command & ~clear) | set, 2);
}

int pci_function_open(struct pci_function *fn)
{
	int err = pci_set_power_state(fn, 0);

	if (!err)
		err = sriov_start(fn);
	if (err)
		return err;
	command_change(fn, PCI_COMMAND_MEMORY, PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE);
	if (pci_can_reset_function(fn)) {
		err = pci_reset_function(fn);
		if (err)
			return err;
	}
	pci_gate_open(&fn->gate, GATE_CLOSED);
	return 0;
}

void pci_function_close(struct pci_function *fn)
{
	pci_gate_close(&fn->gate);
	command_change(fn, 0, PCI_COMMAND_MASTER);
	pci_set_power_state(fn, 0);
	if (pci_can_reset_function(fn))
		pci_reset_function(fn);
}
