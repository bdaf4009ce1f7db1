/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig.h"

#include <linux/pci_regs.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define RW (IOMMU_READ | IOMMU_WRITE)

static const struct iommu_geometry geometry = {
	.aperture_last = (1ull << 48) - 1,
	.msi_start = 0xfee00000,
	.msi_last = 0xfeefffff,
	.page_sizes = (1ull << 12) | (1ull << 21) | (1ull << 30),
};

static void count_irq(void *arg, unsigned vector)
{
	struct rig *r = arg;

	(void)vector;
	r->nr_irqs++;
}

static struct phys_region *page_region(struct rig *r)
{
	return &r->engine->bars[0].regions[0];
}

/*
 * What mprotect() does for a program: when it returns, no store that was let through is under way. Until then stores
 * still reach the page, for longer than in reality.
 */
static void retrap(struct phys_watch *w, uint64_t offset, uint64_t len)
{
	struct rig *r = container_of(w, struct rig, watch);

	(void)len;
	if (r->open)
		for (unsigned i = rand() % 10000; i; i--)
			__asm__ volatile("" ::: "memory");
	pthread_rwlock_wrlock(&r->mapping);
	r->open = phys_is_polled(page_region(r), offset);
	pthread_rwlock_unlock(&r->mapping);
}

static void build_tree(struct rig *r, const struct device_setting *settings, size_t nr)
{
	const struct device_setting size = {"size", "4M"};

	assert_int_equal(pci_root_init(&r->root, r->space, r->unit, true, NULL), 0);
	assert_int_equal(pci_port_create(&r->root, PCI_PORT_ROOT, 0, &r->port_a), 0);
	assert_int_equal(pci_port_create(&r->root, PCI_PORT_ROOT, 0, &r->port_b), 0);
	assert_int_equal(pci_root_add_function(&r->root, NULL, &r->port_a->fn, -1), 0);
	assert_int_equal(pci_root_add_function(&r->root, NULL, &r->port_b->fn, -1), 0);
	assert_int_equal(device_create(device_model_find("ioat"), settings, nr, &r->root, r->port_a, -1, &r->engine),
			 0);
	assert_int_equal(device_create(device_model_find("memcard"), &size, 1, &r->root, r->port_b, -1, &r->card), 0);
	assert_int_equal(pci_enumerate(&r->root), 0);
}

