/* SPDX-License-Identifier: BSD-3-Clause */
/* Local memory: a bit a granule, first fit, in as few runs as that takes. Nobody gets to see what was there before. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "drm/sgpu_priv.h"

int sgpu_local_init(struct sgpu *gpu)
{
	uint64_t nr = pci_mmio_read(gpu->fn, 0, GPU_LOCAL_MEMORY_SIZE, 8) / SGPU_GRANULE;

	gpu->taken = calloc((nr + 63) / 64, sizeof(*gpu->taken));
	if (!gpu->taken)
		return -ENOMEM;
	gpu->local_size = nr * SGPU_GRANULE;
	gpu->nr_free = nr;
	return 0;
}

void sgpu_local_fini(struct sgpu *gpu)
{
	free(gpu->taken);
}

static bool is_taken(const struct sgpu *gpu, uint64_t granule)
{
	return gpu->taken[granule / 64] >> granule % 64 & 1;
}

static void mark_locked(struct sgpu *gpu, const struct pci_fragment *run, bool taken)
{
	uint64_t nr = run->len / SGPU_GRANULE, first = run->offset / SGPU_GRANULE;

	for (uint64_t g = first; g < first + nr; g++)
		gpu->taken[g / 64] ^= 1ull << g % 64;
	gpu->nr_free += taken ? -nr : nr;
}

/* The first free run at or above *at, at most want bytes; *at is then behind it. */
static struct pci_fragment next_run(const struct sgpu *gpu, uint64_t *at, uint64_t want)
{
	uint64_t end = gpu->local_size / SGPU_GRANULE, first;

	while (*at < end && is_taken(gpu, *at))
		++*at;
	first = *at;
	while (*at < end && !is_taken(gpu, *at) && (*at - first) * SGPU_GRANULE < want)
		++*at;
	return (struct pci_fragment){first * SGPU_GRANULE, (*at - first) * SGPU_GRANULE};
}

/* Pages that are not there are zero, and cost nothing until they are touched. */
static void run_clear(const struct sgpu *gpu, const struct pci_fragment *run)
{
	const struct phys_region *memory = &gpu->fn->bars[SGPU_BAR_MEMORY].regions[0];

	if (fallocate(memory->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)(memory->fd_offset + run->offset),
		      (off_t)run->len))
		memset((char *)atomic_load(&memory->host) + run->offset, 0, run->len);
}

int sgpu_local_alloc(struct sgpu *gpu, uint64_t len, struct pci_fragment *runs, unsigned max, unsigned *nr)
{
	uint64_t at = 0, left = align_up(len, SGPU_GRANULE);

	*nr = 0;
	mutex_lock(&gpu->lock);
	while (left && *nr < max) {
		runs[*nr] = next_run(gpu, &at, left);
		if (!runs[*nr].len)
			break;
		left -= runs[(*nr)++].len;
	}
	for (unsigned i = 0; i < *nr && !left; i++)
		mark_locked(gpu, &runs[i], true);
	mutex_unlock(&gpu->lock);
	for (unsigned i = 0; i < *nr && !left; i++)
		run_clear(gpu, &runs[i]);
	return left || align_up(len, SGPU_GRANULE) < len ? -ENOSPC : 0;
}

void sgpu_local_free(struct sgpu *gpu, const struct pci_fragment *runs, unsigned nr)
{
	mutex_lock(&gpu->lock);
	for (unsigned i = 0; i < nr; i++)
		mark_locked(gpu, &runs[i], false);
	mutex_unlock(&gpu->lock);
}

uint64_t sgpu_local_nr_free(struct sgpu *gpu)
{
	uint64_t nr;

	mutex_lock(&gpu->lock);
	nr = gpu->nr_free;
	mutex_unlock(&gpu->lock);
	return nr * SGPU_GRANULE;
}
