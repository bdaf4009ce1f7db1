/* SPDX-License-Identifier: BSD-3-Clause */
/* The data path, from a requester's address to bytes: routes, translation, refusals with exact counts, cancellation. */
#include "pci/tree.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "fake/task.h"
#include "memory/pinned.h"
#include "memory/system_memory.h"
#include "pci/dma.h"

#define PAGE 4096ull
#define RW (IOMMU_READ | IOMMU_WRITE)

enum { PAGES = 64, LEN = PAGES * 4096 };

/* An engine (card 0) with a domain; the program's memory is mapped at IOVA. */
#define IOVA 0x100000ull

struct world {
	struct tree *tree;
	struct fake_task *fake;
	struct pci_function *engine, *peer, *far; /* below the same switch; below the other root port */
	struct iommu_domain *domain;
	struct dma_port port;
	struct pinned *pinned;
	char *memory;
	uint32_t run;
};

static struct world w;

static void world_create(const struct tree_options *o)
{
	memset(&w, 0, sizeof(w));
	w.tree = tree_create(o);
	w.fake = fake_task_create();
	w.engine = &w.tree->cards[0].fn;
	w.peer = &w.tree->cards[1].fn;
	w.far = &w.tree->cards[3].fn;
	struct pci_function *all[] = {w.engine, w.peer, w.far};
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		tree_command(all[i], PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 0);
		pci_gate_open(&all[i]->gate, GATE_CLOSED);
		assert_true(pci_gate_is_open(&all[i]->gate));
	}
	w.domain = iommu_domain_create(w.tree->iommu);
	iommu_attach(&w.engine->iommu, w.domain);
	assert_int_equal(dma_port_init(&w.port, w.engine), 0);
	w.run = dma_port_generation(&w.port);

	w.memory = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_int_equal(pinned_create_user(w.tree->space, fake_task(w.fake), (uaddr_t)w.memory, LEN, true, &w.pinned),
			 0);
	assert_int_equal(iommu_map(w.domain, IOVA, w.pinned->region.base, LEN, RW), 0);
	for (size_t i = 0; i < LEN; i++)
		w.memory[i] = (char)(i * 7 + i / 4096);
}

static int setup(void **state)
{
	world_create(&(struct tree_options){0});
	return 0;
}

static int setup_redirect(void **state)
{
	world_create(&(struct tree_options){.switch_acs = PCI_ACS_RR | PCI_ACS_CR});
	return 0;
}

static int setup_no_routing(void **state)
{
	world_create(&(struct tree_options){.no_host_routing = true});
	return 0;
}

static int setup_redirect_no_routing(void **state)
{
	world_create(&(struct tree_options){.switch_acs = PCI_ACS_RR | PCI_ACS_CR, .no_host_routing = true});
	return 0;
}

static int teardown(void **state)
{
	iommu_attach(&w.engine->iommu, NULL);
	dma_port_fini(&w.port);
	iommu_domain_destroy(w.domain);
	pinned_destroy(w.pinned);
	munmap(w.memory, LEN);
	fake_task_destroy(w.fake);
	tree_destroy(w.tree);
	return 0;
}

static phys_t bar_memory(struct pci_function *fn)
{
	return fn->bars[2].base;
}

static char *bar_host(struct pci_function *fn)
{
	return fn->bars[2].regions[0].host;
}

static uint64_t nr_faults(void)
{
	return iommu_nr_faults(w.tree->iommu);
}

static void expect_copy(iova_t dst, iova_t src, size_t len, enum dma_status status, size_t done)
{
	size_t got = 12345;

	assert_string_equal(dma_status_name(dma_copy(&w.port, w.run, dst, src, len, &got)), dma_status_name(status));
	assert_int_equal(got, done);
}