static void map_memory(struct rig *r)
{
	r->ram = mmap(NULL, RAM_LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(r->ram, MAP_FAILED);
	assert_int_equal(pinned_create_user(r->space, fake_task(r->ft), (uaddr_t)r->ram, RAM_LEN, true, &r->pinned), 0);
	assert_int_equal(iommu_map(r->domain, RAM_IOVA, r->pinned->region.base, RAM_LEN, RW), 0);
	assert_int_equal(iommu_map(r->domain, CARD_IOVA, r->card->bars[2].base, CARD_LEN, RW | IOMMU_MMIO), 0);
}

struct rig *rig_create(const struct device_setting *settings, size_t nr)
{
	struct rig *r = calloc(1, sizeof(*r));

	r->ft = fake_task_create();
	r->space = phys_space_create(NULL);
	r->unit = iommu_unit_create(r->space, "iommu0", &geometry);
	r->domain = iommu_domain_create(r->unit);
	build_tree(r, settings, nr);
	map_memory(r);
	pthread_rwlock_init(&r->mapping, NULL);
	r->watch.retrap = retrap;
	phys_watch_add(page_region(r), &r->watch);
	assert_int_equal(pci_function_open(r->card), 0);
	assert_int_equal(pci_function_open(r->engine), 0);
	iommu_attach(&r->engine->iommu, r->domain);
	pci_config_write(r->engine, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
	assert_int_equal(pci_irq_enable(r->engine, PCI_IRQ_MSIX, 1, count_irq, r), 0);
	return r;
}

void rig_destroy(struct rig *r)
{
	pci_irq_disable(r->engine);
	pci_function_close(r->engine);
	pci_function_close(r->card);
	iommu_attach(&r->engine->iommu, NULL);
	iommu_unmap(r->domain, CARD_IOVA, CARD_LEN);
	iommu_unmap(r->domain, RAM_IOVA, RAM_LEN);
	section_drain(phys_sections(r->space));
	phys_watch_remove(page_region(r), &r->watch);
	device_destroy(r->engine);
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
	pthread_rwlock_destroy(&r->mapping);
	free(r);
}

int rig_setup(void **state)
{
	*state = rig_create(NULL, 0);
	return 0;
}

int rig_teardown(void **state)
{
	rig_destroy(*state);
	return 0;
}

/* True: the store went straight to the page. */
static bool store_polled(struct rig *r, unsigned reg, uint64_t value, unsigned len)
{
	char *p = page_region(r)->host + reg;
	bool polled;

	pthread_rwlock_rdlock(&r->mapping);
	polled = r->open;
	if (polled) {
		r->nr_polled_stores++;
		if (len == 1)
			__atomic_store_n((uint8_t *)p, (uint8_t)value, __ATOMIC_RELEASE);
		else if (len == 2)
			__atomic_store_n((uint16_t *)p, (uint16_t)value, __ATOMIC_RELEASE);
		else if (len == 4)
			__atomic_store_n((uint32_t *)p, (uint32_t)value, __ATOMIC_RELEASE);
		else
			__atomic_store_n((uint64_t *)p, value, __ATOMIC_RELEASE);
	}
	pthread_rwlock_unlock(&r->mapping);
	return polled;
}

static void store(struct rig *r, unsigned reg, uint64_t value, unsigned len)
{
	if (!store_polled(r, reg, value, len))
		pci_mmio_write(r->engine, 0, reg, value, len);
}

void store8(struct rig *r, unsigned reg, uint8_t value)
{
	store(r, reg, value, 1);
}

void store16(struct rig *r, unsigned reg, uint16_t value)
{
	store(r, reg, value, 2);
}

void store32(struct rig *r, unsigned reg, uint32_t value)
{
	store(r, reg, value, 4);
}

void store64(struct rig *r, unsigned reg, uint64_t value)
{
	store(r, reg, value, 8);
}

uint64_t load(struct rig *r, unsigned reg, unsigned len)
{
	const char *p = page_region(r)->host + reg;

	switch (len) {
	case 1:
		return __atomic_load_n((const uint8_t *)p, __ATOMIC_ACQUIRE);
	case 2:
		return __atomic_load_n((const uint16_t *)p, __ATOMIC_ACQUIRE);
	case 4:
		return __atomic_load_n((const uint32_t *)p, __ATOMIC_ACQUIRE);
	default:
		return __atomic_load_n((const uint64_t *)p, __ATOMIC_ACQUIRE);
	}
}

void wait_for_status(struct rig *r, enum ioat_status want)
{
	time_t end = time(NULL) + 5;

	while (status(r) != want) {
		if (time(NULL) > end)
			fail_msg("status %u instead of %u, CHANERR 0x%x", status(r), want, chanerr(r));
		sched_yield();
	}
}

struct ioat_descriptor *descriptor(struct rig *r, unsigned i, uint32_t ctl, iova_t dst, iova_t src, uint32_t size)
{
	struct ioat_descriptor *d = at(r, descriptor_at(i));

	*d = (struct ioat_descriptor){.size = size, .ctl = ctl, .src = src, .dst = dst, .next = descriptor_at(i + 1)};
	return d;
}

void start(struct rig *r, iova_t chain, uint16_t count)
{
	store64(r, IOAT_CHANCMP, COMPLETION);
	store16(r, IOAT_CHANCTRL, IOAT_CHANCTRL_INT_DISABLE | IOAT_CHANCTRL_ANY_ERR_ABORT_EN);
	store64(r, IOAT_CHAINADDR, chain);
	store16(r, IOAT_DMACOUNT, count);
}

void recover(struct rig *r)
{
	store32(r, IOAT_CHANERR, chanerr(r));
	pci_config_write(r->engine, IOAT_CFG_CHANERR_INT, UINT32_MAX, 4);
	store8(r, IOAT_CHANCMD, IOAT_CHANCMD_RESET);
	wait_for_status(r, IOAT_HALTED);
}

void fill(struct rig *r, iova_t iova, size_t len, unsigned seed)
{
	uint32_t *p = at(r, iova);

	for (size_t i = 0; i < len / 4; i++)
		p[i] = (uint32_t)(i * 2654435761u + seed);
}
