/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Addresses of BARs and bridge windows. Two kinds: memory below 4 GiB, and prefetchable 64-bit memory above 1 TiB. A
 * bridge's window is as large as what is below it needs, laid out by falling alignment.
 */
#include <string.h>

#include "pci/pci_priv.h"

#define LOW_START 0xc0000000ull
#define LOW_END 0xfe000000ull /* the I/O APIC, the IOMMU's registers and the interrupt window follow */
#define HIGH_START (1ull << 40)
#define HIGH_END (1ull << 52)
#define WINDOW_ALIGN (1ull << 20)

enum window { WINDOW_LOW, WINDOW_HIGH };

struct extent {
	uint64_t size, align;
};

/* One thing to be placed on a bus: a BAR, a BAR of all VFs of a function, or the window of a bridge. */
struct item {
	struct pci_bar *bar;
	struct pci_port *port;
	struct extent extent;
};

struct items {
	size_t nr;
	struct item at[32 * (2 * PCI_NR_BARS + 1)];
};

static enum window bar_window(const struct pci_bar *bar)
{
	return bar->is_64bit && bar->prefetchable ? WINDOW_HIGH : WINDOW_LOW;
}

static struct extent bus_extent(struct pci_root *root, struct pci_port *parent, enum window w);

static void items_add(struct items *items, struct pci_bar *bar, struct pci_port *port, struct extent extent)
{
	size_t at = items->nr++;

	for (; at > 0 && items->at[at - 1].extent.align < extent.align; at--)
		items->at[at] = items->at[at - 1];
	items->at[at] = (struct item){bar, port, extent};
}

/* nr functions with BARs like these stand side by side in one window. */
static void items_add_bars(struct items *items, struct pci_function *fn, unsigned nr, enum window w)
{
	for (unsigned i = 0; i < PCI_NR_BARS; i++)
		if (fn->bars[i].size && bar_window(&fn->bars[i]) == w)
			items_add(items, &fn->bars[i], NULL, (struct extent){fn->bars[i].size * nr, fn->bars[i].size});
}

static void items_collect(struct items *items, struct pci_root *root, struct pci_port *parent, enum window w)
{
	struct pci_function *fn;

	items->nr = 0;
	list_for_each (fn, pci_bus_of(root, parent), sibling) {
		items_add_bars(items, fn, 1, w);
		if (fn->sriov)
			items_add_bars(items, pci_sriov_vf(fn, 0), pci_sriov_total(fn), w);
		if (fn->is_bridge) {
			struct extent below = bus_extent(root, pci_port_of(fn), w);

			if (below.size)
				items_add(items, NULL, pci_port_of(fn), below);
		}
	}
}

/* What a bus needs behind a bridge: rounded to what a bridge can express. size 0: nothing. */
static struct extent bus_extent(struct pci_root *root, struct pci_port *parent, enum window w)
{
	struct extent sum = {0, WINDOW_ALIGN};
	struct items items;

	items_collect(&items, root, parent, w);
	for (size_t i = 0; i < items.nr; i++) {
		sum.size = align_up(sum.size, items.at[i].extent.align) + items.at[i].extent.size;
		sum.align = MAX(sum.align, items.at[i].extent.align);
	}
	sum.size = align_up(sum.size, WINDOW_ALIGN);
	return sum;
}

static void bridge_set_window(struct pci_function *fn, enum window w, uint64_t start, uint64_t last)
{
	if (w == WINDOW_LOW) {
		pci_config_set(fn, PCI_MEMORY_BASE, start >> 16 & 0xfff0, 2);
		pci_config_set(fn, PCI_MEMORY_LIMIT, last >> 16 & 0xfff0, 2);
		return;
	}
	pci_config_set(fn, PCI_PREF_MEMORY_BASE, (start >> 16 & 0xfff0) | PCI_PREF_RANGE_TYPE_64, 2);
	pci_config_set(fn, PCI_PREF_MEMORY_LIMIT, (last >> 16 & 0xfff0) | PCI_PREF_RANGE_TYPE_64, 2);
	pci_config_set(fn, PCI_PREF_BASE_UPPER32, start >> 32, 4);
	pci_config_set(fn, PCI_PREF_LIMIT_UPPER32, last >> 32, 4);
}

static int bar_place(struct pci_bar *bar, phys_t base)
{
	struct pci_function *fn = bar->fn;
	unsigned offset = PCI_BASE_ADDRESS_0 + bar->index * 4;
	size_t i;
	int err = 0;

	for (i = 0; i < bar->nr_regions && !err; i++) {
		bar->regions[i].base = i ? bar->regions[i - 1].base + bar->regions[i - 1].len : base;
		err = phys_add_window(fn->root->space, &bar->regions[i]);
	}
	if (err) {
		for (i--; i-- > 0;)
			phys_remove(fn->root->space, &bar->regions[i]);
		return err;
	}
	bar->base = base;
	if (fn->physfn)
		return 0;
	pci_config_set(fn, offset, pci_config_get(fn, offset, 4) | (uint32_t)base, 4);
	if (bar->is_64bit)
		pci_config_set(fn, offset + 4, base >> 32, 4);
	return 0;
}

/* A BAR of a function, or the same of all VFs. */
static int bars_place(struct pci_bar *bar, phys_t base)
{
	struct pci_function *pf = bar->fn->physfn, *vf;
	int err = 0;

	if (!pf)
		return bar_place(bar, base);
	sriov_bar_place(pf, bar->index, base);
	for (unsigned i = 0; (vf = pci_sriov_vf(pf, i)) && !err; i++)
		err = bar_place(&vf->bars[bar->index], base + i * bar->size);
	return err;
}

static int place_bus(struct pci_root *root, struct pci_port *parent, enum window w, uint64_t at, uint64_t end)
{
	struct items items;
	int err = 0;

	items_collect(&items, root, parent, w);
	for (size_t i = 0; i < items.nr && !err; i++) {
		const struct item *item = &items.at[i];

		at = align_up(at, item->extent.align);
		if (at > end || item->extent.size > end - at)
			return -ENOSPC;
		if (item->bar)
			err = bars_place(item->bar, at);
		else
			err = place_bus(root, item->port, w, at, at + item->extent.size);
		if (item->port)
			bridge_set_window(&item->port->fn, w, at, at + item->extent.size - 1);
		at += item->extent.size;
	}
	return err;
}

int pci_assign_windows(struct pci_root *root)
{
	int err = place_bus(root, NULL, WINDOW_LOW, LOW_START, LOW_END);

	return err ? err : place_bus(root, NULL, WINDOW_HIGH, HIGH_START, HIGH_END);
}
