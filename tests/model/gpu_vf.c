/* SPDX-License-Identifier: BSD-3-Clause */
/* Virtual functions of the gpu: when they are there, what they look like, what their window shows and who loses it. */
#include "gpu_rig.h"

#include <linux/pci_regs.h>
#include <pthread.h>
#include <unistd.h>

#include "pci/dma.h"

struct client {
	struct gate_client c;
	unsigned nr_revoked, nr_restored;
	bool for_good;
};

static void on_revoke(struct gate_client *c, bool for_good)
{
	struct client *client = container_of(c, struct client, c);

	client->nr_revoked++;
	client->for_good |= for_good;
}

static void on_restore(struct gate_client *c)
{
	container_of(c, struct client, c)->nr_restored++;
}

static const struct gate_client_ops client_ops = {.revoke = on_revoke, .restore = on_restore};

static void share(struct pci_function *fn, struct client *client)
{
	*client = (struct client){.c.ops = &client_ops};
	mutex_lock(&fn->gate.lock);
	pci_gate_add_client_locked(&fn->gate, &client->c);
	mutex_unlock(&fn->gate.lock);
}

static struct pci_function *vf(struct gpu_rig *r, unsigned i)
{
	return pci_sriov_vf(r->gpu, i);
}

static unsigned sriov_reg(struct gpu_rig *r, unsigned reg, unsigned len)
{
	return pci_config_read(r->gpu, r->gpu->cap_sriov + reg, len);
}

static void capability(void **state)
{
	struct gpu_rig *r = *state;

	assert_int_equal(sriov_reg(r, 0, 2), PCI_EXT_CAP_ID_SRIOV);
	assert_int_equal(sriov_reg(r, PCI_SRIOV_INITIAL_VF, 2), 3);
	assert_int_equal(sriov_reg(r, PCI_SRIOV_TOTAL_VF, 2), 3);
	assert_int_equal(sriov_reg(r, PCI_SRIOV_VF_OFFSET, 2), 1);
	assert_int_equal(sriov_reg(r, PCI_SRIOV_VF_STRIDE, 2), 1);
	assert_int_equal(sriov_reg(r, PCI_SRIOV_VF_DID, 2), GPU_VF_DEVICE_ID);
	/* The size of one VF's BAR, by writing ones, as for any BAR. */
	pci_config_write(r->gpu, r->gpu->cap_sriov + PCI_SRIOV_BAR + 8, UINT32_MAX, 4);
	assert_int_equal(sriov_reg(r, PCI_SRIOV_BAR + 8, 4), (uint32_t) ~(VF_LEN - 1) | 0xc);
	pci_config_write(r->gpu, r->gpu->cap_sriov + PCI_SRIOV_BAR + 8, (uint32_t)vf(r, 0)->bars[2].base, 4);
	assert_string_equal(vf(r, 0)->name, "0000:01:00.1");
	assert_string_equal(vf(r, 2)->name, "0000:01:00.3");
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(vf(r, i)->bars[2].base, vf(r, 0)->bars[2].base + i * VF_LEN);
	assert_ptr_equal(pci_physfn(vf(r, 1)), r->gpu);
	assert_int_equal(pci_vf_index(vf(r, 1)), 1);
	assert_int_equal(pci_vf_index(r->gpu), -1);
	assert_null(pci_sriov_vf(r->gpu, 3));
}

