/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device SDK over pci/: describing a function, its config space, its registers, its interrupts.
 *
 * A model may ignore what device_add_*() answers: the first failure is remembered and fails the whole build.
 */
#include <linux/pci_regs.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/trace.h"
#include "device/device_priv.h"
#include "pci/build.h"
#include "pci/irq.h"
#include "pci/sriov.h"

#define MSIX_PBA_OFFSET 2048u /* of the table's region */

static uint64_t device_mmio_read(void *model, unsigned bar, uint64_t offset, unsigned len)
{
	struct device *d = model;

	return d->model->mmio_read ? d->model->mmio_read(d->state, bar, offset, len) : 0;
}

static void device_mmio_write(void *model, unsigned bar, uint64_t offset, uint64_t value, unsigned len)
{
	struct device *d = model;

	if (d->model->mmio_write)
		d->model->mmio_write(d->state, bar, offset, value, len);
}

static void device_reset(void *model)
{
	struct device *d = model;

	if (d->state && d->model->reset)
		d->model->reset(d->state);
	/* A driver that opens the device resets it first. */
	device_workers_start(d);
}

static void device_config_written(void *model, unsigned offset, unsigned len)
{
	struct device *d = model;

	if (d->state && d->model->config_written)
		d->model->config_written(d->state, offset, len);
}

static void device_unlocked(void *model)
{
	device_workers_wake_wanted(model);
}

/* Harmless the second time, when pci_function_fini() calls it. */
static void device_fini(void *model)
{
	struct device *d = model;

	if (d->state && d->model->fini)
		d->model->fini(d->state);
	d->state = NULL;
	device_config_fini(&d->config);
}

const struct pci_function_ops device_ops = {
	.mmio_read = device_mmio_read,
	.mmio_write = device_mmio_write,
	.reset = device_reset,
	.config_written = device_config_written,
	.unlocked = device_unlocked,
	.fini = device_fini,
};

/* Builds what the model describes. */
int device_remember(struct device *d, int err)
{
	if (err && !d->build_error)
		d->build_error = err;
	return err;
}

/* Before the ids there is no function to build on. */
int device_buildable(struct device *d)
{
	return d->build_error ? d->build_error : device_remember(d, d->has_ids ? 0 : -EINVAL);
}

void device_set_ids(struct device *d, const struct device_ids *ids)
{
	struct pci_ids p = {
		.vendor = ids->vendor,
		.device = ids->device,
		.subsystem_vendor = ids->subsystem_vendor,
		.subsystem = ids->subsystem,
		.class_code = ids->class_code,
		.revision = ids->revision,
	};

	if (d->has_ids) {
		device_remember(d, -EINVAL);
		return;
	}
	d->has_ids = true;
	device_remember(d, pci_function_init(&d->fn, d->fn.root, &p, &device_ops, d, d->model->name));
}

unsigned device_bar_flags(unsigned flags)
{
	return (flags & DEVICE_BAR_64BIT ? PCI_BAR_64BIT : 0) |
	       (flags & DEVICE_BAR_PREFETCHABLE ? PCI_BAR_PREFETCHABLE : 0);
}

int device_add_bar(struct device *d, unsigned bar, unsigned flags, const struct device_region *regions, size_t nr)
{
	static const enum pci_region_kind kinds[] = {
		[DEVICE_MEMORY] = PCI_REGION_MEMORY,
		[DEVICE_REGISTERS] = PCI_REGION_REGISTERS,
		[DEVICE_REGISTERS_NO_MMAP] = PCI_REGION_REGISTERS_NO_MMAP,
		[DEVICE_MSIX_TABLE] = PCI_REGION_MSIX,
		[DEVICE_HOLE] = PCI_REGION_HOLE,
	};
	struct pci_region list[16];
	int err = device_buildable(d);
	uint64_t offset = 0;

	if (err)
		return err;
	if (nr > ARRAY_SIZE(list) || bar >= PCI_NR_BARS)
		return device_remember(d, -EINVAL);
	for (size_t i = 0; i < nr; i++) {
		list[i] = (struct pci_region){.kind = kinds[regions[i].kind], .len = regions[i].len};
		if (regions[i].kind == DEVICE_MSIX_TABLE)
			d->msix_table[bar] = (int64_t)offset;
		offset += regions[i].len;
	}
	return device_remember(d, pci_build_bar(&d->fn, bar, device_bar_flags(flags), list, nr));
}

/* What a link reports is the physical function's business. */
int device_add_pcie(struct device *d, bool flr)
{
	int err = device_buildable(d);

	if (!err)
		err = device_remember(d, pci_build_express(&d->fn, PCI_EXP_TYPE_ENDPOINT, flr, NULL));
	if (!err && !d->physfn)
		err = device_remember(d, pci_build_aer(&d->fn));
	return err;
}

int device_add_pm(struct device *d)
{
	int err = device_buildable(d);

	return err ? err : device_remember(d, pci_build_pm(&d->fn, true));
}

int device_add_msi(struct device *d, unsigned nr_vectors)
{
	int err = device_buildable(d);

	return err ? err : device_remember(d, pci_build_msi(&d->fn, nr_vectors));
}

