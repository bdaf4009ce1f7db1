/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which bits of config space a program may see and change: vfio_config.virt, .write and .value from what the function
 * has.
 *
 * What lies in no known capability is the hardware's: read and written as it is. A known capability is read-only but
 * for the bits named here. One that is known not to be for programs is taken out of the chain.
 */
#include <string.h>

#include "vfio/vfio_priv.h"

enum { HIDDEN = 0, VARIABLE = 0xff };

/* Lengths of capabilities; one without a length is hidden. */
static const uint8_t cap_lengths[PCI_CAP_ID_MAX + 1] = {
	[PCI_CAP_ID_PM] = PCI_PM_SIZEOF,
	[PCI_CAP_ID_AGP] = 8,
	[PCI_CAP_ID_VPD] = 8,
	[PCI_CAP_ID_SLOTID] = 4,
	[PCI_CAP_ID_MSI] = VARIABLE,
	[PCI_CAP_ID_CHSWP] = 4,
	[PCI_CAP_ID_PCIX] = VARIABLE,
	[PCI_CAP_ID_HT] = VARIABLE,
	[PCI_CAP_ID_VNDR] = VARIABLE,
	[PCI_CAP_ID_EXP] = VARIABLE,
	[PCI_CAP_ID_MSIX] = 12,
	[PCI_CAP_ID_SATA] = VARIABLE,
	[PCI_CAP_ID_AF] = 8,
};

static const struct ext_cap {
	uint16_t id;
	uint8_t len;
} ext_caps[] = {
	{PCI_EXT_CAP_ID_ERR, PCI_ERR_ROOT_COMMAND},
	{PCI_EXT_CAP_ID_DSN, 12},
	{PCI_EXT_CAP_ID_PWR, 16},
	{PCI_EXT_CAP_ID_ACS, 8},
	{PCI_EXT_CAP_ID_ARI, 8},
	{PCI_EXT_CAP_ID_ATS, 8},
	{PCI_EXT_CAP_ID_SRIOV, 64},
	{PCI_EXT_CAP_ID_PRI, 16},
	{PCI_EXT_CAP_ID_LTR, 8},
};

static void set_bits(struct vfio_config *c, unsigned offset, uint32_t virt, uint32_t write, unsigned len)
{
	memcpy(c->virt + offset, &virt, len);
	memcpy(c->write + offset, &write, len);
}

static uint32_t get_value(const struct vfio_config *c, unsigned offset, unsigned len)
{
	uint32_t value = 0;

	memcpy(&value, c->value + offset, len);
	return value;
}

static void set_value(struct vfio_config *c, unsigned offset, uint32_t value, unsigned len)
{
	memcpy(c->value + offset, &value, len);
}

/* Read-only and the hardware's. */
static void set_read_only(struct vfio_config *c, unsigned offset, unsigned len)
{
	memset(c->virt + offset, 0, len);
	memset(c->write + offset, 0, len);
}

static void map_header(struct vfio_config *c)
{
	set_read_only(c, 0, PCI_STD_HEADER_SIZEOF);
	set_bits(c, PCI_VENDOR_ID, UINT32_MAX, 0, 4);
	set_bits(c, PCI_COMMAND, PCI_COMMAND_INTX_DISABLE, UINT32_MAX, 2);
	set_bits(c, PCI_CACHE_LINE_SIZE, 0, UINT32_MAX, 1);
	set_bits(c, PCI_LATENCY_TIMER, 0, UINT32_MAX, 1);
	set_bits(c, PCI_BIST, 0, UINT32_MAX, 1);
	for (unsigned i = 0; i < PCI_NR_BARS; i++)
		set_bits(c, PCI_BASE_ADDRESS_0 + i * 4, UINT32_MAX, UINT32_MAX, 4);
	set_bits(c, PCI_ROM_ADDRESS, UINT32_MAX, UINT32_MAX, 4);
	set_bits(c, PCI_CAPABILITY_LIST, UINT32_MAX, 0, 1);
	set_bits(c, PCI_INTERRUPT_LINE, UINT32_MAX, UINT32_MAX, 1);
	set_bits(c, PCI_INTERRUPT_PIN, UINT32_MAX, 0, 1);
	set_value(c, PCI_COMMAND, get_value(c, PCI_COMMAND, 2) & ~(uint32_t)PCI_COMMAND_INTX_DISABLE, 2);
}

/* Wake-up events are the host's: they look absent. The power state is set through pci_set_power_state(). */
static void map_pm(struct vfio_config *c, unsigned at)
{
	const uint32_t pme = PCI_PM_CTRL_PME_ENABLE | PCI_PM_CTRL_PME_STATUS;

	set_bits(c, at + PCI_PM_PMC, PCI_PM_CAP_PME_MASK, 0, 2);
	set_bits(c, at + PCI_PM_CTRL, pme, ~(pme | PCI_PM_CTRL_STATE_MASK), 2);
	set_value(c, at + PCI_PM_PMC, 0, 2);
	set_value(c, at + PCI_PM_CTRL, 0, 2);
}