static void absent_until_enabled(void **state)
{
	struct gpu_rig *r = *state;

	assert_false(pci_is_present(vf(r, 0)));
	assert_int_equal(pci_config_read(vf(r, 0), PCI_CLASS_REVISION, 4), UINT32_MAX);
	pci_config_write(vf(r, 0), PCI_COMMAND, PCI_COMMAND_MASTER, 2);
	assert_int_equal(pci_mmio_read(vf(r, 0), 0, GPU_VF_ID, 4), UINT32_MAX);
	assert_int_equal(pci_sriov_enable(r->gpu, 0), -EINVAL);
	assert_int_equal(pci_sriov_enable(r->gpu, 4), -EINVAL);
	assert_int_equal(pci_sriov_enable(r->card, 1), -ENODEV);
	assert_int_equal(pci_sriov_enable(r->gpu, 2), 0);
	assert_int_equal(pci_sriov_enable(r->gpu, 1), -EBUSY);
	assert_int_equal(pci_sriov_enabled(r->gpu), 2);
	assert_true(pci_is_present(vf(r, 1)));
	assert_false(pci_is_present(vf(r, 2)));
	assert_int_equal(pci_mmio_read(vf(r, 1), 0, GPU_VF_ID, 4), GPU_VF_ID_VALUE);
	assert_int_equal(pci_mmio_read(vf(r, 1), 0, GPU_VF_INDEX, 4), 1);
	/* A later NumVFs changes nothing. */
	pci_config_write(r->gpu, r->gpu->cap_sriov + PCI_SRIOV_NUM_VF, 3, 2);
	assert_false(pci_is_present(vf(r, 2)));
	pci_sriov_disable(r->gpu);
	assert_false(pci_is_present(vf(r, 0)));
	assert_int_equal(sriov_reg(r, PCI_SRIOV_NUM_VF, 2), 0);
}

static void config_space(void **state)
{
	struct gpu_rig *r = *state;
	struct pci_function *v = vf(r, 0);

	pci_sriov_enable(r->gpu, 1);
	assert_int_equal(pci_config_read(v, PCI_VENDOR_ID, 4), UINT32_MAX);
	assert_int_equal(pci_vendor_id(v), GPU_VENDOR_ID);
	assert_int_equal(pci_device_id(v), GPU_VF_DEVICE_ID);
	assert_int_equal(pci_config_read(v, PCI_CLASS_REVISION, 4), GPU_CLASS_CODE << 8 | 1);
	assert_int_equal(pci_config_read(v, PCI_INTERRUPT_PIN, 1), 0);
	for (unsigned i = 0; i < PCI_NR_BARS; i++) {
		pci_config_write(v, PCI_BASE_ADDRESS_0 + i * 4, UINT32_MAX, 4);
		assert_int_equal(pci_config_read(v, PCI_BASE_ADDRESS_0 + i * 4, 4), 0);
	}
	/* Of COMMAND there is bus mastering. */
	pci_config_write(v, PCI_COMMAND, 0xffff, 2);
	assert_int_equal(pci_config_read(v, PCI_COMMAND, 2), PCI_COMMAND_MASTER);
	assert_true(v->bus_master);
	assert_int_equal(pci_reset_method(v, 0), PCI_RESET_FLR);
	assert_int_equal(pci_reset_method(v, 1), PCI_RESET_NONE);
	assert_int_equal(pci_irq_count(v, PCI_IRQ_MSIX), 1);
	assert_int_equal(pci_irq_count(v, PCI_IRQ_INTX), 0);
	/* Its own reset does not make it go. */
	assert_int_equal(pci_reset_function(v), 0);
	assert_true(pci_is_present(v));
	pci_sriov_disable(r->gpu);
	assert_false(v->bus_master);
	pci_sriov_enable(r->gpu, 1);
	/* It comes back as after power-on. */
	assert_int_equal(pci_config_read(v, PCI_COMMAND, 2), 0);
}

static void windows_show_fragments(void **state)
{
	const struct pci_fragment two[] = {{0x200000, GRANULE}, {0x100000, 2 * GRANULE}};
	struct gpu_rig *r = *state;
	struct pci_function *v = vf(r, 1);

	pci_sriov_enable(r->gpu, 2);
	assert_int_equal(pci_mmio_read(v, 2, 0, 4), UINT32_MAX);
	assert_int_equal(slice(r, 1, two, 2), 0);
	memcpy(r->local + 0x200000, "first", 6);
	memcpy(r->local + 0x100000, "second", 7);
	assert_int_equal((char)pci_mmio_read(v, 2, 0, 1), 'f');
	assert_int_equal((char)pci_mmio_read(v, 2, GRANULE, 1), 's');
	assert_int_equal(pci_mmio_read(v, 2, 3 * GRANULE, 4), UINT32_MAX);
	pci_mmio_write(v, 2, 3 * GRANULE - 8, 0x1122334455667788, 8);
	assert_int_equal(*(uint64_t *)(r->local + 0x100000 + 2 * GRANULE - 8), 0x1122334455667788);
	/* The same memory of the same file: programs can map it. */
	assert_int_equal(v->bars[2].regions[0].fd, r->gpu->bars[2].regions[0].fd);
	assert_int_equal(v->bars[2].regions[0].fd_offset, r->gpu->bars[2].regions[0].fd_offset + 0x200000);
	assert_ptr_equal(v->bars[2].regions[0].host, r->local + 0x200000);
	/* The others do not see it. */
	assert_int_equal(pci_mmio_read(vf(r, 0), 2, 0, 4), UINT32_MAX);
	assert_int_equal(slice(r, 1, NULL, 0), 0);
	assert_int_equal(pci_mmio_read(v, 2, 0, 4), UINT32_MAX);
}

