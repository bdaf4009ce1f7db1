/* SPDX-License-Identifier: BSD-3-Clause */
/* /dev/iommu alone: calls and maps. */
#include <errno.h>
#include <stdlib.h>
#include <linux/iommufd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "inside.h"
#include "p2p-function.h"

#define PAGE 4096ull
#define GIB (1ull << 30)

struct target {
	int iommufd;
	uint32_t ioas;
	void *page;
};

static void burst_null_ioctl(void *arg, unsigned rounds)
{
	struct target *t = arg;

	for (unsigned i = 0; i < rounds; i++)
		if (ioctl(t->iommufd, _IO(';', 0xf0), 0) == 0)
			exit(1);
}

void inside_null(unsigned repetitions)
{
	struct target t = {.iommufd = iommufd_open()};

	for (unsigned i = 0; i < repetitions; i++) {
		result("null_syscall", null_syscall_ns());
		result("null_ioctl", best_burst(burst_null_ioctl, &t, 10000));
	}
}

/* An IOAS with a device attached: maps pin, check the memory and fill a page table. */
static uint32_t ioas_with_engine(int iommufd)
{
	uint32_t ioas = ioas_create(iommufd);
	struct function f;

	must(function_find(0x8086, 0x2021, 0x0880, &f, 1) == 0 ? -ENODEV : 0, "an engine");
	function_open(&f, iommufd, true);
	function_attach(&f, ioas);
	return ioas;
}

static void burst_page(void *arg, unsigned rounds)
{
	struct target *t = arg;

	for (unsigned i = 0; i < rounds; i++) {
		must(map_at(t->iommufd, t->ioas, t->page, PAGE, GIB), "IOAS_MAP");
		must(unmap(t->iommufd, t->ioas, GIB, PAGE), "IOAS_UNMAP");
	}
}

void inside_page(unsigned repetitions)
{
	struct target t = {.iommufd = iommufd_open(), .page = anonymous(PAGE, 1)};

	t.ioas = ioas_with_engine(t.iommufd);
	for (unsigned i = 0; i < repetitions; i++) {
		result("null_syscall", null_syscall_ns());
		result("map_unmap", best_burst(burst_page, &t, 1000));
	}
}

void inside_gib(unsigned repetitions)
{
	int iommufd = iommufd_open();
	uint32_t ioas = ioas_with_engine(iommufd);
	char *memory = anonymous(GIB, -1);
	uint64_t iova;

	/* The first time takes memory for tables. */
	must(map_at(iommufd, ioas, memory, GIB, 8 * GIB + PAGE), "IOAS_MAP");
	must(unmap(iommufd, ioas, 8 * GIB + PAGE, GIB), "IOAS_UNMAP");
	for (unsigned i = 0; i < repetitions; i++) {
		double start = now_ns();
		must(map_anywhere(iommufd, ioas, memory, GIB, &iova), "IOAS_MAP");
		result("gib_anywhere", now_ns() - start);
		must(unmap(iommufd, ioas, iova, GIB), "IOAS_UNMAP");

		start = now_ns();
		must(map_at(iommufd, ioas, memory, GIB, 8 * GIB + PAGE), "IOAS_MAP");
		result("gib_page", (now_ns() - start) / (double)(GIB / PAGE));
		must(unmap(iommufd, ioas, 8 * GIB + PAGE, GIB), "IOAS_UNMAP");
	}
}

/* Areas of one page, one every 64 KiB, in an order; `slots` is that order. */
enum { MANY = 1000000, FEW = 1000, PROBES = 1000 };

static uint64_t slot_iova(uint32_t slot)
{
	return GIB + ((uint64_t)slot << 16);
}

static void fill_to(int iommufd, uint32_t ioas, const void *page, const uint32_t *slots, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++)
		must(map_at(iommufd, ioas, page, PAGE, slot_iova(slots[i])), "IOAS_MAP");
}

/* The cost of one map more, with nr areas there. */
static void probe(int iommufd, uint32_t ioas, const void *page, const uint32_t *slots, unsigned nr, const char *key,
		  unsigned repetitions)
{
	for (unsigned i = 0; i < repetitions; i++) {
		double start = now_ns();
		fill_to(iommufd, ioas, page, slots, nr, nr + PROBES);
		result(key, (now_ns() - start) / PROBES);
		for (unsigned j = nr; j < nr + PROBES; j++)
			must(unmap(iommufd, ioas, slot_iova(slots[j]), PAGE), "IOAS_UNMAP");
	}
}

static void grow(const uint32_t *slots, const char *key_few, const char *key_many, unsigned repetitions)
{
	int iommufd = iommufd_open();
	uint32_t ioas = ioas_create(iommufd);
	void *page = anonymous(PAGE, 1);

	fill_to(iommufd, ioas, page, slots, 0, FEW);
	probe(iommufd, ioas, page, slots, FEW, key_few, repetitions);
	fill_to(iommufd, ioas, page, slots, FEW, MANY);
	probe(iommufd, ioas, page, slots, MANY, key_many, repetitions);
	must(unmap(iommufd, ioas, 0, UINT64_MAX), "IOAS_UNMAP");
}

void inside_areas(unsigned repetitions)
{
	static uint32_t slots[MANY + PROBES];
	unsigned seed = 1;

	for (uint32_t i = 0; i < MANY + PROBES; i++)
		slots[i] = i;
	grow(slots, "ascending_few", "ascending_many", repetitions);
	for (uint32_t i = MANY + PROBES - 1; i > 0; i--) {
		uint32_t j = (uint32_t)rand_r(&seed) % (i + 1), t = slots[i];
		slots[i] = slots[j];
		slots[j] = t;
	}
	grow(slots, "random_few", "random_many", repetitions);
}
