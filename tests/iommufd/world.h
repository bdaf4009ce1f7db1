/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the tests of iommufd/ stand on: a fake program with /dev/iommu open, four functions behind two IOMMU units, an
 * exporter of device memory with a gate, and a device's eyes: walks of a function's page table in a DMA section.
 */
#ifndef TESTS_IOMMUFD_WORLD_H
#define TESTS_IOMMUFD_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <linux/iommufd.h>

#include "dmabuf/dmabuf.h"
#include "dmabuf/type_phys.h"
#include "fake/task.h"
#include "iommufd/iommufd.h"
#include "memory/pinned.h"
#include "memory/section.h"
#include "pci/function.h"
#include "pci/topology.h"

#define PAGE 4096ull
#define MAP_R IOMMU_IOAS_MAP_READABLE
#define MAP_W IOMMU_IOAS_MAP_WRITEABLE
#define MAP_FIXED_AT IOMMU_IOAS_MAP_FIXED_IOVA

enum { WORLD_FUNCTIONS = 4, WORLD_WINDOW = 64 << 20 };

struct world_device {
	struct pci_function fn;
	struct iommufd_device *idev;
	uint32_t id;
};

/* Device memory: a window of one function, exported as buffers. */
struct world_card {
	struct phys_region window;
	struct pci_gate gate;
};

struct world_buffer {
	struct dma_buf *buf;
	struct gate_client client;
	struct world_card *card;
	struct phys_range ranges[8];
	struct dma_buf_phys_list list;
	bool usable; /* under buf->resv */
	int fd;
};

struct world {
	struct phys_space *space;
	struct iommu_unit *units[2]; /* functions 0..2 and 3 */
	struct fake_task *fake;
	struct ns *ns;
	struct iommufd_system *system;
	struct iommufd_ctx *ctx;
	struct pci_root root;
	int iommu;
	struct world_device devices[WORLD_FUNCTIONS];
	struct world_card card;
};

void world_create(struct world *w);
/* Unbinds what is bound, closes what is open; nothing may be left. */
void world_destroy(struct world *w);

int world_open_iommu(struct world *w);
void world_bind(struct world *w, int device);
void world_unbind(struct world *w, int device);
/* 0 or -errno; *pt becomes the page table's id. */
int world_attach(struct world *w, int device, uint32_t *pt);

long world_io(struct world *w, unsigned long cmd, void *arg);
uint32_t world_ioas(struct world *w);
long world_object_destroy(struct world *w, uint32_t id);
long world_map(struct world *w, uint32_t ioas, uint32_t flags, const void *va, uint64_t len, uint64_t *iova);
long world_map_file(struct world *w, uint32_t ioas, uint32_t flags, int fd, uint64_t start, uint64_t len,
		    uint64_t *iova);
long world_copy(struct world *w, uint32_t dst, uint32_t src, uint32_t flags, uint64_t len, uint64_t dst_iova,
		uint64_t src_iova);
long world_unmap(struct world *w, uint32_t ioas, uint64_t iova, uint64_t len);
long world_unmap_all(struct world *w, uint32_t ioas);

/* What the function's page table says. False: nothing is mapped there. */
bool world_walk(struct world *w, int device, iova_t iova, struct iommu_leaf *leaf);
/* Is [iova, iova + len) exactly the memory at host? */
bool world_reaches(struct world *w, int device, iova_t iova, const char *host, uint64_t len);

/* nr ranges of half the size each; returns an fd of the program. */
struct world_buffer *world_export(struct world *w, uint64_t offset, uint64_t size, size_t nr);
/* Closes its fd. */
void world_export_close(struct world *w, struct world_buffer *b);

#endif
