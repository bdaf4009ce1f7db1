/* SPDX-License-Identifier: BSD-3-Clause */
/* A PF and its VFs under construction. */
#include <stdlib.h>
#include <string.h>

#include "pci/pci_priv.h"

enum { FIRST_VF_OFFSET = 1, VF_STRIDE = 1 };

/* 4 KiB pages and what every function has to support beside; software may not choose another. */
#define SUPPORTED_PAGE_SIZES 0x553

int sriov_start(struct pci_function *pf)
{
	return pf->sriov ? work_queue_start(pf->sriov->carrier) : 0;
}

void sriov_fini(struct pci_function *pf)
{
	if (pf->sriov)
		work_queue_destroy(pf->sriov->carrier);
	free(pf->sriov);
	pf->sriov = NULL;
}

int pci_build_sriov(struct pci_function *pf, unsigned total, uint16_t vf_device)
{
	const uint16_t control = PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE, all = 0xffff;
	int cap;

	if (!total || total > PCI_MAX_VFS || pf->sriov || pf->physfn)
		return -EINVAL;
	cap = pci_build_extended_capability(pf, PCI_EXT_CAP_ID_SRIOV, 1, PCI_EXT_CAP_SRIOV_SIZEOF);
	if (cap < 0)
		return cap;
	pf->sriov = calloc(1, sizeof(*pf->sriov));
	if (!pf->sriov)
		return -ENOMEM;
	pf->sriov->pf = pf;
	work_init(&pf->sriov->carry, sriov_carry);
	pf->sriov->carrier = work_queue_create("vf-windows");
	if (!pf->sriov->carrier) {
		sriov_fini(pf);
		return -ENOMEM;
	}
	pf->cap_sriov = (uint16_t)cap;
	pf->sriov->total = total;
	pf->sriov->vf_device = vf_device;
	memcpy(pf->write_mask + cap + PCI_SRIOV_CTRL, &control, 2);
	memcpy(pf->write_mask + cap + PCI_SRIOV_NUM_VF, &all, 2);
	pci_config_set(pf, cap + PCI_SRIOV_INITIAL_VF, total, 2);
	pci_config_set(pf, cap + PCI_SRIOV_TOTAL_VF, total, 2);
	pci_config_set(pf, cap + PCI_SRIOV_VF_OFFSET, FIRST_VF_OFFSET, 2);
	pci_config_set(pf, cap + PCI_SRIOV_VF_STRIDE, VF_STRIDE, 2);
	pci_config_set(pf, cap + PCI_SRIOV_VF_DID, vf_device, 2);
	pci_config_set(pf, cap + PCI_SRIOV_SUP_PGSIZE, SUPPORTED_PAGE_SIZES, 4);
	pci_config_set(pf, cap + PCI_SRIOV_SYS_PGSIZE, 1, 4);
	return 0;
}

/* Of the header a VF has bus mastering; the rest is its PF's, or there is no such thing. */
static void header_restrict(struct pci_function *vf)
{
	vf->write_mask[PCI_COMMAND] = PCI_COMMAND_MASTER;
	vf->write_mask[PCI_COMMAND + 1] = 0;
	vf->write_mask[PCI_CACHE_LINE_SIZE] = 0;
	vf->write_mask[PCI_INTERRUPT_LINE] = 0;
}

int pci_function_init_vf(struct pci_function *vf, struct pci_function *pf, unsigned index,
			 const struct pci_function_ops *ops, void *model, const char *model_name)
{
	const struct pci_ids ids = {
		.vendor = 0xffff,
		.device = 0xffff,
		.subsystem_vendor = (uint16_t)pci_config_get(pf, PCI_SUBSYSTEM_VENDOR_ID, 2),
		.subsystem = (uint16_t)pci_config_get(pf, PCI_SUBSYSTEM_ID, 2),
		.class_code = pci_config_get(pf, PCI_CLASS_REVISION, 4) >> 8,
		.revision = pf->config[PCI_CLASS_REVISION],
	};
	int err;

	if (index >= pci_sriov_total(pf) || pf->sriov->vfs[index])
		return -EINVAL;
	err = pci_function_init(vf, pf->root, &ids, ops, model, model_name);
	if (err)
		return err;
	vf->physfn = pf;
	vf->vf_index = index;
	vf->present = false;
	header_restrict(vf);
	pf->sriov->vfs[index] = vf;
	return 0;
}

static bool alike(const struct pci_function *a, const struct pci_function *b)
{
	for (unsigned i = 0; i < PCI_NR_BARS; i++)
		if (a->bars[i].size != b->bars[i].size || a->bars[i].is_64bit != b->bars[i].is_64bit ||
		    a->bars[i].prefetchable != b->bars[i].prefetchable)
			return false;
	return true;
}

int sriov_place(struct pci_function *pf)
{
	struct pci_sriov *s = pf->sriov;

	for (unsigned i = 0; i < s->total; i++) {
		struct pci_function *vf = s->vfs[i];

		if (!vf || !alike(vf, s->vfs[0]))
			return -EINVAL;
		vf->parent = pf->parent;
		vf->devfn = (uint8_t)(pf->devfn + FIRST_VF_OFFSET + i * VF_STRIDE);
		vf->numa_node = pf->numa_node;
		memcpy(vf->reset_image, vf->config, PCIE_CONFIG_SIZE);
	}
	return 0;
}

void sriov_bar_place(struct pci_function *pf, unsigned bar, phys_t base)
{
	unsigned offset = pf->cap_sriov + PCI_SRIOV_BAR + bar * 4;

	pci_config_set(pf, offset, pci_config_get(pf, offset, 4) | (uint32_t)base, 4);
	if (pf->sriov->vfs[0]->bars[bar].is_64bit)
		pci_config_set(pf, offset + 4, base >> 32, 4);
}
