/* SPDX-License-Identifier: BSD-3-Clause */
#include "gpu_rig.h"

#include <linux/pci_regs.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#define RW (IOMMU_READ | IOMMU_WRITE)

static const struct iommu_geometry geometry = {
	.aperture_last = (1ull << 48) - 1,
	.msi_start = 0xfee00000,
	.msi_last = 0xfeefffff,
	.page_sizes = (1ull << 12) | (1ull << 21) | (1ull << 30),
};

static void count_irq(void *arg, unsigned vector)
{
	((struct gpu_rig *)arg)->nr_irqs[vector]++;
}

static void build_tree(struct gpu_rig *r)
{
	const struct device_setting keys[] = {{"memory", "4M"}, {"vfs", "3"}, {"vf_memory", "1M"}};
	const struct device_setting size = {"size", "4M"};

	assert_int_equal(pci_root_init(&r->root, r->space, r->unit, true, NULL), 0);
	assert_int_equal(pci_port_create(&r->root, PCI_PORT_ROOT, 0, &r->port_a), 0);
	assert_int_equal(pci_port_create(&r->root, PCI_PORT_ROOT, 0, &r->port_b), 0);
	assert_int_equal(pci_root_add_function(&r->root, NULL, &r->port_a->fn, -1), 0);
	assert_int_equal(pci_root_add_function(&r->root, NULL, &r->port_b->fn, -1), 0);
	assert_int_equal(device_create(device_model_find("gpu"), keys, 3, &r->root, r->port_a, -1, &r->gpu), 0);
	assert_int_equal(device_create(device_model_find("memcard"), &size, 1, &r->root, r->port_b, -1, &r->card), 0);
	assert_int_equal(pci_enumerate(&r->root), 0);
}

int gpu_rig_setup(void **state)
{
	struct gpu_rig *r = calloc(1, sizeof(*r));

	r->ft = fake_task_create();
	r->space = phys_space_create(NULL);
	r->unit = iommu_unit_create(r->space, "iommu0", &geometry);
	r->domain = iommu_domain_create(r->unit);
	build_tree(r);
	r->ram = mmap(NULL, RAM_LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(r->ram, MAP_FAILED);
	assert_int_equal(pinned_create_user(r->space, fake_task(r->ft), (uaddr_t)r->ram, RAM_LEN, true, &r->pinned), 0);
	assert_int_equal(iommu_map(r->domain, RAM_IOVA, r->pinned->region.base, RAM_LEN, RW), 0);
	assert_int_equal(iommu_map(r->domain, CARD_IOVA, r->card->bars[2].base, CARD_LEN, RW | IOMMU_MMIO), 0);
	assert_int_equal(pci_function_open(r->card), 0);
	assert_int_equal(pci_function_open(r->gpu), 0);
	iommu_attach(&r->gpu->iommu, r->domain);
	pci_config_write(r->gpu, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
	assert_int_equal(pci_irq_enable(r->gpu, PCI_IRQ_MSIX, 2, count_irq, r), 0);
	r->local = r->gpu->bars[2].regions[0].host;
	*state = r;
	return 0;
}

int gpu_rig_teardown(void **state)
{
	struct gpu_rig *r = *state;

	pci_sriov_disable(r->gpu);
	pci_irq_disable(r->gpu);
	pci_function_close(r->gpu);
	pci_function_close(r->card);
	iommu_attach(&r->gpu->iommu, NULL);
	iommu_unmap(r->domain, CARD_IOVA, CARD_LEN);
	iommu_unmap(r->domain, RAM_IOVA, RAM_LEN);
	section_drain(phys_sections(r->space));
	device_destroy(r->gpu);
	device_destroy(r->card);
	pci_port_destroy(r->port_a);
	pci_port_destroy(r->port_b);
	pci_root_fini(&r->root);
	pinned_destroy(r->pinned);
	iommu_domain_destroy(r->domain);
	iommu_unit_destroy(r->unit);
	phys_space_destroy(r->space);
	fake_task_destroy(r->ft);
	munmap(r->ram, RAM_LEN);
	free(r);
	return 0;
}

void ring_start(struct gpu_rig *r)
{
	set(r, GPU_RING_BASE, RING);
	set(r, GPU_RING_ENTRIES, RING_ENTRIES);
	set(r, GPU_FENCE_ADDRESS, FENCE);
	set(r, GPU_RING_CONTROL, GPU_RING_ENABLE);
}

void command(struct gpu_rig *r, unsigned i, struct gpu_command c)
{
	memcpy(ram_at(r, RING + i * sizeof(c)), &c, sizeof(c));
}

void wait_for_status(struct gpu_rig *r, uint32_t status)
{
	time_t end = time(NULL) + 5;

	while (reg(r, GPU_RING_STATUS) != status) {
		if (time(NULL) > end)
			fail_msg("STATUS 0x%x instead of 0x%x", reg(r, GPU_RING_STATUS), status);
		sched_yield();
	}
}

void fill_random(void *p, size_t len, unsigned seed)
{
	for (size_t i = 0; i < len; i++)
		((char *)p)[i] = (char)rand_r(&seed);
}

uint32_t slice(struct gpu_rig *r, unsigned vf, const struct pci_fragment *fragments, unsigned nr)
{
	set(r, GPU_SLICE_VF, vf);
	for (unsigned i = 0; i < nr; i++) {
		set(r, GPU_SLICE_INDEX, i);
		set(r, GPU_SLICE_OFFSET, fragments[i].offset);
		set(r, GPU_SLICE_LENGTH, fragments[i].len);
	}
	set(r, GPU_SLICE_COMMIT, nr);
	return reg(r, GPU_SLICE_STATUS);
}