static void program_memory_moves(void **state)
{
	char buf[300];
	size_t done;

	assert_int_equal(dma_read(&w.port, w.run, IOVA + 3, buf, sizeof(buf), &done), DMA_OK);
	assert_int_equal(done, sizeof(buf));
	assert_memory_equal(buf, w.memory + 3, sizeof(buf));
	memset(buf, 0x77, sizeof(buf));
	assert_int_equal(dma_write(&w.port, w.run, IOVA + 4000, buf, sizeof(buf), NULL), DMA_OK);
	assert_memory_equal(w.memory + 4000, buf, sizeof(buf));
	expect_copy(IOVA + LEN / 2 + 5, IOVA + 9, LEN / 2 - 100, DMA_OK, LEN / 2 - 100);
	assert_memory_equal(w.memory + LEN / 2 + 5, w.memory + 9, LEN / 2 - 100);

	uint64_t completion = 0x1122334455667788;
	assert_int_equal(dma_write(&w.port, w.run, IOVA + 8, &completion, 8, NULL), DMA_OK);
	assert_memory_equal(w.memory + 8, &completion, 8);
	uint32_t word;
	assert_int_equal(dma_read(&w.port, w.run, IOVA + 12, &word, 4, NULL), DMA_OK);
	assert_int_equal(word, 0x11223344);
}

static void faults_stop_at_the_exact_byte(void **state)
{
	uint64_t faults = nr_faults();
	struct iommu_fault fault;

	/* The source ends, then the target, then the middle is gone or read-only. */
	expect_copy(IOVA, IOVA + LEN - 1000, 5000, DMA_FAULT, 1000);
	assert_false(w.port.failed_write);
	expect_copy(IOVA + LEN - 777, IOVA, 5000, DMA_FAULT, 777);
	assert_true(w.port.failed_write);
	iommu_unmap(w.domain, IOVA + 5 * PAGE, PAGE);
	section_drain(phys_sections(w.tree->space));
	expect_copy(IOVA + 10 * PAGE, IOVA + 1, 50 * PAGE, DMA_FAULT, 5 * PAGE - 1);
	assert_int_equal(iommu_map(w.domain, IOVA + 5 * PAGE, w.pinned->region.base + 5 * PAGE, PAGE, IOMMU_READ), 0);
	expect_copy(IOVA + 4 * PAGE, IOVA + 20 * PAGE, 4 * PAGE, DMA_FAULT, PAGE);
	assert_int_equal(nr_faults(), faults + 4);
	assert_int_equal(iommu_faults(w.tree->iommu, &fault, 1), 1);
	assert_string_equal(fault.reason, "no write permission");
	assert_int_equal(fault.iova, IOVA + 5 * PAGE);
	assert_int_equal(fault.requester, w.engine->iommu.id);

	char buf[64];
	size_t done;
	assert_int_equal(dma_read(&w.port, w.run, IOVA + LEN - 10, buf, 64, &done), DMA_FAULT);
	assert_int_equal(done, 10);
}

static void no_master_no_domain_no_memory(void **state)
{
	tree_command(w.engine, 0, PCI_COMMAND_MASTER);
	expect_copy(IOVA, IOVA + PAGE, 100, DMA_NO_MASTER, 0);
	tree_command(w.engine, PCI_COMMAND_MASTER, 0);
	iommu_attach(&w.engine->iommu, NULL);
	expect_copy(IOVA, IOVA + PAGE, 100, DMA_FAULT, 0);
	iommu_attach(&w.engine->iommu, w.domain);
	expect_copy(IOVA, IOVA + PAGE, 100, DMA_OK, 100);
}

static void a_cancelled_run_moves_nothing(void **state)
{
	dma_port_cancel(&w.port);
	expect_copy(IOVA, IOVA + PAGE, 100, DMA_CANCELLED, 0);
	w.run = dma_port_generation(&w.port);
	expect_copy(IOVA, IOVA + PAGE, 100, DMA_OK, 100);
}