int device_add_msix(struct device *d, unsigned nr_vectors, unsigned bar)
{
	int err = device_buildable(d);

	if (err)
		return err;
	if (bar >= PCI_NR_BARS || d->msix_table[bar] < 0 || nr_vectors * PCI_MSIX_ENTRY_SIZE > MSIX_PBA_OFFSET)
		return device_remember(d, -EINVAL);
	return device_remember(d, pci_build_msix(&d->fn, nr_vectors, bar, (uint32_t)d->msix_table[bar],
						 (uint32_t)d->msix_table[bar] + MSIX_PBA_OFFSET));
}

int device_add_intx(struct device *d)
{
	int err = device_buildable(d);

	return err ? err : device_remember(d, pci_build_intx(&d->fn));
}

int device_set_config(struct device *d, unsigned offset, const void *bytes, const void *write_mask,
		      const void *clear_mask, size_t len)
{
	int err = device_buildable(d);

	return err ? err : device_remember(d, pci_build_config(&d->fn, offset, bytes, write_mask, clear_mask, len));
}

/* At run time. */
uint32_t device_config_read(struct device *d, unsigned offset, unsigned len)
{
	device_assert_locked(d);
	return pci_config_get(&d->fn, offset, len);
}

void device_config_update(struct device *d, unsigned offset, uint32_t value, unsigned len)
{
	device_assert_locked(d);
	pci_config_set(&d->fn, offset, value, len);
}

void *device_bar_memory(struct device *d, unsigned bar, uint64_t offset)
{
	uint64_t region_offset;
	struct phys_region *r = pci_bar_region(&d->fn.bars[bar], offset, &region_offset);
	char *host = r ? atomic_load(&r->host) : NULL;

	return host ? host + region_offset : NULL;
}

void device_lock(struct device *d)
{
	mutex_lock(&d->fn.lock);
}

void device_unlock(struct device *d)
{
	mutex_unlock(&d->fn.lock);
	pci_sriov_apply(&d->fn);
	device_workers_wake_wanted(d);
}

void device_assert_locked(struct device *d)
{
	mutex_assert_held(&d->fn.lock);
}

void device_set_polled(struct device *d, unsigned bar, uint64_t page_offset, bool polled)
{
	uint64_t region_offset;
	struct phys_region *r = pci_bar_region(&d->fn.bars[bar], page_offset, &region_offset);

	device_assert_locked(d);
	phys_set_polled(r, region_offset, BARTER_PAGE_SIZE, polled);
}

void device_raise_msi(struct device *d, unsigned vector)
{
	pci_irq_raise(&d->fn, vector);
}

void device_set_intx(struct device *d, bool asserted)
{
	pci_intx_set(&d->fn, asserted);
}

/* From config space, not from what a driver asked for: a guest may have turned it on by itself. */
bool device_msi_enabled(struct device *d)
{
	device_assert_locked(d);
	return (d->fn.cap_msix && pci_config_get(&d->fn, d->fn.cap_msix + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_ENABLE) ||
	       (d->fn.cap_msi && pci_config_get(&d->fn, d->fn.cap_msi + PCI_MSI_FLAGS, 2) & PCI_MSI_FLAGS_ENABLE);
}

uint64_t device_trace_now(struct device *d)
{
	return trace_enabled(d->fn.root->trace) ? trace_now() : 0;
}

void device_trace(struct device *d, const char *name, uint64_t start_ns, const char *fmt, ...)
{
	char text[160];
	va_list args;

	if (!trace_enabled(d->fn.root->trace))
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	trace_complete(d->fn.root->trace, TRACE_DMA, d->fn.name, name, start_ns, "%s", text);
}

/* Birth. */
struct device *device_alloc(const struct device_model *m, struct pci_root *root)
{
	struct device *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->model = m;
	d->fn.root = root;
	list_init(&d->workers);
	for (unsigned i = 0; i < PCI_NR_BARS; i++)
		d->msix_table[i] = -1;
	return d;
}

int device_build(struct device *d, const struct device_config *c)
{
	void *state = NULL;
	int err = d->model->build(d, c, &state);

	if (err)
		return err;
	d->state = state;
	return d->has_ids ? d->build_error : -EINVAL;
}

int device_create(const struct device_model *m, const struct device_setting *settings, size_t nr_settings,
		  struct pci_root *root, struct pci_port *parent, int slot, struct pci_function **out)
{
	struct device *d = device_alloc(m, root);
	int err;

	if (!d)
		return -ENOMEM;
	err = device_config_init(&d->config, m, settings, nr_settings);
	if (err)
		goto free_device;
	err = device_build(d, &d->config);
	if (!err)
		err = pci_root_add_function(root, parent, &d->fn, slot);
	if (err)
		goto destroy;
	*out = &d->fn;
	return 0;

destroy:
	device_destroy(&d->fn);
	return err;
free_device:
	free(d);
	return err;
}

void device_destroy(struct pci_function *fn)
{
	struct device *d = container_of(fn, struct device, fn);

	device_vfs_destroy(d);
	/* The model first: its workers look at registers that go with the function's BARs. */
	device_fini(d);
	if (d->has_ids)
		pci_function_fini(fn);
	free(d);
}
