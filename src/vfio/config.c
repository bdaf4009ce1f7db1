/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Config space as a program sees it.
 *
 * A read takes each bit from the hardware or from what the program wrote, as config_map.c laid down; a write goes to
 * the same place if the bit may be written at all. Some registers act: the command register, the BARs (which only look
 * as if they moved), power state, function-level reset, MSI. What takes memory away or gives it back runs with
 * memory_lock held for writing, so no BAR access through the file is in the middle of it.
 *
 * The config lock keeps writers apart. One of them may wait for the fences of a buffer, so readers take no lock: each
 * access, which is naturally aligned, is one load or store.
 */
#include "vfio/vfio_priv.h"

static const struct lock_class config_class = {.name = "VFIO config", .rank = LOCK_RANK_VFIO_CONFIG};

static uint32_t get(const uint8_t *bytes, unsigned offset, unsigned len)
{
	const void *at = bytes + offset;

	return len == 4	  ? __atomic_load_n((const uint32_t *)at, __ATOMIC_RELAXED)
	       : len == 2 ? __atomic_load_n((const uint16_t *)at, __ATOMIC_RELAXED)
			  : __atomic_load_n((const uint8_t *)at, __ATOMIC_RELAXED);
}

static void put(uint8_t *bytes, unsigned offset, uint32_t value, unsigned len)
{
	void *at = bytes + offset;

	if (len == 4)
		__atomic_store_n((uint32_t *)at, value, __ATOMIC_RELAXED);
	else if (len == 2)
		__atomic_store_n((uint16_t *)at, (uint16_t)value, __ATOMIC_RELAXED);
	else
		__atomic_store_n((uint8_t *)at, (uint8_t)value, __ATOMIC_RELAXED);
}

static bool touches(unsigned offset, unsigned len, unsigned reg, unsigned reg_len)
{
	return offset < reg + reg_len && reg < offset + len;
}

uint32_t vfio_config_read(struct vfio_device *v, unsigned offset, unsigned len)
{
	const struct vfio_config *c = &v->config;
	uint32_t virt = get(c->virt, offset, len);

	return (pci_config_read(v->fn, offset, len) & ~virt) | (get(c->value, offset, len) & virt);
}

/* --- writes; the config lock is held --- */

static void write_virtual(struct vfio_config *c, unsigned offset, uint32_t value, unsigned len)
{
	uint32_t mask = get(c->virt, offset, len) & get(c->write, offset, len);

	put(c->value, offset, (get(c->value, offset, len) & ~mask) | (value & mask), len);
}

static void write_hardware(struct vfio_device *v, unsigned offset, uint32_t value, unsigned len)
{
	struct vfio_config *c = &v->config;
	uint32_t mask = get(c->write, offset, len) & ~get(c->virt, offset, len);

	/* A half that is not touched is not written back: it may hold bits that a 1 clears (COMMAND and STATUS). */
	if (len == 4 && (!(mask & 0xffff) || !(mask >> 16))) {
		write_hardware(v, offset, value & 0xffff, 2);
		write_hardware(v, offset + 2, value >> 16, 2);
		return;
	}
	if (!mask)
		return;
	value = (pci_config_read(v->fn, offset, len) & ~mask) | (value & mask);
	pci_config_write(v->fn, offset, value, len);
}

/* BARs answer the sizing of their register; a register without one reads as zero. */
static void fix_bars(struct vfio_device *v)
{
	struct vfio_config *c = &v->config;

	for (unsigned i = 0; i < PCI_NR_BARS; i++) {
		const struct pci_bar *bar = &v->fn->bars[i];
		unsigned offset = PCI_BASE_ADDRESS_0 + i * 4;
		uint64_t mask = bar->size ? ~(bar->size - 1) : 0;
		uint32_t flags = (bar->is_64bit ? PCI_BASE_ADDRESS_MEM_TYPE_64 : 0) |
				 (bar->prefetchable ? PCI_BASE_ADDRESS_MEM_PREFETCH : 0) |
				 (bar->is_io ? PCI_BASE_ADDRESS_SPACE_IO : 0);

		put(c->value, offset, (get(c->value, offset, 4) & (uint32_t)mask & ~0xfu) | flags, 4);
		if (!bar->size || !bar->is_64bit)
			continue;
		i++;
		put(c->value, offset + 4, get(c->value, offset + 4, 4) & (uint32_t)(mask >> 32), 4);
	}
	put(c->value, PCI_ROM_ADDRESS, 0, 4);
}

