/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Everything at once: threads map and unmap, copy, attach and replace, revoke and restore, while devices read through
 * their page tables. The checker is poison: who has unmapped memory, or has seen a revocation return, writes poison
 * into it and takes it out again before the memory may be reached anew. A device that reads poison was late.
 */
#include "iommufd/world.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#define POISON 0xdeaddeaddeaddeadull
#define MAPPER_IOVA 0x100000ull	  /* each mapper has its own slots; never copied */
#define COPY_IOVA 0x10000000ull	  /* areas that are copied to and fro, never poisoned */
#define BUFFER_IOVA 0x20000000ull /* device memory */

enum { SLOTS = 16, MAPPERS = 2, READERS = 2, BUFFER = 1 << 20 };

static struct world w;
static struct world_buffer *buffer;
static uint32_t a, b;
static char *memory;
static atomic_bool stop;
static atomic_ulong nr_late, nr_reads, nr_unexpected;

static void expect(bool fine)
{
	if (!fine)
		atomic_fetch_add(&nr_unexpected, 1);
}

static uint64_t *word(char *page)
{
	return (uint64_t *)(page + 64);
}

static void poison(char *page, bool on)
{
	__atomic_store_n(word(page), on ? POISON : 1, __ATOMIC_RELAXED);
}

static void *mapper(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;
	uint64_t base = MAPPER_IOVA + (uintptr_t)arg * SLOTS * PAGE;

	while (!stop) {
		unsigned slot = (unsigned)rand_r(&seed) % SLOTS;
		char *page = memory + ((uintptr_t)arg * SLOTS + slot) * PAGE;
		uint64_t iova = base + slot * PAGE;

		expect(world_map(&w, a, MAP_R | MAP_W | MAP_FIXED_AT, page, PAGE, &iova) == 0);
		expect(world_unmap(&w, a, iova, PAGE) == 0);
		poison(page, true);
		poison(page, false);
	}
	return NULL;
}

static void *copier(void *arg)
{
	unsigned seed = 77;

	while (!stop) {
		uint64_t slot = (unsigned)rand_r(&seed) % (SLOTS / 2), src = COPY_IOVA + slot * PAGE, len = PAGE * 2;
		long ret = world_copy(&w, b, a, MAP_R | MAP_FIXED_AT, len, src, src);

		expect(ret == 0 || ret == -EEXIST || ret == -ENOENT);
		ret = world_unmap(&w, b, COPY_IOVA, SLOTS * PAGE);
		expect(ret == 0 || ret == -ENOENT || ret == -EBUSY);
		if (rand_r(&seed) % 4 == 0) {
			uint64_t iova = src;

			ret = world_unmap(&w, a, src, PAGE);
			expect(ret == 0);
			ret = world_map(&w, a, MAP_R | MAP_W | MAP_FIXED_AT, memory + (MAPPERS * SLOTS + slot) * PAGE,
					PAGE, &iova);
			expect(ret == 0);
		}
	}
	return NULL;
}

static void *attacher(void *arg)
{
	unsigned seed = 99;

	while (!stop) {
		uint32_t pt = rand_r(&seed) % 2 ? a : b;

		expect(world_attach(&w, 1, &pt) == 0);
		if (rand_r(&seed) % 3 == 0)
			iommufd_device_detach(w.devices[1].idev);
	}
	iommufd_device_detach(w.devices[1].idev);
	return NULL;
}

static void *revoker(void *arg)
{
	const struct timespec pause = {.tv_nsec = 200000};
	char *window = w.card.window.host;

	while (!stop) {
		pci_gate_shut(&w.card.gate, GATE_DECODE);
		for (uint64_t at = 0; at < BUFFER; at += PAGE)
			poison(window + at, true);
		nanosleep(&pause, NULL);
		for (uint64_t at = 0; at < BUFFER; at += PAGE)
			poison(window + at, false);
		pci_gate_open(&w.card.gate, GATE_DECODE);
		nanosleep(&pause, NULL);
	}
	return NULL;
}

