/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "memory/memory_fd.h"
#include "pci/pci_priv.h"

struct pci_memory {
	int fd;
	uint64_t size;
};

int pci_memory_create(struct pci_memory **out)
{
	struct pci_memory *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	m->fd = memory_fd_create("barter device memory");
	if (m->fd < 0) {
		int err = m->fd;

		free(m);
		return err;
	}
	*out = m;
	return 0;
}

void pci_memory_destroy(struct pci_memory *m)
{
	close(m->fd);
	free(m);
}

int pci_memory_alloc(struct pci_memory *m, uint64_t len, uint64_t *offset, char **host)
{
	void *p;

	if (len > INT64_MAX - m->size)
		return -ENOMEM;
	if (ftruncate(m->fd, m->size + len))
		return -errno;
	p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, m->fd, m->size);
	if (p == MAP_FAILED)
		return -errno;
	*offset = m->size;
	*host = p;
	m->size += len;
	return 0;
}

void pci_memory_free(struct pci_memory *m, uint64_t len, char *host)
{
	/* The pages go with the file. */
	(void)m;
	munmap(host, len);
}

int pci_memory_fd(const struct pci_memory *m)
{
	return m->fd;
}