static void write_command(struct vfio_device *v, unsigned offset, uint32_t value, unsigned len)
{
	rwlock_write_lock(&v->memory_lock);
	write_hardware(v, offset, value, len);
	rwlock_unlock(&v->memory_lock);
	vfio_irqs_intx_off(v, get(v->config.value, PCI_COMMAND, 2) & PCI_COMMAND_INTX_DISABLE);
}

/* A state that the function does not have changes nothing, as the register would. */
static void write_power(struct vfio_device *v, uint32_t state)
{
	rwlock_write_lock(&v->memory_lock);
	pci_set_power_state(v->fn, state);
	rwlock_unlock(&v->memory_lock);
}

static void write_express(struct vfio_device *v)
{
	struct vfio_config *c = &v->config;
	unsigned at = v->fn->cap_exp + PCI_EXP_DEVCTL;
	uint32_t control = get(c->value, at, 2);

	if (!(control & PCI_EXP_DEVCTL_BCR_FLR))
		return;
	put(c->value, at, control & ~(uint32_t)PCI_EXP_DEVCTL_BCR_FLR, 2);
	if (!(pci_config_read(v->fn, v->fn->cap_exp + PCI_EXP_DEVCAP, 4) & PCI_EXP_DEVCAP_FLR))
		return;
	rwlock_write_lock(&v->memory_lock);
	pci_reset_function(v->fn);
	rwlock_unlock(&v->memory_lock);
}

/* No more vectors than were set up, and on only while VFIO has MSI on. */
static void write_msi(struct vfio_device *v)
{
	struct vfio_config *c = &v->config;
	unsigned at = v->fn->cap_msi + PCI_MSI_FLAGS;
	uint32_t flags = get(c->value, at, 2), hardware = pci_config_read(v->fn, at, 2);
	uint32_t fixed = ~(uint32_t)(PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE);
	int order = vfio_irqs_msi_order(v);

	flags = (flags & ~fixed) | (hardware & fixed);
	if (order < 0)
		flags &= ~(uint32_t)PCI_MSI_FLAGS_ENABLE;
	if (order >= 0 && (flags & PCI_MSI_FLAGS_QSIZE) >> 4 > (uint32_t)order)
		flags = (flags & ~(uint32_t)PCI_MSI_FLAGS_QSIZE) | (uint32_t)order << 4;
	put(c->value, at, flags, 2);
	if (order >= 0)
		pci_config_write(v->fn, at,
				 (hardware & ~(uint32_t)PCI_MSI_FLAGS_ENABLE) | (flags & PCI_MSI_FLAGS_ENABLE), 2);
}

void vfio_config_write(struct vfio_device *v, unsigned offset, uint32_t value, unsigned len)
{
	struct vfio_config *c = &v->config;
	const struct pci_function *fn = v->fn;

	mutex_lock(&c->lock);
	write_virtual(c, offset, value, len);
	if (touches(offset, len, PCI_COMMAND, 2))
		write_command(v, offset, value, len);
	else
		write_hardware(v, offset, value, len);
	if (touches(offset, len, PCI_BASE_ADDRESS_0, PCI_NR_BARS * 4) || touches(offset, len, PCI_ROM_ADDRESS, 4))
		fix_bars(v);
	if (fn->cap_pm && touches(offset, len, fn->cap_pm + PCI_PM_CTRL, 1))
		write_power(v, value & PCI_PM_CTRL_STATE_MASK);
	if (fn->cap_exp && touches(offset, len, fn->cap_exp + PCI_EXP_DEVCTL, 2))
		write_express(v);
	if (fn->cap_msi && touches(offset, len, fn->cap_msi + PCI_MSI_FLAGS, 2))
		write_msi(v);
	mutex_unlock(&c->lock);
}

void vfio_config_init(struct vfio_device *v)
{
	mutex_init(&v->config.lock, &config_class);
	vfio_config_map(v);
	fix_bars(v);
}

void vfio_config_fini(struct vfio_device *v)
{
	mutex_fini(&v->config.lock);
}