/* Below a common switch: the bus address goes straight to the peer and the IOMMU never hears of it. */
static void a_switch_routes_to_peers(void **state)
{
	uint64_t faults = nr_faults();

	iommu_attach(&w.engine->iommu, NULL);
	expect_copy(bar_memory(w.peer) + 0x5000, bar_memory(w.engine), 100, DMA_OK, 100);
	assert_int_equal(nr_faults(), faults);
	iommu_attach(&w.engine->iommu, w.domain);
	expect_copy(bar_memory(w.peer) + 0x1003, IOVA + 1, 3 * PAGE, DMA_OK, 3 * PAGE);
	assert_memory_equal(bar_host(w.peer) + 0x1003, w.memory + 1, 3 * PAGE);
	/* Beyond the switch the address means nothing until the IOMMU has translated it. */
	expect_copy(bar_memory(w.far), IOVA, 100, DMA_FAULT, 0);
	assert_int_equal(nr_faults(), faults + 1);
}

static void redirected_requests_are_translated(void **state)
{
	expect_copy(bar_memory(w.peer), IOVA, 100, DMA_FAULT, 0);
	assert_int_equal(iommu_map(w.domain, bar_memory(w.peer), bar_memory(w.peer), 2 * PAGE, RW | IOMMU_MMIO), 0);
	expect_copy(bar_memory(w.peer), IOVA, 2 * PAGE, DMA_OK, 2 * PAGE);
	assert_memory_equal(bar_host(w.peer), w.memory, 2 * PAGE);
}

static void mapped_peers_are_reached(void **state)
{
	iova_t at = 0x40000000;

	assert_int_equal(iommu_map(w.domain, at, bar_memory(w.far) + PAGE, 4 * PAGE, RW | IOMMU_MMIO), 0);
	assert_int_equal(iommu_map(w.domain, at + 4 * PAGE, bar_memory(w.peer), PAGE, RW | IOMMU_MMIO), 0);
	expect_copy(at, IOVA, 5 * PAGE, DMA_OK, 5 * PAGE);
	assert_memory_equal(bar_host(w.far) + PAGE, w.memory, 4 * PAGE);
	assert_memory_equal(bar_host(w.peer), w.memory + 4 * PAGE, PAGE);
}

static void a_host_bridge_that_does_not_route(void **state)
{
	iova_t at = 0x40000000;

	assert_int_equal(iommu_map(w.domain, at, bar_memory(w.far), PAGE, RW | IOMMU_MMIO), 0);
	expect_copy(at, IOVA, PAGE, DMA_UNSUPPORTED, 0);
	assert_true(w.port.failed_write);
	/* A posted write comes back to nobody, a read does. */
	assert_int_equal(pci_config_read(w.engine, PCI_STATUS, 2) & PCI_STATUS_REC_MASTER_ABORT, 0);
	expect_copy(IOVA, at, PAGE, DMA_UNSUPPORTED, 0);
	assert_true(pci_config_read(w.engine, PCI_STATUS, 2) & PCI_STATUS_REC_MASTER_ABORT);
	pci_config_write(w.engine, PCI_STATUS, PCI_STATUS_REC_MASTER_ABORT, 2);
	assert_int_equal(pci_config_read(w.engine, PCI_STATUS, 2) & PCI_STATUS_REC_MASTER_ABORT, 0);
}

static uint32_t aer(struct pci_function *fn, unsigned offset)
{
	return pci_config_read(fn, fn->cap_aer + offset, 4);
}

