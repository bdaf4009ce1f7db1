/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <string.h>

#include "base/trace.h"
#include "iommu/requester.h"
#include "memory/section.h"

#define PAGE 4096ull
#define PA PHYS_PAGES_BASE

static const struct iommu_geometry geometry = {
	.aperture_start = 0x10000,
	.aperture_last = (1ull << 40) - 1,
	.page_sizes = PAGE,
};

struct world {
	struct phys_space *space;
	struct iommu_unit *unit;
	struct iommu_domain *domain;
	struct iommu_requester requester;
	struct section_port port;
	struct iotlb *tlb;
};

static int setup(void **state)
{
	static struct world w;
	w.space = phys_space_create(NULL);
	w.unit = iommu_unit_create(w.space, "iommu0", &geometry);
	w.domain = iommu_domain_create(w.unit);
	iommu_requester_init(&w.requester, w.unit, 0x0108);
	section_port_init(&w.port, phys_sections(w.space));
	w.tlb = iotlb_create();
	*state = &w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	iotlb_destroy(w->tlb);
	section_port_fini(&w->port);
	iommu_domain_destroy(w->domain);
	iommu_unit_destroy(w->unit);
	phys_space_destroy(w->space);
	return 0;
}

static int translate(struct world *w, iova_t iova, uint64_t want, unsigned prot, struct iommu_leaf *leaf)
{
	section_enter(&w->port);
	int err = iommu_translate(&w->requester, w->tlb, iova, want, prot, leaf);
	section_leave(&w->port);
	return err;
}

static void expect_fault(struct world *w, iova_t iova, unsigned prot, const char *reason)
{
	uint64_t before = iommu_nr_faults(w->unit);
	struct iommu_fault fault;
	struct iommu_leaf leaf;

	assert_int_equal(translate(w, iova, 8, prot, &leaf), -EFAULT);
	assert_int_equal(iommu_nr_faults(w->unit), before + 1);
	assert_int_equal(iommu_faults(w->unit, &fault, 1), 1);
	assert_string_equal(fault.reason, reason);
	assert_int_equal(fault.requester, 0x0108);
	assert_int_equal(fault.iova, iova);
	assert_int_equal(fault.write, prot == IOMMU_WRITE);
}

static void every_refusal_is_a_fault(void **state)
{
	struct world *w = *state;
	struct iommu_leaf leaf;

	expect_fault(w, 0x20000, IOMMU_READ, "no domain");
	iommu_attach(&w->requester, w->domain);
	expect_fault(w, 0x20000, IOMMU_READ, "not present");
	expect_fault(w, 0xffff, IOMMU_READ, "outside the aperture");
	expect_fault(w, 1ull << 40, IOMMU_WRITE, "outside the aperture");
	expect_fault(w, UINT64_MAX, IOMMU_WRITE, "outside the aperture");
	assert_int_equal(iommu_map(w->domain, 0x20000, PA, PAGE, IOMMU_READ), 0);
	assert_int_equal(iommu_map(w->domain, 0x21000, PA, PAGE, IOMMU_WRITE), 0);
	expect_fault(w, 0x20000, IOMMU_WRITE, "no write permission");
	expect_fault(w, 0x21008, IOMMU_READ, "no read permission");
	assert_int_equal(translate(w, 0x20ff8, 64, IOMMU_READ, &leaf), 0);
	assert_true(leaf.pa == PA + 0xff8);
	assert_int_equal(leaf.run_len, 8);
	iommu_attach(&w->requester, NULL);
	expect_fault(w, 0x20000, IOMMU_READ, "no domain");
}

static void unmap_invalidates(void **state)
{
	struct world *w = *state;
	struct iommu_leaf leaf;

	iommu_attach(&w->requester, w->domain);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(iommu_map(w->domain, 0x20000, PA + i * PAGE, PAGE, IOMMU_READ), 0);
		assert_int_equal(translate(w, 0x20000, 8, IOMMU_READ, &leaf), 0);
		assert_true(leaf.pa == PA + i * PAGE);
		iommu_unmap(w->domain, 0x20000, PAGE);
		section_drain(phys_sections(w->space));
		expect_fault(w, 0x20000, IOMMU_READ, "not present");
	}
}

/* A new domain never answers with what a TLB learnt from an old one, even at the same address in memory. */
static void domains_do_not_share_entries(void **state)
{
	struct world *w = *state;
	struct iommu_leaf leaf;

	for (int i = 0; i < 50; i++) {
		assert_int_equal(iommu_map(w->domain, 0x20000, PA + i * PAGE, PAGE, IOMMU_READ), 0);
		iommu_attach(&w->requester, w->domain);
		assert_int_equal(translate(w, 0x20000, 8, IOMMU_READ, &leaf), 0);
		assert_true(leaf.pa == PA + i * PAGE);
		iommu_attach(&w->requester, NULL);
		iommu_domain_destroy(w->domain);
		w->domain = iommu_domain_create(w->unit);
	}
}

static void the_ring_keeps_the_newest(void **state)
{
	struct world *w = *state;
	struct iommu_fault faults[300];

	for (uint64_t i = 0; i < 1000; i++)
		iommu_report_fault(w->unit, &(struct iommu_fault){.iova = i, .reason = "not present"});
	assert_int_equal(iommu_nr_faults(w->unit), 1000);
	assert_int_equal(iommu_faults(w->unit, faults, 300), 256);
	for (size_t i = 0; i < 256; i++)
		assert_int_equal(faults[i].iova, 744 + i);
	assert_int_equal(iommu_faults(w->unit, faults, 3), 3);
	assert_int_equal(faults[2].iova, 999);
}

static void *fault_thread(void *arg)
{
	for (uint64_t i = 0; i < 20000; i++)
		iommu_report_fault(arg, &(struct iommu_fault){.time_ns = i, .iova = i, .reason = "not present"});
	return NULL;
}

static void faults_from_threads_are_all_counted_and_whole(void **state)
{
	struct world *w = *state;
	struct iommu_fault faults[256];
	pthread_t threads[3];

	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, fault_thread, w->unit);
	for (int i = 0; i < 200; i++) {
		size_t nr = iommu_faults(w->unit, faults, 256);
		for (size_t j = 0; j < nr; j++)
			assert_int_equal(faults[j].time_ns, faults[j].iova);
	}
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(iommu_nr_faults(w->unit), 60000);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_refusal_is_a_fault),
		TEST(unmap_invalidates),
		TEST(domains_do_not_share_entries),
		TEST(the_ring_keeps_the_newest),
		TEST(faults_from_threads_are_all_counted_and_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