/* The reset bit is acted upon; the sizes of payloads and requests are for the host to choose. */
static void map_express(struct vfio_config *c, unsigned at, bool v2)
{
	set_bits(c, at + PCI_EXP_DEVCTL, PCI_EXP_DEVCTL_BCR_FLR | PCI_EXP_DEVCTL_PAYLOAD | PCI_EXP_DEVCTL_READRQ,
		 ~(uint32_t)PCI_EXP_DEVCTL_PHANTOM, 2);
	if (v2)
		set_bits(c, at + PCI_EXP_DEVCTL2, 0, ~(uint32_t)PCI_EXP_DEVCTL2_ARI, 2);
}

static unsigned msi_len(uint16_t flags)
{
	return 10 + (flags & PCI_MSI_FLAGS_64BIT ? 4 : 0) + (flags & PCI_MSI_FLAGS_MASKBIT ? 10 : 0);
}

/* Where messages go is the host's business: the program sees what it wrote. Only the mask is the hardware's. */
static void map_msi(struct vfio_config *c, unsigned at, uint16_t flags)
{
	bool wide = flags & PCI_MSI_FLAGS_64BIT;

	set_bits(c, at + PCI_MSI_FLAGS, UINT32_MAX, UINT32_MAX, 2);
	set_bits(c, at + PCI_MSI_ADDRESS_LO, UINT32_MAX, UINT32_MAX, 4);
	if (wide)
		set_bits(c, at + PCI_MSI_ADDRESS_HI, UINT32_MAX, UINT32_MAX, 4);
	set_bits(c, at + (wide ? PCI_MSI_DATA_64 : PCI_MSI_DATA_32), UINT32_MAX, UINT32_MAX, 2);
	if (flags & PCI_MSI_FLAGS_MASKBIT)
		set_bits(c, at + (wide ? PCI_MSI_MASK_64 : PCI_MSI_MASK_32), 0, UINT32_MAX, 4);
}

static unsigned cap_len(const struct vfio_config *c, uint8_t id, unsigned at)
{
	uint16_t flags = (uint16_t)get_value(c, at + 2, 2);

	switch (id) {
	case PCI_CAP_ID_MSI:
		return msi_len(flags);
	case PCI_CAP_ID_EXP:
		return (flags & PCI_EXP_FLAGS_VERS) > 1 ? PCI_EXP_SLTSTA2 + 2 : PCI_CAP_EXP_ENDPOINT_SIZEOF_V1;
	case PCI_CAP_ID_VNDR:
		return flags & 0xff;
	default:
		return id <= PCI_CAP_ID_MAX && cap_lengths[id] != VARIABLE ? cap_lengths[id] : HIDDEN;
	}
}

static void map_cap(struct vfio_config *c, uint8_t id, unsigned at, unsigned len)
{
	uint16_t flags = (uint16_t)get_value(c, at + 2, 2);

	if (id != PCI_CAP_ID_VNDR)
		set_read_only(c, at, len);
	/* Where the next one is, is for us to say. */
	set_bits(c, at, UINT32_MAX, 0, 2);
	switch (id) {
	case PCI_CAP_ID_PM:
		map_pm(c, at);
		break;
	case PCI_CAP_ID_EXP:
		map_express(c, at, (flags & PCI_EXP_FLAGS_VERS) > 1);
		break;
	case PCI_CAP_ID_MSI:
		map_msi(c, at, flags);
		break;
	}
}

static void map_caps(struct vfio_config *c)
{
	unsigned previous = PCI_CAPABILITY_LIST, at = c->value[previous] & ~3u;

	/* A chain that loops ends with the last place that there is. */
	for (unsigned i = 0; at >= PCI_STD_HEADER_SIZEOF && i < PCI_CONFIG_SIZE / 4; i++) {
		uint8_t id = c->value[at];
		unsigned next = c->value[at + PCI_CAP_LIST_NEXT] & ~3u, len = cap_len(c, id, at);

		if (len && at + len <= PCI_CONFIG_SIZE) {
			map_cap(c, id, at, len);
			previous = at + PCI_CAP_LIST_NEXT;
		} else {
			c->value[previous] = (uint8_t)next;
		}
		at = next;
	}
}

