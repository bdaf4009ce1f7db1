/* SPDX-License-Identifier: BSD-3-Clause */
/* SR-IOV at run time: what a PF's capability says, and what a kernel does with it. */
#include "pci/pci_priv.h"

struct pci_function *pci_sriov_vf(const struct pci_function *pf, unsigned i)
{
	return i < pci_sriov_total(pf) ? pf->sriov->vfs[i] : NULL;
}

unsigned pci_sriov_total(const struct pci_function *pf)
{
	return pf->sriov ? pf->sriov->total : 0;
}

/* Neither changes, so no lock is needed. */
unsigned pci_sriov_offset(const struct pci_function *pf)
{
	return pci_config_get(pf, pf->cap_sriov + PCI_SRIOV_VF_OFFSET, 2);
}

unsigned pci_sriov_stride(const struct pci_function *pf)
{
	return pci_config_get(pf, pf->cap_sriov + PCI_SRIOV_VF_STRIDE, 2);
}

unsigned pci_sriov_enabled(const struct pci_function *pf)
{
	return pf->sriov ? pf->sriov->nr_present : 0;
}

uint16_t pci_vendor_id(const struct pci_function *fn)
{
	return (uint16_t)pci_config_get(fn->physfn ? fn->physfn : fn, PCI_VENDOR_ID, 2);
}

uint16_t pci_device_id(const struct pci_function *fn)
{
	return fn->physfn ? fn->physfn->sriov->vf_device : (uint16_t)pci_config_get(fn, PCI_DEVICE_ID, 2);
}

/* Windows do not move: VF BARs that software points elsewhere do not decode. */
static bool bars_are_in_place(const struct pci_function *pf)
{
	const struct pci_function *vf = pf->sriov->vfs[0];

	for (unsigned i = 0; i < PCI_NR_BARS; i++) {
		const struct pci_bar *bar = &vf->bars[i];
		unsigned offset = pf->cap_sriov + PCI_SRIOV_BAR + i * 4;
		uint64_t base = pci_config_get(pf, offset, 4) & ~0xfull;

		if (bar->is_64bit)
			base |= (uint64_t)pci_config_get(pf, offset + 4, 4) << 32;
		if (bar->size && base != bar->base)
			return false;
	}
	return true;
}

/* NumVFs counts when VF Enable is set: the specification leaves open what a later change of it would do. */
void sriov_update_locked(struct pci_function *pf, bool powered)
{
	unsigned control = pci_config_get(pf, pf->cap_sriov + PCI_SRIOV_CTRL, 2);
	struct pci_sriov *s = pf->sriov;
	bool enabled = control & PCI_SRIOV_CTRL_VFE;

	mutex_assert_held(&pf->lock);
	if (!enabled && s->nr_present) {
		s->nr_present = 0;
		s->nr_resets++;
	} else if (enabled && !s->nr_present) {
		s->nr_present = MIN(pci_config_get(pf, pf->cap_sriov + PCI_SRIOV_NUM_VF, 2), s->total);
	}
	s->decodes = enabled && (control & PCI_SRIOV_CTRL_MSE) && bars_are_in_place(pf);
	s->powered = powered;
}

void sriov_gates_shut(struct pci_function *pf)
{
	struct pci_function *vf;

	for (unsigned i = 0; (vf = pci_sriov_vf(pf, i)); i++)
		pci_gate_shut(&vf->gate, GATE_PHYSFN);
}

void sriov_gates_open(struct pci_function *pf)
{
	struct pci_function *vf;

	for (unsigned i = 0; (vf = pci_sriov_vf(pf, i)); i++)
		pci_gate_open(&vf->gate, GATE_PHYSFN);
}

int pci_sriov_enable(struct pci_function *pf, unsigned nr)
{
	if (!pf->sriov)
		return -ENODEV;
	if (!nr || nr > pf->sriov->total)
		return -EINVAL;
	if (pci_sriov_enabled(pf))
		return -EBUSY;
	pci_config_write(pf, pf->cap_sriov + PCI_SRIOV_NUM_VF, nr, 2);
	pci_config_write(pf, pf->cap_sriov + PCI_SRIOV_CTRL, PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE, 2);
	return 0;
}

void pci_sriov_disable(struct pci_function *pf)
{
	if (!pf->sriov)
		return;
	pci_config_write(pf, pf->cap_sriov + PCI_SRIOV_CTRL, 0, 2);
	pci_config_write(pf, pf->cap_sriov + PCI_SRIOV_NUM_VF, 0, 2);
}