static void bad_slices(void **state)
{
	static const struct {
		unsigned vf, nr;
		struct pci_fragment f[2];
	} bad[] = {
		{3, 1, {{0, GRANULE}}},
		{0, 17, {{0, GRANULE}}},
		{0, 1, {{4096, GRANULE}}},
		{0, 1, {{0, 4096}}},
		{0, 1, {{0, 0}}},
		{0, 1, {{LOCAL_LEN, GRANULE}}},
		{0, 1, {{LOCAL_LEN - GRANULE, 2 * GRANULE}}},
		{0, 1, {{-GRANULE, 2 * GRANULE}}},
		{0, 2, {{0, VF_LEN}, {VF_LEN, GRANULE}}},
		{0, 1, {{0x200000, GRANULE}}},
		{0, 1, {{0x1f0000, 2 * GRANULE}}},
		{0, 2, {{0, 2 * GRANULE}, {GRANULE, GRANULE}}},
	};
	const struct pci_fragment taken = {0x200000, VF_LEN}, mine = {0x100000, GRANULE}, good = {0x1f0000, GRANULE};
	struct gpu_rig *r = *state;

	pci_sriov_enable(r->gpu, 2);
	assert_int_equal(slice(r, 1, &taken, 1), 0);
	assert_int_equal(slice(r, 0, &mine, 1), 0);
	r->local[0x100000] = 7;
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(slice(r, bad[i].vf, bad[i].f, bad[i].nr > 2 ? 1 : bad[i].nr), bad[i].nr > 2 ? 0 : 1);
		if (bad[i].nr > 2) {
			set(r, GPU_SLICE_COMMIT, bad[i].nr);
			assert_int_equal(reg(r, GPU_SLICE_STATUS), 1);
			assert_int_equal(slice(r, 0, &mine, 1), 0);
		}
		/* What was there stays. */
		assert_int_equal(pci_mmio_read(vf(r, 0), 2, 0, 1), 7);
	}
	/* What a function had is its own to have again. */
	assert_int_equal(slice(r, 1, &good, 1), 0);
}

