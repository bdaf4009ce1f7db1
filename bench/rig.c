/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig.h"

#include <linux/pci_regs.h>
#include <stdio.h>
#include <stdlib.h>

static int pin(struct task *t, uaddr_t start, uint64_t len, bool write, struct pinned *p)
{
	atomic_store(&p->region.host, (char *)start);
	return 0;
}

static void unpin(struct task *t, struct pinned *p)
{
}

static const struct task_ops rig_task_ops = {.pin = pin, .unpin = unpin};
static struct task rig_task = {.ops = &rig_task_ops};

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "bench: %s failed\n", what);
	exit(1);
}

void rig_create(struct rig *r)
{
	static const struct pci_ids ids = {0x8086, 0x2021, 0x8086, 0, 0x088000, 0};
	static const struct iommu_geometry geometry = {
		.aperture_last = (1ull << 48) - 1,
		.page_sizes = 1u << 12 | 1u << 21 | 1u << 30,
	};

	*r = (struct rig){.space = phys_space_create(NULL)};
	must(r->space, "phys_space_create");
	r->unit = iommu_unit_create(r->space, "iommu0", &geometry);
	must(r->unit, "iommu_unit_create");
	must(pci_root_init(&r->root, r->space, r->unit, true, NULL) == 0, "pci_root_init");
	must(pci_function_init(&r->engine, &r->root, &ids, NULL, NULL, "engine") == 0, "pci_function_init");
	must(pci_root_add_function(&r->root, NULL, &r->engine, -1) == 0, "pci_root_add_function");
	must(pci_enumerate(&r->root) == 0, "pci_enumerate");
	pci_config_write(&r->engine, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
	r->domain = iommu_domain_create(r->unit);
	must(r->domain, "iommu_domain_create");
	iommu_attach(&r->engine.iommu, r->domain);
	must(dma_port_init(&r->port, &r->engine) == 0, "dma_port_init");
}

void rig_destroy(struct rig *r)
{
	iommu_attach(&r->engine.iommu, NULL);
	dma_port_fini(&r->port);
	iommu_domain_destroy(r->domain);
	pci_function_fini(&r->engine);
	pci_root_fini(&r->root);
	iommu_unit_destroy(r->unit);
	phys_space_destroy(r->space);
}

struct pinned *rig_pin(struct rig *r, void *memory, uint64_t len)
{
	struct pinned *p;

	must(pinned_create_user(r->space, &rig_task, (uaddr_t)memory, len, true, &p) == 0, "pinned_create_user");
	return p;
}