/* The completer logs the request; the first one owns the header until its bit is cleared, and a reset keeps it. */
static void a_peer_that_does_not_decode_logs_it(void **state)
{
	iova_t at = bar_memory(w.peer) + 2 * PAGE;
	struct pci_function *fn = w.peer;

	pci_gate_shut(&fn->gate, GATE_IDLE);
	expect_copy(at, IOVA, PAGE, DMA_UNSUPPORTED, 0);
	assert_int_equal(aer(fn, PCI_ERR_UNCOR_STATUS), PCI_ERR_UNC_UNSUP);
	assert_int_equal(PCI_ERR_CAP_FEP(aer(fn, PCI_ERR_CAP)), __builtin_ctz(PCI_ERR_UNC_UNSUP));
	assert_int_equal(aer(fn, PCI_ERR_HEADER_LOG) >> 24, 0x60); /* a write to a 64-bit address */
	assert_int_equal(aer(fn, PCI_ERR_HEADER_LOG + 4) >> 16, w.engine->iommu.id);
	assert_int_equal(aer(fn, PCI_ERR_HEADER_LOG + 8), at >> 32);
	assert_int_equal(aer(fn, PCI_ERR_HEADER_LOG + 12), (uint32_t)at);
	assert_int_equal(pci_config_read(fn, fn->cap_exp + PCI_EXP_DEVSTA, 2),
			 PCI_EXP_DEVSTA_URD | PCI_EXP_DEVSTA_NFED);
	assert_int_equal(aer(fn, PCI_ERR_COR_STATUS), 0);

	expect_copy(IOVA, at + PAGE, PAGE, DMA_UNSUPPORTED, 0);
	assert_int_equal(aer(fn, PCI_ERR_COR_STATUS), PCI_ERR_COR_ADV_NFAT);
	assert_int_equal(aer(fn, PCI_ERR_HEADER_LOG + 12), (uint32_t)at);
	pci_gate_open(&fn->gate, GATE_IDLE);
	assert_int_equal(pci_reset_function(fn), 0);
	assert_int_equal(aer(fn, PCI_ERR_UNCOR_STATUS), PCI_ERR_UNC_UNSUP);

	pci_config_write(fn, fn->cap_aer + PCI_ERR_UNCOR_STATUS, PCI_ERR_UNC_UNSUP, 4);
	pci_config_write(fn, fn->cap_aer + PCI_ERR_UNCOR_MASK, PCI_ERR_UNC_UNSUP, 4);
	pci_gate_shut(&fn->gate, GATE_IDLE);
	expect_copy(IOVA, at + PAGE, PAGE, DMA_UNSUPPORTED, 0);
	assert_int_equal(aer(fn, PCI_ERR_UNCOR_STATUS), PCI_ERR_UNC_UNSUP); /* masked: recorded, but not its header */
	assert_int_equal(aer(fn, PCI_ERR_HEADER_LOG + 12), (uint32_t)at);
	pci_gate_open(&fn->gate, GATE_IDLE);
}

/* The emulated kernel's memory is behind the root complex for everyone. */
static void system_memory_is_reached(void **state)
{
	iova_t at = 0x40000000;
	struct system_memory *m;

	assert_int_equal(system_memory_create(w.tree->space, 2 * PAGE, &m), 0);
	assert_int_equal(iommu_map(w.domain, at, m->region.base, 2 * PAGE, RW), 0);
	expect_copy(at + 5, IOVA, 2 * PAGE, DMA_FAULT, 2 * PAGE - 5);
	assert_memory_equal(atomic_load(&m->region.host) + 5, w.memory, 2 * PAGE - 5);
	memset(atomic_load(&m->region.host), 0x42, PAGE);
	expect_copy(IOVA, at, PAGE, DMA_OK, PAGE);
	assert_int_equal(w.memory[PAGE - 1], 0x42);
	iommu_unmap(w.domain, at, 2 * PAGE);
	section_drain(phys_sections(w.tree->space));
	system_memory_destroy(m);
}

static void redirect_to_a_host_bridge_that_does_not_route(void **state)
{
	iova_t at = 0x40000000;

	assert_int_equal(iommu_map(w.domain, at, bar_memory(w.peer), PAGE, RW | IOMMU_MMIO), 0);
	expect_copy(IOVA, at, PAGE, DMA_UNSUPPORTED, 0);
	assert_false(w.port.failed_write);
}