static void who_loses_what(void **state)
{
	const struct pci_fragment a = {0, GRANULE}, b = {GRANULE, GRANULE};
	struct gpu_rig *r = *state;
	struct pci_function *v = vf(r, 0), *other = vf(r, 1);
	struct client mine, theirs;
	unsigned control = r->gpu->cap_sriov + PCI_SRIOV_CTRL;

	pci_sriov_enable(r->gpu, 2);
	assert_int_equal(slice(r, 0, &a, 1), 0);
	assert_int_equal(pci_function_open(v), 0);
	assert_int_equal(pci_function_open(other), 0);
	assert_true(pci_gate_is_open(&v->gate));
	share(v, &mine);
	share(other, &theirs);

	/* For now: its own reset, VF MSE, the PF asleep. */
	pci_reset_function(v);
	assert_int_equal(mine.nr_restored, 1);
	pci_config_write(r->gpu, control, PCI_SRIOV_CTRL_VFE, 2);
	assert_int_equal(mine.nr_revoked, 2);
	assert_int_equal(v->gate.reasons, GATE_DECODE);
	pci_config_write(r->gpu, control, PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE, 2);
	assert_int_equal(mine.nr_restored, 2);
	pci_set_power_state(r->gpu, 3);
	assert_int_equal(v->gate.reasons, GATE_POWER);
	assert_false(v->bus_master);
	pci_set_power_state(r->gpu, 0);
	assert_int_equal(mine.nr_restored, 3);
	assert_int_equal(theirs.nr_revoked, 2);
	/* The PF's MSE is its own. */
	pci_config_write(r->gpu, PCI_COMMAND, 0, 2);
	assert_true(pci_gate_is_open(&v->gate));
	pci_config_write(r->gpu, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	assert_false(mine.for_good);

	/* For good: another slice. The other VF keeps what it has. */
	assert_int_equal(slice(r, 0, &b, 1), 0);
	assert_true(mine.for_good);
	assert_int_equal(theirs.nr_revoked, 2);
	assert_true(pci_gate_is_open(&v->gate));
	share(v, &mine);
	/* The PF's reset: the kernel brings the VFs back, but the slices are gone with the PF's registers. */
	assert_int_equal(pci_reset_function(r->gpu), 0);
	assert_true(mine.for_good);
	assert_int_equal(mine.nr_restored, 0);
	assert_false(theirs.for_good);
	assert_int_equal(theirs.nr_restored, 3);
	assert_true(pci_is_present(v));
	assert_int_equal(pci_mmio_read(v, 2, 0, 4), UINT32_MAX);
	/* VF Enable off. */
	share(v, &mine);
	pci_sriov_disable(r->gpu);
	assert_true(mine.for_good && theirs.for_good);
	assert_true(v->gate.reasons & GATE_ABSENT);
	pci_sriov_enable(r->gpu, 2);
	assert_true(pci_gate_is_open(&v->gate));
	pci_function_close(v);
	pci_function_close(other);
}

/* The bare reset bit, and the bus reset of the port above: VF Enable is cleared. */
static void resets_of_the_hardware(void **state)
{
	struct gpu_rig *r = *state;
	struct client mine;

	pci_sriov_enable(r->gpu, 3);
	pci_function_open(vf(r, 2));
	share(vf(r, 2), &mine);
	pci_config_write(r->gpu, r->gpu->cap_exp + PCI_EXP_DEVCTL, PCI_EXP_DEVCTL_BCR_FLR, 2);
	assert_int_equal(pci_sriov_enabled(r->gpu), 0);
	assert_true(mine.for_good);
	pci_function_close(vf(r, 2));
	pci_config_write(r->gpu, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	pci_sriov_enable(r->gpu, 1);
	pci_config_write(&r->port_a->fn, PCI_BRIDGE_CONTROL, PCI_BRIDGE_CTL_BUS_RESET, 2);
	assert_false(pci_is_present(vf(r, 0)));
	assert_true(vf(r, 0)->gate.reasons & GATE_BRIDGE);
	pci_config_write(&r->port_a->fn, PCI_BRIDGE_CONTROL, 0, 2);
	assert_false(pci_is_present(vf(r, 0)));
	assert_false(vf(r, 0)->gate.reasons & GATE_BRIDGE);
}

/* A VF is a requester of its own, and its window a target. */
static void dma(void **state)
{
	const struct pci_fragment f = {0x40000, GRANULE};
	struct gpu_rig *r = *state;
	struct dma_port port __attribute__((aligned(64))), card_port __attribute__((aligned(64)));
	struct pci_function *v = vf(r, 0);
	uint64_t word = 0x0123456789abcdef, back = 0;

	pci_sriov_enable(r->gpu, 1);
	slice(r, 0, &f, 1);
	pci_function_open(v);
	assert_int_equal(dma_port_init(&port, v), 0);
	assert_int_equal(dma_port_init(&card_port, r->card), 0);
	assert_int_equal(dma_write(&port, 0, TARGET, &word, 8, NULL), DMA_NO_MASTER);
	pci_config_write(v, PCI_COMMAND, PCI_COMMAND_MASTER, 2);
	assert_int_equal(dma_write(&port, 0, TARGET, &word, 8, NULL), DMA_FAULT);
	iommu_attach(&v->iommu, r->domain);
	assert_int_equal(dma_write(&port, 0, TARGET, &word, 8, NULL), DMA_OK);
	assert_int_equal(*(uint64_t *)ram_at(r, TARGET), word);

	iommu_attach(&r->card->iommu, r->domain);
	pci_config_write(r->card, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
	assert_int_equal(
		iommu_map(r->domain, 0x50000000, v->bars[2].base, VF_LEN, IOMMU_READ | IOMMU_WRITE | IOMMU_MMIO), 0);
	assert_int_equal(dma_write(&card_port, 0, 0x50000000 + 8, &word, 8, NULL), DMA_OK);
	assert_int_equal(*(uint64_t *)(r->local + 0x40008), word);
	assert_int_equal(dma_read(&card_port, 0, 0x50000000 + GRANULE, &back, 8, NULL), DMA_OK);
	assert_int_equal(back, UINT64_MAX);
	pci_sriov_disable(r->gpu);
	assert_int_equal(dma_write(&card_port, 0, 0x50000000, &word, 8, NULL), DMA_UNSUPPORTED);
	assert_int_equal(dma_write(&port, 0, TARGET, &word, 8, NULL), DMA_NO_MASTER);
	iommu_attach(&v->iommu, NULL);
	iommu_attach(&r->card->iommu, NULL);
	iommu_unmap(r->domain, 0x50000000, VF_LEN);
	pci_function_close(v);
	dma_port_fini(&port);
	dma_port_fini(&card_port);
}

struct racer {
	struct gpu_rig *r;
	_Atomic bool stop;
	struct dma_port port __attribute__((aligned(64)));
};

static void *copier(void *arg)
{
	struct racer *racer = arg;
	char bytes[4096];

	memset(bytes, 0x11, sizeof(bytes));
	while (!racer->stop)
		dma_write(&racer->port, 0, 0x50000000, bytes, sizeof(bytes), NULL);
	return NULL;
}

static void *reader(void *arg)
{
	struct racer *racer = arg;

	while (!racer->stop) {
		pci_mmio_read(vf(racer->r, 0), 2, 64, 8);
		pci_mmio_write(vf(racer->r, 0), 2, 72, 5, 8);
	}
	return NULL;
}

/* When a commit has returned, nothing reaches the old fragments, whoever else commits, reads or copies. */
static void slices_change_under_load(void **state)
{
	const struct pci_fragment a = {0, GRANULE}, b = {GRANULE, GRANULE};
	struct gpu_rig *r = *state;
	struct racer racer __attribute__((aligned(64))) = {.r = r};
	pthread_t threads[2];

	pci_sriov_enable(r->gpu, 1);
	slice(r, 0, &a, 1);
	pci_function_open(vf(r, 0));
	assert_int_equal(dma_port_init(&racer.port, r->card), 0);
	iommu_attach(&r->card->iommu, r->domain);
	pci_config_write(r->card, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
	assert_int_equal(
		iommu_map(r->domain, 0x50000000, vf(r, 0)->bars[2].base, VF_LEN, IOMMU_READ | IOMMU_WRITE | IOMMU_MMIO),
		0);
	pthread_create(&threads[0], NULL, copier, &racer);
	pthread_create(&threads[1], NULL, reader, &racer);
	for (unsigned i = 0; i < 300; i++) {
		const struct pci_fragment *to = i % 2 ? &a : &b, *from = i % 2 ? &b : &a;

		assert_int_equal(slice(r, 0, to, 1), 0);
		memset(r->local + from->offset, 0, GRANULE);
		for (unsigned at = 0; at < 4096; at += 64)
			assert_int_equal(r->local[from->offset + at], 0);
	}
	racer.stop = true;
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	iommu_attach(&r->card->iommu, NULL);
	iommu_unmap(r->domain, 0x50000000, VF_LEN);
	dma_port_fini(&racer.port);
	pci_function_close(vf(r, 0));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, gpu_rig_setup, gpu_rig_teardown)
	const struct CMUnitTest tests[] = {
		TEST(capability), TEST(absent_until_enabled),	TEST(config_space),
		TEST(bad_slices), TEST(windows_show_fragments), TEST(who_loses_what),
		TEST(dma),	  TEST(resets_of_the_hardware), TEST(slices_change_under_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