static void map_aer(struct vfio_config *c, unsigned at)
{
	const uint32_t uncorrectable = PCI_ERR_UNC_DLP | PCI_ERR_UNC_SURPDN | PCI_ERR_UNC_POISON_TLP | PCI_ERR_UNC_FCP |
				       PCI_ERR_UNC_COMP_TIME | PCI_ERR_UNC_COMP_ABORT | PCI_ERR_UNC_UNX_COMP |
				       PCI_ERR_UNC_RX_OVER | PCI_ERR_UNC_MALF_TLP | PCI_ERR_UNC_ECRC |
				       PCI_ERR_UNC_UNSUP | PCI_ERR_UNC_ACSV | PCI_ERR_UNC_INTN | PCI_ERR_UNC_MCBTLP |
				       PCI_ERR_UNC_ATOMEG | PCI_ERR_UNC_TLPPRE;
	const uint32_t correctable = PCI_ERR_COR_RCVR | PCI_ERR_COR_BAD_TLP | PCI_ERR_COR_BAD_DLLP |
				     PCI_ERR_COR_REP_ROLL | PCI_ERR_COR_REP_TIMER | PCI_ERR_COR_ADV_NFAT |
				     PCI_ERR_COR_INTERNAL | PCI_ERR_COR_LOG_OVER;

	set_bits(c, at + PCI_ERR_UNCOR_STATUS, 0, uncorrectable, 4);
	set_bits(c, at + PCI_ERR_UNCOR_MASK, 0, uncorrectable, 4);
	set_bits(c, at + PCI_ERR_UNCOR_SEVER, 0, uncorrectable, 4);
	set_bits(c, at + PCI_ERR_COR_STATUS, 0, correctable, 4);
	set_bits(c, at + PCI_ERR_COR_MASK, 0, correctable, 4);
	set_bits(c, at + PCI_ERR_CAP, 0, PCI_ERR_CAP_ECRC_GENE | PCI_ERR_CAP_ECRC_CHKE, 4);
}

static unsigned ext_cap_len(uint16_t id)
{
	for (size_t i = 0; i < ARRAY_SIZE(ext_caps); i++)
		if (ext_caps[i].id == id)
			return ext_caps[i].len;
	return HIDDEN;
}

/* The first header cannot be skipped: hidden, it becomes one of no kind that points on. */
static void hide_ext_cap(struct vfio_config *c, unsigned previous, unsigned at, unsigned next)
{
	if (!previous) {
		set_bits(c, at, UINT32_MAX, 0, 4);
		set_value(c, at, next << 20, 4);
		return;
	}
	set_value(c, previous, (get_value(c, previous, 4) & 0xfffff) | next << 20, 4);
}

static void map_ext_caps(struct vfio_config *c)
{
	unsigned previous = 0, at = PCI_CONFIG_SIZE;

	for (unsigned i = 0; at >= PCI_CONFIG_SIZE && i < PCIE_CONFIG_SIZE / 4; i++) {
		uint32_t header = get_value(c, at, 4);
		unsigned next = header >> 20 & ~3u, len = ext_cap_len(header & 0xffff);

		if (!header)
			return;
		if (len && at + len <= PCIE_CONFIG_SIZE) {
			set_read_only(c, at, len);
			set_bits(c, at, UINT32_MAX, 0, 4);
			if ((header & 0xffff) == PCI_EXT_CAP_ID_ERR)
				map_aer(c, at);
			previous = at;
		} else {
			hide_ext_cap(c, previous, at, next);
			if (!previous)
				previous = at;
		}
		at = next;
	}
}

/*
 * What a VF's registers do not say: its ids, and that its memory is on, which is for its PF to switch. A program may
 * switch it off and on, and sees that; nothing else comes of it, as on Linux.
 */
static void map_vf(struct vfio_config *c, const struct pci_function *vf)
{
	uint32_t command = get_value(c, PCI_COMMAND, 2);

	set_value(c, PCI_VENDOR_ID, pci_vendor_id(vf), 2);
	set_value(c, PCI_DEVICE_ID, pci_device_id(vf), 2);
	set_value(c, PCI_INTERRUPT_PIN, 0, 1);
	set_bits(c, PCI_COMMAND, PCI_COMMAND_INTX_DISABLE | PCI_COMMAND_MEMORY, UINT32_MAX, 2);
	set_value(c, PCI_COMMAND, command | PCI_COMMAND_MEMORY, 2);
}

void vfio_config_map(struct vfio_device *v)
{
	struct vfio_config *c = &v->config;

	for (unsigned i = 0; i < v->fn->config_size; i += 4)
		set_value(c, i, pci_config_read(v->fn, i, 4), 4);
	memset(c->virt, 0, sizeof(c->virt));
	memset(c->write, 0xff, sizeof(c->write));
	map_header(c);
	if (v->fn->physfn)
		map_vf(c, v->fn);
	map_caps(c);
	if (v->fn->config_size > PCI_CONFIG_SIZE)
		map_ext_caps(c);
}