static void a_shut_gate_answers_nobody(void **state)
{
	pci_gate_shut(&w.peer->gate, GATE_RESET);
	expect_copy(bar_memory(w.peer), IOVA, PAGE, DMA_UNSUPPORTED, 0);
	pci_gate_open(&w.peer->gate, GATE_RESET);
	expect_copy(bar_memory(w.peer), IOVA, PAGE, DMA_OK, PAGE);
	tree_command(w.peer, 0, PCI_COMMAND_MEMORY);
	expect_copy(IOVA, bar_memory(w.peer), PAGE, DMA_UNSUPPORTED, 0);
}

static void registers_take_aligned_accesses(void **state)
{
	struct card *card = &w.tree->cards[1];
	phys_t registers = w.peer->bars[0].base;
	uint32_t value = 0xabcd;

	assert_int_equal(dma_write(&w.port, w.run, registers + 0x20, &value, 4, NULL), DMA_OK);
	assert_int_equal(card->nr_writes, 1);
	assert_int_equal(card->last_offset, 0x20);
	assert_int_equal(card->last_value, 0xabcd);
	/* From 0x21 to 0x2f: 1 + 2 + 4 + 8. */
	expect_copy(registers + 0x21, IOVA, 15, DMA_OK, 15);
	assert_int_equal(card->nr_writes, 5);
	assert_int_equal(card->last_offset, 0x28);
	assert_memory_equal(&card->last_value, w.memory + 7, 8);
	/* A page that only the model answers. */
	uint64_t read;
	card->last_value = 0x5000;
	assert_int_equal(dma_read(&w.port, w.run, registers + CARD_NO_MMAP + 8, &read, 8, NULL), DMA_OK);
	assert_int_equal(read, 0x5000 + CARD_NO_MMAP + 8);
	/* A hole. */
	assert_int_equal(dma_write(&w.port, w.run, registers + CARD_HOLE, &value, 4, NULL), DMA_OK);
	assert_int_equal(dma_read(&w.port, w.run, registers + CARD_HOLE, &read, 8, NULL), DMA_OK);
	assert_true(read == UINT64_MAX);
}

static void moved_and_protected_pages_are_found(void **state)
{
	static _Alignas(4096) char elsewhere[4 * 4096];

	memcpy(elsewhere, w.memory + 4 * PAGE, 4 * PAGE);
	assert_int_equal(pinned_move(w.pinned, 4 * PAGE, 4 * PAGE, elsewhere, false), 0);
	assert_int_equal(pinned_move(w.pinned, 2 * PAGE, PAGE, w.memory + 2 * PAGE, true), 0);
	expect_copy(IOVA + 32 * PAGE, IOVA + 5, 10 * PAGE, DMA_OK, 10 * PAGE);
	assert_memory_equal(w.memory + 32 * PAGE, w.memory + 5, 10 * PAGE);
	expect_copy(IOVA + PAGE, IOVA + 40 * PAGE, 5 * PAGE, DMA_OK, 5 * PAGE);
	assert_memory_equal(w.memory + PAGE, w.memory + 40 * PAGE, 3 * PAGE);
	assert_memory_equal(elsewhere, w.memory + 43 * PAGE, 2 * PAGE);
}

