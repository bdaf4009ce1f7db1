/* SPDX-License-Identifier: BSD-3-Clause */
/* Capabilities of a function under construction: where they lie in config space and which of their bits can change. */
#include <string.h>

#include "pci/pci_priv.h"

static void writable(struct pci_function *fn, unsigned offset, uint32_t mask, unsigned len)
{
	memcpy(fn->write_mask + offset, &mask, len);
}

static void write_one_clears(struct pci_function *fn, unsigned offset, uint32_t mask, unsigned len)
{
	memcpy(fn->clear_mask + offset, &mask, len);
}

int pci_build_capability(struct pci_function *fn, uint8_t id, unsigned len)
{
	unsigned offset = MAX(fn->next_cap, (unsigned)PCI_STD_HEADER_SIZEOF), link = PCI_CAPABILITY_LIST;

	if (offset + len > PCI_CONFIG_SIZE)
		return -EINVAL;
	while (fn->config[link])
		link = fn->config[link] + PCI_CAP_LIST_NEXT;
	fn->config[link] = offset;
	fn->config[offset + PCI_CAP_LIST_ID] = id;
	fn->config[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
	fn->next_cap = offset + align_up(len, 4);
	return offset;
}

int pci_build_extended_capability(struct pci_function *fn, uint16_t id, unsigned version, unsigned len)
{
	unsigned offset = MAX(fn->next_ext_cap, (unsigned)PCI_CONFIG_SIZE);

	if (fn->config_size != PCIE_CONFIG_SIZE || offset + len > PCIE_CONFIG_SIZE)
		return -EINVAL;
	if (fn->next_ext_cap) {
		unsigned last = PCI_CONFIG_SIZE;

		while (PCI_EXT_CAP_NEXT(pci_config_get(fn, last, 4)))
			last = PCI_EXT_CAP_NEXT(pci_config_get(fn, last, 4));
		pci_config_set(fn, last, pci_config_get(fn, last, 4) | offset << 20, 4);
	}
	pci_config_set(fn, offset, id | version << 16, 4);
	fn->next_ext_cap = offset + align_up(len, 4);
	return offset;
}

static bool is_port_type(unsigned type)
{
	return type == PCI_EXP_TYPE_ROOT_PORT || type == PCI_EXP_TYPE_UPSTREAM || type == PCI_EXP_TYPE_DOWNSTREAM;
}

static void build_link(struct pci_function *fn, unsigned cap, unsigned type, const struct pci_link *link)
{
	uint32_t lnkcap = link->speed | link->width << 4;
	uint16_t lnksta = link->speed | link->width << 4;

	if (type == PCI_EXP_TYPE_ROOT_PORT || type == PCI_EXP_TYPE_DOWNSTREAM) {
		lnkcap |= PCI_EXP_LNKCAP_DLLLARC;
		lnksta |= PCI_EXP_LNKSTA_DLLLA;
	}
	pci_config_set(fn, cap + PCI_EXP_LNKCAP, lnkcap, 4);
	/* The link is the PF's: a VF says what it can do and not how it runs. */
	if (fn->physfn)
		return;
	pci_config_set(fn, cap + PCI_EXP_LNKSTA, lnksta, 2);
	pci_config_set(fn, cap + PCI_EXP_LNKCAP2, ((1u << link->speed) - 1) << 1, 4);
	pci_config_set(fn, cap + PCI_EXP_LNKCTL2, link->speed, 2);
	writable(fn, cap + PCI_EXP_LNKCTL,
		 PCI_EXP_LNKCTL_RCB | PCI_EXP_LNKCTL_CCC | PCI_EXP_LNKCTL_ES | PCI_EXP_LNKCTL_LD, 2);
	writable(fn, cap + PCI_EXP_LNKCTL2, PCI_EXP_LNKCTL2_TLS, 2);
}

int pci_build_express(struct pci_function *fn, unsigned type, bool flr, const struct pci_link *link)
{
	static const struct pci_link usual = {.speed = PCI_EXP_LNKCAP_SLS_8_0GB, .width = 8};
	int cap = pci_build_capability(fn, PCI_CAP_ID_EXP, PCI_EXP_SLTSTA2 + 2);

	if (cap < 0)
		return cap;
	fn->cap_exp = cap;
	fn->is_pcie = true;
	fn->config_size = PCIE_CONFIG_SIZE;
	pci_config_set(fn, cap + PCI_EXP_FLAGS, 2 | type << 4, 2);
	/* 256 byte payloads, extended tags, role-based error reporting. */
	pci_config_set(fn, cap + PCI_EXP_DEVCAP,
		       1 | PCI_EXP_DEVCAP_EXT_TAG | PCI_EXP_DEVCAP_RBER | (flr ? PCI_EXP_DEVCAP_FLR : 0), 4);
	/* Power-on: relaxed ordering, 512 byte read requests. The reset bit (15) reads as 0: no write mask. */
	pci_config_set(fn, cap + PCI_EXP_DEVCTL, PCI_EXP_DEVCTL_RELAX_EN | PCI_EXP_DEVCTL_READRQ_512B, 2);
	if (!fn->physfn)
		writable(fn, cap + PCI_EXP_DEVCTL, 0x7fff & ~(PCI_EXP_DEVCTL_PHANTOM | PCI_EXP_DEVCTL_AUX_PME), 2);
	write_one_clears(fn, cap + PCI_EXP_DEVSTA,
			 PCI_EXP_DEVSTA_CED | PCI_EXP_DEVSTA_NFED | PCI_EXP_DEVSTA_FED | PCI_EXP_DEVSTA_URD, 2);
	/* Completion timeouts: programmable in ranges A and B. */
	pci_config_set(fn, cap + PCI_EXP_DEVCAP2, PCI_EXP_DEVCAP2_COMP_TMOUT_DIS | 3, 4);
	if (!fn->physfn)
		writable(fn, cap + PCI_EXP_DEVCTL2, PCI_EXP_DEVCTL2_COMP_TIMEOUT | PCI_EXP_DEVCTL2_COMP_TMOUT_DIS, 2);
	if (type != PCI_EXP_TYPE_RC_END)
		build_link(fn, cap, type, link ? link : &usual);
	if (type == PCI_EXP_TYPE_ROOT_PORT)
		writable(fn, cap + PCI_EXP_RTCTL, 0x1f, 2);
	return is_port_type(type) == fn->is_bridge ? 0 : -EINVAL;
}

int pci_build_aer(struct pci_function *fn)
{
	const uint32_t uncorrectable = PCI_ERR_UNC_DLP | PCI_ERR_UNC_POISON_TLP | PCI_ERR_UNC_FCP |
				       PCI_ERR_UNC_COMP_TIME | PCI_ERR_UNC_COMP_ABORT | PCI_ERR_UNC_UNX_COMP |
				       PCI_ERR_UNC_RX_OVER | PCI_ERR_UNC_MALF_TLP | PCI_ERR_UNC_ECRC |
				       PCI_ERR_UNC_UNSUP | PCI_ERR_UNC_ACSV;
	const uint32_t severe = PCI_ERR_UNC_DLP | PCI_ERR_UNC_FCP | PCI_ERR_UNC_RX_OVER | PCI_ERR_UNC_MALF_TLP;
	const uint32_t correctable = PCI_ERR_COR_RCVR | PCI_ERR_COR_BAD_TLP | PCI_ERR_COR_BAD_DLLP |
				     PCI_ERR_COR_REP_ROLL | PCI_ERR_COR_REP_TIMER | PCI_ERR_COR_ADV_NFAT;
	bool root = fn->cap_exp && (pci_config_get(fn, fn->cap_exp + PCI_EXP_FLAGS, 2) & PCI_EXP_FLAGS_TYPE) >> 4 ==
					   PCI_EXP_TYPE_ROOT_PORT;
	int cap = pci_build_extended_capability(fn, PCI_EXT_CAP_ID_ERR, 2, root ? 0x38 : 0x2c);

	if (cap < 0)
		return cap;
	fn->cap_aer = cap;
	write_one_clears(fn, cap + PCI_ERR_UNCOR_STATUS, uncorrectable, 4);
	writable(fn, cap + PCI_ERR_UNCOR_MASK, uncorrectable, 4);
	pci_config_set(fn, cap + PCI_ERR_UNCOR_SEVER, severe, 4);
	writable(fn, cap + PCI_ERR_UNCOR_SEVER, uncorrectable, 4);
	write_one_clears(fn, cap + PCI_ERR_COR_STATUS, correctable, 4);
	pci_config_set(fn, cap + PCI_ERR_COR_MASK, PCI_ERR_COR_ADV_NFAT, 4);
	writable(fn, cap + PCI_ERR_COR_MASK, correctable, 4);
	if (root) {
		writable(fn, cap + PCI_ERR_ROOT_COMMAND, 7, 4);
		write_one_clears(fn, cap + PCI_ERR_ROOT_STATUS, 0x7f, 4);
	}
	return 0;
}

int pci_build_acs(struct pci_port *port, uint16_t capable, uint16_t enabled)
{
	struct pci_function *fn = &port->fn;
	int cap = pci_build_extended_capability(fn, PCI_EXT_CAP_ID_ACS, 1, 8);

	if (cap < 0)
		return cap;
	if (enabled & ~capable)
		return -EINVAL;
	fn->cap_acs = cap;
	pci_config_set(fn, cap + PCI_ACS_CAP, capable, 2);
	pci_config_set(fn, cap + PCI_ACS_CTRL, enabled, 2);
	writable(fn, cap + PCI_ACS_CTRL, capable, 2);
	port->acs = enabled;
	return 0;
}

int pci_build_pm(struct pci_function *fn, bool no_soft_reset)
{
	int cap = pci_build_capability(fn, PCI_CAP_ID_PM, PCI_PM_SIZEOF);

	if (cap < 0)
		return cap;
	fn->cap_pm = cap;
	pci_config_set(fn, cap + PCI_PM_PMC, 3, 2);
	pci_config_set(fn, cap + PCI_PM_CTRL, no_soft_reset ? PCI_PM_CTRL_NO_SOFT_RESET : 0, 2);
	writable(fn, cap + PCI_PM_CTRL, PCI_PM_CTRL_STATE_MASK, 2);
	return 0;
}

int pci_build_msi(struct pci_function *fn, unsigned nr_vectors)
{
	unsigned order = 0;
	int cap;

	while (1u << order < nr_vectors)
		order++;
	if (nr_vectors == 0 || nr_vectors > 32 || 1u << order != nr_vectors)
		return -EINVAL;
	cap = pci_build_capability(fn, PCI_CAP_ID_MSI, PCI_MSI_PENDING_64 + 4);
	if (cap < 0)
		return cap;
	fn->cap_msi = cap;
	fn->irq->nr_msi = nr_vectors;
	pci_config_set(fn, cap + PCI_MSI_FLAGS, PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_MASKBIT | order << 1, 2);
	writable(fn, cap + PCI_MSI_FLAGS, PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE, 2);
	writable(fn, cap + PCI_MSI_ADDRESS_LO, 0xfffffffc, 4);
	writable(fn, cap + PCI_MSI_ADDRESS_HI, 0xffffffff, 4);
	writable(fn, cap + PCI_MSI_DATA_64, 0xffff, 2);
	writable(fn, cap + PCI_MSI_MASK_64, (uint32_t)((1ull << nr_vectors) - 1), 4);
	return 0;
}

int pci_build_msix(struct pci_function *fn, unsigned nr_vectors, unsigned bar, uint32_t table, uint32_t pba)
{
	uint64_t table_at, pba_at, table_len = (uint64_t)nr_vectors * PCI_MSIX_ENTRY_SIZE;
	uint64_t pba_len = (nr_vectors + 63) / 64 * 8;
	struct phys_region *region;
	int cap;

	if (nr_vectors == 0 || nr_vectors > 2048 || bar >= PCI_NR_BARS || (table | pba) % 8)
		return -EINVAL;
	region = pci_bar_region(&fn->bars[bar], table, &table_at);
	if (!region || !region->host || region->kind != PHYS_REGISTERS ||
	    pci_bar_region(&fn->bars[bar], pba, &pba_at) != region)
		return -EINVAL;
	if (table_at + table_len > region->len || pba_at + pba_len > region->len ||
	    (table_at < pba_at + pba_len && pba_at < table_at + table_len))
		return -EINVAL;
	cap = pci_build_capability(fn, PCI_CAP_ID_MSIX, PCI_CAP_MSIX_SIZEOF);
	if (cap < 0)
		return cap;
	fn->cap_msix = cap;
	fn->irq->nr_msix = nr_vectors;
	fn->irq->msix_region = region;
	fn->irq->msix_table = table_at;
	fn->irq->msix_pba = pba_at;
	pci_config_set(fn, cap + PCI_MSIX_FLAGS, nr_vectors - 1, 2);
	writable(fn, cap + PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL, 2);
	pci_config_set(fn, cap + PCI_MSIX_TABLE, table | bar, 4);
	pci_config_set(fn, cap + PCI_MSIX_PBA, pba | bar, 4);
	irq_msix_table_reset(fn);
	return 0;
}

int pci_build_intx(struct pci_function *fn)
{
	fn->irq->has_intx = true;
	fn->config[PCI_INTERRUPT_PIN] = 1;
	return 0;
}

int pci_build_config(struct pci_function *fn, unsigned offset, const void *bytes, const void *write_mask,
		     const void *clear_mask, size_t len)
{
	if (offset > PCIE_CONFIG_SIZE || len > PCIE_CONFIG_SIZE - offset)
		return -EINVAL;
	memcpy(fn->config + offset, bytes, len);
	if (write_mask)
		memcpy(fn->write_mask + offset, write_mask, len);
	if (clear_mask)
		memcpy(fn->clear_mask + offset, clear_mask, len);
	return 0;
}
