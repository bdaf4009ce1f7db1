/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program with two cards (tests/pci/tree.h): card 0 as vfio0 bound and open, card 3 as vfio1 not opened, a context of
 * iommufd and nothing else. teardown checks that nothing is left alive.
 */
#ifndef TESTS_VFIO_FIXTURE_H
#define TESTS_VFIO_FIXTURE_H

#include "pci/tree.h"

#include <linux/iommufd.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/trace.h"
#include "dmabuf/dmabuf.h"
#include "dmabuf/type_phys.h"
#include "fake/task.h"
#include "file/ns.h"
#include "iommufd/iommufd.h"
#include "vfio/vfio.h"

#define REGION(index) ((uint64_t)(index) << 40)
#define MEMORY_SIZE (64ull << 20)

struct fixture {
	struct trace *trace; /* so that refusals say why, here too */
	struct dma_buf_registry *dma_bufs;
	struct tree *tree;
	struct pci_function *fn; /* card 0's */
	struct card *card;
	struct ns *ns;
	struct iommufd_system *iommufd_system;
	struct vfio_device *devices[2];
	struct fake_task *ft;
	int iommufd, device; /* fds */
};

/* options: NULL or a struct tree_options. traced: what the trace keeps is allocated. */
struct fixture *fixture_create(const struct tree_options *options, bool traced);
void fixture_destroy(struct fixture *x);
int fixture_setup(void **state);
int fixture_teardown(void **state);

int fixture_open(struct fixture *x, const char *path); /* an fd or -errno */
long fixture_bind(struct fixture *x, int device);
/* 0 or -errno of an ioctl on the bound device. */
long device_ioctl(struct fixture *x, unsigned long cmd, void *arg);
/* Config space through the file. */
uint32_t config_read(struct fixture *x, unsigned offset, unsigned len);
void config_write(struct fixture *x, unsigned offset, uint32_t value, unsigned len);
void set_command(struct fixture *x, uint16_t command);
void set_power(struct fixture *x, unsigned state);
/* mmap of a slice of a BAR: its address or -errno, and the mapping at its address. */
int64_t map_bar(struct fixture *x, unsigned bar, uint64_t offset, uint64_t len);
struct fake_mapping *mapping_at(struct fixture *x, int64_t addr);
/* VFIO_DEVICE_FEATURE_DMA_BUF: an fd or -errno. */
int export_ranges(struct fixture *x, uint32_t region, uint32_t open_flags, uint32_t flags, uint32_t nr,
		  const struct vfio_region_dma_range *ranges);
int export_one(struct fixture *x, uint64_t offset, uint64_t len);
/* An IOAS, and a buffer's slice mapped into it at iova: 0 or -errno. */
uint32_t ioas_alloc(struct fixture *x);
long map_file(struct fixture *x, uint32_t ioas, int fd, uint64_t start, uint64_t len, uint64_t iova);
long unmap(struct fixture *x, uint32_t ioas, uint64_t iova, uint64_t len);
long set_irqs(struct fixture *x, uint32_t flags, uint32_t index, uint32_t start, uint32_t count, const void *data,
	      size_t data_len);

#endif