static void *buffer_mapper(void *arg)
{
	unsigned seed = 11;

	while (!stop) {
		uint64_t slot = (unsigned)rand_r(&seed) % SLOTS, iova = BUFFER_IOVA + slot * PAGE;
		uint32_t ioas = rand_r(&seed) % 2 ? a : b;
		long ret = world_map_file(&w, ioas, MAP_R | MAP_FIXED_AT, buffer->fd, slot * PAGE, PAGE, &iova);

		expect(ret == 0 || ret == -ENODEV || ret == -EEXIST);
		ret = world_copy(&w, a, b, MAP_R | MAP_FIXED_AT, PAGE, iova + SLOTS * PAGE, iova);
		expect(ret == 0 || ret == -ENOENT || ret == -EEXIST);
		if (rand_r(&seed) % 4 == 0) {
			ret = world_unmap(&w, ioas, BUFFER_IOVA, 2 * SLOTS * PAGE);
			expect(ret == 0 || ret == -ENOENT);
		}
	}
	return NULL;
}

/* One read of a device. The memory may go away the moment the section is left. */
static void read_once(struct section_port *port, int device, iova_t iova)
{
	struct iommu_leaf leaf;
	struct iommu_domain *d;

	section_enter(port);
	d = w.devices[device].fn.iommu.domain;
	if (d && iommu_walk(d, iova, PAGE, &leaf)) {
		struct phys_region *r = phys_find(w.space, leaf.pa);

		expect(r != NULL);
		if (r && __atomic_load_n(word(r->host + (leaf.pa - r->base)), __ATOMIC_RELAXED) == POISON)
			atomic_fetch_add(&nr_late, 1);
		atomic_fetch_add_explicit(&nr_reads, 1, memory_order_relaxed);
	}
	section_leave(port);
}

static void *reader(void *arg)
{
	static const iova_t zones[] = {MAPPER_IOVA, MAPPER_IOVA + SLOTS * PAGE, COPY_IOVA, BUFFER_IOVA};
	unsigned seed = 5;
	struct section_port port;

	section_port_init(&port, phys_sections(w.space));
	while (!stop)
		read_once(&port, (int)(uintptr_t)arg,
			  zones[(unsigned)rand_r(&seed) % 4] + (unsigned)rand_r(&seed) % SLOTS * PAGE);
	section_port_fini(&port);
	return NULL;
}

static void nothing_is_late(void **state)
{
	void *(*const kinds[])(void *) = {mapper, mapper, copier, attacher, revoker, buffer_mapper, reader, reader};
	const uintptr_t args[] = {0, 1, 0, 0, 0, 0, 0, 1};
	const struct timespec run = {.tv_nsec = 700000000};
	pthread_t threads[ARRAY_SIZE(kinds)];
	uint32_t pt;

	memory = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	world_create(&w);
	buffer = world_export(&w, 0, BUFFER, 1);
	a = pt = world_ioas(&w);
	b = world_ioas(&w);
	world_bind(&w, 0);
	world_bind(&w, 1);
	assert_int_equal(world_attach(&w, 0, &pt), 0);
	for (uint64_t i = 0; i < SLOTS; i++)
		assert_int_equal(world_map(&w, a, MAP_R | MAP_W | MAP_FIXED_AT, memory + (MAPPERS * SLOTS + i) * PAGE,
					   PAGE, &(uint64_t){COPY_IOVA + i * PAGE}),
				 0);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, kinds[i], (void *)args[i]), 0);
	nanosleep(&run, NULL);
	stop = true;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		pthread_join(threads[i], NULL);
	print_message("%lu reads\n", nr_reads);
	assert_int_equal(nr_late, 0);
	assert_int_equal(nr_unexpected, 0);
	assert_true(nr_reads > 0);
	world_export_close(&w, buffer);
	world_destroy(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_is_late)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