#ifdef __x86_64__
static void on_fault(int sig, siginfo_t *info, void *context)
{
	greg_t *pc = &((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
	uintptr_t landing = copy_fixup((uintptr_t)*pc);

	if (!landing)
		signal(sig, SIG_DFL);
	else
		*pc = (greg_t)landing;
}

/* The program got rid of memory with a system call that nobody saw. */
static void vanished_memory_is_a_fault(void **state)
{
	struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
	uint64_t value = 1, faults = nr_faults();

	sigaction(SIGSEGV, &sa, NULL);
	munmap(w.memory + 8 * PAGE, PAGE);
	expect_copy(IOVA + 20 * PAGE, IOVA + 6 * PAGE + 1, 10 * PAGE, DMA_FAULT, 2 * PAGE - 1);
	assert_false(w.port.failed_write);
	expect_copy(IOVA + 7 * PAGE + 3, IOVA + 40 * PAGE, 10 * PAGE, DMA_FAULT, PAGE - 3);
	assert_true(w.port.failed_write);
	assert_int_equal(dma_write(&w.port, w.run, IOVA + 8 * PAGE, &value, 8, NULL), DMA_FAULT);
	assert_int_equal(dma_read(&w.port, w.run, IOVA + 8 * PAGE, &value, 4, NULL), DMA_FAULT);
	assert_int_equal(nr_faults(), faults + 4);
}
#endif

/* An engine copies without rest while its run is cancelled, or its target revoked: afterwards not a byte comes. */
struct copier {
	atomic_bool stop;
	atomic_ulong nr_copies;
};

static void *copy_thread(void *arg)
{
	struct copier *c = arg;

	while (!c->stop) {
		dma_copy(&w.port, dma_port_generation(&w.port), bar_memory(w.peer), IOVA, LEN, NULL);
		c->nr_copies++;
	}
	return NULL;
}

static void shutting_a_gate_ends_every_copy(void **state)
{
	struct copier c = {0};
	pthread_t thread;

	pthread_create(&thread, NULL, copy_thread, &c);
	for (int i = 0; i < 200; i++) {
		unsigned long copies = c.nr_copies;
		while (c.nr_copies < copies + 2)
			usleep(20);
		pci_gate_shut(&w.peer->gate, GATE_RESET);
		memset(bar_host(w.peer), 0x11, LEN);
		for (size_t at = 0; at < LEN; at += 1000)
			assert_int_equal(bar_host(w.peer)[at], 0x11);
		pci_gate_open(&w.peer->gate, GATE_RESET);
	}
	c.stop = true;
	pthread_join(thread, NULL);
}

static void unmapped_memory_is_the_programs_again(void **state)
{
	struct copier c = {0};
	pthread_t thread;
	iova_t at = bar_memory(w.peer); /* reached by translation: ACS redirects */

	assert_int_equal(iommu_map(w.domain, at, w.pinned->region.base, LEN, RW), 0);
	iommu_unmap(w.domain, IOVA, LEN);
	assert_int_equal(iommu_map(w.domain, IOVA, bar_memory(w.far), LEN, RW), 0);
	pthread_create(&thread, NULL, copy_thread, &c);
	for (int i = 0; i < 200; i++) {
		unsigned long copies = c.nr_copies;
		while (c.nr_copies < copies + 2)
			usleep(20);
		assert_int_equal(iommu_unmap(w.domain, at, LEN), LEN);
		section_drain(phys_sections(w.tree->space));
		memset(w.memory, 0x22, LEN);
		for (size_t j = 0; j < LEN; j += 1000)
			assert_int_equal(w.memory[j], 0x22);
		assert_int_equal(iommu_map(w.domain, at, w.pinned->region.base, LEN, RW), 0);
	}
	c.stop = true;
	pthread_join(thread, NULL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define TEST_WITH(f, s) cmocka_unit_test_setup_teardown(f, s, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(program_memory_moves),
		TEST(faults_stop_at_the_exact_byte),
		TEST(no_master_no_domain_no_memory),
		TEST(a_cancelled_run_moves_nothing),
		TEST(a_switch_routes_to_peers),
		TEST_WITH(redirected_requests_are_translated, setup_redirect),
		TEST(mapped_peers_are_reached),
		TEST_WITH(system_memory_is_reached, setup_no_routing),
		TEST(a_peer_that_does_not_decode_logs_it),
		TEST_WITH(a_host_bridge_that_does_not_route, setup_no_routing),
		TEST_WITH(redirect_to_a_host_bridge_that_does_not_route, setup_redirect_no_routing),
		TEST(a_shut_gate_answers_nobody),
		TEST(registers_take_aligned_accesses),
		TEST(moved_and_protected_pages_are_found),
#ifdef __x86_64__
		TEST(vanished_memory_is_a_fault),
#endif
		TEST(shutting_a_gate_ends_every_copy),
		TEST_WITH(unmapped_memory_is_the_programs_again, setup_redirect),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
