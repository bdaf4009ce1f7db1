/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * PCI functions, an I/O address space and dma-bufs through VFIO and iommufd: the calls that a userspace driver needs.
 *
 * Calls whose refusal would end the story print why and exit; those whose refusal is part of it return -errno.
 */
#ifndef P2P_FUNCTION_H
#define P2P_FUNCTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct function {
	char name[16]; /* 0000:01:00.0 */
	char vfio[16]; /* vfio0: its character device */
	int group;     /* iommu group */
	int fd;	       /* of the device */
};

/* Prints like printf, with ": strerror(errno)" when errno is set, and exits with status 1. */
void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Functions in /sys/bus/pci/devices with these ids that vfio-pci drives, in order of address. How many there are. */
size_t function_find(unsigned vendor, unsigned device, unsigned class_code, struct function *out, size_t max);
/* Opens the device and ties it to the iommufd; memory decoding and, for those that do DMA, bus mastering on. */
void function_open(struct function *f, int iommufd, bool bus_master);
void function_close(struct function *f);
void function_attach(struct function *f, uint32_t ioas);

uint32_t function_config_read(struct function *f, unsigned offset, unsigned len);
void function_config_write(struct function *f, unsigned offset, uint32_t value, unsigned len);
void function_decoding(struct function *f, bool on); /* COMMAND.MSE */
uint64_t function_bar_size(struct function *f, unsigned bar);
void *function_map_bar(struct function *f, unsigned bar, uint64_t offset, size_t len);
int function_msix_eventfd(struct function *f); /* vector 0 signals the eventfd that is returned */
int function_reset(struct function *f);	       /* 0 or -errno */

struct range {
	uint64_t offset, length;
};
/* A dma-buf of these parts of a BAR; the fd or -errno. */
int function_export(struct function *f, unsigned bar, const struct range *ranges, unsigned nr);

int iommufd_open(void);
uint32_t ioas_create(int iommufd);
/* IOVA 0 lets the kernel choose; the new IOVA or -errno. */
int64_t ioas_map(int iommufd, uint32_t ioas, void *memory, size_t len);
int64_t ioas_map_dmabuf(int iommufd, uint32_t ioas, int dmabuf, uint64_t start, uint64_t len, uint64_t iova);
int ioas_unmap(int iommufd, uint32_t ioas, uint64_t iova, uint64_t len);

#endif
